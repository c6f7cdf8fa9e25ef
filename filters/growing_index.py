"""Texts by the bands of their signatures, added one after the other: what :mod:`filters.near_duplicates` asks.

A text stands under one key for each band. Keys lie sorted in one array, 12 bytes each with the text's number: 300
bytes a text for 24 bands, a twentieth of an index of Python sets. New ones gather in a dictionary until they are a
quarter of the whole, then both are sorted together, so that each key is moved a few times only.

Two texts share a key if they agree in a band, and by chance once in some 2**60 pairs: who asks compares them anyhow.
Texts are never removed. Nothing is written to disk; :mod:`filters.dedup_index` is for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filters.word_hashes import Hashes, mixed

_FEWEST = 1024
"""Texts that gather before they are sorted in."""


class GrowingIndex:
    """An index of signatures by ``(b, r)``: ``b`` bands of ``r`` values (:func:`filters.bands.choose_bands`)."""

    def __init__(self, bands: tuple[int, int]) -> None:
        self._bands, self._rows = bands
        self._offsets = np.arange(1, self._bands + 1, dtype=np.uint64) << np.uint64(32)
        self._keys: Hashes = np.zeros(0, dtype=np.uint64)
        """Sorted."""
        self._texts: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        """Whose key it is."""
        self._recent: dict[int, list[int]] = {}
        self._gathered = 0

    def keys(self, signature: NDArray[np.uint32]) -> Hashes:
        """The keys of a signature, one a band."""
        values = signature[: self._bands * self._rows].reshape(self._bands, self._rows)
        keys = self._offsets
        for place in range(self._rows):
            keys = mixed(keys ^ values[:, place])
        return keys

    def query(self, keys: Hashes) -> set[int]:
        """The texts that share a band with these keys."""
        begins, ends = (np.searchsorted(self._keys, keys, side) for side in ("left", "right"))
        found: set[int] = set()
        for band in np.flatnonzero(ends > begins):
            found.update(self._texts[begins[band] : ends[band]].tolist())
        for key in keys.tolist():
            found.update(self._recent.get(key, ()))
        return found

    def insert(self, text: int, keys: Hashes) -> None:
        """Add a text, which is numbered by the caller (0 to 2**32 - 1)."""
        for key in keys.tolist():
            self._recent.setdefault(key, []).append(text)
        self._gathered += 1
        if self._gathered >= max(_FEWEST, len(self._keys) // self._bands // 4):
            self._sort_in()

    def _sort_in(self) -> None:
        counts = [len(texts) for texts in self._recent.values()]
        keys = np.concatenate([self._keys, np.repeat(np.array(list(self._recent), dtype=np.uint64), counts)])
        new = np.array([text for texts in self._recent.values() for text in texts], dtype=np.uint32)
        texts = np.concatenate([self._texts, new])
        order = np.argsort(keys, kind="stable")
        self._keys, self._texts = keys[order], texts[order]
        self._recent, self._gathered = {}, 0
