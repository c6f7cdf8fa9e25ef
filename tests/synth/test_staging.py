from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth import staging
from synth.errors import ClinsynthError
from synth.rows import KINDS, SCHEMAS, Kept, kept_batch
from synth.staging import RowWriter, read_stage, recover_folder, replace_folder, stage_facts, temporary, write_stage
from tests.synth.factories import make_rejected, make_row, some_rows, stage_rows

FACTS = {"fingerprint": "f1", "planned": {"sft": 3}}


def read(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [row for batch in read_stage(folder, kind) for row in batch.to_pylist()]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_round_trip_in_order(tmp_path: Path) -> None:
    rows = some_rows([f"s{n}" for n in (5, 1, 3)])
    kept = [Kept(kind, row) for at in range(3) for kind in KINDS for row in [rows[kind][at]]]
    rejected = [make_rejected(seed_id="s9"), make_rejected("question", seed_id="s8", status="failed", payload=None)]
    folder = tmp_path / "stage" / "00000"
    write_stage(folder, kept, rejected, FACTS)
    assert stage_facts(folder) == FACTS
    for kind in KINDS:
        assert read(folder, kind) == rows[kind]
    assert [(row["kind"], row["seed_id"], row["status"]) for row in read(folder, "rejected")] == [
        ("sft", "s9", "rejected"),
        ("question", "s8", "failed"),
    ]


def test_equal_stages_are_equal_bytes_and_batches_are_small(tmp_path: Path) -> None:
    rows = {"sft": [make_row("sft", f"s{n}") for n in range(300)]}
    first, second = stage_rows(tmp_path / "a", rows), stage_rows(tmp_path / "b", rows)
    assert tree(first) == tree(second)
    assert [batch.num_rows for batch in read_stage(first, "sft")] == [128, 128, 44]
    assert read(first, "sft") == rows["sft"]


def test_empty_stage_is_finished(tmp_path: Path) -> None:
    write_stage(tmp_path / "s", [], [], FACTS)
    assert stage_facts(tmp_path / "s") == FACTS
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["done.json"]
    assert read(tmp_path / "s", "sft") == []


def test_stage_is_replaced_whole(tmp_path: Path) -> None:
    folder = stage_rows(tmp_path / "s", some_rows(["s1", "s2"]), [make_rejected()])
    stage_rows(folder, {"sft": [make_row("sft", "s3")]})
    assert [row["seed_id"] for row in read(folder, "sft")] == ["s3"]
    assert read(folder, "dialogue") == []
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def other_schema(path: Path) -> None:
    pq.write_table(pa.table({"id": ["x"]}), path)


DAMAGE = {
    "absent": lambda s: [path.unlink() for path in s.iterdir()],
    "no done.json": lambda s: (s / "done.json").unlink(),
    "cut done.json": lambda s: (s / "done.json").write_text((s / "done.json").read_text()[:-9]),
    "odd done.json": lambda s: (s / "done.json").write_text("[1]"),
    "odd facts": lambda s: (s / "done.json").write_text('{"facts": 1, "files": {}}'),
    "odd files": lambda s: (s / "done.json").write_text('{"facts": {}, "files": 3}'),
    "file gone": lambda s: (s / "sft.parquet").unlink(),
    "file too many": lambda s: (s / "more.parquet").write_bytes(b""),
    "file cut": lambda s: (s / "sft.parquet").write_bytes((s / "sft.parquet").read_bytes()[:-50]),
    "bit flipped": lambda s: flip(s / "dialogue.parquet"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_stage_counts_as_absent(tmp_path: Path, damage: Any) -> None:
    folder = stage_rows(tmp_path / "s", some_rows(["s1"]))
    assert stage_facts(folder) is not None
    damage(folder)
    assert stage_facts(folder) is None


def test_stage_of_another_schema_counts_as_absent(tmp_path: Path) -> None:
    folder = stage_rows(tmp_path / "s", {"sft": [make_row("sft")]})
    other_schema(folder / "sft.parquet")
    staging.write_json(
        folder / "done.json",
        {"facts": {}, "files": {"sft.parquet": staging.sha256_of(folder / "sft.parquet")}},
    )
    assert stage_facts(folder) is None


def test_missing_stage_has_no_facts(tmp_path: Path) -> None:
    assert stage_facts(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("before", "whole"),
    [
        ({}, None),
        ({"f.tmp-1": "half"}, None),
        ({"f": "old", "f.tmp-1": "half"}, "old"),
        ({"f.old-1": "old", "f.tmp-1": "new"}, "old"),
        ({"f": "new", "f.old-1": "old"}, "new"),
        ({"f": "new", "f.tmp-1": "half removed", "f.tmp-2": "half"}, "new"),
    ],
)
def test_recovery_after_a_kill(tmp_path: Path, before: dict[str, str], whole: str | None) -> None:
    for name, content in before.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    (tmp_path / "fx.tmp-1").mkdir()  # of another folder
    recover_folder(tmp_path / "f")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == ({"f", "fx.tmp-1"} if whole else {"fx.tmp-1"})
    if whole:
        assert (tmp_path / "f" / "file").read_text() == whole


def test_old_folder_is_put_back_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "file").write_text("old")
    inside = tmp_path / "f" / "inside"  # a folder cannot be moved into itself
    inside.mkdir()
    with pytest.raises(OSError, match="inside"):
        replace_folder(inside, tmp_path / "f")
    assert (tmp_path / "f" / "file").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"f"}


def test_temporary_folder_goes_with_its_block(tmp_path: Path) -> None:
    def interrupted() -> None:
        with temporary(tmp_path / "f") as work:
            (work / "file").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_row_groups_are_bounded_by_rows(tmp_path: Path) -> None:
    batch = kept_batch("sft", [make_row("sft", f"s{n}") for n in range(700)])
    with RowWriter(tmp_path / "f.parquet", SCHEMAS["sft"]) as file:
        for _ in range(3):
            file.write(batch)
    meta = pq.read_metadata(tmp_path / "f.parquet")
    assert [meta.row_group(at).num_rows for at in range(meta.num_row_groups)] == [1000, 1000, 100]
    assert meta.row_group(0).column(0).has_offset_index
    assert pq.read_table(tmp_path / "f.parquet", page_checksum_verification=True).num_rows == file.rows == 2100


def test_row_groups_are_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "GROUP_BYTES", 1_000_000)
    batch = kept_batch("sft", [make_row("sft", response="x" * 100_000)])
    with RowWriter(tmp_path / "f.parquet", SCHEMAS["sft"]) as file:
        for _ in range(25):
            file.write(batch)
    meta = pq.read_metadata(tmp_path / "f.parquet")
    assert [meta.row_group(at).num_rows for at in range(meta.num_row_groups)] == [10, 10, 5]


def test_no_rows_no_file(tmp_path: Path) -> None:
    with RowWriter(tmp_path / "f.parquet", SCHEMAS["sft"]) as file:
        file.write(kept_batch("sft", []))
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from synth.errors import ClinsynthError
from tests.synth.factories import make_row, stage_rows
rows = {"sft": [make_row("sft", f"s{n}") for n in range(400)]}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    stage_rows(Path(sys.argv[1]), rows)
except ClinsynthError as error:
    print(error)
"""


def test_full_disk_is_one_line_and_leaves_the_old_stage(tmp_path: Path) -> None:
    folder = stage_rows(tmp_path / "s", some_rows(["s1"]))
    before = tree(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert str(folder) in done.stdout
    assert "free some space" in done.stdout
    assert tree(tmp_path) == before


def test_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ClinsynthError, match="not written") as error:
        stage_rows(tmp_path / "file" / "stage", some_rows(["s1"]))
    assert "\n" not in str(error.value)
