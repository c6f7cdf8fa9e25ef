"""Rows are read from exports and Parquet, and what trainers would stumble over is refused with its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.errors import UserError
from synth.staging import sha256_of
from training.config import Data
from training.data import SFT_KINDS, in_departments, load_rows
from training.data_files import RESERVED

TALK = [{"role": "user", "content": "Chest pain?"}, {"role": "assistant", "content": "Since when?"}]


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def rewritten(export: Path, kind: str, change: Callable[[pa.Table], pa.Table], split: str = "train") -> None:
    """Change a file of an export, and the manifest with it."""
    path = next((export / kind).glob(f"{split}-*"))
    pq.write_table(change(pq.read_table(path)), path)
    manifest = json.loads((export / "manifest.json").read_text())
    for file in manifest["files"]:
        if file["path"] == path.relative_to(export).as_posix():
            file["sha256"] = sha256_of(path)
    (export / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def copy(export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(export, tmp_path / "run" / "export"))


def complaint(*paths: Path, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        load_rows(Data(path=[str(path) for path in paths], **more), SFT_KINDS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_export_gives_its_kinds_and_its_own_split(export: Path) -> None:
    rows = load_rows(Data(path=[str(export)]), SFT_KINDS)
    for kind in SFT_KINDS:
        for split, tables in (("train", rows.train), ("validation", rows.validation)):
            expected = pq.read_table(next((export / kind).glob(f"{split}-*")))
            assert tables[kind].column("id").to_pylist() == expected.column("id").to_pylist()
    manifest = json.loads((export / "manifest.json").read_text())
    assert rows.lineage.fingerprints == [manifest["fingerprint"]]
    assert rows.lineage.licenses == ["cc-by-4.0"]
    said = {file["path"]: file["sha256"] for file in manifest["files"]}
    assert rows.lineage.files == {
        f"run/export/{path}": digest for path, digest in said.items() if path.split("/")[0] in SFT_KINDS
    }


def test_a_run_folder_stands_for_its_export(export: Path) -> None:
    one, other = (load_rows(Data(path=[str(path)]), SFT_KINDS) for path in (export, export.parent))
    assert one.hash == other.hash


def test_kinds_limit_and_validation_narrow_the_rows(export: Path) -> None:
    rows = load_rows(Data(path=[str(export)], kinds=["sft"], limit=2, validation=False), SFT_KINDS)
    assert {kind: table.num_rows for kind, table in rows.train.items()} == {"sft": 2}
    assert rows.validation == {}


def test_the_hash_tells_rows_and_their_order_apart(tmp_path: Path) -> None:
    def digest(*names: str) -> str:
        path = parquet(tmp_path / "-".join(names) / "rows.parquet", [{"id": name, "messages": TALK} for name in names])
        return load_rows(Data(path=[str(path)]), SFT_KINDS).hash

    assert digest("a", "b") == digest("a", "b")
    assert len({digest("a", "b"), digest("b", "a"), digest("a")}) == 3


def test_plain_parquet_counts_as_sft_and_its_folder_may_hold_a_split(tmp_path: Path) -> None:
    parquet(tmp_path / "train-0.parquet", [{"messages": TALK, "seed_id": "a"}])
    parquet(tmp_path / "validation-0.parquet", [{"messages": TALK, "seed_id": "b"}])
    rows = load_rows(Data(path=[str(tmp_path)]), SFT_KINDS)
    assert (rows.train["sft"].num_rows, rows.validation["sft"].num_rows) == (1, 1)
    assert set(rows.lineage.files) == {f"{tmp_path.name}/train-0.parquet", f"{tmp_path.name}/validation-0.parquet"}


def test_departments_are_chosen_at_both_levels(tmp_path: Path) -> None:
    places = [("Surgery", "Breast"), ("Surgery", None), ("Internal Medicine", "Cardiology"), (None, None)]
    rows = [{"department": top, "subdepartment": sub, "messages": TALK} for top, sub in places]
    table = pa.Table.from_pylist(rows)
    for wanted, count in ((["Surgery"], 2), (["Surgery/Breast"], 1), (["Surgery/Breast", "Internal Medicine"], 2)):
        assert in_departments(table, wanted).num_rows == count
    path = parquet(tmp_path / "rows.parquet", rows)
    assert load_rows(Data(path=[str(path)], departments=["Surgery"]), SFT_KINDS).train["sft"].num_rows == 2
    assert "no sft or reasoning or dialogue rows to train on in departments ENT" in complaint(
        path, departments=["ENT"]
    )


def test_a_byte_that_changed_is_seen(copy: Path) -> None:
    path = next((copy / "sft").glob("train-*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert complaint(copy) == f"{path}: its sha256 is not the manifest's: export the run again"


def test_files_beside_the_manifest_are_refused(copy: Path) -> None:
    extra = parquet(copy / "sft" / "train-more.parquet", [{"messages": TALK}])
    assert complaint(copy).startswith(f"{extra}: not in the manifest")
    extra.unlink()
    gone = next((copy / "dialogue").glob("train-*"))
    gone.unlink()
    assert complaint(copy) == f"{gone}: named by the manifest and not there: export the run again"


def test_a_seed_on_both_sides_is_refused(copy: Path) -> None:
    seed = pq.read_table(next((copy / "sft").glob("train-*"))).column("seed_id")[0].as_py()

    def leak(table: pa.Table) -> pa.Table:
        seeds = pa.array([seed] * table.num_rows)
        return table.set_column(table.schema.get_field_index("seed_id"), "seed_id", seeds)

    rewritten(copy, "reasoning", leak, "validation")
    assert complaint(copy).startswith(f"reasoning: seed {seed!r} is on both sides of the split (1 are)")
    assert load_rows(Data(path=[str(copy)], validation=False), SFT_KINDS).validation == {}


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_columns_are_refused(tmp_path: Path, name: str) -> None:
    path = parquet(tmp_path / "rows.parquet", [{"messages": TALK, name: "x"}])
    assert complaint(path) == f"{path}: the column {name!r} has a meaning of its own for trainers: rename or drop it"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"message": TALK}], "no column 'messages'; did you mean 'message'?"),
        ([{"messages": "hello"}], "'messages' must be a list of structs with role and content"),
        (
            [{"messages": [{"from": "user", "value": "x"}]}],
            "'messages' must be a list of structs with role and content",
        ),
        ([{"messages": TALK}, {"messages": []}], "row 1: messages: each message needs a role"),
        ([{"messages": TALK}, {"messages": None}], "row 1: messages: each message needs a role"),
        ([{"messages": [{"role": "doctor", "content": "x"}]}], "row 0: messages: each message needs a role"),
        ([{"messages": [{"role": "user", "content": None}, *TALK]}], "row 0: messages: each message needs a role"),
    ],
)
def test_columns_of_another_form_are_named(tmp_path: Path, rows: list[dict[str, Any]], expected: str) -> None:
    path = parquet(tmp_path / "rows.parquet", rows)
    assert complaint(path).startswith(f"{path}: {expected}")


def test_an_empty_shard_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([{"messages": TALK}]).slice(0, 0), path)
    assert complaint(path) == f"{path}: has no rows: leave it out, or export the run again"


def test_what_is_no_data_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "gone") == (
        f"{tmp_path / 'gone'}: no such file or folder: name an export folder, a run folder or Parquet files"
    )
    assert "no Parquet file in this folder" in complaint(tmp_path)
    (tmp_path / "text.parquet").write_text("not parquet")
    assert "not a Parquet file that can be read" in complaint(tmp_path / "text.parquet")
    (tmp_path / "spec.lock.yaml").write_text("name: x")
    assert "this run has no finished export" in complaint(tmp_path)


def test_a_damaged_manifest_and_a_kind_without_use_are_named(copy: Path) -> None:
    assert "'preference' cannot be trained on by this command" in complaint(copy, kinds=["preference"])
    (copy / "manifest.json").write_text('{"files": 3}')
    assert complaint(copy) == f"{copy / 'manifest.json'}: not a manifest of ours: export the run again"
