"""One server of an endpoint: a try is sent, and what comes back is told apart by whose fault it is.

Wrong key, no quota, an unknown model and a redirect raise :class:`EndpointRefused`, since every further request would
fail the same way. All else is an :class:`Attempt`: retried by :mod:`synth.endpoints.http` or not.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import time
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp

from synth.endpoints.base import Attempt, Reply, Request
from synth.endpoints.bodies import CONTENT_CODES, QUOTA_CODES, TRANSIENT, BadBody, error_message, parse_response
from synth.endpoints.health import Health
from synth.endpoints.keys import Key
from synth.endpoints.waits import retry_after
from synth.errors import EndpointRefused, UserError

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a response that are read at most; a chat completion is far smaller."""
PROBE_SECONDS = 10.0
_CHAT = {"Content-Type": "application/json"}


class Try(NamedTuple):
    """How one try ended."""

    attempt: Attempt
    reply: Reply | None = None
    again: bool = True
    """Whether trying again may help."""
    wait: float | None = None
    """Seconds that the server asks to wait."""


class Server:
    """One URL: sends tries, keeps its own health."""

    def __init__(self, url: str, model: str, role: str, slots: int) -> None:
        self.url = url.rstrip("/")
        self.address = f"{self.url}/chat/completions"
        """Where tries are sent."""
        self.host = urlsplit(self.url).netloc
        self.model = model
        self.role = role
        self.health = Health(slots)
        self.key = Key()
        self.session: aiohttp.ClientSession | None = None

    async def check(self) -> None:
        """Ask for the list of models, which costs nothing and tests key and model name.

        Raises:
            UserError: nothing listens at the URL.
            EndpointRefused: the key is refused or the server has no such model.
        """
        try:
            status, raw = await self._models(30.0)
        except (aiohttp.ClientError, OSError, TimeoutError, BadBody) as err:
            raise UserError(
                f"models.{self.role}.base_url: no answer from {self.host} ({self._plain(err)}); is the server running?"
            ) from None
        if status in (401, 403):
            raise EndpointRefused(self.key.refused(self.role, self.host, status, self._said(raw)[0]))
        served = _model_names(raw) if status == 200 else []
        if served and self.model not in served:
            near = difflib.get_close_matches(self.model, served, n=1, cutoff=0.4)
            listed = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(served[:8])}"
            raise EndpointRefused(f"models.{self.role}.model: {self.host} has no model {self.model!r}; {listed}")

    async def alive(self) -> bool:
        """Whether the server answers at all; costs nothing."""
        try:
            status, _ = await self._models(PROBE_SECONDS)
        except (aiohttp.ClientError, OSError, TimeoutError, BadBody) as err:
            self.health.last_failure = self._plain(err)
            return False
        if status >= 500:
            self.health.last_failure = f"HTTP {status}"
        return status < 500

    async def _models(self, seconds: float) -> tuple[int, bytes]:
        assert self.session is not None
        async with (
            asyncio.timeout(seconds),
            self.session.get(f"{self.url}/models", headers=self.key.headers(), allow_redirects=False) as response,
        ):
            return response.status, self.key.hide(await _read(response))

    async def attempt(self, payload: bytes, request: Request, seconds: float) -> Try:
        """Send one try and wait at most ``seconds`` for its last byte.

        Raises:
            EndpointRefused: asking again would not help.
        """
        if self.session is None:
            raise RuntimeError("start() comes before complete()")
        sent_at = time.monotonic()
        try:
            # Redirects are not followed: they would carry the key to another host.
            async with (
                asyncio.timeout(seconds),
                self.session.post(
                    self.address,
                    data=payload,
                    headers={**_CHAT, **self.key.headers()},
                    allow_redirects=False,
                ) as response,
            ):
                raw = self.key.hide(await _read(response))
                if response.status != 200:
                    return self._refused(response.status, raw, response, sent_at)
            reply = self.read(raw, request)
        except BadBody as err:
            # Mostly a reply that was cut on its way: a broken connection in all but name, and tried again as one.
            return self._failed(Attempt("bad_body", 200, self.key.hide_in_error(str(err))), sent_at)
        except TimeoutError:
            return self._failed(Attempt("timeout", 0, f"no complete reply within {seconds:g} s", None), sent_at)
        except aiohttp.ClientConnectorError as err:
            return self._failed(Attempt("connection", 0, self._plain(err), False), sent_at)
        except (aiohttp.ClientError, OSError) as err:
            return self._failed(Attempt("connection", 0, self._plain(err), None), sent_at)
        return Try(Attempt("ok"), reply)

    def read(self, raw: bytes, request: Request) -> Reply:
        """The reply in the body of a response; raises BadBody."""
        return parse_response(raw, request)

    def _failed(self, attempt: Attempt, sent_at: float) -> Try:
        self.health.bad(attempt.detail, sent_at=sent_at)
        return Try(attempt)

    def _refused(self, status: int, raw: bytes, response: aiohttp.ClientResponse, sent_at: float) -> Try:
        message, code = self._said(raw)
        if 300 <= status < 400:
            raise EndpointRefused(self._redirected(status, response.headers.get("Location", "")))
        if status in (401, 402, 403) or code in QUOTA_CODES:
            raise EndpointRefused(self.key.refused(self.role, self.host, status, message))
        if status == 404:
            raise EndpointRefused(f"models.{self.role}: {self.host} answers 404: {message or 'no such model or path'}")
        detail = f"HTTP {status}: {message}"
        if status in TRANSIENT or status >= 500:
            kind, wait = "rate_limit" if status == 429 else "server_error", retry_after(response.headers)
            self.health.bad(detail, sent_at=sent_at, limited=status == 429, wait=wait)
            return Try(Attempt(kind, status, detail), wait=wait)
        kind = "content_filter" if code in CONTENT_CODES else "bad_request"
        return Try(Attempt(kind, status, detail), again=False)

    def _said(self, raw: bytes) -> tuple[str, str]:
        """Message and code of an error."""
        message, code = error_message(raw)
        return self.key.hide_in_error(message), code

    def _plain(self, err: BaseException) -> str:
        """An error of the network in one short line; aiohttp quotes what it could not read."""
        return self.key.hide_in_error(" ".join((str(err) or type(err).__name__).split()))[:200]

    def _redirected(self, status: int, location: str) -> str:
        try:
            target = urlsplit(urljoin(f"{self.url}/", location))
            host = self.key.hide_in_error(f"{target.scheme}://{target.netloc.rpartition('@')[2]}")
        except ValueError:
            host = "an unreadable address"
        return f"models.{self.role}.base_url redirects (HTTP {status} to {host[:200]}); give the final URL"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, read in pieces so that a huge one is given up early instead of filling the memory."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            response.close()
            raise BadBody(f"the response is larger than {MAX_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _model_names(raw: bytes) -> list[str]:
    try:
        data = json.loads(raw)["data"]
        return [str(m["id"]) for m in data]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
