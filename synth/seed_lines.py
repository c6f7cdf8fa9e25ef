"""Files of lines, one row a line or record: JSON and CSV, packed or not.

Lines are split on the line feed alone (a passage may hold U+2028 or U+0085), a byte order mark at the start is passed
over, blank lines are skipped but counted, and every line must be UTF-8. A line that cannot be read comes out as a
:class:`BadRow`; a file that cannot be read at all raises :class:`UserError`. Memory holds one line or one record.

The number of a row is its line in the file; for a CSV record over several lines it is the first of them.

What this module does not do: it does not know which fields a row needs (see :mod:`synth.seed_files`).
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth.errors import UserError

JSON = (".jsonl", ".ndjson")
CSV = (".csv", ".tsv")
LINE_LIMIT = 64 * 1024 * 1024
"""Bytes in a line, and characters in a CSV field: more is a mistake (a quote left open, not a text file)."""
PAYLOAD_LIMIT = 2000
"""Characters of a bad line that are kept to show it."""
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What the readers of packed files raise on a damaged one."""
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


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading bytes, unpacked by its ending."""
    match endings(path)[1]:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".xz":
            return lzma.open(path)
        case ".zst":
            return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), 1 << 16)
    return path.open("rb")


def endings(path: Path) -> tuple[str, str]:
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
        raise UserError(f"{path}:{number + 1}: cannot be read from here: {one_line(error)}; is it damaged?") from None


def json_rows(path: Path) -> Iterator[Row | BadRow]:
    """Stream the objects of a file with one in each line."""
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
            yield BadRow(number, "bad_json", one_line(error), line[:PAYLOAD_LIMIT])
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


def csv_rows(path: Path, check_header: Callable[[list[str]], object]) -> Iterator[Row | BadRow]:
    """Stream the records under the header, which ``check_header`` is handed first and may refuse by raising.

    Raises UserError for a header that cannot be read, a quote that is never closed, a line over the limit.
    """
    csv.field_size_limit(max(LINE_LIMIT, csv.field_size_limit()))
    reader = csv.reader(_csv_lines(path), delimiter="\t" if endings(path)[0] == ".tsv" else ",", strict=True)
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
            reason, detail = "bad_csv", one_line(error)
        if reason and not header:
            hint = damage_hint(path) or "is this CSV in UTF-8?"
            raise UserError(f"{path}:{line}: no header can be read: {detail}; {hint}")
        if reason:
            yield BadRow(line, reason, detail, _payload(",".join(cells).encode("utf-8", "surrogateescape")))
        elif cells and header:
            yield Row(line, dict(zip(header, cells, strict=True)))
        elif cells:
            header = [name.strip() for name in cells]
            check_header(header)


def _csv_problem(cells: list[str], header: list[str]) -> tuple[str, str]:
    """Return reason and detail of a bad record, or two empty strings."""
    if any(_WRONG_BYTE.search(cell) for cell in cells):
        return "bad_encoding", "not UTF-8"
    if not header and len(set(cells)) < len(cells):
        return "bad_csv", "two columns of the same name"
    if header and cells and len(cells) != len(header):
        return "bad_csv", f"{len(cells)} cells under {len(header)} columns; is a text with commas not in quotes?"
    return "", ""


def damage_hint(path: Path) -> str:
    """Guess from its first bytes why no line of a file can be read; empty when there is no guess."""
    try:
        with open_bytes(path) as stream:
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


def _payload(raw: bytes) -> str:
    return raw[: 4 * PAYLOAD_LIMIT].decode("utf-8", "replace")[:PAYLOAD_LIMIT]


def one_line(error: BaseException) -> str:
    """Return the error's message on one line of at most 300 characters, its type where it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__
