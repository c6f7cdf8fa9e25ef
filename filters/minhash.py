"""MinHash signatures of many texts at once, bit for bit those of datasketch 2 under its scheme ``affine32``.

An item is the upper half of a shingle's 64-bit hash. datasketch mixes it once with the finaliser of MurmurHash3 and
keeps for each permutation ``h -> a * h + b`` (modulo 2**32) the least value. Its permutations are taken from it at run
time, so the signatures go into its ``LeanMinHash`` and ``MinHashLSH`` and back. It builds one object and one matrix a
text; here numpy passes over the shingles of a whole block of texts for some permutations at once.

Nothing here knows bands, thresholds or files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from filters.word_hashes import Hashes, Places

SCHEME = "affine32"
Signatures = NDArray[np.uint32]
"""One row a text, one column a permutation."""

EMPTY = np.uint32(0xFFFFFFFF)
"""What datasketch has in every place of the signature of an empty set."""

_HALF = np.uint64(32)
_AT_ONCE = 1 << 17  # products: 512 kB stay in the cache of a core


class Permutations:
    """The permutations that datasketch draws for ``seed`` (0 to 2**32 - 1)."""

    def __init__(self, num_perm: int, seed: int) -> None:
        from datasketch import MinHash  # takes about a second to import

        self.num_perm, self.seed = num_perm, seed
        drawn = MinHash(num_perm=num_perm, seed=seed, scheme=SCHEME).permutations
        self._factors, self._terms = (np.asarray(part, dtype=np.uint32)[:, np.newaxis] for part in drawn)

    def signatures(self, hashes: Hashes, counts: Places) -> Signatures:
        """The signatures of texts of which ``hashes`` holds the shingles (repeats do no harm), ``counts`` how many."""
        found = np.full((self.num_perm, len(counts)), EMPTY, dtype=np.uint32)
        some = counts > 0
        starts = (np.cumsum(counts) - counts)[some]
        if len(starts):
            items = _mixed((hashes >> _HALF).astype(np.uint32))
            step = min(max(_AT_ONCE // len(items), 1), self.num_perm)
            space = np.empty((step, len(items)), dtype=np.uint32)
            for place in range(0, self.num_perm, step):
                factors, terms = self._factors[place : place + step], self._terms[place : place + step]
                values = np.multiply(items, factors, out=space[: len(factors)])
                values += terms
                least = found[place : place + step]
                if len(starts) == len(counts):
                    np.minimum.reduceat(values, starts, axis=1, out=least)
                else:
                    least[:, some] = np.minimum.reduceat(values, starts, axis=1)
        return np.ascontiguousarray(found.T)


def lean(signature: NDArray[np.uint32], seed: int) -> Any:
    """A signature as datasketch's ``LeanMinHash``."""
    from datasketch import LeanMinHash

    return LeanMinHash(seed=seed, hashvalues=signature, scheme=SCHEME)


def _mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finaliser of MurmurHash3 for 32 bits (Appleby, public domain)."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))
