"""Any OpenAI-compatible server over aiohttp: the one layer that tries again, within a deadline and a budget.

Tried again: rate limits, 408, 409, 425, 5xx, broken connections, time-outs and replies that are no chat completion;
each try goes to the server that has most room. Not tried again: other 4xx, which fail the row. What stops the run
stands in :mod:`synth.endpoints.server` and :mod:`synth.endpoints.line`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from synth.endpoints.base import UNRECORDED, Attempt, Failure, Ledger, Outcome, Request
from synth.endpoints.bodies import request_body
from synth.endpoints.keys import Key
from synth.endpoints.line import Line, Turn
from synth.endpoints.server import Server, Try
from synth.endpoints.waits import backoff
from synth.errors import EndpointRefused, UserError
from synth.failpoints import failpoint
from synth.spec_models import RemoteModel

log = logging.getLogger(__name__)


class HttpEndpoint:
    """One model behind one URL or several."""

    server_kind = Server

    def __init__(
        self,
        urls: str | Sequence[str],
        model: str,
        *,
        role: str = "generator",
        api_key_env: str | None = None,
        api_key: str | None = None,
        max_in_flight: int = 64,
        timeout: float = 600.0,
        deadline: float = 3600.0,
        retries: int = 8,
        max_outage: float = 600.0,
        structured: str = "json_schema",
        send_seed: bool = True,
        transport: dict[str, Any] | None = None,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        """Make an endpoint; sizes and seconds as in :class:`synth.spec_models.RemoteModel`."""
        urls = [urls] if isinstance(urls, str) else urls
        self.servers = [self.server_kind(url, model, role, max_in_flight) for url in urls]
        self.model = model
        self.role = role
        self.api_key_env = api_key_env
        self._api_key = api_key
        self.slots = max_in_flight * len(self.servers)
        self.timeout = timeout
        self.deadline = deadline
        self.retries = retries
        self.structured = structured
        self.send_seed = send_seed
        self.transport = transport or {}
        """Keys of the body that do not decide the reply's content (``cache_prompt``)."""
        self._say = say
        self._line = Line(self.servers, max_outage, say)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open connections and ask each server for its models, which costs nothing.

        Raises:
            UserError: the environment variable for the key is not set, or nothing listens at any URL.
            EndpointRefused: a server refuses the key or has no such model.
        """
        key = Key.from_environment(self.role, self.api_key_env) if self.api_key_env else Key(self._api_key)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=75),  # the line holds the number
            timeout=aiohttp.ClientTimeout(total=None),
        )
        for server in self.servers:
            server.key, server.session = key, self._session
        try:
            found = await asyncio.gather(*(server.check() for server in self.servers), return_exceptions=True)
            for error in found:
                if isinstance(error, BaseException) and not isinstance(error, UserError):
                    raise error
            down = [(server, e) for server, e in zip(self.servers, found, strict=True) if isinstance(e, UserError)]
            if len(down) == len(self.servers):
                raise down[0][1]
        except BaseException:
            await self.close()
            raise
        for server, error in down:
            server.health.rest(time.monotonic())
            self._say(f"{error} The others go on without it")

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent for a request."""
        return dict(request_body(request, self.model, structured=self.structured, send_seed=self.send_seed))

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Answer one request, trying again where that can help; see the module's docstring."""
        payload = json.dumps({**self.body(request), **self.transport}).encode()
        attempts: list[Attempt] = []
        left = self.deadline
        while True:
            turn = await self._line.enter(again=bool(attempts))
            # Waiting in line does not count: a server that is limited or out of order must not fail every row.
            started = time.monotonic()
            result = await self._try(turn, payload, request, ledger, min(self.timeout, left))
            attempts.append(result.attempt)
            if result.reply is not None:
                return Outcome(result.reply, None, attempts)
            left -= time.monotonic() - started
            # A wait that the server asks for is kept by the whole line; "0" asks for nothing.
            pause = 0.0 if result.wait else backoff(len(attempts))
            if not result.again or len(attempts) > self.retries or left <= pause:
                return Outcome(None, Failure(result.attempt.outcome, result.attempt.detail), attempts)
            await self._line.pause(pause)
            left -= pause

    async def _try(self, turn: Turn, payload: bytes, request: Request, ledger: Ledger, seconds: float) -> Try:
        """One try, told to the ledger before and after whatever becomes of it."""
        try:
            await ledger.begin()
            failpoint("intent")
        except BaseException:
            self._line.give_back(turn)
            raise
        sent = time.monotonic()
        try:
            result = await turn.server.attempt(payload, request, seconds)
        except EndpointRefused as err:
            ledger.end(Attempt("refused", 0, str(err)))
            self._line.give_back(turn)
            raise
        except BaseException:  # cancelled: the ledger keeps it as sent, with an end that nobody knows
            self._line.give_back(turn)
            raise
        result = result._replace(attempt=replace(result.attempt, seconds=time.monotonic() - sent))
        if result.reply is not None:
            failpoint("reply")
        ledger.end(result.attempt, result.reply)
        self._line.leave(turn, result)
        return result

    def stop(self, reason: BaseException) -> None:
        """Send nothing more: what waits for a server, or for its next try, gets ``reason``."""
        self._line.stop(reason)

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()
        if self._session is not None:
            await self._session.close()
            self._session = None


def http_endpoint(
    model: RemoteModel,
    urls: Sequence[str],
    role: str,
    *,
    api_key: str | None = None,
    kind: type[HttpEndpoint] = HttpEndpoint,
    **others: Any,
) -> HttpEndpoint:
    """The endpoint of a spec's model at ``urls``; ``api_key`` goes before the environment's."""
    options: dict[str, Any] = {
        "api_key_env": None if api_key else model.api_key_env,
        "api_key": api_key,
        "max_in_flight": model.max_in_flight,
        "timeout": model.timeout,
        "deadline": model.deadline,
        "retries": model.retries,
        "max_outage": model.max_outage,
        "structured": model.structured,
        "send_seed": model.send_seed is not False,
    }
    return kind(urls, model.name, role=role, **{**options, **others})
