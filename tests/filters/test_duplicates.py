from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.duplicates import RECALL, Duplicates, dedup
from filters.near_duplicates import NearDuplicates
from filters.shingles import jaccard, shingles
from filters.text import normalise
from tests.filters.test_near_duplicates import corpus

# Four words and short texts: many pairs lie on either side of any threshold.
TEXTS = st.lists(st.none() | st.lists(st.sampled_from(["a", "B", "c", "d"]), max_size=8).map(" ".join), max_size=14)
SCORES = st.lists(st.none() | st.sampled_from([0.0, 1.0, 2.0, math.nan]), min_size=14, max_size=14)


def similarity(one: str, other: str, ngram: str) -> float:
    return jaccard(shingles(one, ngram), shingles(other, ngram))


def kept(found: Duplicates) -> list[int]:
    return [row for row, keep in enumerate(found.verdicts.keep) if keep]


def linked(texts: list[str | None], threshold: float, ngram: str) -> list[set[int]]:
    """The connected components among the texts, by all pairs."""
    families: list[set[int]] = []
    for row, text in enumerate(texts):
        if text is not None:
            near = [f for f in families if any(similarity(text, texts[i] or "", ngram) >= threshold for i in f)]
            families = [f for f in families if f not in near] + [{row}.union(*near)]
    return families


@settings(deadline=None, max_examples=150)
@given(
    TEXTS, SCORES, st.booleans(), st.sampled_from([0.3, 0.5, 2 / 3, 0.8, 1.0]), st.sampled_from(["word:1", "word:3"])
)
def test_what_holds_whatever_the_bands_do(
    texts: list[str | None], scores: list[float | None], connected: bool, threshold: float, ngram: str
) -> None:
    ranks = pa.array(scores[: len(texts)], pa.float64())
    found = dedup(pa.array(texts, pa.string()), threshold=threshold, ngram=ngram, scores=ranks, connected=connected)
    stay = kept(found)
    assert len(found.verdicts) == len(texts)
    for row, text in enumerate(texts):
        of, how = found.duplicate_of[row].as_py(), found.similarity[row].as_py()
        if text is None:
            assert (found.verdicts.reasons[row], of, found.cluster[row].as_py()) == ("no_text", None, None)
        elif row in stay:
            assert (found.verdicts.reasons[row], of, how) == ("", None, None)
        else:
            assert int(of) in stay  # no family vanishes
            assert how == similarity(text, texts[int(of)] or "", ngram)
            assert how >= threshold or connected
            assert better(scores, int(of), row)
            assert found.cluster[row] == found.cluster[int(of)]
            assert of in found.verdicts.evidence[row]
    assert len({normalise(texts[row] or "") for row in stay}) == len(stay)


def better(scores: list[float | None], one: int, other: int) -> bool:
    values = [-math.inf if (score := scores[row]) is None or math.isnan(score) else score for row in (one, other)]
    return (values[0], -one) > (values[1], -other)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
@pytest.mark.parametrize("ngram", ["word:3", "char:5"])
def test_against_all_pairs(threshold: float, ngram: str) -> None:
    rng = random.Random(f"{threshold} {ngram}")
    missed = drops = 0
    for _ in range(3):
        texts = corpus(rng, 60)
        scores = [rng.choice([1.0, 2.0]) for _ in texts]
        found = dedup(pa.array(texts), threshold=threshold, ngram=ngram, scores=pa.array(scores))
        expected: list[int] = []
        for row in sorted(range(len(texts)), key=lambda row: (-scores[row], row)):
            if all(similarity(texts[row], texts[other], ngram) < threshold for other in expected):
                expected.append(row)
        missed += len(set(kept(found)) ^ set(expected))
        drops += len(texts) - len(expected)
        families = linked(texts, threshold, ngram)
        joined = dedup(pa.array(texts), threshold=threshold, ngram=ngram, scores=pa.array(scores), connected=True)
        best = {min(family, key=lambda row: (-scores[row], row)) for family in families}
        missed += len(set(kept(joined)) ^ best)
        assert len({number for number in joined.cluster.to_pylist() if number is not None}) <= len(families)
    assert drops > 60
    assert missed <= 2 * (1 - RECALL) * drops + 1


def test_the_gate_and_the_column_agree() -> None:
    texts = corpus(random.Random(5), 150)
    gate = NearDuplicates(0.7, "word:3")
    one_by_one = [gate.add(str(row), text) for row, text in enumerate(texts)]
    found = dedup(pa.array(texts), threshold=0.7, ngram="word:3")
    assert found.verdicts.keep == [verdict is None for verdict in one_by_one]
    for verdict, of, how in zip(one_by_one, found.duplicate_of, found.similarity, strict=True):
        if verdict is not None and verdict.similarity < 1:
            assert (verdict.of, verdict.similarity) == (of.as_py(), how.as_py())


def test_a_chain() -> None:
    texts = pa.array(["1 2 3 4 5 6", "3 4 5 6 7 8", "5 6 7 8 9 10", "other", "5 6 7 8 9 10"])
    found = dedup(texts, threshold=0.5, ngram="word:1", ids=pa.array(["a", "b", "c", "d", "e"]))
    assert found.verdicts.reasons == ["", "near_duplicate", "", "", "exact_duplicate"]
    assert found.duplicate_of.to_pylist() == [None, "a", None, None, "c"]
    assert found.cluster.to_pylist() == [0, 0, 1, None, 1]
    found = dedup(texts, threshold=0.5, ngram="word:1", connected=True)
    assert found.verdicts.reasons == ["", "near_duplicate", "near_duplicate", "", "near_duplicate"]
    assert found.duplicate_of.to_pylist() == [None, "0", "0", None, "0"]
    assert found.similarity.to_pylist() == [None, 0.5, 0.2, None, 0.2]
    assert found.verdicts.counts() == {"near_duplicate": 3}
    found = dedup(texts, threshold=0.5, ngram="word:1", scores=pa.array([0, 5, 0, None, 9]))
    assert found.duplicate_of.to_pylist() == [None, "4", "4", None, None]


def test_many_alike_and_many_candidates_that_are_not() -> None:
    rng = random.Random(2)
    base = [f"w{number}" for number in range(100)]

    def variant(changes: int) -> str:
        changed = list(base)
        for place in rng.sample(range(100), changes):
            changed[place] = f"x{rng.random()}"
        return " ".join(changed)

    alike, apart = [variant(2) for _ in range(300)], [variant(20) for _ in range(60)]
    found = dedup(pa.array([" ".join(base), *alike, *apart]), threshold=0.8, ngram="word:1")
    assert kept(found) == [0, *range(301, 361)]
    joined = dedup(pa.array([" ".join(base), *alike, *apart]), threshold=0.8, ngram="word:1", connected=True)
    assert kept(joined) == [0, *range(301, 361)]


@pytest.mark.parametrize("chunks", [1, 7])
def test_columns_in_chunks(chunks: int) -> None:
    texts = corpus(random.Random(8), 40)
    whole = dedup(pa.array(texts))
    size = -(-len(texts) // chunks)
    cut = pa.chunked_array([texts[start : start + size] for start in range(0, len(texts), size)])
    parts = dedup(cut, scores=pa.chunked_array([[1.0] * len(texts)]))
    assert parts.verdicts == whole.verdicts
    assert np.array_equal(parts.sketches.shingles.hashes, whole.sketches.shingles.hashes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0.0}, "threshold must be above 0"),
        ({"threshold": 0.05}, "too low for num_perm 128"),
        ({"ngram": "words"}, 'ngram "words" is unknown'),
        ({"ids": pa.array(["a"])}, "2 texts, but another number of ids or scores"),
        ({"scores": pa.array([1, 2, 3])}, "2 texts, but another number of ids or scores"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dedup(pa.array(["a", "b"]), **arguments)  # type: ignore[arg-type]


def test_nothing_and_only_nulls() -> None:
    assert dedup(pa.array([], pa.string())).verdicts.keep == []
    assert dedup(pa.array([None, None], pa.string())).verdicts.reasons == ["no_text", "no_text"]
