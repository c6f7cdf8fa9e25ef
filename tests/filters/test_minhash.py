from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from datasketch import LeanMinHash, MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import minhash
from filters.minhash import SCHEME, Permutations, lean
from filters.sketches import sketch

SETS = st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=40), max_size=6)


def of_datasketch(members: list[int], num_perm: int, seed: int) -> MinHash:
    signature = MinHash(num_perm=num_perm, seed=seed, hashfunc=int, scheme=SCHEME)
    signature.update_batch([member >> 32 for member in members])
    return signature


@settings(deadline=None, max_examples=60)
@given(SETS, st.sampled_from([1, 3, 16, 128]), st.integers(0, 2**32 - 1), st.sampled_from([1, 20, 1 << 17]))
def test_signatures_are_those_of_datasketch(sets: list[list[int]], num_perm: int, seed: int, at_once: int) -> None:
    counts = np.array([len(members) for members in sets], dtype=np.int64)
    hashes = np.array([member for members in sets for member in members], dtype=np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minhash, "_AT_ONCE", at_once)
        found = Permutations(num_perm, seed).signatures(hashes, counts)
    assert found.shape == (len(sets), num_perm)
    for row, members in zip(found, sets, strict=True):
        assert lean(row, seed) == LeanMinHash(of_datasketch(members, num_perm, seed))


def test_sketches_of_texts_are_those_of_datasketch() -> None:
    words = [f"w{number * number % 701}" for number in range(3000)]
    texts = [
        " ".join(words[start : start + length]) for start, length in ((0, 2000), (5, 300), (9, 3), (0, 0), (40, 7))
    ]
    found = sketch(pa.array([*texts, None]), "word:3", Permutations(128, 5))
    assert len(found.shingles) == len(found.signatures) == 6
    for place in range(6):
        members = found.shingles.members(place).tolist()
        assert lean(found.signatures[place], 5) == LeanMinHash(of_datasketch(members, 128, 5))
    assert len(found.shingles.members(0)) > 600
    assert found.signatures[3].tolist() == found.signatures[5].tolist() == [2**32 - 1] * 128


def test_no_text_at_all() -> None:
    found = sketch(pa.chunked_array([], pa.string()), "word:3", Permutations(16, 1))
    assert len(found.shingles) == len(found.sums) == 0
    assert found.signatures.shape == (0, 16)
