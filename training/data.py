"""Rows to train on: read from ``export/`` folders of our runs or from any Parquet with the right columns, and checked.

Validation rows come from the export's own split, and no seed may stand on both sides. Rows keep the order of their
files. This module does not tokenise, and knows nothing of models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth.errors import UserError
from synth.rows import KINDS
from synth.spec_errors import unknown
from training.config import Data
from training.data_files import Lineage, messages_of, read_tables

SFT_KINDS = ("sft", "reasoning", "dialogue")


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
        for split, kind, table in read_tables(Path(name), chosen, plain, lineage):
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
