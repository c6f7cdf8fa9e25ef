"""Texts as sets of overlapping n-grams ("shingles"), each a 64-bit hash, and the similarity of two such sets.

The n-gram is written ``word:N`` or ``char:N``, N from 1 to 99. Words are those of :func:`filters.text.words`;
characters are the code points of the normalised text, its single spaces included. A text with fewer than N words
(characters) is one shingle made of all it has; one without any word, say ``"?!"``, is under ``word:N`` one shingle of
its normalised text; empty and white-space texts have no shingle.

The hashes depend on the text and the n-gram alone, never on the process, the machine or the text's place in a file:
they may be kept on disk, marked with :data:`VERSION`. They are no defence against somebody who makes texts collide on
purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from filters.text import normalise
from filters.word_hashes import Bytes, Hashes, Places, mixed, word_hashes

VERSION = 2
"""Rises whenever a text may come to have other hashes."""

BLOCK = 1 << 17
"""Bytes of text at once: what is made of them stays in the cache of a core."""

# Odd, and 3 mod 8: two items that swap places then change the sum below in all but its last few bits.
_BASE = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Shingles:
    """The shingles of many texts, those of each in the order of the text, with repeats."""

    hashes: Hashes
    """Those of all texts, one after the other."""
    offsets: Places
    """Where those of each text begin, and at last where those of the last one end."""

    def __len__(self) -> int:
        """Texts."""
        return len(self.offsets) - 1

    def members(self, text: int) -> Hashes:
        """The distinct shingles of one text, sorted."""
        return distinct(self.hashes[self.offsets[text] : self.offsets[text + 1]])


def parse_ngram(ngram: str) -> tuple[str, int]:
    """``"word:3"`` as ``("word", 3)``.

    Raises:
        ValueError: ``ngram`` is not ``word:N`` or ``char:N`` with N from 1 to 99.
    """
    found = re.fullmatch(r"(word|char):([1-9][0-9]?)", ngram)
    if found is None:
        raise ValueError(f'ngram "{ngram}" is unknown: write "word:N" or "char:N", N from 1 to 99, such as "word:3"')
    return found[1], int(found[2])


def shingles(text: str, ngram: str) -> Hashes:
    """The distinct shingles of a text, sorted; see the top of this module for short and empty texts.

    Raises:
        ValueError: ``ngram`` is malformed.
    """
    unit, n = parse_ngram(ngram)
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    return distinct(_block(data, np.array([0, len(data)]), unit, n)[0])


def blocks(texts: pa.LargeStringArray) -> Iterator[tuple[Bytes, Places]]:
    """The bytes of texts without nulls in blocks of about :data:`BLOCK` bytes, for :func:`block_shingles`."""
    _, places, values = texts.buffers()
    offsets = np.frombuffer(places or bytes(8), dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(values or b"", dtype=np.uint8)
    start = 0
    while start < len(texts):
        end = int(np.searchsorted(offsets, offsets[start] + BLOCK, side="right")) - 1
        end = min(max(end, start + 1), len(texts))
        yield data, offsets[start : end + 1]
        start = end


def block_shingles(data: Bytes, offsets: Places, ngram: str) -> tuple[Hashes, Places]:
    """The shingles of a block of texts, with repeats, and how many each text has; see :func:`shingles`."""
    return _block(data, offsets, *parse_ngram(ngram))


def distinct(hashes: Hashes) -> Hashes:
    """The distinct members, sorted."""
    hashes = np.sort(hashes)
    if len(hashes) > 1:
        hashes = hashes[np.concatenate(([True], hashes[1:] != hashes[:-1]))]
    return hashes


def jaccard(a: Hashes, b: Hashes) -> float:
    """Shared over distinct members of two sorted arrays without repeats, 0.0 to 1.0; two empty sets are equal: 1.0."""
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    both = np.concatenate((a, b))
    both.sort()  # a third of the time of looking each member up
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)


def _block(data: Bytes, offsets: Places, unit: str, n: int) -> tuple[Hashes, Places]:
    return _grams(*(_characters if unit == "char" else word_hashes)(data, offsets), n)


def _characters(data: Bytes, offsets: Places) -> tuple[Hashes, Places]:
    """The code points of the normalised texts, spread over 64 bits."""
    whole, borders = data[offsets[0] : offsets[-1]].tobytes(), (offsets - offsets[0]).tolist()
    texts = [normalise(whole[start:end].decode("utf-8", "surrogatepass")) for start, end in pairwise(borders)]
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    return mixed(points + np.uint64(1)), np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def _grams(items: Hashes, counts: Places, n: int) -> tuple[Hashes, Places]:
    """The n-grams of each text's items: a polynomial in an odd base, modulo 2**64."""
    grams, inside = items.copy(), np.ones(len(items), dtype=bool)
    ends = np.cumsum(counts)
    starts = ends - counts
    for place in range(1, min(n, len(items))):
        grams *= _BASE
        grams[: len(items) - place] += items[place:]
        inside[(ends - place)[counts > place]] = False
    for text in np.flatnonzero((counts > 0) & (counts < n)).tolist():
        gram = 0
        for item in items[starts[text] : ends[text]].tolist():
            gram = (gram * int(_BASE) + item) % (1 << 64)
        grams[starts[text]] = gram
    return grams[inside], np.where(counts < n, np.minimum(counts, 1), counts - n + 1)
