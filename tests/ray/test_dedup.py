"""Near-duplicates on a cluster are those of one machine."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.bands import choose_bands
from filters.dedup_index import Making
from filters.duplicates import RECALL, dedup
from tests.ray.conftest import STORE

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

ROWS, GROUP = 1200, 100
WORDS = [f"word{n}" for n in range(400)]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, object_store_memory=STORE, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def write_rows(folder: Path, seed: int) -> list[Path]:
    """Texts in two files: copies, near copies, chains of near copies, empty ones and nulls among fresh ones."""
    draw = random.Random(seed)
    texts: list[str | None] = []
    for _ in range(ROWS):
        kind = draw.random()
        earlier = [text for text in texts[-200:] if text]
        if kind < 0.05:
            texts.append(draw.choice(["", None, "one two"]))
        elif kind < 0.15 and earlier:
            texts.append(draw.choice(earlier).upper())
        elif kind < 0.45 and earlier:
            words = draw.choice(earlier).split()
            for _ in range(draw.choice([1, 1, 2, 4])):
                words[draw.randrange(len(words))] = draw.choice(WORDS)
            texts.append(" ".join(words))
        else:
            texts.append(" ".join(draw.choices(WORDS, k=draw.randint(3, 80))))
    scores = [draw.choice([None, 1.0, 2.0, 3.0, float("nan")]) for _ in texts]
    table = pa.table({"id": [f"r{n}" for n in range(ROWS)], "text": texts, "score": pa.array(scores, pa.float64())})
    paths = [folder / "a.parquet", folder / "b.parquet"]
    for path, part in zip(paths, (table.slice(0, 730), table.slice(730)), strict=True):
        pq.write_table(part, path, row_group_size=GROUP)
    return paths


@pytest.mark.parametrize(
    ("ngram", "threshold", "score", "connected"),
    [("word:5", 0.8, None, False), ("word:1", 0.6, "score", False), ("char:5", 0.7, None, True)],
)
def test_the_same_rows_go_for_the_same_reasons(
    ray: Any, tmp_path: Path, ngram: str, threshold: float, score: str | None, connected: bool
) -> None:
    from synth.ray_dedup import ray_dedup
    from synth.ray_dedup_steps import Columns, blocks_of

    paths = write_rows(tmp_path, seed=3)
    whole = pa.concat_tables([pq.read_table(path) for path in paths])
    alone = dedup(
        whole["text"], threshold=threshold, ngram=ngram, scores=whole[score] if score else None, connected=connected
    )
    making = Making(ngram, 128, 1, choose_bands(threshold, 128, RECALL), threshold)
    found = ray_dedup(ray, blocks_of(paths), Columns("text", "id", score), making, connected=connected)
    gone = [row for row, reason in enumerate(alone.verdicts.reasons) if reason]
    assert {alone.verdicts.reasons[row] for row in gone} == {"exact_duplicate", "near_duplicate", "no_text"}
    assert found.rows.tolist() == gone
    table = found.table()
    assert table["reason"].to_pylist() == [alone.verdicts.reasons[row] for row in gone]
    assert table["duplicate_of"].to_pylist() == alone.duplicate_of.take(pa.array(gone)).to_pylist()
    assert table["similarity"].to_pylist() == alone.similarity.take(pa.array(gone)).to_pylist()
    assert table["cluster"].to_pylist() == alone.cluster.take(pa.array(gone)).to_pylist()


def test_the_command_writes_what_one_machine_writes(tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray")
    from filters.dedup import main as alone
    from synth.ray_curation import main

    names = list(map(str, write_rows(tmp_path, seed=8)))
    assert alone([*names, "--out", str(tmp_path / "one")]) == 0
    # In a process of its own: this one may be connected to another cluster.
    command = [sys.executable, "-m", "synth.ray_curation", *names, "--out", str(tmp_path / "ray")]
    ran = subprocess.run([*command, "--address", address], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for name in ("kept", "dropped"):
        ours = pa.concat_tables([pq.read_table(path) for path in sorted((tmp_path / "ray" / name).glob("*.parquet"))])
        theirs = pq.read_table(tmp_path / "one" / f"{name}.parquet")
        assert ours.schema.names == theirs.schema.names
        # Scores hold NaN, which is not equal to itself.
        assert ours.drop_columns("score").to_pylist() == theirs.drop_columns("score").to_pylist()
    assert main([str(tmp_path / "nothing.csv"), "--out", str(tmp_path / "x")]) == 2


def test_no_duplicates_and_no_rows(ray: Any, tmp_path: Path) -> None:
    from synth.ray_dedup import ray_dedup
    from synth.ray_dedup_steps import Columns, blocks_of

    making = Making("word:5", 128, 1, choose_bands(0.8, 128, RECALL), 0.8)
    for texts in ([], ["one text of some six words"], ["a b c d e f g", "h i j k l m n o"]):
        pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), tmp_path / "t.parquet", row_group_size=1)
        found = ray_dedup(ray, blocks_of([tmp_path / "t.parquet"]), Columns("text", None, None), making)
        assert (len(found.rows), found.kept) == (0, len(texts))
