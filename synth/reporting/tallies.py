"""Numbers into histograms, the same way for every part of the report."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from synth.reporting.shape import Histogram

_WIDTHS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000)
_BARS = 16


def grades(name: str, kind: str, kept: Sequence[int | None], dropped: Sequence[int], most: int) -> Histogram:
    """A histogram of whole scores from 1 to ``most``; others count at the nearer end."""
    given = [value for value in kept if value is not None]
    places = range(1, most + 1)
    inside, outside = ([min(max(int(v), 1), most) for v in values] for values in (given, dropped))
    return Histogram(
        name=name,
        kind=kind,
        labels=[str(place) for place in places],
        counts=[inside.count(place) for place in places],
        dropped=[outside.count(place) for place in places] if dropped else [],
        missing=len(kept) - len(given),
        mean=fmean(given) if given else None,
        median=float(median(given)) if given else None,
    )


def spans(name: str, kind: str, values: Sequence[float]) -> Histogram:
    """A histogram of numbers in at most about 16 bars of a round width."""
    given = sorted(values)
    labels: list[str] = []
    counts: list[int] = []
    if given:
        width = next((w for w in _WIDTHS if (given[-1] - given[0]) / w < _BARS), _WIDTHS[-1])
        first, last = int(given[0] // width), int(given[-1] // width)
        places = [int(value // width) for value in given]
        for place in range(first, min(last, first + 10 * _BARS) + 1):
            start = place * width
            labels.append(str(start) if width == 1 else f"{start}–{start + width - 1}")
            counts.append(places.count(place))
    return Histogram(
        name=name,
        kind=kind,
        labels=labels,
        counts=counts,
        dropped=[],
        missing=0,
        mean=fmean(given) if given else None,
        median=float(median(given)) if given else None,
    )
