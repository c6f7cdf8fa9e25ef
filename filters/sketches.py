"""The sketches of a column of texts: shingles, signatures, and what tells exact copies apart, block by block.

Blocks are shared out to threads: numpy lets go of the interpreter while it computes. The result does not depend on the
number of threads, nor on where blocks end. Memory: 8 bytes a shingle, 4 bytes a permutation and text.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.minhash import Permutations, Signatures
from filters.shingles import Shingles, block_shingles, blocks, parse_ngram
from filters.word_hashes import Bytes, Hashes, Places


@dataclass(frozen=True, slots=True)
class Sketches:
    """What is known of each text, in the order of the texts; a null is as an empty text."""

    shingles: Shingles
    signatures: Signatures
    sums: Hashes
    """The sum of a text's shingles: equal for texts of equal words in equal order, hardly ever for others."""


def sketch(texts: pa.Array | pa.ChunkedArray, ngram: str, permutations: Permutations) -> Sketches:
    """Sketch the texts.

    Raises:
        ValueError: ``ngram`` is malformed.
    """
    parse_ngram(ngram)

    def one(block: tuple[Bytes, Places]) -> list[NDArray[Any]]:
        hashes, counts = block_shingles(*block, ngram)
        return [hashes, counts, permutations.signatures(hashes, counts), _sums(hashes, counts)]

    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    columns = [chunk.cast(pa.large_string()).fill_null("") for chunk in chunks]
    parts = [_Growing(kind) for kind in (np.uint64, np.int64, np.uint32, np.uint64)]
    every = (block for column in columns for block in blocks(column))
    with ExitStack() as stack:
        # On one core a thread would only wait for the interpreter.
        each = stack.enter_context(ThreadPoolExecutor(_cores())).map if _cores() > 1 else map
        for found in each(one, every):
            for part, values in zip(parts, found, strict=True):
                part.extend(values.reshape(-1))
    hashes, counts, signatures, sums = (part.whole() for part in parts)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    return Sketches(Shingles(hashes, offsets), signatures.reshape(-1, permutations.num_perm), sums)


def _cores() -> int:
    """How many cores this process may use; OMP_NUM_THREADS tells numpy's like so, and a Ray task of one core has 1."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    most = max(int(told), 1) if told.isdecimal() else 1 << 16
    return min(most, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _sums(hashes: Hashes, counts: Places) -> Hashes:
    sums = np.zeros(len(counts), dtype=np.uint64)
    some = counts > 0
    if some.any():
        sums[some] = np.add.reduceat(hashes, (np.cumsum(counts) - counts)[some])
    return sums


class _Growing:
    """An array that grows where it lies. To join its parts at the end would take twice the memory."""

    def __init__(self, kind: type[np.generic]) -> None:
        self._values: NDArray[Any] = np.zeros(0, dtype=kind)
        self._length = 0

    def extend(self, values: NDArray[Any]) -> None:
        end = self._length + len(values)
        if end > len(self._values):
            self._values.resize(end + end // 4, refcheck=False)
        self._values[self._length : end] = values
        self._length = end

    def whole(self) -> NDArray[Any]:
        self._values.resize(self._length, refcheck=False)
        return self._values
