"""The sliding window in front of an endpoint: at most ``limit`` requests open, the oldest seed first.

All seeds share one window per endpoint. Requests that wait are served in the order of their seeds, so open seeds are
finished before new ones are opened; :meth:`Pool.hungry` tells the feeder when a new seed is wanted.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

from synth.endpoints.base import UNRECORDED, Endpoint, Ledger, Outcome, Request
from synth.errors import RunInterrupted

Priority = tuple[int, int]
"""(shard index, seed position)."""


class Pool:
    """Requests of one endpoint, in order of priority."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        ready: Callable[[], Awaitable[None]],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a pool; ``ready`` is awaited before each request and starts the engines when it is first called."""
        self.name = name
        self.endpoint = endpoint
        self._ready = ready
        self.limit = endpoint.slots
        self.in_flight = 0
        self._on_change = on_change
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._stopped: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    def hungry(self) -> bool:
        """Whether a new seed's requests would be sent soon: a short queue hides the time it takes to open one."""
        return self.in_flight + len(self._waiting) < self.limit + max(2, self.limit // 8)

    async def complete(self, priority: Priority, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Wait for a turn, then answer ``request``; raises what :meth:`stop` was given once stopped.

        If nothing is sent after all, because the budget does not cover it, the turn goes to the next.
        """
        await self._turn(priority)
        try:
            await self._ready()
            if self._stopped is not None:
                raise self._stopped
            return await self.endpoint.complete(request, ledger)
        finally:
            self.in_flight -= 1
            self._next()

    async def _turn(self, priority: Priority) -> None:
        if self._stopped is not None:
            raise self._stopped
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
            self._on_change()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.in_flight -= 1  # the turn was given to us in the same moment: pass it on
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting and self.in_flight < self.limit and self._stopped is None:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)
        self._on_change()

    def stop(self, reason: BaseException | None = None) -> None:
        """Send nothing more: those waiting get ``reason``, what is in flight runs to its end."""
        if self._stopped is None:
            self._stopped = reason or RunInterrupted("interrupted")
        waiting, self._waiting = self._waiting, []
        for _, _, turn in waiting:
            if not turn.done():
                turn.set_exception(self._stopped)
        self._on_change()
