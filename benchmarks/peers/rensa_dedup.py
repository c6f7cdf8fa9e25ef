"""rensa: RMinHash and its deduplicator, 32 bands."""

from __future__ import annotations

from rensa import RMinHash, RMinHashDeduplicator

from benchmarks.peers.common import PERMUTATIONS, THRESHOLD, grams, main


def keep(texts: list[str]) -> list[bool]:
    index = RMinHashDeduplicator(THRESHOLD, PERMUTATIONS, True, 32)
    kept = []
    for place, text in enumerate(texts):
        signature = RMinHash(PERMUTATIONS, 42)
        signature.update(grams(text))
        kept.append(index.add(str(place), signature))
    return kept


if __name__ == "__main__":
    main(keep)
