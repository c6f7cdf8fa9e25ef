"""A finished shard on disk: a folder of Parquet that is there whole or not at all.

A stage can always be made again from the journal, so a damaged or half-written one simply counts as absent. Its last
file, ``done.json``, names every other file with rows and SHA-256; it holds no clock. Rows keep the order they are
given in (that of the seeds). A kind without rows has no file.

The tools below (:class:`RowWriter`, :func:`replace_folder`, :func:`recover_folder`, :func:`disk_errors`) serve the
export as well. Folders are replaced under the assumption that one process at a time works on a run: leftovers of other
process ids are taken for those of killed runs.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth.errors import ClinsynthError
from synth.failpoints import failpoint
from synth.rows import KINDS, REJECTED, SCHEMAS, Kept, Rejected, kept_batch, rejected_batch

GROUP_ROWS = 1000
"""Rows of a row group. Viewers read whole groups and refuse those of some 300 MB."""
GROUP_BYTES = 64 * 1024 * 1024
"""Uncompressed bytes after which a row group is closed early; below 100 MB with the batch that went over."""
BATCH_ROWS = 128
"""Rows read or written at a time."""

_DONE = "done.json"


class RowWriter:
    """One Parquet file with bounded row groups; created with the first row, so no rows means no file.

    Page index and content-defined chunks are what the Hub's viewer and its deduplicating storage want; page checksums
    let readers find damage. As a context manager it finishes the file, unless an exception passes through: then what
    is on disk is not to be used.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._file: pq.ParquetWriter | None = None

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.close()
        elif self._file is not None:
            with suppress(OSError):
                self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of ``batch``; they reach the disk in groups."""
        if not batch.num_rows:
            return
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self.rows += batch.num_rows
        while self._held_rows >= GROUP_ROWS:
            self._flush(GROUP_ROWS)
        if sum(held.nbytes for held in self._held) >= GROUP_BYTES:
            self._flush(self._held_rows)

    def close(self) -> None:
        """Write what is held and finish the file."""
        if self._held_rows:
            self._flush(self._held_rows)
        if self._file is not None:
            self._file.close()

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self._held, self._schema)
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = pq.ParquetWriter(
                self.path,
                self._schema,
                compression="zstd",
                use_content_defined_chunking=True,
                write_page_index=True,
                write_page_checksum=True,
            )
        self._file.write_table(table.slice(0, rows), row_group_size=rows)
        self._held = table.slice(rows).to_batches()
        self._held_rows -= rows


def write_stage(folder: Path, kept: Sequence[Kept], rejected: Sequence[Rejected], facts: Mapping[str, Any]) -> None:
    """Write a finished shard to ``folder``, replacing an earlier one; ``facts`` is what JSON can hold.

    Raises ClinsynthError when the disk refuses; nothing named ``folder`` is then half-written.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(folder)
        with temporary(folder) as work:
            for kind in KINDS:
                rows = [item.row for item in kept if item.kind == kind]
                with RowWriter(work / f"{kind}.parquet", SCHEMAS[kind]) as file:
                    for start in range(0, len(rows), BATCH_ROWS):
                        file.write(kept_batch(kind, rows[start : start + BATCH_ROWS]))
            with RowWriter(work / "rejected.parquet", REJECTED) as file:
                for start in range(0, len(rejected), BATCH_ROWS):
                    file.write(rejected_batch(rejected[start : start + BATCH_ROWS]))
            files = {path.name: sha256_of(path) for path in sorted(work.iterdir())}
            write_json(work / _DONE, {"facts": dict(facts), "files": files})
            failpoint("stage")
            replace_folder(work, folder)
            failpoint("staged")


def stage_facts(folder: Path) -> dict[str, Any] | None:
    """Return the facts of a finished stage; None when it is absent, unfinished, damaged or of another schema.

    Reads every byte of the stage once, to compare checksums.
    """
    try:
        done = json.loads((folder / _DONE).read_text("utf-8"))
        facts, files = done["facts"], done["files"]
        if {path.name for path in folder.iterdir()} != {_DONE, *files}:
            return None
        for name, digest in files.items():
            expected = REJECTED if name == "rejected.parquet" else SCHEMAS[name.removesuffix(".parquet")]
            if sha256_of(folder / name) != digest or not pq.read_schema(folder / name).equals(expected):
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts if isinstance(facts, dict) else None


def read_stage(folder: Path, kind: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one kind (or ``rejected``) in batches; nothing when the stage holds none.

    The stage is taken as it is: ask :func:`stage_facts` first whether it is whole.
    """
    path = folder / f"{kind}.parquet"
    if path.exists():
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a refusal of the disk into one plain line about ``path``."""
    try:
        yield
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        cure = "free some space" if full else "check that this folder exists and can be written"
        at = f" ({error.filename})" if error.filename else ""
        raise ClinsynthError(f"{path}: not written: {what}{at}; {cure}, then run the same command again") from error


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """Make an empty folder beside ``folder`` to write into; it is removed if it was not moved away."""
    work = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def replace_folder(work: Path, folder: Path) -> None:
    """Put the finished folder ``work`` in the place of ``folder``, on disk before its name.

    A kill leaves the old folder, the new one, or the old one under the name that :func:`recover_folder` puts back.
    """
    for path in [*work.rglob("*"), work]:
        _sync(path)
    old = folder.with_name(f"{folder.name}.old-{os.getpid()}")
    had_one = folder.exists()
    if had_one:
        folder.rename(old)
        failpoint("rename")
    try:
        work.rename(folder)
    except OSError:
        if had_one:
            old.rename(folder)
        raise
    _sync(folder.parent)
    failpoint("exported")
    if had_one:
        # Under the name of a temporary folder a half-removed old one can never be taken for whole.
        shutil.rmtree(old.rename(work), ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Clear what a killed run left beside ``folder``; put the old folder back when the kill fell between renames."""
    name = glob.escape(folder.name)
    old = sorted(folder.parent.glob(f"{name}.old-*"))
    if old and not folder.exists():
        old.pop().rename(folder)
    for leftover in [*old, *folder.parent.glob(f"{name}.tmp-*")]:
        shutil.rmtree(leftover)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON with sorted keys, so that equal values make equal bytes."""
    text = json.dumps(value, sort_keys=True, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole: who looks meanwhile, or after a kill, sees the former one or this one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
