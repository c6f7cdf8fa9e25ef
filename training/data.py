"""Rows to train on: read from ``export/`` folders of our runs or from any Parquet with the right columns, and checked.

A run's manifest is held against the bytes on disk before anything is read. Validation rows come from the export's own
split, and no seed may stand on both sides. Columns whose names would make a trainer read something other than what was
meant are refused (see :data:`RESERVED`). Rows keep the order of their files.

This module does not tokenise, and knows nothing of models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.errors import UserError
from synth.rows import KINDS
from synth.spec_errors import unknown
from synth.staging import sha256_of
from training.config import Data

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

SFT_KINDS = ("sft", "reasoning", "dialogue")
PARQUET = "parquet"
"""Kind of rows that come from plain Parquet rather than an export."""

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


@dataclass(slots=True)
class Rows:
    """Checked rows by kind. A kind without validation rows is left out of ``validation``."""

    train: dict[str, pa.Table]
    validation: dict[str, pa.Table]
    lineage: Lineage

    @property
    def hash(self) -> str:
        """SHA-256 over ids (or texts) of all rows in their order: equal when the same rows are trained on."""
        total = hashlib.sha256()
        for split, tables in (("train", self.train), ("validation", self.validation)):
            for kind, table in tables.items():
                total.update(f"{split} {kind} {table.num_rows}\n".encode())
                column = "id" if "id" in table.column_names else messages_of(kind)[-1]
                for value in table.column(column).to_pylist():
                    total.update(json.dumps(value).encode())
        return total.hexdigest()


def messages_of(kind: str) -> tuple[str, ...]:
    """Names of the columns of ``kind`` that hold chat messages."""
    return MESSAGE_COLUMNS.get(kind, ("messages",))


def load_rows(data: Data, kinds: Iterable[str], *, plain: str = "sft") -> Rows:
    """Read and check the rows that ``data`` names.

    ``kinds`` are the kinds that the command can use; ``data.kinds`` chooses among them. Rows of plain Parquet count as
    kind ``plain``.

    Raises:
        UserError: one line: no such folder, a file that is not the manifest's, a missing or reserved column, no rows,
            a seed on both sides of the split, messages that are no conversation.
    """
    wanted = tuple(kinds)
    chosen = tuple(data.kinds or wanted)
    if wrong := [kind for kind in chosen if kind not in wanted]:
        raise UserError(f"data.kinds: {wrong[0]!r} cannot be trained on by this command; {unknown(wrong[0], wanted)}")
    lineage = Lineage()
    parts: dict[tuple[str, str], list[pa.Table]] = {}
    for name in data.path:
        for split, kind, table in _read(Path(name), chosen, plain, lineage):
            parts.setdefault((split, kind), []).append(_narrow(table, data.departments))
    train = _joined(parts, "train", chosen)
    validation = _joined(parts, "validation", chosen) if data.validation else {}
    if data.limit is not None:
        train = {kind: table.slice(0, data.limit) for kind, table in train.items()}
    if not train:
        found = f"no {' or '.join(chosen)} rows to train on"
        narrowed = f" in departments {', '.join(data.departments)}" if data.departments else ""
        raise UserError(f"{', '.join(data.path)}: {found}{narrowed}; {_what_there_is(data)}")
    _check_disjoint(train, validation)
    _note_values(lineage, train)
    return Rows(train, validation, lineage)


def in_departments(table: pa.Table, departments: Iterable[str]) -> pa.Table:
    """Return the rows of the departments; each is ``department`` or ``department/subdepartment``."""
    mask = pa.array([False] * table.num_rows)
    for name in departments:
        top, _, sub = name.partition("/")
        of_it = pc.equal(table.column("department"), top)
        if sub:
            of_it = pc.and_(of_it, pc.equal(table.column("subdepartment"), sub))
        mask = pc.or_(mask, pc.fill_null(of_it.combine_chunks(), False))
    return table.filter(mask)


def _narrow(table: pa.Table, departments: list[str] | None) -> pa.Table:
    if departments is None:
        return table
    if "department" not in table.column_names:
        raise UserError("data.departments: the rows have no column 'department': remove the key")
    return in_departments(table, departments)


def _joined(parts: Mapping[tuple[str, str], list[pa.Table]], split: str, kinds: Iterable[str]) -> dict[str, pa.Table]:
    tables = {
        kind: pa.concat_tables(parts[split, kind], promote_options="permissive")
        for kind in kinds
        if (split, kind) in parts
    }
    return {kind: table.combine_chunks() for kind, table in tables.items() if table.num_rows}


def _read(path: Path, kinds: tuple[str, ...], plain: str, lineage: Lineage) -> Iterable[tuple[str, str, pa.Table]]:
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


def _check_disjoint(train: Mapping[str, pa.Table], validation: Mapping[str, pa.Table]) -> None:
    column = "seed_id"
    if not all(column in table.column_names for table in [*train.values(), *validation.values()]):
        return
    trained = {seed for table in train.values() for seed in table.column(column).to_pylist()}
    for kind, table in validation.items():
        if both := trained & set(table.column(column).to_pylist()):
            raise UserError(
                f"{kind}: seed {sorted(both)[0]!r} is on both sides of the split ({len(both)} are): validation would "
                f"measure what was learnt by heart; export all data in one run, or set data.validation: false"
            )


def _note_values(lineage: Lineage, train: Mapping[str, pa.Table]) -> None:
    def values(column: str) -> set[str]:
        found: set[Any] = set()
        for table in train.values():
            if column in table.column_names:
                found |= set(pc.unique(table.column(column)).to_pylist())
        return {str(value) for value in found if value}

    lineage.licenses = sorted({*lineage.licenses, *values("source_license")})
    lineage.generators = sorted(values("generator"))


def _card_license(card: Path) -> list[str]:
    if not card.is_file():
        return []
    lines = card.read_text(encoding="utf-8").splitlines()[:40]
    return [line.partition(":")[2].strip().strip("\"'") for line in lines if line.startswith("license:")]


def _what_there_is(data: Data) -> str:
    found = sorted(
        {
            kind
            for name in data.path
            for base in (Path(name), Path(name) / "export")
            for kind in KINDS
            if any((base / kind).glob("train-*.parquet"))
        }
    )
    return f"there are {', '.join(found)}" if found else "generate some first"
