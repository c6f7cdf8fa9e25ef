"""Rows of a seed source, one by one: JSONL, CSV, Parquet, a folder of Parquet files, a data set on the Hub.

A row that cannot be read comes out as a :class:`BadRow`; a source that cannot be read at all raises
:class:`UserError`. Memory holds one line or one batch. The number of a row is its line in a file of lines; for Parquet
and the Hub it is the row, counted from 1, through all files of a folder in the order of their names.

What this module does not do: it does not read lines itself (see :mod:`synth.seed_lines`) and does not know what makes
a row a seed (see :mod:`synth.seeds`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth.errors import UserError
from synth.seed_lines import CSV, JSON, BadRow, Row, csv_rows, endings, json_rows, one_line
from synth.spec import SeedsSpec

HUB = "hf://"
_BATCH = 64
_PAGE_BUFFER = 1 << 20


def read_rows(spec: SeedsSpec) -> Iterator[Row | BadRow]:
    """Stream the rows of ``spec.source``.

    Raises :class:`UserError` when the source does not exist, is damaged or of an unknown kind, or when a format that
    declares its fields lacks the field of the text or the id.
    """
    if spec.source.startswith(HUB):
        return _hub_rows(spec)
    path = existing_path(spec.source)
    if path.is_dir() or endings(path)[0] == ".parquet":
        return _parquet_rows(spec, path)
    if endings(path)[0] in JSON:
        return json_rows(path)
    return csv_rows(path, lambda header: _require_fields(spec, header, path.name))


def source_name(source: str) -> str:
    """Return the file's or folder's name, or ``owner/name`` on the Hub: the origin of rows that name none."""
    name = source.removeprefix(HUB)
    return name if source.startswith(HUB) and not Path(name).is_dir() else Path(name).name


def unit(source: str) -> str:
    """Return what the numbers of this source's rows count: ``line`` or ``row``."""
    if source.startswith(HUB) or Path(source).is_dir():
        return "row"
    return "line" if endings(Path(source))[0] in JSON + CSV else "row"


def existing_path(source: str) -> Path:
    """Return the path of a local source after a check that it is there and of a known kind."""
    path = Path(source)
    if not path.exists():
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, there, n=1, cutoff=0.5)
        where = f"; did you mean {nearest[0]}?" if nearest else ""
        raise UserError(f"seeds.source: no such file: {source}{where}")
    if not path.is_dir() and endings(path)[0] not in JSON + CSV and endings(path) != (".parquet", ""):
        raise UserError(
            f"seeds.source: {source}: cannot tell the format; use .jsonl, .ndjson, .csv or .tsv (also with .gz, .bz2,"
            " .xz or .zst), .parquet, a folder of .parquet files, or hf://owner/name"
        )
    return path


def missing_field(key: str, name: str, fields: list[str], source: str) -> UserError:
    """Return the error for a field that the spec names and the source lacks, with the nearest one there is."""
    nearest = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
    mend = f"did you mean `{nearest[0]}`?" if nearest else f"name one of them in seeds.{key}"
    if key == "id":
        mend += "; or set `id: null` to derive ids from the texts"
    there = ", ".join(fields[:50]) or "none"
    return UserError(f"seeds.{key}: {source} has no field `{name}`; its fields: {there}; {mend}")


def _parquet_rows(spec: SeedsSpec, path: Path) -> Iterator[Row | BadRow]:
    files = sorted(entry for entry in path.glob("*.parquet") if entry.name[0] not in "._") if path.is_dir() else [path]
    if not files:
        raise UserError(f"seeds.source: {path} is a folder without .parquet files")
    number = 0
    for file in files:
        try:
            # Without these two settings a whole column of a row group is read at once.
            with pq.ParquetFile(file, buffer_size=_PAGE_BUFFER, pre_buffer=False) as table:
                columns = _require_fields(spec, table.schema_arrow.names, file.name)
                for batch in table.iter_batches(batch_size=_BATCH, columns=columns):
                    for row in _batch_rows(batch, number):
                        number = row.line
                        yield row
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{file}: cannot be read as Parquet: {one_line(error)}") from None


def _batch_rows(batch: pa.RecordBatch, before: int) -> Iterator[Row | BadRow]:
    """Yield the rows of a batch; ``before`` rows have gone before it."""
    try:
        rows: list[dict[str, Any] | None] = batch.to_pylist()
    except UnicodeDecodeError:
        rows = [_one_row(batch.slice(index, 1)) for index in range(batch.num_rows)]
    for number, fields in enumerate(rows, before + 1):
        yield BadRow(number, "bad_encoding", "not UTF-8", "") if fields is None else Row(number, fields)


def _one_row(batch: pa.RecordBatch) -> dict[str, Any] | None:
    try:
        fields: dict[str, Any] = batch.to_pylist()[0]
    except UnicodeDecodeError:
        return None
    return fields


def _hub_rows(spec: SeedsSpec) -> Iterator[Row | BadRow]:
    try:
        import datasets
    except ImportError:
        raise UserError(f"seeds.source: {spec.source} needs the library datasets: pip install datasets") from None
    name = spec.source.removeprefix(HUB)
    if not name or (name.count("/") > 1 and not Path(name).is_dir()):
        raise UserError(f"seeds.source: {spec.source} is neither hf://owner/name nor hf:// and a local folder")
    try:
        rows = datasets.load_dataset(name, spec.config, split=spec.split, streaming=True, revision=spec.revision)
        if rows.column_names is not None:
            rows = rows.select_columns(_require_fields(spec, rows.column_names, name))
        for number, fields in enumerate(rows, 1):
            yield Row(number, fields)
    except UserError:
        raise
    except Exception as error:  # the library's errors have no common base: network, absence, access, bad files
        raise UserError(f"seeds.source: {spec.source}: {type(error).__name__}: {one_line(error)}") from None


def _require_fields(spec: SeedsSpec, there: list[str], source: str) -> list[str]:
    """Return those of the spec's fields that are there; the text and the id must be."""
    if spec.text not in there:
        raise missing_field("text", spec.text, there, source)
    if spec.id is not None and spec.id not in there:
        raise missing_field("id", spec.id, there, source)
    wanted = (spec.text, spec.id, spec.license, spec.origin)
    return list(dict.fromkeys(field for field in wanted if field in there))
