"""What reviewers said of rows: JSON lines of ``{"id": …, "mark": "keep" | "reject", "comment": …}``.

The report's page saves such a file; `python -m synth.generate --marks FILE` takes it over into the run folder, where
every later export finds it. Of several marks on a row the last one counts, and a new file leaves marks on other rows
as they were. What a mark does to a row is told in :mod:`synth.curate`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filters.text import storable
from synth.errors import UserError

FILE = "marks.jsonl"
"""Name in the run folder."""
_LONGEST = 10_000  # characters of a comment
_ROWS = ("export", "rejected", "staging")
"""Where rows of a run folder lie; the first two hold them all once a run has been exported."""
_LEFTOVER = re.compile(r"\.(?:tmp|old)-\d+/")
"""A folder that a kill left half written or half removed, as :mod:`synth.staging` names them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A reviewer's verdict on a row."""

    id: str
    mark: Literal["keep", "reject"]
    comment: str = ""


Marks = Mapping[str, Mark]
"""By row id."""


def read_marks(path: Path) -> dict[str, Mark]:
    """Read a file of marks; lines without anything are left out.

    Raises:
        UserError: the file cannot be read, or a line is no mark.
    """
    try:
        lines = path.read_text("utf-8").split("\n")  # not splitlines(): a comment may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"{path}: marks cannot be read: {reason}; name the file that the report saved") from error
    found: dict[str, Mark] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            mark = _mark(f"{path}:{number}", line)
            found[mark.id] = mark
    return found


def marks_of(run: Path) -> dict[str, Mark]:
    """The marks of a run folder; none where it has no file of them.

    Raises:
        UserError: the file is damaged.
    """
    path = run / FILE
    return read_marks(path) if path.exists() else {}


def take_over(marks: Marks, run: Path) -> None:
    """Add marks to those of a run folder; a kill leaves the former file or the new one.

    Raises:
        UserError: the former file is damaged, or the folder cannot be written to.
    """
    path, aside = run / FILE, run / f".{FILE}.{os.getpid()}"
    merged = {**marks_of(run), **marks}
    text = "".join(json.dumps(asdict(mark), ensure_ascii=False) + "\n" for mark in merged.values())
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)


def unknown_marks(marks: Marks, run: Path) -> list[str]:
    """Ids of marks that name no row of a run folder, kept, rejected or still to be exported; in the marks' order.

    Raises:
        UserError: a file of rows is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    left = dict.fromkeys(marks)
    paths = (path for part in _ROWS for path in sorted((run / part).rglob("*.parquet")))
    for path in paths:
        if not left:
            break
        if _LEFTOVER.search(str(path.relative_to(run))):
            continue
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(columns=["id"]):
                    for row_id in batch.column("id").to_pylist():
                        left.pop(row_id, None)
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(f"{path}: cannot be read: {reason}; run the same command without --marks first") from error
    return list(left)


def check_marks(path: Path, marks: Marks, run: Path) -> str:
    """Say how many marks of the file ``path`` would be applied to a run folder, and which name none of its rows.

    Raises:
        UserError: none of them does.
    """
    unknown = unknown_marks(marks, run)
    if not marks or len(unknown) == len(marks):
        what = (
            f"none of its {len(marks):,} marks names a row of {run}, for example {unknown[0]}" if marks else "no marks"
        )
        raise UserError(f"{path}: {what}; name marks that were saved from this run's report")
    known = [marks[row_id].mark for row_id in marks.keys() - set(unknown)]
    said = f"{path}: {len(known):,} marks apply: {known.count('keep'):,} keep, {known.count('reject'):,} reject"
    return said + (f"; {len(unknown):,} name no row of {run}, the first {unknown[0]}" if unknown else "")


def _mark(where: str, line: str) -> Mark:
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON; each line must be {_FORM}") from error
    if not isinstance(said, dict) or not isinstance(said.get("id"), str) or not said["id"]:
        raise UserError(f"{where}: no id; each line must be {_FORM}")
    if said.get("mark") not in ("keep", "reject"):
        raise UserError(f"{where}: mark must be keep or reject, not {str(said.get('mark'))[:40]!r}")
    comment = said.get("comment") or ""
    if not isinstance(comment, str):
        raise UserError(f"{where}: comment must be a text")
    return Mark(storable(said["id"]), said["mark"], storable(comment)[:_LONGEST])


_FORM = '{"id": "…", "mark": "keep" or "reject", "comment": "…"}'
