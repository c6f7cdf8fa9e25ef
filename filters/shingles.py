"""A text as a set of overlapping n-grams ("shingles"), each a 64-bit hash, and the similarity of two such sets.

The n-gram is written ``word:N`` or ``char:N``, N from 1 to 99. Words are those of :func:`filters.text.words`;
characters are the code points of the normalised text, its single spaces included. A text with fewer than N words
(characters) is one shingle made of all it has; one without any word, say ``"?!"``, is under ``word:N`` one shingle of
its normalised text; empty and white-space texts have no shingle.

The hashes depend on the text and the n-gram alone, never on the process, the machine or the text's place in a file:
they may be kept on disk. They are no defence against somebody who makes texts collide on purpose.
"""

from __future__ import annotations

import functools
import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from filters.text import normalise, words

Hashes = NDArray[np.uint64]

# Odd, and 3 mod 8: two items that swap places then change the sum below in all but its last few bits.
_BASE = np.uint64(0xD6E8FEB86659FD93)


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
    items = _characters(normalise(text)) if unit == "char" else _words(text)
    if not len(items):
        return items
    grams = np.zeros(max(len(items) - n + 1, 1), dtype=np.uint64)
    for place in range(min(n, len(items))):
        grams = grams * _BASE + items[place : place + len(grams)]  # modulo 2**64
    return np.unique(grams)


def jaccard(a: Hashes, b: Hashes) -> float:
    """Shared over distinct members of two sorted arrays without repeats, 0.0 to 1.0; two empty sets are equal: 1.0."""
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    few, many = (a, b) if len(a) <= len(b) else (b, a)
    places = np.minimum(np.searchsorted(many, few), len(many) - 1)
    shared = np.count_nonzero(many[places] == few)
    return float(shared / (len(a) + len(b) - shared))


def _words(text: str) -> Hashes:
    found = words(text) or ([whole] if (whole := normalise(text)) else [])
    return np.fromiter(map(_word_hash, found), dtype=np.uint64, count=len(found))


@functools.lru_cache(maxsize=1 << 16)
def _word_hash(word: str) -> int:
    # JSON can hold half a surrogate pair, which plain UTF-8 refuses.
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _characters(text: str) -> Hashes:
    """Code points, spread over 64 bits by the finaliser of MurmurHash3 (Appleby, public domain)."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64) + np.uint64(1)
    for factor in (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)):
        points = (points ^ (points >> np.uint64(33))) * factor
    return points ^ (points >> np.uint64(33))
