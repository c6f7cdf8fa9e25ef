"""Bands of a signature: which texts may be alike. Two texts that agree in all of one band are candidates.

Candidates are proposals only: whoever asks for them compares their exact similarity. What is missed is a pair at or
above the threshold that agrees in no band; :func:`choose_bands` says how often that happens.

Keys of bands here tell apart what has different values in the band, except by chance once in 2**36 pairs or more
rarely, which costs a vain comparison. They are not the keys that datasketch makes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filters.minhash import Signatures
from filters.word_hashes import Hashes, Places, mixed

RECALL = 0.995
"""The least probability that a pair exactly at the threshold is compared, where nothing else is asked for."""

_MOST_TEXTS = 1 << 28


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets with more than one text; the buckets of each text one after the other."""

    texts: Places
    """The texts that share a bucket with another one, rising."""
    buckets: NDArray[np.int64]
    """The numbers of the buckets of these texts."""
    offsets: Places
    """Where those of each text begin, and at last where those of the last one end."""

    def beside(self, prior: int) -> Places:
        """The texts below ``prior`` that share a bucket with one from ``prior`` on."""
        texts = np.repeat(self.texts, np.diff(self.offsets))
        later = np.zeros(int(self.buckets.max(initial=-1)) + 1, dtype=bool)
        later[self.buckets[texts >= prior]] = True
        return np.unique(texts[later[self.buckets] & (texts < prior)])


def choose_bands(threshold: float, num_perm: int, recall: float = RECALL) -> tuple[int, int]:
    """How many bands of how many permutations each, ``(b, r)``, b * r <= ``num_perm``.

    Two sets of similarity s agree in one permutation with probability s, in a band of r with s**r, and in at least
    one of b bands, which makes them candidates, with P(s) = 1 - (1 - s**r)**b (Broder 1997; Leskovec, Rajaraman and
    Ullman, Mining of Massive Datasets, chapter 3). P rises with s, so P(threshold) >= recall bounds the miss for every
    pair that counts: b >= log(1 - recall) / log(1 - threshold**r). Among the (b, r) that fit, the one with the least
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
        b = _bands_needed(threshold**r, num_perm, recall)
        if b * r <= num_perm:
            fitting[b, r] = float(np.mean(1 - (1 - below**r) ** b))
    if not fitting:
        raise ValueError(
            f"threshold {threshold} is too low for num_perm {num_perm}: raise num_perm, or the threshold to "
            f"{lowest_threshold(num_perm, recall)}"
        )
    return min(fitting, key=lambda pair: (fitting[pair], pair))


def lowest_threshold(num_perm: int, recall: float = RECALL) -> float:
    """The lowest threshold for which :func:`choose_bands` finds bands, rounded up to three digits."""
    return math.ceil(1000 * (1 - math.pow(1 - recall, 1 / num_perm))) / 1000


def shared_buckets(signatures: Signatures, bands: tuple[int, int]) -> Buckets:
    """The buckets of texts that agree in a band, over all bands; texts are numbered as the signatures stand."""
    if len(signatures) >= _MOST_TEXTS:
        raise ValueError(f"{len(signatures)} texts at once are too many: split them")
    if len(signatures) < 2:
        nothing = np.zeros(0, dtype=np.int64)
        return Buckets(nothing, nothing, np.zeros(1, dtype=np.int64))
    texts, numbers, next_number = [], [], 0
    for band in range(bands[0]):
        found, bucket = _runs(band_keys(signatures, band, bands[1]))
        texts.append(found)
        numbers.append(bucket + next_number)
        next_number += int(bucket[-1]) + 1 if len(bucket) else 0
    every = np.concatenate(texts)
    order = np.argsort(every, kind="stable")
    shared, starts = np.unique(every[order], return_index=True)
    return Buckets(shared, np.concatenate(numbers)[order], np.append(starts, len(every)))


def band_keys(signatures: Signatures, band: int, rows: int) -> Hashes:
    """One hash for the values of a band."""
    keys = np.zeros(len(signatures), dtype=np.uint64)
    for place in range(band * rows, (band + 1) * rows):
        keys = mixed(keys ^ signatures[:, place])
    return keys


def _runs(keys: Hashes) -> tuple[Places, Places]:
    """The places of equal keys, with the number of the run each is in.

    Places go into the low bits of the keys, so that one sort (several times faster than finding an order) does it.
    """
    bits = np.uint64(max(len(keys) - 1, 1).bit_length())
    packed = ((keys >> bits) << bits) | np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    equal = (packed[1:] >> bits) == (packed[:-1] >> bits)
    inside = np.append(equal, False) | np.append(False, equal)
    first = ~np.append(False, equal)[inside]
    places = packed[inside] & ((np.uint64(1) << bits) - np.uint64(1))
    return places.astype(np.int64), np.cumsum(first) - 1


def _bands_needed(band_agrees: float, most: int, recall: float) -> int:
    """The fewest bands, at least datasketch's 2, that reach ``recall``; above ``most`` stands for "too many"."""
    if band_agrees == 1:
        return 2
    missed = math.log1p(-band_agrees)  # of one band, as a logarithm; 0 where band_agrees is too small for a float
    return max(2, math.ceil(min(math.log(1 - recall) / missed, most + 1))) if missed else most + 1
