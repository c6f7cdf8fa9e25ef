from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filters.bands import choose_bands, lowest_threshold, shared_buckets


@settings(deadline=None)
@given(arrays(np.uint32, st.tuples(st.integers(0, 30), st.just(6)), elements=st.integers(0, 2)), st.integers(0, 30))
def test_texts_share_a_bucket_when_they_agree_in_a_band(signatures: np.ndarray, prior: int) -> None:
    bands, rows = 3, 2
    expected = {}
    for text, own in enumerate(signatures):
        for band in range(bands):
            part = slice(band * rows, (band + 1) * rows)
            expected[text, band] = {i for i, other in enumerate(signatures) if (other[part] == own[part]).all()}
    found = shared_buckets(signatures, (bands, rows))
    assert len(found.offsets) == len(found.texts) + 1
    holders: dict[int, set[int]] = {}
    for place, text in enumerate(found.texts.tolist()):
        for bucket in found.buckets[found.offsets[place] : found.offsets[place + 1]].tolist():
            holders.setdefault(bucket, set()).add(text)
    alike = {frozenset(texts) for texts in expected.values() if len(texts) > 1}
    assert {frozenset(texts) for texts in holders.values()} == alike
    assert len(holders) == len({(band, min(texts)) for (_, band), texts in expected.items() if len(texts) > 1})
    assert found.texts.tolist() == sorted(set().union(*alike)) if alike else not len(found.texts)
    beside = {text for texts in alike if max(texts) >= prior for text in texts if text < prior}
    assert found.beside(prior).tolist() == sorted(beside)


@pytest.mark.parametrize("recall", [0.9, 0.995, 0.999])
@pytest.mark.parametrize("threshold", [0.3, 0.7, 0.8, 0.95])
def test_bands_reach_the_recall_that_is_asked_for(recall: float, threshold: float) -> None:
    bands, rows = choose_bands(threshold, 128, recall)
    assert bands * rows <= 128
    assert 1 - (1 - threshold**rows) ** bands >= recall


def test_a_higher_recall_asks_for_a_higher_threshold() -> None:
    assert lowest_threshold(128, 0.999) > lowest_threshold(128, 0.9)
    with pytest.raises(ValueError, match=f"or the threshold to {lowest_threshold(128, 0.999)}"):
        choose_bands(0.04, 128, 0.999)
    choose_bands(lowest_threshold(128, 0.999), 128, 0.999)
