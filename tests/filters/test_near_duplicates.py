from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.minhash import Permutations, lean
from filters.near_duplicates import RECALL, Duplicate, NearDuplicates, choose_bands, drop_near_duplicates
from filters.shingles import shingles
from filters.text import normalise, words


def similarity(one: str, other: str, n: int) -> float:
    """Jaccard over word n-grams as Python sets: the oracle, for texts that have words or are empty."""

    def grams(found: list[str]) -> set[tuple[str, ...]]:
        return {tuple(found[i : i + n]) for i in range(max(len(found) - n + 1, 1))} if found else set()

    a, b = grams(words(one)), grams(words(other))
    return len(a & b) / len(a | b) if a | b else 1.0


def corpus(rng: random.Random, size: int) -> list[str]:
    """Random texts, edited, shuffled and exact copies of them, short ones and empty ones, in random order."""
    vocabulary = [f"w{i}" for i in range(500)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.choice([0, 1, 2, 5, 30, 60]))) for _ in range(size)]
    for _ in range(size):
        changed = rng.choice(texts).split()
        for _ in range(rng.choice([0, 1, 1, 2, 4, 8])):
            if changed:
                changed[rng.randrange(len(changed))] = rng.choice(vocabulary)
        half = rng.choice([0, 0, len(changed) // 2])
        texts.append(rng.choice([" ", "\n\t"]).join(changed[half:] + changed[:half]).upper())
    rng.shuffle(texts)
    return texts


def run(texts: list[str], threshold: float, ngram: str = "word:3", **kwargs: int) -> list[Duplicate | None]:
    named = ((str(i), text) for i, text in enumerate(texts))
    return [verdict for _, verdict in drop_near_duplicates(named, threshold, ngram, **kwargs)]


# Four words and short texts: many pairs lie on either side of any threshold.
@settings(deadline=None)  # the first example imports datasketch
@given(
    st.lists(st.lists(st.sampled_from(["a", "B", "c", "d"]), max_size=8).map(" ".join), max_size=12),
    st.sampled_from([0.3, 0.5, 2 / 3, 0.8, 1.0]),
    st.sampled_from([1, 3]),
    st.integers(0, 3),
)
def test_what_holds_whatever_the_bands_do(texts: list[str], threshold: float, n: int, seed: int) -> None:
    verdicts = run(texts, threshold, f"word:{n}", seed=seed)
    assert len(verdicts) == len(texts)
    for place, verdict in enumerate(verdicts):
        copies = [i for i in range(place) if normalise(texts[i]) == normalise(texts[place])]
        if verdict is None:
            assert copies == []
        else:
            of = int(verdict.of)
            assert of < place
            assert verdicts[of] is None
            assert verdict.similarity == similarity(texts[of], texts[place], n) >= threshold


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("n", [1, 3])
def test_against_all_pairs(threshold: float, n: int) -> None:
    rng = random.Random(f"{threshold} {n}")
    expected_drops = wrong = 0
    for _ in range(3):
        texts = corpus(rng, 60)
        kept: list[int] = []
        for place, verdict in enumerate(run(texts, threshold, f"word:{n}")):
            best = max(kept, key=lambda i: (similarity(texts[i], texts[place], n), -i), default=None)
            most = 0.0 if best is None else similarity(texts[best], texts[place], n)
            expected = Duplicate(str(best), most) if most >= threshold else None
            expected_drops += expected is not None
            wrong += verdict != expected
            if verdict is None:
                kept.append(place)
            else:
                assert verdict.similarity == similarity(texts[int(verdict.of)], texts[place], n) >= threshold
    assert expected_drops > 60
    assert wrong <= (1 - RECALL) * expected_drops + 1


@pytest.mark.parametrize(
    ("threshold", "num_perm"), [(0.3, 16), (0.5, 128), (0.7, 128), (0.8, 128), (0.8, 256), (0.9, 64)]
)
def test_pairs_exactly_at_the_threshold_are_found(threshold: float, num_perm: int) -> None:
    shared, pairs = round(100 * threshold), 300
    seen = NearDuplicates(threshold, "word:1", num_perm)
    found = 0
    for pair in range(pairs):
        common = [f"p{pair}c{i}" for i in range(shared)]
        own = [f"p{pair}o{i}" for i in range(100 - shared)]
        half = len(own) // 2
        assert seen.add(f"first {pair}", " ".join(common + own[:half])) is None
        verdict = seen.add(f"second {pair}", " ".join(own[half:] + common))
        assert verdict in (None, Duplicate(f"first {pair}", threshold))
        found += verdict is not None
    assert found >= pairs * (RECALL - 0.01)


def test_a_pair_just_below_the_threshold_is_kept() -> None:
    common = [f"c{i}" for i in range(79)]
    texts = [" ".join([*common, *(f"{own}{i}" for i in range(10))]) for own in "xy"]
    assert similarity(texts[0], texts[1], 1) == 79 / 99
    assert run(texts, 0.8, "word:1") == [None, None]
    assert run(texts, 79 / 99, "word:1") == [None, Duplicate("0", 79 / 99)]


@pytest.mark.parametrize("ngram", ["word:3", "word:99", "char:5", "char:99"])
def test_exact_copies_are_found_however_short(ngram: str) -> None:
    texts = ["", "Yes.", "?!", "No", " \n", "yes.", "\t?!", "ＮＯ", "🙂", "Yes. "]
    assert run(texts, 0.8, ngram) == [
        None, None, None, None,
        Duplicate("0", 1.0), Duplicate("1", 1.0), Duplicate("2", 1.0), Duplicate("3", 1.0),
        None, Duplicate("1", 1.0),
    ]  # fmt: skip


def test_threshold_one_asks_for_equal_sets_of_ngrams() -> None:
    long = " ".join(f"w{i}" for i in range(300))
    texts = [long, long + " end", "one two", "two, ONE two!"]
    assert run(texts, 1.0, "word:1") == [None, None, None, Duplicate("2", 1.0)]
    assert run(texts[2:], 1.0, "word:2") == [None, None]


def test_the_first_of_a_chain_decides() -> None:
    a, b, c = "1 2 3 4 5 6", "3 4 5 6 7 8", "5 6 7 8 9 10"
    assert run([a, b, c], 0.5, "word:1") == [None, Duplicate("0", 0.5), None]
    assert run([b, a, c], 0.5, "word:1") == [None, Duplicate("0", 0.5), Duplicate("0", 0.5)]


def test_the_most_similar_kept_text_is_named_and_the_earlier_of_two() -> None:
    seen = NearDuplicates(0.5, "word:1")
    assert seen.add("low", "1 2 3 4 5 6") is None
    assert seen.add("high", "4 5 6 7 8 9") is None
    assert seen.add("nearer to high", "3 4 5 6 7 8 9") == Duplicate("high", 6 / 7)
    assert seen.add("between", "2 3 4 5 6 7 8") == Duplicate("low", 5 / 8)
    assert seen.add("again", "2 3 4 5 6 7 8") == Duplicate("low", 5 / 8)
    assert len(seen) == 2


def test_long_texts_have_the_signature_that_datasketch_gives_them() -> None:
    from datasketch import LeanMinHash, MinHash

    text = " ".join(f"w{i * i % 7919}" for i in range(5000))
    members = shingles(text, "word:3")
    assert len(members) > 3000
    plain = MinHash(num_perm=128, seed=5, hashfunc=int, scheme="affine32")
    plain.update_batch((members >> np.uint64(32)).tolist())
    assert lean(Permutations(128, 5).signatures(members, np.array([len(members)]))[0], 5) == LeanMinHash(plain)
    (kept, verdict) = run([text, text + " and a word more"], 0.8)
    assert kept is None
    assert verdict is not None
    assert 0.99 < verdict.similarity < 1


def test_verdicts_come_before_the_next_text_is_read() -> None:
    read = []

    def source() -> Iterator[tuple[str, str]]:
        for key in "abc":
            read.append(key)
            yield key, "the same text"

    verdicts = drop_near_duplicates(source(), 0.8)
    assert read == []
    assert next(verdicts) == ("a", None)
    assert next(verdicts) == ("b", Duplicate("a", 1.0))
    assert read == ["a", "b"]


@pytest.mark.parametrize("num_perm", [2, 16, 64, 128])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_bands_are_the_best_of_all_that_reach_the_recall(threshold: float, num_perm: int) -> None:
    def candidates(s: float, b: int, r: int) -> float:
        return 1 - (1 - s**r) ** b

    def false_share(b: int, r: int) -> float:
        return sum(candidates(threshold * i / 200, b, r) for i in range(201))

    every = [(b, r) for b in range(2, num_perm + 1) for r in range(1, num_perm // b + 1)]
    reaching = [(b, r) for b, r in every if candidates(threshold, b, r) >= RECALL]
    if not reaching:
        with pytest.raises(ValueError, match=f"too low for num_perm {num_perm}"):
            choose_bands(threshold, num_perm)
        return
    chosen = choose_bands(threshold, num_perm)
    assert chosen in reaching
    assert false_share(*chosen) <= min(false_share(*pair) for pair in reaching) * 1.001


@pytest.mark.parametrize(
    ("threshold", "num_perm", "message"),
    [
        (0, 128, "threshold must be above 0"),
        (-0.1, 128, "threshold must be above 0"),
        (float("nan"), 128, "threshold must be above 0"),
        (1.01, 128, "at most 1, got 1.01"),
        (0.8, 1, "num_perm must be at least 2, got 1"),
        (0.01, 128, "too low for num_perm 128: raise num_perm, or the threshold to 0.041"),
        (5e-324, 128, "too low for num_perm 128"),
    ],
)
def test_arguments_out_of_range_are_refused_at_the_call(threshold: float, num_perm: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NearDuplicates(threshold, num_perm=num_perm)
    with pytest.raises(ValueError, match=message):
        drop_near_duplicates([], threshold, num_perm=num_perm)


def test_the_cure_that_the_message_names_works() -> None:
    assert choose_bands(0.041, 128) == (127, 1)


def test_a_malformed_ngram_is_refused_before_any_text() -> None:
    with pytest.raises(ValueError, match='ngram "words:3" is unknown'):
        drop_near_duplicates([], 0.8, "words:3")


def test_importing_the_module_does_not_import_datasketch() -> None:
    code = "import sys, filters.near_duplicates; print('datasketch' in sys.modules, 'scipy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False False\n"
