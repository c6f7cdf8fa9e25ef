"""The files that rows to train on come from: exports held against their manifests, plain Parquet, and its columns.

A run's manifest is held against the bytes on disk before anything is read. Columns whose names would make a trainer
read something other than what was meant are refused (see :data:`RESERVED`). Which rows are
taken: :mod:`training.data`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synth.errors import UserError
from synth.spec_errors import unknown
from synth.staging import sha256_of

RESERVED = (
    "prompt",
    "completion",
    "conversations",
    "image",
    "images",
    "labels",
    "input_ids",
    "tools",
    "chat_template_kwargs",
    "ref_chosen_logps",
    "ref_rejected_logps",
)
"""Column names that trainers give a meaning of their own; ``prompt`` is at home in preference rows alone."""

MESSAGE_COLUMNS: dict[str, tuple[str, ...]] = {"preference": ("prompt", "chosen", "rejected")}
"""Columns that hold chat messages by kind; all other kinds have ``messages``."""

_ROLES = ("system", "user", "assistant")


@dataclass(slots=True)
class Lineage:
    """Where the rows come from, for the model card and for telling one run's data from another's."""

    names: list[str] = field(default_factory=list)
    """Names of the data sets."""
    fingerprints: list[str] = field(default_factory=list)
    """Fingerprints of the specs they were made from; empty for plain Parquet."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every file read, by ``<folder>/<path>``."""
    licenses: list[str] = field(default_factory=list)
    """Licences named by the rows (``source_license``) and the data sets' cards."""
    generators: list[str] = field(default_factory=list)
    """Models that wrote the rows."""


def messages_of(kind: str) -> tuple[str, ...]:
    """Names of the columns of ``kind`` that hold chat messages."""
    return MESSAGE_COLUMNS.get(kind, ("messages",))


def read_tables(
    path: Path, kinds: tuple[str, ...], plain: str, lineage: Lineage
) -> Iterable[tuple[str, str, pa.Table]]:
    """Yield (split, kind, rows) of a run, an export, a folder or a file, and note in ``lineage`` what was read.

    Rows of plain Parquet are of kind ``plain``. Raises UserError, one line, for what is not there, damaged, without
    rows or without the columns that its kind needs.
    """
    if (path / "export" / "manifest.json").is_file():
        path = path / "export"
    if (path / "manifest.json").is_file():
        yield from _read_export(path, kinds, lineage)
        return
    if (path / "spec.lock.yaml").is_file():
        raise UserError(f"{path}: this run has no finished export: give its spec to synth.generate again")
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet")) if path.is_dir() else []
    if not files:
        what = "no Parquet file in this folder" if path.is_dir() else "no such file or folder"
        raise UserError(f"{path}: {what}: name an export folder, a run folder or Parquet files")
    lineage.names.append(path.name)
    for file in files:
        lineage.files[f"{path.name}/{file.name}"] = sha256_of(file)
        yield ("validation" if file.name.startswith(("validation", "test")) else "train", plain, _table(file, plain))


def _read_export(export: Path, kinds: tuple[str, ...], lineage: Lineage) -> Iterable[tuple[str, str, pa.Table]]:
    name = f"{export.parent.name}/{export.name}"
    try:
        manifest = json.loads((export / "manifest.json").read_text(encoding="utf-8"))
        files = {file["path"]: file["sha256"] for file in manifest["files"]}
        lineage.names.append(str(manifest["name"]))
        lineage.fingerprints.append(str(manifest["fingerprint"]))
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{export / 'manifest.json'}: not a manifest of ours: export the run again") from None
    lineage.licenses += _card_license(export / "README.md")
    on_disk = {file.relative_to(export).as_posix() for file in export.rglob("*.parquet")}
    if extra := sorted(on_disk - set(files)):
        raise UserError(f"{export / extra[0]}: not in the manifest: remove it, or train on that file by its own path")
    for path, sha256 in sorted(files.items()):
        kind, _, file = path.partition("/")
        if kind not in kinds or not file.endswith(".parquet"):
            continue
        if not (export / path).is_file():
            raise UserError(f"{export / path}: named by the manifest and not there: export the run again")
        if sha256_of(export / path) != sha256:
            raise UserError(f"{export / path}: its sha256 is not the manifest's: export the run again")
        lineage.files[f"{name}/{path}"] = sha256
        yield file.partition("-")[0], kind, _table(export / path, kind)


def _table(file: Path, kind: str) -> pa.Table:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{file}: not a Parquet file that can be read: {str(error).splitlines()[0][:120]}") from None
    if table.num_rows == 0:
        raise UserError(f"{file}: has no rows: leave it out, or export the run again")
    columns = messages_of(kind)
    reserved = [name for name in RESERVED if name in table.column_names and name not in columns]
    if reserved:
        raise UserError(f"{file}: the column {reserved[0]!r} has a meaning of its own for trainers: rename or drop it")
    for name in columns:
        if name not in table.column_names:
            raise UserError(f"{file}: no column {name!r}; {unknown(name, table.column_names)}")
        _check_messages(file, name, table.column(name))
    return table


def _check_messages(file: Path, name: str, column: pa.ChunkedArray) -> None:
    kind = column.type
    structs = pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)
    if not structs or not {"role", "content"} <= {field.name for field in kind.value_type}:
        raise UserError(f"{file}: {name!r} must be a list of structs with role and content")
    for at, row in enumerate(column.to_pylist()):
        for message in row or [{}]:
            if message.get("role") not in _ROLES or not isinstance(message.get("content"), str):
                raise UserError(
                    f"{file}: row {at}: {name}: each message needs a role ({', '.join(_ROLES)}) and a text as content"
                )


def _card_license(card: Path) -> list[str]:
    if not card.is_file():
        return []
    lines = card.read_text(encoding="utf-8").splitlines()[:40]
    return [line.partition(":")[2].strip().strip("\"'") for line in lines if line.startswith("license:")]
