"""How a data set spreads over topics: k-means on sentence embeddings, and how evenly rows fill the clusters.

Clusters have no names and no truth: what is read off is how many hold rows, how even they are, and which rows stand
for each. The same vectors, k and seed give the same clusters under the same numpy on the same machine; another seed
may cut differently. k-means++ (Arthur and Vassilvitskii 2007) chooses the first centres, Lloyd's rounds move them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filters.semantic import Vectors

_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Clusters:
    """The cluster of each row, and what stands in each cluster."""

    labels: NDArray[np.intp]
    sizes: NDArray[np.intp]
    centres: Vectors
    typical: list[int]
    """For each cluster the row that is nearest to its centre; -1 for a cluster without rows."""

    @property
    def evenness(self) -> float:
        """Entropy of the sizes over that of equal ones: 1.0 where all clusters are alike, 0.0 where one holds all."""
        shares = self.sizes[self.sizes > 0] / max(1, int(self.sizes.sum()))
        if len(self.sizes) < 2:
            return 1.0
        return float(-(shares * np.log(shares)).sum() / np.log(len(self.sizes)))


def cluster(vectors: Vectors, k: int, seed: int = 0) -> Clusters:
    """Cut the rows into at most ``k`` clusters; fewer where there are fewer rows.

    Raises:
        ValueError: ``k`` is below 1 or there are no rows.
    """
    if k < 1 or not len(vectors):
        raise ValueError(f"k must be at least 1 and there must be rows, got k {k} and {len(vectors)} rows")
    centres = _first_centres(vectors, min(k, len(vectors)), np.random.default_rng(seed))
    labels = _assign(vectors, centres)
    for _ in range(_ROUNDS):
        for place in range(len(centres)):
            members = vectors[labels == place]
            if len(members):  # a centre that lost all its rows stays where it was
                centres[place] = members.mean(axis=0)
        moved = _assign(vectors, centres)
        if np.array_equal(moved, labels):
            break
        labels = moved
    sizes = np.bincount(labels, minlength=len(centres))
    return Clusters(labels, sizes, centres, _typical(vectors, labels, centres))


def coverage(vectors: Vectors, reference: Vectors, threshold: float) -> float:
    """The share of reference rows (seeds, a benchmark's questions) that have a row with this cosine or more.

    Raises:
        ValueError: there are no reference rows.
    """
    if not len(reference):
        raise ValueError("there are no reference rows to cover")
    if not len(vectors):
        return 0.0
    covered = sum(
        int(((reference[start : start + 1024] @ vectors.T).max(axis=1) >= threshold).sum())
        for start in range(0, len(reference), 1024)
    )
    return covered / len(reference)


def _first_centres(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    chosen = [int(rng.integers(len(vectors)))]
    nearest = _squared(vectors, vectors[chosen])[:, 0]
    while len(chosen) < k:
        total = float(nearest.sum())
        # Where all rows lie on a centre already any row will do.
        row = int(rng.choice(len(vectors), p=nearest / total)) if total > 0 else int(rng.integers(len(vectors)))
        chosen.append(row)
        nearest = np.minimum(nearest, _squared(vectors, vectors[[row]])[:, 0])
    return vectors[chosen].copy()


def _squared(vectors: Vectors, centres: Vectors) -> NDArray[np.float64]:
    """Squared distances, never below 0."""
    lengths = (vectors.astype(np.float64) ** 2).sum(axis=1)[:, None] + (centres.astype(np.float64) ** 2).sum(axis=1)
    products = vectors.astype(np.float64) @ centres.T.astype(np.float64)
    return np.asarray(np.maximum(lengths - 2 * products, 0), dtype=np.float64)


def _assign(vectors: Vectors, centres: Vectors) -> NDArray[np.intp]:
    blocks = [_squared(vectors[at : at + 4096], centres).argmin(axis=1) for at in range(0, len(vectors), 4096)]
    return np.concatenate(blocks)


def _typical(vectors: Vectors, labels: NDArray[np.intp], centres: Vectors) -> list[int]:
    typical = []
    for place, centre in enumerate(centres):
        rows: Sequence[int] | NDArray[np.intp] = np.flatnonzero(labels == place)
        typical.append(int(rows[int(_squared(vectors[rows], centre[None])[:, 0].argmin())]) if len(rows) else -1)
    return typical
