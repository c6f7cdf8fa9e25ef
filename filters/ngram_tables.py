"""Word n-grams of many texts at once: rolling hashes over arrays of word codes, and sorted tables to look them up.

Texts are arrays of 64-bit codes, one a word (:mod:`filters.word_hashes`), with a 0 between two texts; an n-gram's hash
is a polynomial of n codes modulo 2**64. One that runs over a 0 has no meaning and meets no other but by chance, with a
probability near 2**-64, as any two do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.word_hashes import word_hashes

Codes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no code is lost in the multiplication


class WordCodes:
    """The words of many texts in one array.

    Args:
        texts: strings; null is an empty text.
    """

    def __init__(self, texts: pa.Array) -> None:
        texts = texts.cast(pa.large_string()).fill_null("")
        _, offsets, data = texts.buffers()
        borders = np.frombuffer(offsets, dtype=np.int64, count=len(texts) + 1, offset=8 * texts.offset)
        codes, self.counts = word_hashes(np.frombuffer(data or b"", dtype=np.uint8), borders)
        self.text_of: Numbers = np.repeat(np.arange(len(texts)), self.counts + 1)
        """Whose text each position of :attr:`codes` is; a 0 belongs to the text before it."""
        self.codes: Codes = np.zeros(len(self.text_of), dtype=np.uint64)
        self.codes[np.arange(len(codes)) + np.repeat(np.arange(len(texts)), self.counts)] = codes
        self._starts = np.cumsum(self.counts + 1) - (self.counts + 1)

    def of(self, text: int) -> Codes:
        """The codes of one text."""
        return self.codes[self._starts[text] : self._starts[text] + self.counts[text]]


class NgramTable:
    """Which texts hold an n-gram.

    Args:
        grams: hashes, each beside the number of a text that holds it; no pair twice.
        texts: those numbers.
    """

    def __init__(self, grams: Codes, texts: Numbers) -> None:
        order = np.argsort(grams, kind="stable")
        self.keys, first = np.unique(grams[order], return_index=True)
        self._starts = np.append(first, len(grams)).astype(np.int64)
        self._texts = texts[order]
        # A bit field in front of the search: nearly all n-grams of a row are in no item, and one look tells.
        bits = min(max(int(len(self.keys) * 16).bit_length(), 10), 26)
        self._shift = np.uint64(64 - bits)
        self._seen = np.zeros(1 << bits, dtype=bool)
        self._seen[self.keys >> self._shift] = True

    def find(self, grams: Codes) -> tuple[Numbers, Numbers]:
        """Positions of the hashes that are in the table, and the number of the key at each."""
        maybe = np.flatnonzero(self._seen[grams >> self._shift])
        if not len(maybe):
            return maybe, maybe
        keys = np.searchsorted(self.keys, grams[maybe])
        keys = np.minimum(keys, len(self.keys) - 1)
        right = self.keys[keys] == grams[maybe]
        return maybe[right], keys[right]

    def holders(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """The texts that hold each key, flat; and for each of them the place of its key in ``keys``."""
        counts = self._starts[keys + 1] - self._starts[keys]
        place = np.repeat(np.arange(len(keys)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._texts[self._starts[keys][place] + within], place


def rolling(codes: Codes, lengths: Collection[int]) -> Iterator[tuple[int, Codes]]:
    """``(n, hashes)`` for each n of ``lengths``, the shortest first; a hash for each place where an n-gram begins."""
    grams = codes
    for n in range(1, max(lengths, default=0) + 1):
        if n > 1:
            grams = grams[:-1] * _BASE + codes[n - 1 :]
        if n in lengths:
            yield n, grams


def distinct_pairs(first: NDArray[np.generic], second: Numbers) -> NDArray[np.bool_]:
    """For two arrays sorted by ``(first, second)``: where a pair stands for the first time."""
    new = np.ones(len(first), dtype=bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return new
