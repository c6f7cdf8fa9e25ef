from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.shingles import jaccard, parse_ngram, shingles
from filters.text import normalise, words

NGRAMS = ["word:1", "word:3", "word:99", "char:1", "char:5"]
# Few letters, so that short texts share n-grams; spaces and a mark, so that normalising has work to do.
TEXTS = st.one_of(st.text(alphabet="aAb \n.\u0301é糖", max_size=40), st.text(max_size=40))

GOLDEN = [
    [974832706342553784, 9364387446562669062, 17805451192942926098],
    [
        4830943977115689090,
        4842424368156649651,
        6443684946630571030,
        10465513734934612678,
        12819150353220726011,
        17955139516911904047,
    ],
]


def grams(text: str, ngram: str) -> set[tuple[str, ...]]:
    """The plain definition, with no hash."""
    unit, n = ngram.split(":")
    whole = normalise(text)
    items = list(whole) if unit == "char" else words(text) or ([whole] if whole else [])
    return {tuple(items[i : i + int(n)]) for i in range(max(len(items) - int(n) + 1, 1))} if items else set()


@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(NGRAMS))
def test_as_many_shingles_and_as_many_in_common_as_there_are_grams(one: str, other: str, ngram: str) -> None:
    a, b = shingles(one, ngram), shingles(other, ngram)
    assert a.dtype == np.uint64
    assert bool(np.all(a[1:] > a[:-1]))
    assert len(a) == len(grams(one, ngram))
    assert len(np.intersect1d(a, b)) == len(grams(one, ngram) & grams(other, ngram))


@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(NGRAMS))
def test_jaccard_is_that_of_sets(one: str, other: str, ngram: str) -> None:
    x, y = grams(one, ngram), grams(other, ngram)
    expected = len(x & y) / len(x | y) if x | y else 1.0
    assert jaccard(shingles(one, ngram), shingles(other, ngram)) == expected
    assert jaccard(shingles(other, ngram), shingles(one, ngram)) == expected


@pytest.mark.parametrize("ngram", NGRAMS)
@pytest.mark.parametrize("text", ["", "  \n\t\u3000"])
def test_an_empty_text_has_no_shingle(text: str, ngram: str) -> None:
    assert shingles(text, ngram).tolist() == []


@pytest.mark.parametrize(
    ("one", "other", "ngram", "expected"),
    [
        ("Yes, sir.", "yes   SIR", "word:3", 1.0),  # fewer words than n: one shingle of them all
        ("yes", "yes sir", "word:3", 0.0),
        ("a b c", "c b a", "word:3", 0.0),
        ("a b c d", "d c b a", "word:1", 1.0),
        ("a b a", "b a b", "word:3", 0.0),
        ("?!", "?!", "word:3", 1.0),
        ("?!", "...", "word:3", 0.0),  # no word, yet not the same
        ("?!", "", "word:3", 0.0),
        ("", "  ", "word:3", 1.0),
        ("", "", "char:5", 1.0),
        ("abcdef", "abcdeg", "char:5", 1 / 3),
        ("ab cd", "abcd", "char:5", 0.0),
        ("a b c d e", "a b c d f", "word:3", 2 / 4),
        ("糖尿病", "糖尿", "word:2", 1 / 2),
    ],
)
def test_similarity(one: str, other: str, ngram: str, expected: float) -> None:
    assert jaccard(shingles(one, ngram), shingles(other, ngram)) == expected


def test_half_a_surrogate_pair_is_a_character_like_others() -> None:
    assert len(shingles("\ud83d", "char:1")) == len(shingles("\ud83d", "word:1")) == 1


def test_many_grams_do_not_collide() -> None:
    text = " ".join(str(i % 997 * 1009 + i // 997) for i in range(100_000))
    assert len(shingles(text, "word:1")) == len(shingles(text, "word:2")) + 1 == 100_000
    # datasketch is given the upper half; 32 bits of 100,000 items meet about once (n * n / 2**33)
    assert len(np.unique(shingles(text, "word:2") >> np.uint64(32))) > 99_990


def test_the_hashes_are_the_same_in_another_process_and_stay_what_they_were() -> None:
    text = "Chest pain since two days"
    here = [shingles(text, ngram).tolist() for ngram in ("word:3", "char:20")]
    assert here == GOLDEN
    show = f"print([shingles({text!r}, ngram).tolist() for ngram in ('word:3', 'char:20')])"
    command = [sys.executable, "-c", f"from filters.shingles import shingles; {show}"]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(here)


@pytest.mark.parametrize(
    "ngram", ["", "word", "word:0", "word:-1", "word:100", "words:3", "char:03", "word:3\n", "word:٣"]
)
def test_a_malformed_ngram_is_refused_with_the_cure(ngram: str) -> None:
    with pytest.raises(ValueError, match=r'write "word:N" or "char:N", N from 1 to 99'):
        shingles("text", ngram)


def test_parse_ngram() -> None:
    assert parse_ngram("word:3") == ("word", 3)
    assert parse_ngram("char:12") == ("char", 12)
