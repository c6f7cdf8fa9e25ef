"""JSONL and CSV files, packed or not, as Arrow record batches: what :mod:`filters.tables` needs of files of lines.

Lines end with a line feed, a byte order mark at the start is passed over, blank lines are skipped. A line that is not
UTF-8, not JSON or not an object, a CSV record with too few or too many cells, a value that does not fit its column:
:class:`TableError` with file and line. It knows no Parquet and does not choose the types of a whole file.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from filters.text import storable

BATCH_BYTES = 1 << 24
BATCH_ROWS = 8192
LINES = (".jsonl", ".ndjson")
CELLS = {".csv": ",", ".tsv": "\t"}
PACKED = (".gz", ".bz2", ".zst")
_DAMAGED = (OSError, EOFError, zlib.error)
_CELL_LIMIT = 1 << 30  # characters; the csv module's own limit of 131,072 is shorter than a long document


class TableError(ValueError):
    """A file or a column is not what the command needs: one line that says where, what and how to mend it."""


def endings(path: Path) -> tuple[str, str]:
    """The ending of the format and that of the compression, which may be empty."""
    name = path.name.lower()
    packed = next((ending for ending in PACKED if name.endswith(ending)), "")
    return Path(name.removesuffix(packed)).suffix, packed


def json_batches(path: Path, schema: pa.Schema | None) -> Iterator[pa.RecordBatch]:
    """The objects of a JSONL file, in the types of ``schema``, or without one in those that each batch suggests."""
    rows: list[dict[str, Any]] = []
    size = first = 0
    for number, line in _lines(path):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
            if "\\u" in line:  # perhaps half a surrogate pair, which Arrow cannot hold
                row = _storable(row)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path}:{number}: not JSON: {one_line(error)}") from None
        if not isinstance(row, dict):
            raise TableError(f"{path}:{number}: not an object but {type(row).__name__}; one object a line is needed")
        if not rows:
            first = number
        rows.append(row)
        size += len(line)
        if size >= BATCH_BYTES or len(rows) >= BATCH_ROWS:
            yield _json_batch(path, first, rows, schema)
            rows, size = [], 0
    if rows:
        yield _json_batch(path, first, rows, schema)


def csv_header(path: Path) -> list[str]:
    """The column names of a CSV file, none where it is empty."""
    return next(_records(path), (0, []))[1]


def csv_batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The records of a CSV file, those columns that ``schema`` has."""
    records = _records(path)
    header = next(records, (0, []))[1]
    taken = [(place, name) for place, name in enumerate(header) if name in schema.names]
    names = [name for _, name in taken]
    columns: list[list[str]] = [[] for _ in taken]
    rows = size = 0
    for number, cells in records:
        if len(cells) != len(header):
            raise TableError(
                f"{path}:{number}: {len(cells)} cells under {len(header)} columns; "
                "is a text with commas not in quotes?"
            )
        for column, (place, _) in zip(columns, taken, strict=True):
            column.append(cells[place])
        rows, size = rows + 1, size + sum(map(len, cells))
        if size >= BATCH_BYTES or rows >= BATCH_ROWS:
            yield _text_batch(columns, names, rows)
            columns, rows, size = [[] for _ in taken], 0, 0
    if rows:
        yield _text_batch(columns, names, rows)


def one_line(error: BaseException) -> str:
    """The error's message on one line of at most 300 characters, its type where it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, 1):
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise TableError(f"{path}:{number}: not UTF-8 at byte {error.start + 1} of the line: convert it") from None
    except _DAMAGED as error:
        raise TableError(f"{path}:{number + 1}: cannot be read from here: {one_line(error)}; is it damaged?") from None


def _open(path: Path) -> io.BufferedIOBase:
    match endings(path)[1]:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".zst":
            return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), 1 << 16)
    return path.open("rb")


def _json_batch(path: Path, first: int, rows: list[dict[str, Any]], schema: pa.Schema | None) -> pa.RecordBatch:
    names = schema.names if schema is not None else list(dict.fromkeys(name for row in rows for name in row))
    arrays = []
    for name in names:
        kind = schema.field(name).type if schema is not None else None
        values = [row.get(name) for row in rows]
        try:
            arrays.append(pa.array(values, kind))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            others = f" here and in the other files ({kind} together)" if kind is not None else ""
            raise TableError(
                f'{path}: in the {len(rows)} rows from line {first} on, column "{name}" holds values of different '
                f"types{others}: {one_line(error)}; make them one type"
            ) from None
    return _batch(arrays, names, len(rows))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The records with the line each begins on, the header first; a header must name each column once."""
    csv.field_size_limit(max(_CELL_LIMIT, csv.field_size_limit()))
    reader = csv.reader(_texts(_lines(path)), delimiter=CELLS[endings(path)[0]], strict=True)
    line, header = 1, True
    try:
        for cells in reader:
            if cells:
                if header and len(set(cells)) < len(cells):
                    raise TableError(f"{path}:{line}: two columns of the same name in the header: rename one")
                yield line, cells
                header = False
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}:{line}: not CSV: {one_line(error)}; is a quote never closed?") from None


def _texts(lines: Iterable[tuple[int, str]]) -> Iterator[str]:
    return (line for _, line in lines)


def _text_batch(columns: list[list[str]], names: list[str], rows: int) -> pa.RecordBatch:
    return _batch([pa.array(column, pa.string()) for column in columns], names, rows)


def _batch(arrays: list[pa.Array], names: list[str], rows: int) -> pa.RecordBatch:
    """A batch that knows its number of rows even without a column."""
    of = pa.struct([pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)])
    return pa.RecordBatch.from_struct_array(
        pa.StructArray.from_arrays(arrays, fields=list(of)) if arrays else pa.array([{}] * rows, pa.struct([]))
    )
