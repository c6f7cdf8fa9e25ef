"""Uncertainty of scores and of differences between two runs on the same items.

Everything takes plain numbers and arrays, and knows nothing about models or files. Shares are between 0 and 1, never
points. One value stands for one item: of several seeds the mean. Items of one case are not independent, so whatever
has ``clusters`` counts cases: equal labels belong together. Resampling is seeded: the same input, the same output.

Small sets are the rule here, so intervals of the central limit theorem are avoided where there is another: Wilson's
for a share, a bootstrap for a difference, and where hardly any item changed, which a bootstrap would take for
certainty, the adjusted interval of Agresti and Min. What a model would answer the next time it is asked is not
estimated here but for the share of it that several seeds show.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Of intervals; tests are called significant at one minus it."""
DRAWS = 10_000
FEW = 10
"""Clusters that changed, below which a bootstrap says too little."""

_CHUNK = 4_000_000  # counts held at once while resampling


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and where the truth plausibly lies."""

    value: float
    low: float
    high: float
    how: str
    """The method: ``wilson``, ``bootstrap``, ``adjusted`` or ``student``."""


def wilson(k: float, n: float, level: float = LEVEL) -> Interval:
    """Wilson's score interval (1927) for a share of ``k`` in ``n``; both may be broken, as effective numbers are.

    Raises:
        ValueError: ``n`` is not above 0, or ``k`` not between 0 and ``n``.
    """
    if not n > 0 or not 0 <= k <= n:
        raise ValueError(f"a share needs 0 <= k <= n and n above 0, got {k} of {n}")
    z, share = _z(level), k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, middle - half)
    return Interval(share, low, 1.0 if k == n else min(1.0, middle + half), "wilson")


def clustered_se(values: Sequence[float] | Floats, clusters: Sequence[Hashable] | None = None) -> float:
    """Standard error of the mean where items of one cluster go together; without clusters the usual one.

    The sandwich estimator of Liang and Zeger (1986) for a mean, with the factor G / (G - 1) for G clusters; infinite
    for a single cluster, which says nothing about others.

    Raises:
        ValueError: there are no values, or not a cluster for each.
    """
    sums, sizes = _by_cluster(values, clusters)
    groups, n = len(sums), sizes.sum()
    if groups < 2:
        return math.inf
    residuals = sums - sizes * (sums.sum() / n)
    return float(np.sqrt(groups / (groups - 1) * (residuals**2).sum()) / n)


def share_interval(
    values: Sequence[float] | Floats, clusters: Sequence[Hashable] | None = None, level: float = LEVEL
) -> Interval:
    """Wilson's interval of a mean of values from 0 to 1, with the number of *independent* answers in place of ``n``.

    That number is what a simple sample would need for the clustered standard error: share * (1 - share) / se². It is
    at most the number of items, so seeds that differ never make the interval narrower than one seed's would be.
    Items that are all right, or all wrong, count once a cluster.

    Raises:
        ValueError: there are no values, not a cluster for each, or a value is out of range.
    """
    values = np.asarray(values, dtype=np.float64)
    if ((values < 0) | (values > 1)).any():
        raise ValueError("values must be between 0 and 1")
    sums, _ = _by_cluster(values, clusters)
    n, share = len(values), float(values.mean())
    spread = share * (1 - share)
    if len(sums) == n and set(np.unique(values)) <= {0.0, 1.0}:
        return wilson(float(values.sum()), n, level)
    error = clustered_se(values, clusters)
    effective = spread / error**2 if spread > 0 and error > 0 else float(len(sums))
    effective = min(max(effective, 1.0), float(n))
    return wilson(min(share * effective, effective), effective, level)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p of McNemar's test: ``b`` items were lost and ``c`` won; 1.0 where nothing changed.

    The binomial test of ``b`` in ``b + c`` against one half, in whole numbers.

    Raises:
        ValueError: a count is negative.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts cannot be negative, got {b} and {c}")
    n, term, tail = b + c, 1, 0
    for k in range(min(b, c) + 1):
        tail += term
        term = term * (n - k) // (k + 1)
    return min(1.0, 2 * tail / (1 << n))


def sign_test(differences: Sequence[float] | Floats, clusters: Sequence[Hashable] | None = None) -> float:
    """Exact p that clusters get better as often as worse; with one seed and no clusters this is McNemar's test.

    Raises:
        ValueError: there are no differences, or not a cluster for each.
    """
    sums, _ = _by_cluster(differences, clusters)
    return mcnemar_exact(int((sums < -1e-9).sum()), int((sums > 1e-9).sum()))


def paired_bootstrap(
    differences: Sequence[float] | Floats,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Interval:
    """Mean difference with the percentile interval of a bootstrap that draws whole clusters (Efron 1979).

    Raises:
        ValueError: there are no differences, or not a cluster for each.
    """
    sums, sizes = _by_cluster(differences, clusters)
    # Clusters of equal sum and size are exchangeable: how often each kind is drawn is all that matters.
    kinds, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    generator, means = np.random.default_rng(seed), np.empty(draws)
    step = max(1, _CHUNK // len(kinds))
    for start in range(0, draws, step):
        some = min(step, draws - start)
        drawn = generator.multinomial(len(sums), counts / len(sums), size=some)
        means[start : start + some] = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    value = float(sums.sum() / sizes.sum())
    return Interval(value, float(low), float(high), "bootstrap")


def adjusted_interval(
    differences: Sequence[float] | Floats, clusters: Sequence[Hashable] | None = None, level: float = LEVEL
) -> Interval:
    """Interval of a paired difference after half a pair is added to each of the four outcomes (Agresti and Min 2005).

    It does not shrink to nothing where no item changed. Clusters count once, with the mean of their differences.

    Raises:
        ValueError: there are no differences, or not a cluster for each.
    """
    sums, sizes = _by_cluster(differences, clusters)
    means, n = sums / sizes, len(sums) + 2
    middle = float(means.sum()) / n
    half = _z(level) * math.sqrt(max((float((means**2).sum()) + 1) / n - middle**2, 0.0) / n)
    value = float(sums.sum() / sizes.sum())
    return Interval(value, max(-1.0, min(middle - half, value)), min(1.0, max(middle + half, value)), "adjusted")


def difference_interval(
    differences: Sequence[float] | Floats, clusters: Sequence[Hashable] | None = None, seed: int = 0
) -> Interval:
    """:func:`paired_bootstrap`; :func:`adjusted_interval` where fewer than :data:`FEW` clusters changed either way.

    Raises:
        ValueError: there are no differences, or not a cluster for each.
    """
    sums, _ = _by_cluster(differences, clusters)
    changed = int((np.abs(sums) > 1e-9).sum())
    return adjusted_interval(differences, clusters) if changed < FEW else paired_bootstrap(differences, clusters, seed)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for being several (Holm 1979), under the same names."""
    adjusted, highest = {}, 0.0
    for at, (name, value) in enumerate(sorted(p.items(), key=lambda pair: pair[1])):
        highest = max(highest, min(1.0, (len(p) - at) * value))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p}


def smallest_detectable(n: int, discordant: float, power: float = 0.8, level: float = LEVEL) -> float | None:
    """The difference that a paired test on ``n`` items would have found with probability ``power`` (Connor 1987).

    Args:
        n: items, or clusters.
        discordant: share of them that changed either way; a larger difference than it makes it as large.
        power: between 0 and 1.
        level: one minus the level of the test.

    Returns:
        A share, or None where ``n`` items could show no difference at all.

    Raises:
        ValueError: ``discordant`` is no share.
    """
    if not 0 <= discordant <= 1:
        raise ValueError(f"discordant is a share between 0 and 1, got {discordant}")
    alpha, beta = _z(level), NormalDist().inv_cdf(power)

    def enough(difference: float) -> bool:
        spread = max(discordant, difference)
        needed = alpha * math.sqrt(spread) + beta * math.sqrt(max(spread - difference**2, 0.0))
        return difference * math.sqrt(n) >= needed

    if n < 1 or not enough(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _by_cluster(values: Sequence[float] | Floats, clusters: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """Sum and size of each cluster, of each value where there are none."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError("a list of one or more values is needed")
    if clusters is None:
        return array, np.ones(len(array))
    if len(clusters) != len(array):
        raise ValueError(f"{len(clusters)} clusters for {len(array)} values")
    numbers: dict[Any, int] = {}
    places = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    sums = np.bincount(places, weights=array).astype(np.float64)
    return sums, np.bincount(places).astype(np.float64)


def student_t(groups: int) -> float:
    """Standard errors to either side of the mean of so many independent values, 2 or more, at :data:`LEVEL`."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, groups - 1))


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
