from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.metrics import compression_ratio, distinct_n, diversity, self_bleu, vendi
from filters.text import words

SENTENCES = st.lists(
    st.lists(st.sampled_from(["pain", "in", "the", "chest", "leg", "now"]), max_size=9).map(" ".join), max_size=6
)
ANY = st.lists(st.text(st.characters(exclude_categories=()), max_size=30), max_size=6)


@pytest.mark.parametrize(
    ("texts", "n", "expected"),
    [([], 1, None), (["", "a"], 2, None), (["a a a", "b"], 1, 0.5), (["a b a b"], 2, 2 / 3), (["a b", "b a"], 2, 1.0)],
)
def test_distinct(texts: list[str], n: int, expected: float | None) -> None:
    assert distinct_n(texts, n) == expected


def test_compression_tells_repeated_texts_from_different_ones() -> None:
    rng = random.Random(1)
    different = [" ".join(rng.choices(["alpha", "beta", "gamma", "delta", "pain", "chest"], k=30)) for _ in range(40)]
    ratio = compression_ratio(different)
    repeated = compression_ratio([different[0]] * 40)
    assert ratio is not None
    assert repeated is not None
    assert repeated > 3 * ratio
    assert compression_ratio([]) is None


@given(SENTENCES)
def test_self_bleu_is_that_of_sacrebleu(texts: list[str]) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    full = [text for text in texts if text]
    if len(full) < 2:
        assert self_bleu(texts) is None
        return
    scores = [
        sacrebleu.sentence_bleu(text, [*full[:row], *full[row + 1 :]], tokenize="none", use_effective_order=True).score
        for row, text in enumerate(full)
    ]
    assert self_bleu(texts) == pytest.approx(sum(scores) / len(scores), abs=1e-6)


def test_self_bleu_by_hand() -> None:
    assert self_bleu(["a b c d e", "a b c d e"]) == pytest.approx(100)
    assert self_bleu(["a b c", "d e f"]) == 0
    assert self_bleu(["one"]) is None
    # "a b" against "a b c d": precisions 1 and 1, cut short by e^(1 - 4/2); the other has 2/4, 1/3, then smoothed.
    short = 100 * np.exp(1 - 4 / 2)
    long = 100 * (2 / 4 * 1 / 3 * (1 / 2) / 2 * (1 / 4) / 1) ** (1 / 4)
    assert self_bleu(["a b", "a b c d"]) == pytest.approx((short + long) / 2)


def test_vendi_counts_what_differs() -> None:
    eye = np.eye(6, dtype=np.float32)
    assert vendi(eye) == pytest.approx(6)
    assert vendi(np.repeat(eye[:1], 9, axis=0)) == pytest.approx(1)
    assert vendi(np.repeat(eye[:3], 50, axis=0)) == pytest.approx(3)
    assert vendi(eye[:0]) is None
    # Two rows at cosine c have the eigenvalues (1 + c) / 2 and (1 - c) / 2.
    pair = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    assert vendi(pair) == pytest.approx(np.exp(-0.8 * np.log(0.8) - 0.2 * np.log(0.2)), abs=1e-6)


def test_the_sample_is_capped_and_depends_on_the_seed_alone() -> None:
    rng = random.Random(2)
    texts = [" ".join(rng.choices("abcdefgh", k=12)) for _ in range(300)]
    asked: list[int] = []

    def embed(picked):  # type: ignore[no-untyped-def]
        asked.append(len(picked))
        return np.eye(len(picked), dtype=np.float32)

    one = diversity(texts, embed, sample=50, seed=4)
    assert one == diversity(texts, embed, sample=50, seed=4)
    assert one != diversity(texts, embed, sample=50, seed=5)
    assert asked == [50, 50, 50]
    assert (one.texts, one.words) == (50, 600)
    assert one.vendi == pytest.approx(50)
    empty = diversity([])
    assert (empty.texts, empty.distinct_1, empty.self_bleu, empty.vendi) == (0, None, None, None)
    with pytest.raises(ValueError, match="sample"):
        diversity(texts, sample=0)


@given(ANY)
def test_bounds_hold_for_any_texts(texts: list[str]) -> None:
    found = diversity(texts)
    assert found.words == sum(len(words(text)) for text in texts)
    assert found.distinct_1 is None or 0 < found.distinct_1 <= 1
    assert found.self_bleu is None or 0 <= found.self_bleu <= 100 + 1e-9
    assert found.compression_ratio is None or found.compression_ratio > 0
