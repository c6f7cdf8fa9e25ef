"""Near-duplicates among texts, found one after the other: the first of its kind stays, later ones are dropped.

A text is a set of n-grams (:mod:`filters.shingles`), the likeness of two texts the Jaccard similarity of their sets.
MinHash with banding proposes kept texts that may be alike, and the exact similarity decides: nothing is
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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from filters.bands import RECALL, choose_bands, lowest_threshold
from filters.growing_index import GrowingIndex
from filters.minhash import Permutations
from filters.shingles import jaccard, parse_ngram, shingles
from filters.text import normalise
from filters.word_hashes import Hashes

__all__ = ["RECALL", "Duplicate", "NearDuplicates", "choose_bands", "drop_near_duplicates", "lowest_threshold"]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a text was dropped: the key of the most similar kept text, and the exact Jaccard similarity to it."""

    of: str
    similarity: float


class NearDuplicates:
    """Greedy in the order of :meth:`add`: a text is kept unless it is ``threshold`` similar to a text kept before.

    Texts themselves are not held. A kept text takes 8 bytes for each distinct n-gram, and measured about 1 kB more for
    the index, its key and its copies: 3.3 kB for 250 words under ``word:3``. A dropped text takes nothing.

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
        self.threshold = threshold
        self.ngram = ngram
        self._permutations = Permutations(num_perm, seed)
        self._index = GrowingIndex(bands)
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
        keys = self._index.keys(self._permutations.signatures(members, np.array([len(members)]))[0])
        if (found := self._most_similar(members, keys)) is not None:
            return found
        self._copies[digest] = len(self)
        if len(members):
            self._index.insert(len(self), keys)
        self._keys.append(key)
        self._sets.append(members)
        return None

    def _most_similar(self, members: Hashes, keys: Hashes) -> Duplicate | None:
        best, most = -1, 0.0
        for place in sorted(self._index.query(keys) if len(members) else ()):
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


def _digest(text: str) -> bytes:
    return hashlib.blake2b(normalise(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()
