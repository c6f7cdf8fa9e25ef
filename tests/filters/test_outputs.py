from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters import outputs
from filters.outputs import ParquetRows, all_or_none
from filters.tables import TableError


def test_all_files_appear_at_the_end_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    with all_or_none(folder, "z.json") as hidden:
        (hidden / "a").write_text("1")
        (hidden / "z.json").write_text("1")
        assert [path.name for path in folder.iterdir()] == [hidden.name]
    (folder / "mine").write_text("mine")
    with all_or_none(folder, "z.json") as hidden:
        (hidden / "a").write_text("2")
        (hidden / "z.json").write_text("2")
        assert (folder / "a").read_text() == "1"
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"a": "2", "mine": "mine", "z.json": "2"}


def test_none_appears_after_an_error(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with all_or_none(folder, "z.json") as hidden:
            (hidden / "a").write_text("1")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match="stop"):
        fail(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_crash_between_two_moves_leaves_no_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "z.json"):
        (tmp_path / name).write_text("old")
    replace = outputs.os.replace

    def once(source: Path, target: Path) -> None:
        replace(source, target)
        monkeypatch.setattr(outputs.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no power")))

    monkeypatch.setattr(outputs.os, "replace", once)
    context = all_or_none(tmp_path, "z.json")
    hidden = context.__enter__()
    for name in ("a", "b", "z.json"):
        (hidden / name).write_text("new")
    with pytest.raises(OSError, match="no power"):
        context.__exit__(None, None, None)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "old"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TableError, match="cannot be written to"), all_or_none(tmp_path / "file" / "out", "z"):
        pass


def test_rows_are_gathered_into_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_GROUP_ROWS", 5)
    batch = pa.record_batch({"n": [1, 2]})
    with ParquetRows(tmp_path / "a.parquet", batch.schema) as file:
        for _ in range(4):
            file.write(batch)
            file.write(batch.slice(2))
    assert pq.read_table(tmp_path / "a.parquet")["n"].to_pylist() == [1, 2] * 4
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2
    with pytest.raises(TableError, match="Parquet cannot hold these columns"):
        ParquetRows(tmp_path / "b.parquet", pa.schema([("s", pa.struct([]))]))
