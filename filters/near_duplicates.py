"""Near-duplicates among texts, found one after the other: the first of its kind stays, later ones are dropped.

A text is a set of n-grams (:mod:`filters.shingles`), the likeness of two texts the Jaccard similarity of their sets.
MinHash with banding (datasketch) proposes kept texts that may be alike, and the exact similarity decides: nothing is
dropped on an estimate. Hence, whatever the bands do:

- a dropped text is at least ``threshold`` similar to a text that was kept, so no family of duplicates vanishes whole;
- an exact copy (equal after :func:`filters.text.normalise`) of a kept text is dropped, however short it is. Two empty
  texts are copies of each other; an empty text is like no other.

What may be missed is a pair at or above the threshold that shares no band: see :func:`choose_bands`. "Similar" is not
transitive: of A ~ B ~ C with A unlike C, the order A, B, C keeps A and C, the order B, A, C keeps B alone.

This module does not know about meaning: a paraphrase is another text. It holds its index in memory and writes nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from filters.shingles import Hashes, jaccard, parse_ngram, shingles
from filters.text import normalise

RECALL = 0.995
"""The least probability that a pair exactly at the threshold is compared."""

_BATCH = 1024  # n-grams at once: update_batch() makes a matrix of num_perm columns, which a book would not fit


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a text was dropped: the key of the most similar kept text, and the exact Jaccard similarity to it."""

    of: str
    similarity: float


class NearDuplicates:
    """Greedy in the order of :meth:`add`: a text is kept unless it is ``threshold`` similar to a text kept before.

    Texts themselves are not held. A kept text takes 8 bytes for each distinct n-gram and, measured with the bands for
    0.8 and 128 permutations, 6 kB for the index: 8 kB for 250 words under ``word:3``, 19 kB under ``char:5``.
    A dropped text takes nothing.

    Args:
        threshold: the Jaccard similarity from which on a text is a duplicate, above 0 and up to 1.0 (equal n-gram
            sets). What a number means depends on the n-gram: longer ones make the same edit weigh more.
        ngram: ``word:N`` or ``char:N``.
        num_perm: length of a signature. A longer one costs time and allows stricter bands: fewer vain comparisons.
        seed: of the permutations, 0 to 2**32 - 1. Another seed may miss other pairs, and drops no pair wrongly either.

    Raises:
        ValueError: an argument is out of range, or ``num_perm`` is too small for so low a threshold.
    """

    def __init__(self, threshold: float, ngram: str = "word:3", num_perm: int = 128, seed: int = 1) -> None:
        parse_ngram(ngram)
        bands = choose_bands(threshold, num_perm)
        from datasketch import MinHash, MinHashLSH  # takes about a second to import

        self.threshold = threshold
        self.ngram = ngram
        # Permutations are drawn here once; copy() shares them, where MinHash() would draw them anew for each text.
        self._blank = MinHash(num_perm=num_perm, seed=seed, hashfunc=int, scheme="affine32")
        self._index = MinHashLSH(num_perm=num_perm, params=bands)
        self._keys: list[str] = []
        self._sets: list[Hashes] = []
        self._copies: dict[bytes, int] = {}

    def __len__(self) -> int:
        """The number of texts kept."""
        return len(self._keys)

    def add(self, key: str, text: str) -> Duplicate | None:
        """Keep the text, or say which kept text it repeats.

        Returns:
            None: kept, and later texts are held against it. Otherwise the most similar of the candidates (of equally
            similar ones the earliest kept). Keys are handed back as they came; nothing asks that they differ.
        """
        digest = _digest(text)
        if (place := self._copies.get(digest)) is not None:
            return Duplicate(self._keys[place], 1.0)
        members = shingles(text, self.ngram)
        signature = self._signature(members)
        if (found := self._most_similar(members, signature)) is not None:
            return found
        self._copies[digest] = len(self)
        if len(members):
            self._index.insert(len(self), signature, check_duplication=False)
        self._keys.append(key)
        self._sets.append(members)
        return None

    def _signature(self, members: Hashes) -> Any:
        signature = self._blank.copy()
        halves = (members >> np.uint64(32)).tolist()  # affine32 takes 32-bit hashes
        for start in range(0, len(halves), _BATCH):
            signature.update_batch(halves[start : start + _BATCH])
        return signature

    def _most_similar(self, members: Hashes, signature: Any) -> Duplicate | None:
        best, most = -1, 0.0
        for place in sorted(self._index.query(signature)):
            few, many = sorted((len(members), len(self._sets[place])))
            if few / many < max(self.threshold, most):  # the similarity is at most this ratio
                continue
            similarity = jaccard(members, self._sets[place])
            if similarity >= self.threshold and similarity > most:
                best, most = place, similarity
        return None if best < 0 else Duplicate(self._keys[best], most)


def drop_near_duplicates(
    texts: Iterable[tuple[str, str]], threshold: float, ngram: str = "word:3", num_perm: int = 128, seed: int = 1
) -> Iterator[tuple[str, Duplicate | None]]:
    """Each ``(key, text)`` in order as ``(key, verdict)``, the verdict as from :meth:`NearDuplicates.add`.

    Arguments are checked at the call; the texts are read lazily, each verdict out before the next text is read.
    """
    kept = NearDuplicates(threshold, ngram, num_perm, seed)
    return ((key, kept.add(key, text)) for key, text in texts)


def choose_bands(threshold: float, num_perm: int) -> tuple[int, int]:
    """How many bands of how many permutations each, ``(b, r)``, b * r <= ``num_perm``.

    Two sets of similarity s agree in one permutation with probability s, in a band of r with s**r, and in at least
    one of b bands, which makes them candidates, with P(s) = 1 - (1 - s**r)**b (Broder 1997; Leskovec, Rajaraman and
    Ullman, Mining of Massive Datasets, chapter 3). P rises with s, so P(threshold) >= RECALL bounds the miss for every
    pair that counts: b >= log(1 - RECALL) / log(1 - threshold**r). Among the (b, r) that fit, the one with the least
    false candidates is taken: the smallest integral of P from 0 to the threshold. (The usual choice weighs misses
    against false candidates; here false candidates only cost time, for they are checked.)

    Raises:
        ValueError: the threshold is out of range, or no (b, r) fits into ``num_perm``.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    if num_perm < 2:
        raise ValueError(f"num_perm must be at least 2, got {num_perm}")
    below = np.linspace(0, threshold, 1001)
    fitting: dict[tuple[int, int], float] = {}
    for r in range(1, num_perm // 2 + 1):
        b = _bands_needed(threshold**r, num_perm)
        if b * r <= num_perm:
            fitting[b, r] = float(np.mean(1 - (1 - below**r) ** b))
    if not fitting:
        raise ValueError(
            f"threshold {threshold} is too low for num_perm {num_perm}: raise num_perm, or the threshold to "
            f"{lowest_threshold(num_perm)}"
        )
    return min(fitting, key=lambda pair: (fitting[pair], pair))


def lowest_threshold(num_perm: int) -> float:
    """The lowest threshold for which :func:`choose_bands` finds bands, rounded up to three digits."""
    return math.ceil(1000 * (1 - math.pow(1 - RECALL, 1 / num_perm))) / 1000


def _bands_needed(band_agrees: float, most: int) -> int:
    """The fewest bands, at least datasketch's 2, that reach RECALL; anything above ``most`` stands for "too many"."""
    if band_agrees == 1:
        return 2
    missed = math.log1p(-band_agrees)  # of one band, as a logarithm; 0 where band_agrees is too small for a float
    return max(2, math.ceil(min(math.log(1 - RECALL) / missed, most + 1))) if missed else most + 1


def _digest(text: str) -> bytes:
    return hashlib.blake2b(normalise(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()
