"""gaoya: its string index, which cuts and hashes in Rust; query, then insert."""

from __future__ import annotations

from gaoya.minhash import MinHashStringIndex

from benchmarks.peers.common import THRESHOLD, main


def keep(texts: list[str]) -> list[bool]:
    index = MinHashStringIndex(32, THRESHOLD, 16, 8, None, "word", True, (5, 5))
    kept = []
    for place, text in enumerate(texts):
        kept.append(not index.query(text))
        if kept[-1]:
            index.insert_document(place, text)
    return kept


if __name__ == "__main__":
    main(keep)
