"""What the fault server counts: requests by how they ended, how many were in flight and for how long; the hit log.

The hit log is a witness that does not depend on either side surviving: a line is handed to the operating system before
the request is worked on, so killing the server or its client at any moment leaves every request that arrived on
record. It is not synced to the disk, so a power cut may take the last lines.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from synth.errors import UserError

_sorted_json = json.JSONEncoder(sort_keys=True).encode
_SAMPLES_KEPT = 72_000  # an hour of them, one every 50 ms


@dataclass(slots=True, eq=False)
class Hit:
    """One chat request: its number in order of arrival from 1, how it ended (until then "cut"), its fault, if any."""

    n: int
    body: str | None = None
    """First 24 hex digits of the body's hash; only where there is a hit log."""
    status: str = "cut"
    fault: str | None = None


def canonical_hash(body: Any) -> bytes:
    """Return the SHA-256 of a parsed body, the same for any order of its keys."""
    return sha256(_sorted_json(body).encode()).digest()


def body_hash(raw: bytes) -> str:
    """Return 24 hex digits for a body as received: those of its reply's ``id``; for what is no JSON, of its bytes."""
    try:
        return canonical_hash(json.loads(raw)).hex()[:24]
    except (ValueError, RecursionError):
        return sha256(raw).hexdigest()[:24]


class HitLog:
    """A file that gets one line of JSON an event; lines are appended whole and at once."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises UserError if the file cannot be opened for appending."""
        try:
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - it lives as long as the server
        except OSError as error:
            raise UserError(f"--hit-log {os.fspath(path)}: {error.strerror or error}") from error

    def arrived(self, hit: Hit) -> None:
        """Note a request that has been read."""
        self._write({"n": hit.n, "body": hit.body, "event": "arrived"})

    def ended(self, hit: Hit) -> None:
        """Note how it ended."""
        self._write({"n": hit.n, "body": hit.body, "event": "ended", "status": hit.status, "fault": hit.fault})

    def _write(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Stats:
    """Counts since the start or the last reset; times in seconds since then, by the monotonic clock."""

    def __init__(self, in_flight: int = 0) -> None:
        self.start = self.changed = time.monotonic()
        self.hits = 0
        self.in_flight = self.max_in_flight = in_flight
        self.by_status: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.seconds_at: defaultdict[int, float] = defaultdict(float)
        self.served: set[str] = set()
        self.samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES_KEPT)

    def step(self, by: int) -> None:
        """Note that so many more (or fewer) requests are in flight."""
        now = time.monotonic()
        self.seconds_at[self.in_flight] += now - self.changed
        self.changed, self.in_flight = now, self.in_flight + by
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self, hit: Hit) -> None:
        """Count how a request ended."""
        self.by_status[hit.status] += 1
        if hit.fault is not None:
            self.by_fault[hit.fault] += 1
        self.step(-1)

    def snapshot(self) -> dict[str, Any]:
        """Return plain copies of everything, fit for JSON: see :meth:`synth.fault_server.FaultServer.stats`."""
        now = time.monotonic()
        seconds_at = dict(self.seconds_at)
        seconds_at[self.in_flight] = seconds_at.get(self.in_flight, 0.0) + now - self.changed
        return {
            "hits": self.hits,
            "by_status": dict(self.by_status),
            "by_fault": dict(self.by_fault),
            "distinct": len(self.served),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "seconds": now - self.start,
            "seconds_at": {str(level): seconds for level, seconds in seconds_at.items()},
            "samples": [list(sample) for sample in list(self.samples)],
        }
