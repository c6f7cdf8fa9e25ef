"""Files of benchmarks as records with the place where each stands, whatever the file is: JSON lines, JSON, Parquet.

What a JSON file holds is seen from its content, for some benchmarks call their JSON lines ``.json``: an array of
objects, an object of objects (their keys are ids), objects line by line, or one object over many lines. Lines and
Parquet are streamed; a JSON array or object is read whole. Other endings are not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filters.readers.items import BenchmarkError

ENDINGS = (".jsonl", ".json", ".parquet")

_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testset": "test",
    "testing": "test",
    "heldout": "test",
    "devset": "validation",
    "eval": "validation",
}
_TOO_LONG = re.compile(r"\d{4300}")
_LICENCES = {
    "mit": r"\bMIT\b",
    "apache-2.0": r"Apache(?: License)?[-\s,]*(?:Version )?2\.0",
    "cc-by-nc-sa-4.0": r"CC[- ]BY-NC-SA[- ]4\.0|Attribution-NonCommercial-ShareAlike 4\.0",
    "cc-by-nc-4.0": r"CC[- ]BY-NC[- ]4\.0|Attribution-NonCommercial 4\.0",
    "cc-by-sa-4.0": r"CC[- ]BY-SA[- ]4\.0|Attribution-ShareAlike 4\.0",
    "cc-by-4.0": r"CC[- ]BY[- ]4\.0|Attribution 4\.0",
    "cc0-1.0": r"\bCC0\b",
}


@dataclass(frozen=True, slots=True)
class Record:
    """An object of a file."""

    where: str
    """``file:line``, or ``file, record 3`` where lines say nothing."""
    key: str
    """The key it stood under in an object of objects, else empty."""
    fields: Mapping[str, Any]


def benchmark_files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder and the folders below it that end as benchmarks do, sorted by path.

    Raises:
        BenchmarkError: there is no such path, no such file in the folder, or the file ends otherwise.
    """
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file())
        if not found:
            raise BenchmarkError(f"{path}: no file in this folder ends in {', '.join(ENDINGS)}")
        return found
    if not path.is_file():
        raise BenchmarkError(f"{path}: no such file or folder")
    if path.suffix not in ENDINGS:
        raise BenchmarkError(f"{path}: benchmarks are read from {', '.join(ENDINGS)}")
    return [path]


def records(path: Path) -> Iterator[Record]:
    """The objects of one file in order.

    Raises:
        BenchmarkError: the file cannot be read, is no JSON or Parquet, or holds anything but objects.
    """
    try:
        yield from _parquet(path) if path.suffix == ".parquet" else _json(path)
    except UnicodeDecodeError:
        raise BenchmarkError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be read: {error.strerror or error}") from None


def split_of(path: Path) -> str:
    """``train``, ``validation`` or ``test`` where a word of the file's name, or its folder's whole name, says so.

    Of several that contradict each other the one that may least be trained on.
    """
    named = {_SPLITS[word] for word in re.split(r"[^a-z]+", path.stem.lower()) if word in _SPLITS}
    named = named or {_SPLITS.get(path.parent.name.lower(), "unknown")}  # the Hub's conversion: test/0000.parquet
    return next((split for split in ("test", "validation", "train") if split in named), "unknown")


def licence_of(folder: Path, known: str) -> str:
    """The licence that SOURCE.txt in the folder states (a line ``licence: …``), else ``known``, else that of LICENSE.

    A LICENSE file comes last because it may be that of the project around the data. ``unknown`` where nothing says.
    """
    stated = _head(folder, "SOURCE*", 4000)
    line = re.search(r"(?im)^\W*licen[cs]e\s*:(.*)$", stated)
    return _named(line[1] if line else "") or known or _named(_head(folder, "LICEN[CS]E*", 400)) or "unknown"


def _named(text: str) -> str:
    places = {name: found.start() for name, pattern in _LICENCES.items() if (found := re.search(pattern, text))}
    return min(places, key=lambda name: places[name], default="")


def _head(folder: Path, pattern: str, length: int) -> str:
    for path in sorted(folder.glob(pattern)):
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                return file.read(length)
    return ""


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(f"{path}, row {number}", "", row)
    except pa.ArrowException as error:
        raise BenchmarkError(f"{path}: is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _json(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip()), "")
        alone = not any(line.strip() for line in file)
    if not first:
        return
    try:
        opening = json.loads(first)
    except (ValueError, RecursionError):
        opening = None
    if isinstance(opening, dict) and not (alone and _is_keyed(opening)):
        yield from _lines(path)
    elif path.suffix == ".jsonl" and opening is None:
        yield from _lines(path)  # a broken first line: say so with its number
    else:
        yield from _whole(path)


def _is_keyed(value: Mapping[str, Any]) -> bool:
    """Whether an object holds records under their ids rather than the fields of one record."""
    return (
        bool(value) and all(isinstance(member, dict) for member in value.values()) and "OSCE_Examination" not in value
    )


def _lines(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            yield _record(f"{path}:{number}", "", _loaded(line.strip(), path, number))


def _whole(path: Path) -> Iterator[Record]:
    value = _loaded(path.read_text(encoding="utf-8-sig"), path, 1)
    if isinstance(value, list):
        for number, member in enumerate(value, start=1):
            yield _record(f"{path}, record {number}", "", member)
    elif isinstance(value, dict) and _is_keyed(value):
        for key, member in value.items():
            yield _record(f"{path}, record {json.dumps(key[:80], ensure_ascii=False)}", key, member)
    else:
        yield _record(f"{path}:1", "", value)


def _loaded(content: str, path: Path, line: int) -> Any:
    """The value of a JSON text that begins in this line of the file."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise BenchmarkError(f"{path}:{line + error.lineno - 1}: is no JSON: {error.msg}") from None
    except RecursionError:
        raise BenchmarkError(f"{path}:{line}: is nested too deeply: remove this record, or write it flat") from None
    except ValueError:  # the only other one: a number of more digits than Python reads
        digits = _TOO_LONG.search(content)
        line += content.count("\n", 0, digits.start()) if digits else 0
        raise BenchmarkError(f"{path}:{line}: holds a number of too many digits: shorten it or write a text") from None


def _record(where: str, key: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise BenchmarkError(f"{where}: an object is needed, not {type(value).__name__}")
    return Record(where, key, value)
