"""What the fault server counts: requests by how they ended, how many were in flight and for how long."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from typing import Any

_SAMPLES_KEPT = 72_000  # an hour of them, one every 50 ms


class Stats:
    """Counts since the start or the last reset; times in seconds since then, by the monotonic clock."""

    def __init__(self, in_flight: int = 0) -> None:
        self.start = self.changed = time.monotonic()
        self.hits = 0
        self.in_flight = self.max_in_flight = in_flight
        self.by_status: Counter[str] = Counter()
        self.seconds_at: defaultdict[str, float] = defaultdict(float)
        self.served: set[str] = set()
        self.samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES_KEPT)

    def step(self, by: int) -> None:
        """Note that so many more (or fewer) requests are in flight."""
        now = time.monotonic()
        self.seconds_at[str(self.in_flight)] += now - self.changed
        self.changed, self.in_flight = now, self.in_flight + by
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def snapshot(self) -> dict[str, Any]:
        """Return plain copies of everything, fit for JSON: see :meth:`synth.fault_server.FaultServer.stats`."""
        now = time.monotonic()
        seconds_at = dict(self.seconds_at)
        level = str(self.in_flight)
        seconds_at[level] = seconds_at.get(level, 0.0) + now - self.changed
        return {
            "hits": self.hits,
            "by_status": dict(self.by_status),
            "distinct": len(self.served),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "seconds": now - self.start,
            "seconds_at": seconds_at,
            "samples": [list(sample) for sample in list(self.samples)],
        }
