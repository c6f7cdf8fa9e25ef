"""Where tries wait for a server: shared by load and health, retries held to a budget, an outage waited for.

A try goes to the server with the smallest share of its limit in use. When none is free it waits in line, retries
first. A retry takes one from a budget that every good reply fills by :data:`RETRY_SHARE` (as gRPC's retry throttling,
proposal A6); with the budget empty one retry a second is sent, so that a server in trouble is not drowned in retries.

When no server has answered for ``max_outage`` seconds, all that wait, and all that come, get :class:`EndpointRefused`:
the run stops with nothing marked as failed, and the same command goes on later.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from synth.endpoints.health import Circuit
from synth.endpoints.server import Server, Try
from synth.errors import EndpointRefused

RETRY_SHARE = 0.5
RETRIES_HELD = 50.0
"""The budget at the beginning and at most."""
PACE = 1.0
"""Seconds between retries when the budget is empty."""
WORTH_SAYING = 5.0
"""Seconds; shorter outages are nobody's business."""
INVALID_IN_A_ROW = 25
"""So many requests refused as invalid, and no good reply between them, are a mistake of the spec, not of a row."""


class Line:
    """The line in front of the servers of one endpoint."""

    def __init__(self, servers: Sequence[Server], max_outage: float, say: Callable[[str], None]) -> None:
        self.servers = servers
        self.max_outage = max_outage
        self._say = say
        self._first: deque[asyncio.Future[Server]] = deque()
        self._again: deque[asyncio.Future[Server]] = deque()
        self._budget = RETRIES_HELD
        self._retry_at = 0.0
        self._invalid = 0
        self._timer: asyncio.TimerHandle | None = None
        self._probes: dict[Server, asyncio.Task[None]] = {}
        self._refused: EndpointRefused | None = None

    async def enter(self, *, again: bool) -> Server:
        """Wait for a server that takes a try; ``again``: it is a retry. End with :meth:`leave` or :meth:`give_back`.

        Raises:
            EndpointRefused: none has answered for ``max_outage`` seconds.
        """
        if self._refused is not None:
            raise self._refused
        turn: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
        (self._again if again else self._first).append(turn)
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(turn.result())  # it was our turn in the same moment: pass it on
            raise

    def give_back(self, server: Server) -> None:
        """The try was not sent after all, or its end is nobody's fault."""
        server.health.give_back()
        self._serve()

    def leave(self, server: Server, result: Try) -> None:
        """The try has ended.

        Raises:
            EndpointRefused: one request after the other is refused as invalid.
        """
        server.health.give_back()
        if result.reply is not None or not result.again:
            if result.reply is not None:
                self._invalid, self._budget = 0, min(RETRIES_HELD, self._budget + RETRY_SHARE)
            if server.health.told:
                seconds = server.health.out_for(time.monotonic())
                self._say(f"{server.role}: {server.host} answers again after {seconds:.0f} s")
            server.health.good()
        elif server.health.circuit is Circuit.OPEN and server.health.failing_since is not None:
            self._check_outage()
        self._serve()
        if result.attempt.outcome == "bad_request":
            self._invalid += 1
            if self._invalid >= INVALID_IN_A_ROW:
                raise EndpointRefused(
                    f"models.{server.role}: {server.host} refuses one request after the other "
                    f"({result.attempt.detail}); compare model, structured and extra_body with what it takes"
                )

    async def close(self) -> None:
        """End probes and timers."""
        if self._timer is not None:
            self._timer.cancel()
        probes = list(self._probes.values())
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    def _serve(self) -> None:
        """Give servers to those who wait, as far as there are any; see to it that somebody looks again in time."""
        now = time.monotonic()
        while (line := self._next_line(now)) is not None:
            free = [server for server in self.servers if server.health.free(now)]
            if not free:
                break
            turn = line.popleft()
            if turn.done():  # cancelled
                continue
            if line is self._again:
                self._budget, self._retry_at = max(0.0, self._budget - 1), now + PACE
            server = min(free, key=lambda one: one.health.in_flight / one.health.limit)
            server.health.take()
            turn.set_result(server)
        if self._first or self._again:
            self._look_again(now)

    def _next_line(self, now: float) -> deque[asyncio.Future[Server]] | None:
        if self._again and (self._budget >= 1 or now >= self._retry_at):
            return self._again
        return self._first or None

    def _look_again(self, now: float) -> None:
        times = [self._retry_at] if self._again and self._retry_at > now else []
        for server in self.servers:
            health = server.health
            if health.resume_at > now:
                times.append(health.resume_at)
            elif health.circuit is Circuit.OPEN and server not in self._probes:
                self._probes[server] = asyncio.create_task(self._probe(server))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if times:
            self._timer = asyncio.get_running_loop().call_later(min(times) - now + 0.001, self._serve)

    async def _probe(self, server: Server) -> None:
        try:
            if await server.alive():
                server.health.circuit, server.health.trying = Circuit.TRIAL, False
            else:
                server.health.rest(time.monotonic())
        finally:
            del self._probes[server]
        self._check_outage()
        self._serve()

    def _check_outage(self) -> None:
        """Say that a server is out, and give up when all are, for too long."""
        now = time.monotonic()
        for server in self.servers:
            seconds = server.health.out_for(now)
            if seconds > WORTH_SAYING and not server.health.told:
                server.health.told = True
                self._say(
                    f"{server.role}: {server.host} is out of order ({server.health.last_failure}); waiting for it, "
                    f"for {self.max_outage:g} s at most"
                )
        shortest = min(self.servers, key=lambda one: one.health.out_for(now))
        if shortest.health.out_for(now) < self.max_outage:
            return
        self._refused = EndpointRefused(
            f"models.{shortest.role}: no good reply from {shortest.host} for {shortest.health.out_for(now):.0f} s "
            f"({shortest.health.last_failure}); run the same command again when it works"
        )
        for turn in [*self._again, *self._first]:
            if not turn.done():
                turn.set_exception(self._refused)
        self._again.clear()
        self._first.clear()
