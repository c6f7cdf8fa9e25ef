"""Which rows of a pool lie next to a question: exact cosines, near-copies left out, three ways to choose.

Arrays in, numbers out: nothing here reads files, loads models or knows configurations. Everything is exact and decided
by its arguments alone, so neither the order of the questions nor their batches change a choice. Ties go to the earlier
row.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.contamination import find_matches
from filters.item_index import ItemIndex
from filters.readers import Item
from filters.semantic import Vectors

COPY_COSINE = 0.98
"""Cosine of two questions from which on they count as the same."""

CANDIDATES = 50
"""Nearest rows that ``mmr`` chooses among."""

DIGITS = 6
"""Decimals of a cosine that count."""

Select = Literal["nearest", "mmr", "random"]
Rows = NDArray[np.intp]


class Neighbours(NamedTuple):
    """What was found for one question; rows by falling similarity, for ``random`` as drawn."""

    rows: list[int]
    similarities: list[float]
    """Cosine of each row's question to this one."""
    nearest: float
    """Highest cosine of any row, near-copies included; -1 for an empty pool."""
    excluded: int
    """Rows that were left out as near-copies."""


def holding(items: Iterable[Item], texts: pa.Array) -> dict[str, set[int]]:
    """Return for each item's id the rows whose text holds it, by the shares of :mod:`filters.contamination`."""
    index = ItemIndex.from_items(items)
    ids_by_target = {(target.benchmark, target.id): target.id for target in index.targets}
    found: dict[str, set[int]] = {}
    for match in find_matches(texts, index):
        found.setdefault(ids_by_target[match.benchmark, match.item], set()).add(match.row)
    return found


def choose(
    cosines: NDArray[np.floating[Any]],
    pool: Vectors,
    held: set[int],
    *,
    select: Select,
    k: int,
    floor: float,
    diversity: float,
    exclude: bool,
    draw: np.random.Generator,
) -> Neighbours:
    """Choose the neighbours of one question.

    Args:
        cosines: of each row of the pool to the question.
        pool: the rows' vectors, for ``mmr``.
        held: rows that hold the question's words.
        select: ``nearest``, ``mmr`` or ``random``.
        k: how many at most.
        floor: least cosine of a neighbour; ``random`` draws as many as reach it, from all rows.
        diversity: of ``mmr``, from 0 to 1.
        exclude: leave near-copies out: ``held``, and rows with a cosine of :data:`COPY_COSINE` or more.
        draw: of ``random``.
    """
    if not len(cosines):
        return Neighbours([], [], -1.0, 0)
    # The last bits of a product depend on what else was multiplied: rows as near as each other must stay so.
    near = cosines.astype(np.float64).round(DIGITS)
    barred = np.zeros(len(near), dtype=bool)
    if exclude:
        barred[sorted(held)] = True
        barred |= near >= COPY_COSINE
    fit = np.flatnonzero(~barred & (near >= floor))
    fit = fit[np.argsort(-near[fit], kind="stable")]
    if select == "random":
        others = np.flatnonzero(~barred)
        chosen = draw.choice(others, size=min(k, len(fit)), replace=False).tolist() if len(fit) else []
    elif select == "mmr":
        chosen = _diverse(near, pool, fit[: max(CANDIDATES, k)], k, diversity)
    else:
        chosen = fit[:k].tolist()
    return Neighbours(chosen, [float(near[row]) for row in chosen], float(near.max()), int(barred.sum()))


def drawing(seed: int, question: str) -> np.random.Generator:
    """Return the generator of a question, which no other question has a part in."""
    return np.random.default_rng([seed, zlib.crc32(question.encode("utf-8", "replace"))])


def _diverse(cosines: NDArray[np.float64], pool: Vectors, fit: Rows, k: int, diversity: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): each time the row of the best balance.

    The balance is ``(1 - diversity) * cosine to the question - diversity * highest cosine to those chosen``. They come
    back by falling similarity, which is the order that training goes by.
    """
    left, chosen = list(map(int, fit)), list[int]()
    while left and len(chosen) < k:
        near = cosines[left]
        if chosen:
            near = (1 - diversity) * near - diversity * (pool[left] @ pool[chosen].T).max(axis=1)
        chosen.append(left.pop(int(near.argmax())))
    return sorted(chosen, key=lambda row: -float(cosines[row]))
