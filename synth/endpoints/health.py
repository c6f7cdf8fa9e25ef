"""One server's health: how many requests it takes at once, and whether it answers at all.

- **AIMD** on rate limits: additive increase, multiplicative decrease of the number of open requests (Chiu and Jain,
  1989), never above the spec's ``max_in_flight``. A rate limit halves it, once for all requests that were open at
  that moment; good replies raise it again. A server that never says 429 (vLLM) is held by ``max_in_flight`` alone.
- **Pause**: ``Retry-After`` holds for the whole server, not for the one request that heard it.
- **Circuit breaker**: after :data:`TRIP` failures in a row without a good reply nothing is sent for a while; then a
  probe that costs nothing, then one real request, and only its success opens the way for the others. The while
  doubles from :data:`FIRST_REST` to :data:`LONGEST_REST` seconds.

Times are of the monotonic clock. What this module does not do: it sends nothing and sleeps nowhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum

TRIP = 5
"""Failures in a row that open the circuit. With 20 % random faults that happens three times in 10,000 requests."""
FIRST_REST = 0.5
LONGEST_REST = 30.0
LONGEST_PAUSE = 120.0
"""Seconds; a server that asks for more is tried again after this, and the run ends by ``max_outage``."""
INCREASE = 8.0
"""By how much the limit grows in the time that all open requests take; a halved limit is back after a few of these."""


class Circuit(Enum):
    """Whether requests may be sent."""

    CLOSED = "closed"
    OPEN = "open"
    TRIAL = "trial"
    """The probe was answered; one request may try."""


@dataclass(slots=True)
class Health:
    """State of one server, told of every try."""

    slots: int
    """Upper bound of ``limit``: the spec's ``max_in_flight``."""
    limit: float = field(init=False)
    in_flight: int = 0
    trying: bool = False
    """The one request of a trial is on its way."""
    circuit: Circuit = Circuit.CLOSED
    resume_at: float = 0.0
    """Nothing is sent before."""
    failing_since: float | None = None
    """When the circuit opened; None while the server answers."""
    last_failure: str = ""
    told: bool = False
    """Whether people were told that it is out of order."""
    _in_a_row: int = 0
    _rest: float = FIRST_REST
    _cut_at: float = 0.0
    """When the limit was last halved."""

    def __post_init__(self) -> None:
        self.limit = float(self.slots)

    def free(self, now: float) -> bool:
        """Whether a request may be sent now."""
        if now < self.resume_at or self.circuit is Circuit.OPEN:
            return False
        if self.circuit is Circuit.TRIAL:
            return not self.trying
        return self.in_flight < int(self.limit)

    def take(self) -> bool:
        """A request is about to be sent; returns whether it is the one of a trial."""
        self.in_flight += 1
        trial = self.circuit is Circuit.TRIAL
        self.trying = self.trying or trial
        return trial

    def give_back(self, *, trial: bool = False) -> None:
        """A request that was taken has ended, or was not sent after all."""
        self.in_flight -= 1
        if trial:
            self.trying = False

    def good(self) -> None:
        """A try brought a reply, or an answer that shows the server at work."""
        self.circuit, self._in_a_row, self._rest, self.failing_since = Circuit.CLOSED, 0, FIRST_REST, None
        self.told = False
        if self.in_flight + 1 >= self.limit / 2:  # what is not made use of says nothing about more
            self.limit = min(float(self.slots), self.limit + INCREASE / self.limit)

    def bad(self, detail: str, *, sent_at: float, limited: bool = False, wait: float | None = None) -> bool:
        """A try failed; returns whether that opened the circuit.

        Args:
            detail: why, for people.
            sent_at: when the try was sent: a limit that was halved since is not halved for it again.
            limited: it was a rate limit.
            wait: seconds that the server asked to wait.
        """
        now = time.monotonic()
        self.last_failure = detail
        self._in_a_row += 1
        if limited and sent_at > self._cut_at:
            self.limit, self._cut_at = max(1.0, self.limit / 2), now
        if wait is not None:
            self.resume_at = max(self.resume_at, now + min(wait, LONGEST_PAUSE))
        if self.circuit is Circuit.TRIAL or (self.circuit is Circuit.CLOSED and self._in_a_row >= TRIP):
            self.rest(now)
            return True
        return False

    def rest(self, now: float) -> None:
        """Open the circuit for a while."""
        self.circuit = Circuit.OPEN
        self.failing_since = self.failing_since or now
        self.resume_at = max(self.resume_at, now + self._rest)
        self._rest = min(LONGEST_REST, 2 * self._rest)

    def out_for(self, now: float) -> float:
        """Seconds since its circuit opened; 0 while it answers."""
        return 0.0 if self.failing_since is None else now - self.failing_since
