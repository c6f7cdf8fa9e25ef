"""Reading a run folder for a report: Parquet in batches, the manifest and the locked spec, nothing written.

A folder counts as a run when it has an export, a locked spec or journals. What is missing becomes a note, so that a
run which is not finished has a report as well. Memory holds a batch of rows at a time.

What this module does not do: it does not look into journals (see :mod:`synth.reporting.journals`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from synth.errors import UserError
from synth.fingerprint import read_lock
from synth.rows import KINDS
from synth.spec import Spec

BATCH_ROWS = 128

Row = dict[str, Any]


@dataclass(slots=True)
class RunFolder:
    """A run folder and what stands at its top."""

    folder: Path
    manifest: dict[str, Any]
    """``export/manifest.json``; empty where the run was not exported."""
    lock: dict[str, Any]
    """``spec.lock.yaml``; empty where there is none."""
    spec: Spec | None
    """The locked spec; None where it is missing or of another version."""
    notes: list[str] = field(default_factory=list)
    """What could not be read, for the report."""

    @property
    def name(self) -> str:
        """Name of the data set."""
        return str(self.manifest.get("name") or (self.spec.name if self.spec else self.folder.resolve().name))

    @property
    def fingerprint(self) -> str:
        """Of what was asked; empty where the folder does not say."""
        return str(self.manifest.get("fingerprint") or self.lock.get("fingerprint") or "")

    @property
    def seed(self) -> int:
        """Seed of every sample that the report draws."""
        return self.spec.seed if self.spec else 0

    def note(self, text: str) -> None:
        """Remember what could not be read, once."""
        if text not in self.notes:
            self.notes.append(text)


def open_run(folder: Path) -> RunFolder:
    """Look at the top of a run folder.

    Raises:
        UserError: it is no run folder, or its locked spec or manifest is damaged.
    """
    manifest, lock = folder / "export" / "manifest.json", folder / "spec.lock.yaml"
    if not (manifest.is_file() or lock.is_file() or any(folder.glob("journal/*.sqlite"))):
        what = "not a run folder" if folder.is_dir() else "no such folder"
        raise UserError(f"{folder}: {what}; name the folder that `python -m synth.generate` wrote, with its export/")
    run = RunFolder(folder, _json(manifest), read_lock(lock) or {}, None)
    if not run.manifest:
        run.note("There is no export yet: rows are counted when the run has come to its end.")
    if run.lock:
        try:
            run.spec = Spec.model_validate(run.lock["spec"])
        except ValidationError:
            run.note("The spec of this run is of another version of clinsynth: what it planned is left out.")
    else:
        run.note("There is no spec.lock.yaml: what the spec planned is left out.")
    return run


def kept_batches(run: RunFolder, columns: list[str] | None = None) -> Iterator[tuple[str, str, pa.RecordBatch]]:
    """Yield (kind, split, rows) of the export in its order.

    Raises:
        UserError: a file is damaged.
    """
    for kind in KINDS:
        for path in sorted((run.folder / "export" / kind).glob("*.parquet")):
            for batch in _batches(path, columns):
                yield kind, path.name.partition("-")[0], batch


def rejected_batches(run: RunFolder, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield what did not make it, shard by shard, curation last.

    Raises:
        UserError: a file is damaged.
    """
    for path in sorted((run.folder / "rejected").glob("*.parquet")):
        yield from _batches(path, columns)


def fetch_kept(run: RunFolder, ids: Collection[str]) -> dict[tuple[str, str], Row]:
    """The named rows of the export by (kind, id), each with its ``split``; ids that are not there are left out."""
    wanted = pa.array(sorted(set(ids)), pa.string())
    found: dict[tuple[str, str], Row] = {}
    if not len(wanted):
        return found
    for kind, split, batch in kept_batches(run):
        for row in batch.filter(pc.is_in(batch.column("id"), value_set=wanted)).to_pylist():
            found[kind, row["id"]] = {**row, "split": split}
    return found


def fetch_rejected(run: RunFolder, ids: Collection[str]) -> dict[str, Row]:
    """The named rejections by id, with their ``payload`` as a dict (empty where it cannot be read)."""
    wanted = pa.array(sorted(set(ids)), pa.string())
    found: dict[str, Row] = {}
    if not len(wanted):
        return found
    for batch in rejected_batches(run):
        for row in batch.filter(pc.is_in(batch.column("id"), value_set=wanted)).to_pylist():
            found.setdefault(row["id"], {**row, "payload": payload_of(row["payload"])})
    return found


def payload_of(text: str | None) -> Row:
    """A rejection's payload; empty where it is none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _batches(path: Path, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=columns)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: cannot be read: {reason}; run the same synth.generate command again") from error


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged: {error}; run the same synth.generate command again") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: damaged: not an object; run the same synth.generate command again")
    return value
