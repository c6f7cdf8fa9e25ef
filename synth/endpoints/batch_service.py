"""The Files and Batches API of OpenAI and compatible services, through the ``openai`` package.

Its own retries are off. Looking (list, retrieve, download) and uploading can be done again and are; creating a batch
cannot: after a creation without an answer the list of batches says whether it is there. A key, a quota or an address
that the service refuses is :class:`EndpointRefused`, and so is a service that stays silent for ``max_outage`` seconds.

Services that do not keep the metadata of a batch, or list only some of their batches, cannot be asked what was sent
before: there a process that dies right after a creation pays again. No knowledge of requests and replies here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from synth.endpoints.bodies import QUOTA_CODES, TRANSIENT, error_message
from synth.endpoints.keys import Key
from synth.endpoints.waits import backoff, retry_after
from synth.errors import EndpointRefused

if TYPE_CHECKING:
    from openai.types import Batch

T = TypeVar("T")
ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
TAG = "clinsynth"
"""Key of the metadata that holds our tag."""
LAG = 10.0
"""Seconds after which a batch that was created shows up in the list, at the latest."""
FORGOTTEN = 30 * 86_400
"""Age in seconds at which a service has deleted the files of a batch."""
CALL_TIMEOUT = 60.0
"""Seconds for a call that moves no file."""
LONGEST_WAIT = 120.0
"""Seconds between two tries at most, whatever the service asks for."""


class Missing(Exception):
    """The service has no such file, or no such batch."""


class BatchService:
    """Uploads, creates, lists, retrieves and downloads; one model's batches carry one tag."""

    def __init__(self, url: str, key: Key, *, role: str, tag: str, timeout: float, max_outage: float) -> None:
        """Make a client; nothing is sent. ``timeout``: seconds for moving a file."""
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        self.role, self.tag, self.timeout, self.max_outage = role, tag, timeout, max_outage
        self._key = key
        self._host = urlsplit(url).netloc
        # Redirects are not followed: they would carry the prompts to another host.
        self._client = AsyncOpenAI(
            base_url=url,
            api_key=key.value or "none",
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def mine(self) -> list[Batch]:
        """All batches with our tag whose files may still be there, the newest first."""
        found: dict[str, Batch] = {}
        seen: set[str] = set()
        after: str | None = None
        while True:
            page = await self._list(after)
            fresh = [batch for batch in page if batch.id not in seen]
            seen.update(batch.id for batch in fresh)
            for batch in fresh:
                if (batch.metadata or {}).get(TAG) == self.tag:
                    found[batch.id] = batch
            # Without news the service knows no pages and answers with the first one for ever.
            if not fresh or (fresh[-1].created_at or 0) < time.time() - FORGOTTEN:
                return sorted(found.values(), key=lambda batch: batch.created_at or 0, reverse=True)
            after = fresh[-1].id

    async def mine_for_certain(self) -> list[Batch]:
        """As :meth:`mine`, with those that were created a moment ago and that the service may list late."""
        first = await self.mine()
        await asyncio.sleep(LAG)
        later = await self.mine()
        known = {batch.id for batch in later}
        return [*later, *(batch for batch in first if batch.id not in known)]

    async def _list(self, after: str | None) -> list[Batch]:
        from openai import omit

        async def listed() -> list[Batch]:
            page = await self._client.batches.list(limit=100, after=after or omit)
            return [_checked(batch) for batch in page.data or []]

        try:
            return await self._again(listed, CALL_TIMEOUT)
        except Missing:
            raise EndpointRefused(f"models.{self.role}.base_url: {self._host} has no Batch API") from None

    async def retrieve(self, batch_id: str) -> Batch:
        """The batch as it is now.

        Raises:
            Missing: there is none of this name.
        """

        async def retrieved() -> Batch:
            return _checked(await self._client.batches.retrieve(batch_id))

        return await self._again(retrieved, CALL_TIMEOUT)

    async def download(self, file_id: str, path: Path) -> None:
        """Write a file of the service to ``path``, piece by piece.

        Raises:
            Missing: it is not there (any more).
        """

        async def written() -> None:
            with path.open("wb") as file:
                async with self._client.files.with_streaming_response.content(file_id) as response:
                    async for piece in response.iter_bytes(1 << 20):
                        file.write(piece)

        await self._again(written, self.timeout)

    async def submit(self, path: Path, requests: int, sha256: str) -> Batch:
        """Upload ``path`` and create a batch of it, once, whatever becomes of the answers."""
        file_id = await self._upload(path)
        silent_since = time.monotonic()
        for tries in itertools.count(1):
            try:
                async with asyncio.timeout(CALL_TIMEOUT):
                    created = await self._client.batches.create(
                        completion_window="24h",
                        endpoint=ENDPOINT,
                        input_file_id=file_id,
                        metadata={TAG: self.tag, "requests": str(requests), "sha256": sha256},
                    )
                return _checked(created)
            except Exception as err:
                said, wait = self._sort(err)
            # Nobody knows whether it was created; the file, which is ours alone, tells.
            for pause in (0.0, LAG):
                await asyncio.sleep(pause)
                for batch in await self.mine():
                    if batch.input_file_id == file_id:
                        return batch
            await self._pause(tries, silent_since, said, wait)
        raise AssertionError("itertools.count() has no end")

    async def _upload(self, path: Path) -> str:
        async def uploaded() -> str:
            with path.open("rb") as file:
                return str(_checked(await self._client.files.create(file=(path.name, file), purpose="batch")).id)

        try:
            return await self._again(uploaded, self.timeout)
        except Missing:
            raise EndpointRefused(f"models.{self.role}.base_url: {self._host} has no Files API") from None

    async def _again(self, call: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Make a call that can be repeated, until it has an answer."""
        silent_since = time.monotonic()
        for tries in itertools.count(1):
            try:
                async with asyncio.timeout(seconds):
                    return await call()
            except Exception as err:
                said, wait = self._sort(err)
            await self._pause(tries, silent_since, said, wait)
        raise AssertionError("itertools.count() has no end")

    async def _pause(self, tries: int, silent_since: float, said: str, wait: float | None) -> None:
        if time.monotonic() - silent_since > self.max_outage:
            raise EndpointRefused(
                f"models.{self.role}: {self._host} has given no good answer for {self.max_outage:g} s (the last: "
                f"{said}); run the same command again to go on from here"
            )
        await asyncio.sleep(min(wait, LONGEST_WAIT) if wait else backoff(tries))

    def _sort(self, err: Exception) -> tuple[str, float | None]:
        """Say what went wrong, and how long the service asks to wait, when trying again can help; else raise."""
        from httpx2 import HTTPError
        from openai import APIStatusError, OpenAIError

        if not isinstance(err, APIStatusError):
            # ValueError: a body that is no JSON, which the package passes on as it is.
            if isinstance(err, OpenAIError | HTTPError | OSError | ValueError):
                return self._plain(str(err) or type(err).__name__), None
            raise err
        message, code = error_message(_raw(err.body))
        status, message = err.status_code, self._plain(message)
        if status in (401, 402, 403) or code in QUOTA_CODES:
            raise EndpointRefused(self._key.refused(self.role, self._host, status, message)) from None
        if status == 404:
            raise Missing(message) from None
        if status in TRANSIENT or status >= 500:
            return f"HTTP {status}: {message}", retry_after(err.response.headers)
        if 300 <= status < 400:
            raise EndpointRefused(
                f"models.{self.role}.base_url redirects (HTTP {status}); give the final URL"
            ) from None
        raise EndpointRefused(
            f"models.{self.role}: {self._host} refuses the batch (HTTP {status}: {message})"
        ) from None

    def _plain(self, text: str) -> str:
        """One short line without the key."""
        return self._key.hide_in_error(" ".join(text.split()))[:300]


def _checked(thing: T) -> T:
    """The package makes an object, or a str, of any body; one without an id is no answer."""
    if not isinstance(getattr(thing, "id", None), str):
        raise ValueError("an answer without an id")
    return thing


def _raw(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
