"""How long requests took: sum, median and 95th percentile of counted seconds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from synth.reporting.shape import Times


def times(counted: Iterable[Counter[float]]) -> Times | None:
    """The times of all requests together; None where there are none.

    A percentile is the least of the seconds within which so many of 100 requests were done (nearest rank).

    Args:
        counted: requests by their seconds.
    """
    seconds: Counter[float] = Counter()
    for one in counted:
        seconds.update(one)
    if not seconds:
        return None
    return Times(
        requests=seconds.total(),
        seconds=round(math.fsum(value * n for value, n in seconds.items()), 3),
        median=_within(seconds, 50),
        p95=_within(seconds, 95),
    )


def _within(seconds: Counter[float], percent: int) -> float:
    rank = -(-seconds.total() * percent // 100)
    for value in sorted(seconds):
        rank -= seconds[value]
        if rank <= 0:
            break
    return value
