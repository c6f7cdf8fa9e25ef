"""datasketch 2: signatures in bulk with xxhash32 (its own sha1 is slower), then query and insert one by one."""

from __future__ import annotations

import xxhash
from datasketch import MinHash, MinHashLSH

from benchmarks.peers.common import PERMUTATIONS, THRESHOLD, grams, main


def keep(texts: list[str]) -> list[bool]:
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    sets = (grams(text) for text in texts)
    kept = []
    for place, signature in enumerate(MinHash.generator(sets, num_perm=PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest)):
        kept.append(not index.query(signature))
        if kept[-1]:
            index.insert(place, signature, check_duplication=False)
    return kept


if __name__ == "__main__":
    main(keep)
