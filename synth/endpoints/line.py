"""Where tries wait for a server: shared by load and health, retries held to a budget, an outage waited for.

A try goes to the server with the smallest share of its limit in use. When none is free it waits in line, retries
first. A retry takes one from a budget that every good reply fills by :data:`RETRY_SHARE` (as gRPC's retry throttling,
proposal A6), by more where nobody but retries is waiting; with the budget empty one retry a second is sent, so that a
server in trouble is not drowned in retries.

When no server has answered for ``max_outage`` seconds in which somebody wanted one, all that wait, and all that come,
get :class:`EndpointRefused`: the run stops with nothing marked as failed, and the same command goes on later.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from synth.endpoints.health import Circuit
from synth.endpoints.server import Server, Try
from synth.endpoints.waits import BACKOFF_CAP
from synth.errors import EndpointRefused

RETRY_SHARE = 0.5
DRAIN_SHARE = 2.0
"""What a good reply gives while only retries wait: each lets two more try, so that a line of them drains quickly."""
RETRIES_HELD = 50.0
"""The budget at the beginning and at most, or the number of open requests if that is larger."""
PACE = 1.0
"""Seconds between retries when the budget is empty."""
WORTH_SAYING = 5.0
"""Seconds; shorter outages are nobody's business."""
INVALID_IN_A_ROW = 25
"""So many requests refused as invalid, and no good reply between them, are a mistake of the spec, not of a row."""


class Turn(NamedTuple):
    """A server to send one try to."""

    server: Server
    trial: bool
    """It is the one try that decides whether the circuit closes."""


class Line:
    """The line in front of the servers of one endpoint."""

    def __init__(self, servers: Sequence[Server], max_outage: float, say: Callable[[str], None]) -> None:
        self.servers = servers
        self.max_outage = max_outage
        self._say = say
        self._first: deque[asyncio.Future[Turn]] = deque()
        self._again: deque[asyncio.Future[Turn]] = deque()
        self._held = max(RETRIES_HELD, float(sum(server.health.slots for server in servers)))
        self._budget = self._held
        self._retry_at = 0.0
        self._invalid = 0
        self._timer: asyncio.TimerHandle | None = None
        self._probes: dict[Server, asyncio.Task[None]] = {}
        self._stopped: BaseException | None = None
        self._ended = asyncio.Event()
        self._wanted_at = time.monotonic()
        """When somebody last wanted a server."""

    async def enter(self, *, again: bool) -> Turn:
        """Wait for a server that takes a try; ``again``: it is a retry. End with :meth:`leave` or :meth:`give_back`.

        Raises:
            EndpointRefused: none has answered for ``max_outage`` seconds.
            BaseException: what :meth:`stop` was given.
        """
        if self._stopped is not None:
            raise self._stopped
        now = time.monotonic()
        self._leave_idleness_out(now)
        if not (self._first or self._again or again) and (server := self._freest(now)) is not None:
            return Turn(server, server.health.take())
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        (self._again if again else self._first).append(turn)
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(turn.result())  # it was our turn in the same moment: pass it on
            raise

    async def pause(self, seconds: float) -> None:
        """Wait before the next try, but not beyond :meth:`stop`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def give_back(self, turn: Turn) -> None:
        """The try was not sent after all, or its end is nobody's fault."""
        turn.server.health.give_back(trial=turn.trial)
        self._serve()

    def leave(self, turn: Turn, result: Try) -> None:
        """The try has ended.

        Raises:
            EndpointRefused: one request after the other is refused as invalid.
        """
        server = turn.server
        server.health.give_back(trial=turn.trial)
        self._wanted_at = time.monotonic()
        if result.reply is not None or not result.again:
            if result.reply is not None:
                self._invalid = 0
                share = RETRY_SHARE if self._first or not self._again else DRAIN_SHARE
                self._budget = min(self._held, self._budget + share)
            if server.health.told:
                seconds = server.health.out_for(time.monotonic())
                self._say(f"{server.role}: {server.host} answers again after {seconds:.0f} s")
            server.health.good()
        self._serve()
        if result.attempt.outcome == "bad_request":
            self._invalid += 1
            if self._invalid >= INVALID_IN_A_ROW:
                raise EndpointRefused(
                    f"models.{server.role}: {server.host} refuses one request after the other "
                    f"({result.attempt.detail}); compare model, structured and extra_body with what it takes, then "
                    f"run again with --retry-failed"
                )

    def stop(self, reason: BaseException) -> None:
        """Send nothing more: those who wait, and those who come, get ``reason``."""
        self._stopped = self._stopped or reason
        self._ended.set()
        for turn in [*self._again, *self._first]:
            if not turn.done():
                turn.set_exception(self._stopped)
        self._again.clear()
        self._first.clear()

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
            if (server := self._freest(now)) is None:
                break
            turn = line.popleft()
            if turn.done():  # cancelled
                continue
            if line is self._again and self._budget >= 1:
                self._budget -= 1
            elif line is self._again:
                self._retry_at = now + PACE
            turn.set_result(Turn(server, server.health.take()))
        if self._first or self._again:
            self._wanted_at = now
            self._check_outage(now)
            self._look_again(now)

    def _freest(self, now: float) -> Server | None:
        """The server with the smallest share of its limit in use, of those that take a request."""
        free = [server for server in self.servers if server.health.free(now)]
        return min(free, key=lambda one: one.health.in_flight / one.health.limit) if free else None

    def _next_line(self, now: float) -> deque[asyncio.Future[Turn]] | None:
        if self._again and (self._budget >= 1 or now >= self._retry_at):
            return self._again
        return self._first or None

    def _look_again(self, now: float) -> None:
        times = [self._retry_at] if self._again and self._retry_at > now else []
        for server in self.servers:
            health = server.health
            if health.failing_since is not None:
                times.append(health.failing_since + self.max_outage)
            if health.resume_at > now:
                times.append(health.resume_at)
            elif health.circuit is Circuit.OPEN and server not in self._probes:
                self._probes[server] = asyncio.create_task(self._probe(server))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if later := [moment for moment in times if moment > now]:
            self._timer = asyncio.get_running_loop().call_later(min(later) - now + 0.001, self._serve)

    async def _probe(self, server: Server) -> None:
        try:
            answers = await server.alive()
        except Exception as err:  # whatever it is, those who wait must not wait for ever
            server.health.last_failure, answers = f"{type(err).__name__}: {err}", False
        finally:
            del self._probes[server]
        if server.health.circuit is Circuit.OPEN:  # else a good reply has closed it meanwhile
            if answers:
                server.health.circuit, server.health.trying = Circuit.TRIAL, False
            else:
                server.health.rest(time.monotonic())
        self._serve()

    def _leave_idleness_out(self, now: float) -> None:
        """An outage counts while somebody wants the server; what happens when nobody does, nobody knows."""
        wanted = self._first or self._again or any(server.health.in_flight for server in self.servers)
        idle = now - self._wanted_at
        if not wanted and idle > 2 * BACKOFF_CAP:  # shorter gaps are pauses between the tries of one question
            for server in self.servers:
                if server.health.failing_since is not None:
                    server.health.failing_since += idle
        self._wanted_at = now

    def _check_outage(self, now: float) -> None:
        """Say that a server is out, and give up when all are, for too long."""
        for server in self.servers:
            if server.health.out_for(now) > WORTH_SAYING and not server.health.told:
                server.health.told = True
                others = len(self.servers) > 1 and not all(one.health.out_for(now) for one in self.servers)
                then = "the others go on" if others else f"waiting for it, for {self.max_outage:g} s at most"
                self._say(f"{server.role}: {server.host} is out of order ({server.health.last_failure}); {then}")
        shortest = min(self.servers, key=lambda one: one.health.out_for(now))
        if shortest.health.out_for(now) >= self.max_outage:
            self.stop(
                EndpointRefused(
                    f"models.{shortest.role}: no good reply from {shortest.host} for "
                    f"{shortest.health.out_for(now):.0f} s ({shortest.health.last_failure}); run the same command "
                    f"again when it works"
                )
            )
