from __future__ import annotations

import random

import numpy as np
import pytest

from filters import growing_index
from filters.growing_index import GrowingIndex


@pytest.mark.parametrize("fewest", [1, 7, 1024])
@pytest.mark.parametrize("bands", [(2, 1), (5, 3), (24, 5)])
def test_it_finds_what_shares_a_band_and_nothing_else(
    bands: tuple[int, int], fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a comparison of every pair, with values from so few that most bands are shared."""
    monkeypatch.setattr(growing_index, "_FEWEST", fewest)
    rng = random.Random(3)
    count, rows = bands
    signatures = np.array([[rng.randrange(3) for _ in range(128)] for _ in range(300)], dtype=np.uint32)
    index = GrowingIndex(bands)
    for text, signature in enumerate(signatures):
        keys = index.keys(signature)
        alike = {
            earlier
            for earlier in range(text)
            if any(
                np.array_equal(signature[b * rows : (b + 1) * rows], signatures[earlier, b * rows : (b + 1) * rows])
                for b in range(count)
            )
        }
        assert index.query(keys) == alike
        index.insert(text, keys)


def test_equal_values_in_different_bands_are_not_shared() -> None:
    index = GrowingIndex((2, 2))
    index.insert(0, index.keys(np.array([1, 2, 3, 4], dtype=np.uint32)))
    assert index.query(index.keys(np.array([3, 4, 1, 2], dtype=np.uint32))) == set()
    assert index.query(index.keys(np.array([1, 2, 9, 9], dtype=np.uint32))) == {0}


def test_many_texts_take_little_memory() -> None:
    rng = np.random.default_rng(5)
    index = GrowingIndex((24, 5))
    for text in range(20_000):
        index.insert(text, index.keys(rng.integers(0, 2**32, 128, dtype=np.uint32)))
    held = index._keys.nbytes + index._texts.nbytes
    assert held >= 12 * 24 * 12_000, "most of it lies sorted"
    assert len(index._recent) <= 24 * 1024 + 24 * 20_000 // 4
