"""Rows of a seed source, one by one: JSONL, CSV, Parquet, a folder of Parquet files, a data set on the Hub.

Lines of text are split on the line feed alone (a passage may hold U+2028 or U+0085), a byte order mark at the start
is passed over, blank lines are skipped but counted, and every line must be UTF-8. A line that cannot be read comes out
as a :class:`BadRow`; a file that cannot be read at all raises :class:`UserError`. Memory holds one line or one batch.

The number of a row is its line in the file (for a CSV record over several lines: the first of them); for Parquet and
the Hub it is the row, counted from 1, through all files of a folder in the order of their names.

What this module does not do: it does not know what makes a row a seed (see :mod:`synth.seeds`).
"""

from __future__ import annotations

import bz2
import csv
import difflib
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth.errors import UserError
from synth.spec import SeedsSpec

HUB = "hf://"
LINE_LIMIT = 64 * 1024 * 1024
"""Bytes in a line, and characters in a CSV field: more is a mistake (a quote left open, not a text file)."""
PAYLOAD_LIMIT = 2000
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What the readers of packed files raise on a damaged one."""
_BATCH = 64
_PAGE_BUFFER = 1 << 20
_JSON = (".jsonl", ".ndjson")
_CSV = (".csv", ".tsv")
_WRONG_BYTE = re.compile(r"[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line (or row number) and its fields."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line or row that cannot be read: ``bad_json``, ``bad_csv`` or ``bad_encoding``."""

    line: int
    reason: str
    detail: str
    payload: str


def read_rows(spec: SeedsSpec) -> Iterator[Row | BadRow]:
    """Stream the rows of ``spec.source``.

    Raises :class:`UserError` when the source does not exist, is damaged or of an unknown kind, or when a format that
    declares its fields lacks the field of the text or the id.
    """
    if spec.source.startswith(HUB):
        return _hub_rows(spec)
    path = existing_path(spec.source)
    if path.is_dir() or _endings(path)[0] == ".parquet":
        return _parquet_rows(spec, path)
    return _json_rows(path) if _endings(path)[0] in _JSON else _csv_rows(spec, path)


def source_name(source: str) -> str:
    """Return the file's or folder's name, or ``owner/name`` on the Hub: the origin of rows that name none."""
    name = source.removeprefix(HUB)
    return name if source.startswith(HUB) and not Path(name).is_dir() else Path(name).name


def unit(source: str) -> str:
    """Return what the numbers of this source's rows count: ``line`` or ``row``."""
    if source.startswith(HUB) or Path(source).is_dir():
        return "row"
    return "line" if _endings(Path(source))[0] in _JSON + _CSV else "row"


def existing_path(source: str) -> Path:
    """Return the path of a local source after a check that it is there and of a known kind."""
    path = Path(source)
    if not path.exists():
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, there, n=1, cutoff=0.5)
        where = f"; did you mean {nearest[0]}?" if nearest else ""
        raise UserError(f"seeds.source: no such file: {source}{where}")
    if not path.is_dir() and _endings(path)[0] not in _JSON + _CSV and _endings(path) != (".parquet", ""):
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


def damage_hint(source: str) -> str:
    """Guess from its first bytes why no line of a file can be read; empty when there is no guess."""
    if unit(source) == "row":
        return ""
    try:
        with open_bytes(Path(source)) as stream:
            head = stream.read(4096)
    except DAMAGED:
        return "is it damaged?"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head.count(0) > len(head) // 5:
        return "looks like UTF-16 or UTF-32; convert it to UTF-8"
    if head[:2] == b"\x1f\x8b" or head[:4] in (b"\x28\xb5\x2f\xfd", b"PAR1") or head[:3] == b"BZh":
        return "the file's ending does not tell its format: it is compressed or Parquet"
    if head.lstrip()[:1] == b"[":
        return "looks like one JSON array; write one object in each line"
    if head.lstrip()[:2] in (b"{\n", b"{\r"):
        return "looks like indented JSON; write one object in each line"
    return ""


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading bytes, unpacked by its ending."""
    match _endings(path)[1]:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".xz":
            return lzma.open(path)
        case ".zst":
            return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), 1 << 16)
    return path.open("rb")


def _endings(path: Path) -> tuple[str, str]:
    """Return the ending of the format and that of the compression, either of which may be empty."""
    name = path.name.lower()
    packing = next((ending for ending in (".gz", ".bz2", ".xz", ".zst") if name.endswith(ending)), "")
    return Path(name.removesuffix(packing)).suffix, packing


def _lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line without its line feed); None stands for a line over the limit."""
    number = 0
    try:
        with open_bytes(path) as stream:
            while line := stream.readline(LINE_LIMIT + 1):
                number += 1
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if len(line) > LINE_LIMIT:
                    while line and not line.endswith(b"\n"):
                        line = stream.readline(1 << 20)
                    yield number, None
                else:
                    yield number, line.removesuffix(b"\n")
    except DAMAGED as error:
        raise UserError(f"{path}:{number + 1}: cannot be read from here: {_one_line(error)}; is it damaged?") from None


def _json_rows(path: Path) -> Iterator[Row | BadRow]:
    for number, raw in _lines(path):
        if raw is None:
            yield BadRow(number, "bad_json", f"line over {LINE_LIMIT} bytes", "")
            continue
        raw = raw.removesuffix(b"\r")
        if not raw.strip():
            continue
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            yield BadRow(number, "bad_encoding", f"not UTF-8 at byte {error.start + 1}", _payload(raw))
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(number, "bad_json", _one_line(error), line[:PAYLOAD_LIMIT])
            continue
        if isinstance(value, dict):
            yield Row(number, value)
        else:
            yield BadRow(number, "bad_json", f"not an object but {type(value).__name__}", line[:PAYLOAD_LIMIT])


def _csv_lines(path: Path) -> Iterator[str]:
    for number, raw in _lines(path):
        if raw is None:
            raise UserError(f"{path}:{number}: a line over {LINE_LIMIT} bytes; is this CSV?")
        # Wrong bytes become lone surrogates, which no valid UTF-8 gives, so the record that holds them can be named.
        yield raw.decode("utf-8", "surrogateescape") + "\n"


def _csv_rows(spec: SeedsSpec, path: Path) -> Iterator[Row | BadRow]:
    csv.field_size_limit(max(LINE_LIMIT, csv.field_size_limit()))
    reader = csv.reader(_csv_lines(path), delimiter="\t" if _endings(path)[0] == ".tsv" else ",", strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        cells: list[str] = []
        try:
            cells = next(reader)
            reason, detail = _csv_problem(cells, header)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise UserError(f"{path}:{line}: a quote that opens in this record is never closed") from None
            reason, detail = "bad_csv", _one_line(error)
        if reason and not header:
            hint = damage_hint(str(path)) or "is this CSV in UTF-8?"
            raise UserError(f"{path}:{line}: no header can be read: {detail}; {hint}")
        if reason:
            yield BadRow(line, reason, detail, _payload(",".join(cells).encode("utf-8", "surrogateescape")))
        elif cells and header:
            yield Row(line, dict(zip(header, cells, strict=True)))
        elif cells:
            header = [name.strip() for name in cells]
            _require_fields(spec, header, path.name)


def _csv_problem(cells: list[str], header: list[str]) -> tuple[str, str]:
    """Return reason and detail of a bad record, or two empty strings."""
    if any(_WRONG_BYTE.search(cell) for cell in cells):
        return "bad_encoding", "not UTF-8"
    if not header and len(set(cells)) < len(cells):
        return "bad_csv", "two columns of the same name"
    if header and cells and len(cells) != len(header):
        return "bad_csv", f"{len(cells)} cells under {len(header)} columns; is a text with commas not in quotes?"
    return "", ""


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
            raise UserError(f"{file}: cannot be read as Parquet: {_one_line(error)}") from None


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
        raise UserError(f"seeds.source: {spec.source}: {type(error).__name__}: {_one_line(error)}") from None


def _require_fields(spec: SeedsSpec, there: list[str], source: str) -> list[str]:
    """Return those of the spec's fields that are there; the text and the id must be."""
    if spec.text not in there:
        raise missing_field("text", spec.text, there, source)
    if spec.id is not None and spec.id not in there:
        raise missing_field("id", spec.id, there, source)
    wanted = (spec.text, spec.id, spec.license, spec.origin)
    return list(dict.fromkeys(field for field in wanted if field in there))


def _payload(raw: bytes) -> str:
    return raw[: 4 * PAYLOAD_LIMIT].decode("utf-8", "replace")[:PAYLOAD_LIMIT]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
