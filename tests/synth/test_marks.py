"""Reviewers' marks: read, taken over into the run folder, applied at curation, kept by later runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synth.errors import UserError
from synth.export import export_run
from synth.fault_server import FaultOptions, FaultServer, serving
from synth.marks import Mark, marks_of, read_marks, take_over, unknown_marks
from synth.reporting.build import build
from tests.runs import data_files, funnel, generate, hits, write_spec
from tests.synth.factories import make_row, make_spec, stage_rows


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with serving(FaultOptions(models=("fault-model",))) as one:
        yield one


def write_marks(path: Path, *marks: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(mark) + "\n" for mark in marks), encoding="utf-8")
    return path


def test_the_last_mark_on_a_row_counts(tmp_path: Path) -> None:
    path = write_marks(
        tmp_path / "m.jsonl", {"id": "a", "mark": "keep"}, {"id": "a", "mark": "reject", "comment": "line\u2028break"}
    )
    assert read_marks(path) == {"a": Mark("a", "reject", "line\u2028break")}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("keep", "not JSON"),
        ("[1]", "no id"),
        ('{"mark": "keep"}', "no id"),
        ('{"id": "a", "mark": "maybe"}', "keep or reject"),
        ('{"id": "a", "mark": "keep", "comment": 3}', "comment"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_is_no_mark(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "ok", "mark": "keep"}\n' + line + "\n")
    with pytest.raises(UserError, match=f"m.jsonl:2: .*{words}"):
        read_marks(path)


def test_new_marks_leave_those_on_other_rows(tmp_path: Path) -> None:
    take_over({"a": Mark("a", "reject"), "b": Mark("b", "reject")}, tmp_path)
    take_over({"b": Mark("b", "keep", "after all")}, tmp_path)
    assert marks_of(tmp_path) == {"a": Mark("a", "reject"), "b": Mark("b", "keep", "after all")}
    assert [path.name for path in tmp_path.iterdir()] == ["marks.jsonl"]


@pytest.mark.parametrize("quotas", [{}, {"department": {"Cardiology": 9}}], ids=["row by row", "all together"])
def test_what_a_mark_does_to_a_row(tmp_path: Path, quotas: dict[str, object]) -> None:
    """Rejected rows go; kept ones pass the floor of the scores and nothing else."""
    same = make_row("sft", "twin")
    rows = [
        make_row("sft", "good"),
        make_row("sft", "low", quality=2),
        make_row("sft", "saved", quality=2),
        same,
        {**same, "id": "again", "seed_id": "again"},
    ]
    spec = make_spec(filters={"dedup": {}, "phi": None, "quality": {"min_quality": 5}, "quotas": quotas})
    ids = {row["seed_id"]: row["id"] for row in rows}
    marks = {"good": "reject", "saved": "keep", "again": "keep"}
    write_marks(tmp_path / "marks.jsonl", *({"id": ids[seed], "mark": mark} for seed, mark in marks.items()))
    stage = stage_rows(tmp_path / "staging" / "00000", {"sft": rows})
    result = export_run(tmp_path, [stage], spec, planned={"sft": 5}, fingerprint="f")
    assert result.rejected["sft"] == {"rejected_by_reviewer": 1, "low_quality": 1, "near_duplicate": 1}
    kept = [
        seed for path in (tmp_path / "export").glob("sft/*") for seed in pq.read_table(path)["seed_id"].to_pylist()
    ]
    assert sorted(kept) == ["saved", "twin"]
    said = build(tmp_path).marks
    assert said is not None
    assert (said.marked, said.kept, said.rejected, said.applied, said.unknown) == (3, 2, 1, 1, 1)
    assert (said.quality_kept, said.quality_rejected, said.agreement) == (2, 8, 0)


def test_marks_outlive_the_run_they_came_with(server: FaultServer, tmp_path: Path) -> None:
    spec, run = write_spec(tmp_path, server.url), tmp_path / "run"
    first = generate("--spec", spec, "--out", run)
    assert first.code == 0, first.err
    unmarked = data_files(run)
    sent = hits(server)
    victim = pq.read_table(next((run / "export" / "preference").glob("*.parquet")))["id"][0].as_py()
    marks = write_marks(tmp_path / "marks.jsonl", {"id": victim, "mark": "reject", "comment": "nonsense"})
    second = generate("--spec", spec, "--out", run, "--marks", marks)
    assert second.code == 0, second.err
    assert funnel(second.out)["preference"]["kept"] == funnel(first.out)["preference"]["kept"] - 1
    assert "1 rejected_by_reviewer" in second.out
    assert hits(server) == sent
    marked = data_files(run)
    assert marked != unmarked
    third = generate("--spec", spec, "--out", run)
    assert third.code == 0, third.err
    assert data_files(run) == marked


def test_marks_on_rows_that_are_not_there(server: FaultServer, tmp_path: Path) -> None:
    """Some: one line names the first. All: refused. A dry run says and refuses the same, and takes nothing over."""
    spec, run = write_spec(tmp_path, server.url), tmp_path / "run"
    assert generate("--spec", spec, "--out", run).code == 0
    before, sent = data_files(run), hits(server)
    kept, lost = ids_of(run / "export"), ids_of(run / "rejected")
    known: list[dict[str, object]] = [{"id": kept[0], "mark": "keep"}, {"id": lost[0], "mark": "reject"}]
    strange: list[dict[str, object]] = [{"id": "f" * 32, "mark": "reject"}, {"id": "e" * 32, "mark": "keep"}]
    some = write_marks(tmp_path / "some.jsonl", strange[0], *known, strange[1])
    none = write_marks(tmp_path / "none.jsonl", *strange)
    said = f"{some}: 2 marks apply: 1 keep, 1 reject; 2 name no row of {run}, the first {'f' * 32}"
    trial = generate("--spec", spec, "--out", run, "--marks", some, "--dry-run")
    assert (trial.code, trial.out.splitlines()[-1], trial.err) == (0, said, "")
    for more in (["--dry-run"], []):
        refused = generate("--spec", spec, "--out", run, "--marks", none, *more)
        assert (refused.code, len(refused.complaints)) == (2, 1)
        assert f"none of its 2 marks names a row of {run}, for example {'f' * 32}" in refused.err
    assert not (run / "marks.jsonl").exists()
    assert data_files(run) == before
    real = generate("--spec", spec, "--out", run, "--marks", some)
    assert (real.code, real.complaints[0]) == (0, said)
    assert hits(server) == sent
    assert len(marks_of(run)) == 4


def test_what_a_kill_left_behind_is_no_part_of_a_run(tmp_path: Path) -> None:
    row = make_row("sft", "seed")
    stage = stage_rows(tmp_path / "staging" / "00000", {"sft": [row]})
    shutil.copytree(stage, stage.with_name("00001"))
    for left in ("00001.tmp-7", "00001.old-7"):
        shutil.copytree(stage, stage.with_name(left))
        for file in stage.with_name(left).rglob("*.parquet"):
            file.write_bytes(b"half")
    marks = {name: Mark(name, "keep") for name in (row["id"], "strange")}
    assert unknown_marks(marks, tmp_path) == ["strange"]


def ids_of(folder: Path) -> list[str]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path)["id"].to_pylist()]


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_damaged_marks_name_their_line(server: FaultServer, tmp_path: Path, more: list[str]) -> None:
    path = write_marks(tmp_path / "m.jsonl", {"id": "a", "mark": "keep"}, {"id": "b", "mark": "perhaps"})
    ran = generate("--spec", write_spec(tmp_path, server.url), "--out", tmp_path / "run", "--marks", path, *more)
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert f"{path}:2: mark must be keep or reject" in ran.err
    assert not (tmp_path / "run").exists()


def test_marks_that_cannot_be_read_stop_the_run_before_anything_is_sent(server: FaultServer, tmp_path: Path) -> None:
    sent = hits(server)
    ran = generate("--spec", write_spec(tmp_path, server.url), "--out", tmp_path / "run", "--marks", tmp_path / "none")
    assert ran.code == 2
    assert len(ran.complaints) == 1
    assert "none: marks cannot be read" in ran.err
    assert hits(server) == sent
    assert not (tmp_path / "run" / "spec.lock.yaml").exists()
