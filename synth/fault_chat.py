"""One chat request of the fault server, from its arrival to its end: which fault it gets, what is counted and logged.

The faults themselves are in :mod:`synth.fault_kinds` and :mod:`synth.fault_delivery`, the replies in
:mod:`synth.fault_replies`; listening, outages and the other paths in :mod:`synth.fault_server`.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any

from synth.fault_delivery import deliver
from synth.fault_kinds import BROKEN, STATUSES, WAYS, body_of, error_body, error_reply
from synth.fault_options import FaultOptions
from synth.fault_replies import Refused, fault_of, parse, reply_to
from synth.fault_stats import Hit, HitLog, Stats, body_hash, canonical_hash

if TYPE_CHECKING:
    from aiohttp import web


class Chat:
    """The chat requests of one server, in order of arrival."""

    def __init__(self, options: FaultOptions) -> None:
        self.options = options
        self.stats = Stats()
        self.log: HitLog | None = None
        self.arrived = 0
        self.open: dict[Hit, asyncio.Task[Any] | None] = {}
        self._faults = Random(options.seed)

    def lose_open(self) -> None:
        """Let the requests in flight end as lost in an outage."""
        for hit in self.open:
            hit.status = hit.fault = "outage"

    async def cut_open(self) -> None:
        """End the requests in flight, also those whose clients hung up, and close the hit log."""
        tasks = [task for task in self.open.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.log is not None:
            self.log.close()
            self.log = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer ``POST /v1/chat/completions``, well or badly."""
        self.arrived += 1
        hit = Hit(self.arrived)
        self.open[hit] = asyncio.current_task()
        self.stats.hits += 1
        self.stats.step(+1)
        try:
            return await self._answer(request, hit)
        except Exception as error:  # a body that is too large, or a mistake of ours
            hit.status = str(getattr(error, "status", 500))
            raise
        finally:
            del self.open[hit]
            self.stats.end(hit)
            if self.log is not None:
                self.log.ended(hit)

    async def _answer(self, request: web.Request, hit: Hit) -> web.StreamResponse:
        from aiohttp import web

        raw = await request.read()
        if self.log is not None:
            hit.body = body_hash(raw)
            self.log.arrived(hit)
        try:
            self.authorise(request)
            body = self._known_model(parse(raw))
            digest = canonical_hash(body)
            reply = reply_to(body, self.options, digest)
        except Refused as refused:
            hit.status = str(refused.args[0])
            return refusal(*refused.args)
        drawn, latency, retry_after = self._draw(hit.n)
        of_body = fault_of(digest, self.options)
        hit.fault = drawn or of_body or None
        if latency:
            await asyncio.sleep(latency)
        if hit.fault == "outage":  # it began meanwhile: nobody is there to read a reply
            return web.Response()
        if drawn in STATUSES:
            status, headers, text = error_reply(drawn)
            if drawn == "429":
                headers["Retry-After"] = retry_after
            hit.status = str(status)
            return web.Response(text=text, status=status, headers=headers)
        return await self._send(request, hit, reply, of_body if drawn in WAYS else drawn or of_body)

    async def _send(self, request: web.Request, hit: Hit, reply: dict[str, Any], fault: str) -> web.StreamResponse:
        """Send a reply with its broken or odd fault, if any, and the trouble on the way that the hit names, if any."""
        from aiohttp import web

        identity = reply["id"]
        data, kind = body_of(reply, fault)
        response: web.StreamResponse
        if hit.fault in WAYS:
            hit.status = hit.fault
            whole, response = await deliver(request, hit.fault, data, kind)
            if not whole or hit.status == "outage":
                return response
        else:
            response = web.Response(body=data, content_type=kind, charset="utf-8")
        hit.status = fault if fault in BROKEN else "200"
        if hit.status == "200":
            self.stats.served.add(identity)
        return response

    def _draw(self, n: int) -> tuple[str, float, str]:
        """Return the nth request's fault ("" for none), latency in seconds and Retry-After; always four draws."""
        options = self.options
        draw = self._faults.random
        share, which, speed, wait = draw(), draw(), draw(), draw()
        fault = options.errors[int(which * len(options.errors))] if share < options.error_rate else ""
        if n <= len(options.script):
            fault = options.script[n - 1] or ""
        latency = options.latency_ms / 1000 * (1 + options.jitter * (2 * speed - 1))
        return fault, latency, "1" if wait < 0.5 else "0"

    def authorise(self, request: web.Request) -> None:
        """Raise Refused unless the request carries the key, where one is wanted."""
        key = self.options.api_key
        if key is not None and request.headers.get("Authorization") != f"Bearer {key}":
            raise Refused(401, "incorrect API key", "invalid_api_key")

    def _known_model(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.options.strict_model and body["model"] not in self.options.models:
            raise Refused(404, f"the model {body['model']!r} does not exist", "model_not_found")
        return body


def in_json(body: dict[str, Any], status: int = 200) -> web.Response:
    """Return a response of JSON."""
    from aiohttp import web

    return web.Response(text=json.dumps(body), status=status, content_type="application/json")


def refusal(status: int, message: str, code: str | None) -> web.Response:
    """Return an error response."""
    return in_json(error_body(status, message, code), status)
