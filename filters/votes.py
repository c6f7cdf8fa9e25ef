"""Votes of judges on rows: one score a row from several votes, how far they lie apart, how well judges agree in all.

A vote is a number, or None where a judge gave none (a refusal, a reply that was no number, a judge that did not see
the row). Repeated samples of one judge and single votes of several judges are treated alike; what agreement then means
differs: of one judge with itself, or of judges with each other.

Agreement is Krippendorff's alpha: 1.0 for full agreement, 0.0 for what chance gives, below 0 for systematic
disagreement; Krippendorff calls 0.8 reliable and 0.667 the least for tentative conclusions. Formulas after K.
Krippendorff, "Computing Krippendorff's Alpha-Reliability", University of Pennsylvania, 2011. (Its one maintained
package is under the GPL, which does not fit this project's licence.) Votes are taken as they come: nobody is weighed
or left out as an outlier.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import Literal

import numpy as np

Vote = float | int | None
Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class Score:
    """What the votes on one row come to."""

    mean: float
    median: float
    spread: float
    """The greatest vote less the smallest."""
    deviation: float
    """Standard deviation of the votes (of the votes themselves, not an estimate for others); 0.0 for one vote."""
    votes: int


def score(votes: Iterable[Vote]) -> Score | None:
    """The votes on one row as a score; None where nobody voted.

    Raises:
        ValueError: a vote is not finite.
    """
    given = _given(votes)
    if not given:
        return None
    return Score(fmean(given), float(median(given)), max(given) - min(given), pstdev(given), len(given))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the votes on the rows of a data set agree."""

    alpha: float | None
    """Krippendorff's alpha; None where no row has two votes, or all votes are equal (nothing to tell apart)."""
    rows: int
    """Rows with two votes or more, on which alpha rests."""
    votes: int
    """Votes on those rows."""
    same: float | None
    """Share of those rows on which all votes are equal."""
    spread: float | None
    """Mean of the rows' spreads."""


def agreement(rows: Iterable[Sequence[Vote]], level: Level = "ordinal") -> Agreement:
    """Agreement over a data set, a sequence of votes a row; rows may differ in how many votes they have.

    Args:
        rows: the votes on each row, in any order.
        level: how far two votes lie apart. ``ordinal`` (grades: by how many votes lie between them), ``interval``
            (numbers: by the square of their difference), ``nominal`` (names written as numbers: equal or not).

    Raises:
        ValueError: a vote is not finite, or the level is unknown.
    """
    paired = [given for given in (_given(votes) for votes in rows) if len(given) > 1]
    spreads = [max(given) - min(given) for given in paired]
    return Agreement(
        alpha=_alpha(paired, level),
        rows=len(paired),
        votes=sum(map(len, paired)),
        same=sum(spread == 0 for spread in spreads) / len(paired) if paired else None,
        spread=fmean(spreads) if paired else None,
    )


def _given(votes: Iterable[Vote]) -> list[float]:
    given = [float(vote) for vote in votes if vote is not None]
    if not all(map(math.isfinite, given)):
        raise ValueError(f"a vote must be a finite number or None, got {given}")
    return given


def _alpha(rows: list[list[float]], level: Level) -> float | None:
    """1 - observed over expected disagreement, by the coincidence matrix of values (Krippendorff 2011, section D)."""
    if level not in _DISTANCES:
        raise ValueError(f'level "{level}" is unknown: write ordinal, interval or nominal')
    values = sorted({vote for row in rows for vote in row})
    if len(values) < 2:
        return None
    place = {value: index for index, value in enumerate(values)}
    coincidences = np.zeros((len(values), len(values)))
    for row in rows:
        counts = Counter(place[vote] for vote in row)
        for c, n in counts.items():
            for k, m in counts.items():
                coincidences[c, k] += n * (m - (c == k)) / (len(row) - 1)
    totals = coincidences.sum(axis=1)
    apart = _DISTANCES[level](np.array(values), totals)
    observed = float((coincidences * apart).sum())
    expected = float((np.outer(totals, totals) * apart).sum()) / (float(totals.sum()) - 1)
    return 1 - observed / expected


_Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _nominal(values: _Array, totals: _Array) -> _Array:
    return np.asarray(values[:, None] != values[None, :], dtype=np.float64)


def _interval(values: _Array, totals: _Array) -> _Array:
    # Only ratios count; scaling keeps the squares of great numbers finite.
    scaled = values / max(1.0, float(np.abs(values).max()))
    return np.asarray((scaled[:, None] - scaled[None, :]) ** 2, dtype=np.float64)


def _ordinal(values: _Array, totals: _Array) -> _Array:
    """Squared number of votes from the middle of one grade to the middle of the other."""
    middle = np.cumsum(totals) - totals / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2, dtype=np.float64)


_DISTANCES: Mapping[str, Callable[[_Array, _Array], _Array]] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
}
