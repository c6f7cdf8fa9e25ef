"""Parquet, JSONL and CSV files read as one table, in Arrow record batches, as often as a command passes over it.

Endings: ``.parquet``; ``.jsonl`` and ``.ndjson`` (one object a line); ``.csv`` and ``.tsv`` (a header first, UTF-8);
the last four also with ``.gz``, ``.bz2`` or ``.zst``. Memory holds one batch of about 16 MB, or one row where that is
larger.

- Opening a table passes over its JSONL files once, for only then are their columns and types known. So what is wrong
  with a file is said before any work. A key that a line lacks is null; whole and broken numbers become broken ones.
- Every CSV column is text as it stands (``007`` stays), an empty cell is an empty text, not null.
- What JSON can hold and Arrow cannot (half a surrogate pair) is changed as by :func:`filters.text.storable`.
- A file without rows is a table without rows. A file that cannot be read as what its ending says, columns whose types
  do not go together, and a missing column raise :class:`TableError` with one line.

It writes nothing (see :mod:`filters.outputs`), guesses no format from content, and reads no folder and no network.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from filters.table_lines import (
    BATCH_BYTES,
    BATCH_ROWS,
    CELLS,
    LINES,
    TableError,
    csv_batches,
    csv_header,
    endings,
    json_batches,
    one_line,
)

__all__ = ["Table", "TableError", "missing_column", "texts"]


class Table:
    """Files in their order as one table; rows are numbered through all of them.

    Raises:
        TableError: a file is missing, of an unknown kind, damaged, or its columns do not go with the others'.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = [_checked(Path(path)) for path in paths]
        self.schema: pa.Schema = pa.schema([])
        first: dict[str, Path] = {}  # of each column the file that has it first
        for path in self.paths:
            for schema in _schemas(path):
                self.schema = _merged(self.schema, schema, path, first)
                first = dict.fromkeys(schema.names, path) | first

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows, all batches with the same types; with ``columns`` only these, in that order."""
        return (batch for _, _, batch in self.placed(columns))

    def placed(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Path, int, pa.RecordBatch]]:
        """As :meth:`batches`, each with its file and the number of its first row in that file, from 1."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        for path in self.paths:
            number = 1
            for batch in _batches(path, schema):
                yield path, number, _conformed(batch, schema, path)
                number += batch.num_rows

    def column(self, name: str) -> str:
        """``name``, if there is such a column."""
        if name not in self.schema.names:
            raise TableError(f"{self.named()}: {missing_column(name, self.schema.names)}")
        return name

    def text_column(self, name: str | None = None) -> str:
        """The column that holds the texts: ``name``, or without one ``text`` or ``messages``, whichever there is.

        Raises:
            TableError: there is none, or it holds neither texts nor lists of messages with a text ``content``.
        """
        name = name or next((known for known in ("text", "messages") if known in self.schema.names), "text")
        kind = self.schema.field(self.column(name)).type
        if not (_is_text(kind) or _is_messages(kind) or pa.types.is_null(kind)):
            raise TableError(f'{self.named()}: column "{name}" holds {kind}, neither texts nor messages: name another')
        return name

    def named(self) -> str:
        """The files, short enough for a message."""
        first = str(self.paths[0]) if self.paths else "no file"
        return first if len(self.paths) < 2 else f"{first} and {len(self.paths) - 1} more"


def texts(batch: pa.RecordBatch, column: str) -> pa.LargeStringArray:
    """The texts of a column that :meth:`Table.text_column` accepted; of messages the contents, one line break between.

    Null stays null; null messages and contents count as empty among others.

    Raises:
        TableError: bytes that are not UTF-8.
    """
    values = batch.column(column)
    if _is_messages(values.type):
        contents = pc.struct_field(values.flatten(), "content").cast(pa.string())
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, pc.fill_null(contents, "")), "\n")
        joined = joined.cast(pa.large_string())
        return pc.if_else(values.is_valid(), joined, pa.scalar(None, pa.large_string()))
    found = values.cast(pa.large_string())
    try:
        found.validate(full=True)
    except pa.ArrowInvalid:
        raise TableError(f'column "{column}" holds bytes that are not UTF-8: convert the file') from None
    return found


def missing_column(name: str, there: Sequence[str]) -> str:
    """The part of a message that says a column is missing, names the nearest one and what there is."""
    nearest = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
    hint = f'did you mean "{nearest[0]}"? ' if nearest else ""
    return f'no column "{name}"; {hint}there is {", ".join(there[:50]) or "none"}'


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _is_messages(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        return False
    place = kind.value_type.get_field_index("content")
    return place >= 0 and (
        _is_text(kind.value_type.field(place).type) or kind.value_type.field(place).type == pa.null()
    )


def _checked(path: Path) -> Path:
    if not path.is_file():
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, there, n=1, cutoff=0.5)
        hint = "a folder; name the files in it" if path.is_dir() else "no such file"
        raise TableError(
            f"{path}: {hint}" + (f"; did you mean {nearest[0]}?" if nearest and not path.is_dir() else "")
        )
    kind, packed = endings(path)
    if kind not in (*LINES, *CELLS) and (kind, packed) != (".parquet", ""):
        raise TableError(
            f"{path}: cannot tell the format; use .parquet, .jsonl, .ndjson, .csv or .tsv (all but the first "
            "also with .gz, .bz2 or .zst)"
        )
    return path


def _schemas(path: Path) -> Iterator[pa.Schema]:
    """The schema of a file; of a JSONL file those of its batches."""
    kind, _ = endings(path)
    if kind == ".parquet":
        with _parquet(path) as file:
            yield file.schema_arrow.remove_metadata()
    elif kind in CELLS:
        yield pa.schema([(name, pa.string()) for name in csv_header(path)])
    else:
        for batch in json_batches(path, None):
            yield batch.schema


def _merged(one: pa.Schema, other: pa.Schema, path: Path, first: Mapping[str, Path]) -> pa.Schema:
    """Both as one; ``first``: where the columns of ``one`` come from. A dictionary beside plain values is plain."""
    for name in [name for name in one.names if name in other.names]:
        types = one.field(name).type, other.field(name).type
        if types[0] != types[1] and any(map(pa.types.is_dictionary, types)):
            one, other = _plain(one, name), _plain(other, name)
        try:
            pa.unify_schemas(
                [pa.schema([one.field(name)]), pa.schema([other.field(name)])], promote_options="permissive"
            )
        except pa.ArrowException:
            raise TableError(
                f'{path}: types that do not go together: column "{name}" holds {other.field(name).type} here and '
                f"{one.field(name).type} in {first[name]}; make them one type"
            ) from None
    return pa.unify_schemas([one, other], promote_options="permissive")


def _plain(schema: pa.Schema, name: str) -> pa.Schema:
    at, kind = schema.get_field_index(name), schema.field(name).type
    return schema.set(at, pa.field(name, kind.value_type)) if pa.types.is_dictionary(kind) else schema


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    kind, _ = endings(path)
    if kind == ".parquet":
        return _parquet_batches(path, schema.names)
    return json_batches(path, schema) if kind in LINES else csv_batches(path, schema)


def _conformed(batch: pa.RecordBatch, schema: pa.Schema, path: Path) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    there = set(batch.schema.names)
    columns = []
    for field in schema:
        try:
            columns.append(
                batch.column(field.name).cast(field.type)
                if field.name in there
                else pa.nulls(batch.num_rows, field.type)
            )
        except pa.ArrowException as error:  # a whole number too large for the broken ones of another file
            raise TableError(
                f'{path}: column "{field.name}" cannot become {field.type}, which it is in another file: '
                f"{one_line(error)}; make them one type"
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        # Without these two settings a whole column of a row group is read at once.
        return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: cannot be read as Parquet: {one_line(error)}") from None


def _parquet_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _parquet(path) as file:
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        a_row = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1.0)
        rows = int(min(max(BATCH_BYTES / max(a_row, 1.0), 1), BATCH_ROWS))
        there = [name for name in columns if name in file.schema_arrow.names]
        try:
            yield from file.iter_batches(batch_size=rows, columns=there)
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{path}: cannot be read as Parquet: {one_line(error)}") from None
