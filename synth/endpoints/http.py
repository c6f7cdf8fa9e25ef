"""Any OpenAI-compatible server over aiohttp, with a deadline for the whole request and plain retries.

Retried: rate limits (``Retry-After`` honoured), 408, 409, 425, 5xx, broken connections, time-outs and bodies that
are no chat completion. Not retried: other 4xx, which fail the row. Wrong key, no quota, an unknown model
and a redirect stop the run at once, since every further request would fail the same way.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import random
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from synth.endpoints.base import Failure, Outcome, Request
from synth.endpoints.bodies import BadBody, error_message, parse_response, request_body
from synth.errors import EndpointRefused, UserError

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a response that are read at most; a chat completion is far smaller."""
SHORTEST_SECRET = 12
"""Characters; shorter keys are placeholders (``EMPTY``, ``lm-studio``) that a reply may well contain."""
BACKOFF_CAP = 30.0
RETRY_AFTER_CAP = 120.0
_TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached"}


class _Attempt(Exception):
    """One try went wrong: what kind, whether to try again, and how long the server asks to wait."""

    def __init__(self, kind: str, detail: str, *, status: int = 0, again: bool, wait: float | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.status, self.again, self.wait = kind, detail, status, again, wait


class HttpEndpoint:
    """One model behind one URL."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        role: str = "generator",
        api_key_env: str | None = None,
        api_key: str | None = None,
        max_in_flight: int = 64,
        timeout: float = 600.0,
        retries: int = 5,
        structured: str = "json_schema",
        send_seed: bool = True,
        transport: dict[str, Any] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.model = model
        self.role = role
        self.api_key_env = api_key_env
        self._api_key = api_key
        self.slots = max_in_flight
        self.timeout = timeout
        self.retries = retries
        self.structured = structured
        self.send_seed = send_seed
        self.transport = transport or {}
        """Keys of the body that do not decide the reply's content (``cache_prompt``)."""
        self._session: aiohttp.ClientSession | None = None
        self._secret = b""

    async def start(self) -> None:
        """Open connections and ask for the list of models, which costs nothing and tests key and model name.

        Raises:
            UserError: the environment variable for the key is not set, or nothing listens at the URL.
            EndpointRefused: the key is refused or the server has no such model.
        """
        key = self._api_key
        if self.api_key_env:
            key = os.environ.get(self.api_key_env, "").strip()
            if not key:
                raise UserError(
                    f"models.{self.role}.api_key_env: the environment variable {self.api_key_env} is not set; "
                    f"export it, or leave api_key_env out for a server without a key"
                )
            if not (key.isascii() and key.isprintable()):
                raise UserError(
                    f"models.{self.role}.api_key_env: the value of {self.api_key_env} holds a line break or another "
                    f"character that no key has; export it again"
                )
        self._secret = (key or "").encode()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            connector=aiohttp.TCPConnector(limit=self.slots + 4, keepalive_timeout=75),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=True,
        )
        try:
            await self._check_model()
        except BaseException:
            await self.close()
            raise

    async def _check_model(self) -> None:
        assert self._session is not None
        try:
            async with asyncio.timeout(30), self._session.get(f"{self.url}/models", allow_redirects=False) as response:
                raw, status = self._without_key(await _read(response)), response.status
        except (aiohttp.ClientError, OSError, TimeoutError, BadBody) as err:
            raise UserError(
                f"models.{self.role}.base_url: no answer from {self._host} ({_plain(err)}); is the server running?"
            ) from None
        if status in (401, 403):
            raise EndpointRefused(self._refused(status, error_message(raw)[0]))
        served = _model_names(raw) if status == 200 else []
        if served and self.model not in served:
            near = difflib.get_close_matches(self.model, served, n=1, cutoff=0.4)
            listed = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(served[:8])}"
            raise EndpointRefused(f"models.{self.role}.model: {self._host} has no model {self.model!r}; {listed}")

    async def complete(self, request: Request) -> Outcome:
        """Send one request, trying again where that can help; see the module's docstring."""
        body = request_body(request, self.model, structured=self.structured, send_seed=self.send_seed)
        payload = {**body, **self.transport}
        attempts: list[dict[str, Any]] = []
        for attempt in range(self.retries + 1):
            try:
                async with asyncio.timeout(self.timeout):
                    raw = await self._post(payload)
                reply = parse_response(raw, request)
                attempts.append({"outcome": "ok"})
                return Outcome(reply, None, attempts)
            except BadBody as err:
                # Mostly a reply that was cut on its way: a broken connection in all but name, and tried again as one.
                failed = _Attempt("bad_body", str(err), again=True)
            except TimeoutError:
                failed = _Attempt("timeout", f"no complete reply within {self.timeout:g} s", again=True)
            except (aiohttp.ClientError, OSError) as err:
                failed = _Attempt("connection", _plain(err), again=True)
            except _Attempt as err:
                failed = err
            attempts.append({"outcome": failed.kind, "status": failed.status, "detail": failed.detail})
            if not failed.again or attempt == self.retries:
                break
            await asyncio.sleep(_pause(attempt, failed.wait))
        return Outcome(None, Failure(failed.kind, failed.detail), attempts)

    async def _post(self, payload: dict[str, Any]) -> bytes:
        if self._session is None:
            raise RuntimeError("start() comes before complete()")
        # Redirects are not followed: they would carry the key to another host.
        async with self._session.post(f"{self.url}/chat/completions", json=payload, allow_redirects=False) as response:
            raw = self._without_key(await _read(response))
            if response.status == 200:
                return raw
            if 300 <= response.status < 400:
                raise EndpointRefused(self._redirected(response.status, response.headers.get("Location", "")))
            raise self._classify(response.status, raw, response.headers.get("Retry-After"))

    def _without_key(self, raw: bytes) -> bytes:
        """Some servers repeat the key in their messages, and those go to the screen and into the journal."""
        return raw.replace(self._secret, b"***") if len(self._secret) >= SHORTEST_SECRET else raw

    def _classify(self, status: int, raw: bytes, retry_after: str | None) -> Exception:
        message, code = error_message(raw)
        if status in (401, 402, 403) or code in _QUOTA_CODES:
            return EndpointRefused(self._refused(status, message))
        if status == 404:
            return EndpointRefused(
                f"models.{self.role}: {self._host} answers 404: {message or 'no such model or path'}"
            )
        if status in _TRANSIENT or status >= 500:
            kind = "rate_limit" if status == 429 else "server_error"
            return _Attempt(kind, f"HTTP {status}: {message}", status=status, again=True, wait=_seconds(retry_after))
        return _Attempt("bad_request", f"HTTP {status}: {message}", status=status, again=False)

    def _redirected(self, status: int, location: str) -> str:
        try:
            target = urlsplit(urljoin(f"{self.url}/", location))
            host = self._without_key(f"{target.scheme}://{target.netloc.rpartition('@')[2]}".encode()).decode()
        except ValueError:
            host = "an unreadable address"
        return f"models.{self.role}.base_url redirects (HTTP {status} to {host[:200]}); give the final URL"

    def _refused(self, status: int, message: str) -> str:
        key = (
            f"the key in {self.api_key_env}" if self.api_key_env else "requests without a key (api_key_env is not set)"
        )
        return f"models.{self.role}: {self._host} refuses {key} (HTTP {status}{f': {message}' if message else ''})"

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


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


def _pause(attempt: int, asked: float | None) -> float:
    """Full-jitter exponential backoff in seconds, or what the server asked for, plus a little jitter."""
    if asked is not None:
        return min(asked, RETRY_AFTER_CAP) + random.uniform(0.0, 0.25)
    return random.uniform(0.0, min(BACKOFF_CAP, 0.5 * 2.0**attempt))


def _seconds(retry_after: str | None) -> float | None:
    try:
        value = float(retry_after) if retry_after is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _model_names(raw: bytes) -> list[str]:
    try:
        data = json.loads(raw)["data"]
        return [str(m["id"]) for m in data]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _plain(err: BaseException) -> str:
    return " ".join((str(err) or type(err).__name__).split())[:200]
