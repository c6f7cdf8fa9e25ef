"""Before any weights are loaded: rows tokenised, measured, proved and shown.

``prepare`` returns what the trainer is given, as ids and labels, so nothing is tokenised twice and nothing that was
not proved is trained on. Every row goes through :class:`training.proof.Proof`; one that fails ends the run, for it
means that the template is wrong. Rows without an assistant turn, or with an empty one, teach nothing or silence:
they are dropped and counted. All of it is held in memory: eight bytes a token.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from synth.errors import UserError
from training.config import OverLength
from training.data import Rows
from training.encode import IGNORED, Encoded, Messages, encode
from training.lengths import Lengths, check_share, histogram, measure
from training.proof import Proof, marked
from training.templates import Template

_IDS = pa.list_(pa.int32())
SHOWN = 4000
"""Characters shown of the first row."""


@dataclass(slots=True)
class Part:
    """The rows of one kind and split as the trainer is given them, and what became of the others.

    ``table`` has ``input_ids`` and ``labels`` beside ``messages`` and, where the rows have them, ``id``, ``seed_id``,
    ``department``, ``subdepartment``.
    """

    kind: str
    split: str
    table: pa.Table
    lengths: Lengths
    trained: int
    """Tokens with a label."""
    untrainable: int = 0
    """Rows dropped because there is nothing to train on."""
    dropped: int = 0
    """Rows dropped because they are too long."""
    truncated: int = 0
    histogram: list[str] = field(default_factory=list)
    first: str = ""
    """The first row decoded, its trained part between ⟦ and ⟧."""


@dataclass(slots=True)
class Prepared:
    """All parts, and the token that ends a turn."""

    train: dict[str, Part]
    validation: dict[str, Part]
    stop: int
    """Id of the token that the assistant's turns end with, proved to be trained in every row."""

    @property
    def rows(self) -> int:
        """Training rows."""
        return sum(part.table.num_rows for part in self.train.values())

    def lengths(self) -> list[int]:
        """Length in tokens of each training row, kind after kind."""
        return [size for part in self.train.values() for size in _sizes(part.table)]


def prepare(rows: Rows, tokenizer: Any, template: Template, max_length: int, over: OverLength) -> Prepared:
    """Tokenise and prove all rows that have ``messages``.

    Raises:
        UserError: a row fails its proof, too many rows are too long, or nothing is left to train on.
    """
    proof = Proof(tokenizer, template)
    train = {kind: _part(kind, "train", table, proof, max_length, over) for kind, table in rows.train.items()}
    validation = {
        kind: _part(kind, "validation", table, proof, max_length, over) for kind, table in rows.validation.items()
    }
    if not any(part.table.num_rows for part in train.values()):
        raise UserError("no row is left to train on: see over_length, and whether the rows have assistant turns")
    validation = {kind: part for kind, part in validation.items() if part.table.num_rows}
    assert proof.stop is not None
    return Prepared(train, validation, proof.stop)


def _part(kind: str, split: str, table: pa.Table, proof: Proof, max_length: int, over: OverLength) -> Part:
    """Encode one table; see :class:`Part`."""
    conversations = table.column("messages").to_pylist()
    usable = [at for at, messages in enumerate(conversations) if _says_something(messages)]
    sizes, kept, columns = list[int](), list[int](), {"input_ids": list[Any](), "labels": list[Any]()}
    part = Part(kind, split, table, measure([0], max_length), 0, untrainable=table.num_rows - len(usable))
    for at, row in _proved(kind, table, usable, conversations, proof):
        sizes.append(len(row.input_ids))
        fitting = _shortened(row, max_length, over, part)
        if fitting is None:
            continue
        part.first = part.first or marked(proof.tokenizer, fitting)
        part.trained += fitting.trained
        kept.append(at)
        columns["input_ids"].append(np.asarray(fitting.input_ids, np.int32))
        columns["labels"].append(np.asarray(fitting.labels, np.int32))
    if sizes:
        part.lengths = measure(sizes, max_length)
        part.histogram = histogram(sizes, max_length)
        check_share(part.lengths, over, f"{kind} ({split})")
    beside = [
        name for name in ("id", "seed_id", "department", "subdepartment", "messages") if name in table.schema.names
    ]
    part.table = table.select(beside).take(pa.array(kept, pa.int64()))
    for name, values in columns.items():
        part.table = part.table.append_column(name, pa.array(values, _IDS))
    return part


def _proved(
    kind: str, table: pa.Table, usable: list[int], conversations: list[Messages], proof: Proof
) -> Iterator[tuple[int, Encoded]]:
    rows = encode(proof.tokenizer, proof.template, (conversations[at] for at in usable))
    for at, row in zip(usable, rows, strict=True):
        if fault := proof.fault(conversations[at], row):
            name = table.column("id")[at].as_py() if "id" in table.column_names else f"number {at}"
            raise UserError(f"model.template: {proof.template.name}: {kind} row {name}: {fault}")
        yield at, row


def _shortened(row: Encoded, max_length: int, over: OverLength, part: Part) -> Encoded | None:
    if len(row.input_ids) <= max_length:
        return row
    if over.action != "truncate":
        part.dropped += 1
        return None
    row = Encoded(row.input_ids[:max_length], row.labels[:max_length])
    if not row.trained:
        part.untrainable += 1
        return None
    part.truncated += 1
    return row


def _says_something(messages: Messages) -> bool:
    said = [message["content"].strip() for message in messages if message["role"] == "assistant"]
    return bool(said) and all(said)


def _sizes(table: pa.Table) -> list[int]:
    import pyarrow.compute as pc

    sizes: list[int] = pc.list_value_length(table.column("input_ids")).to_pylist()
    return sizes


def report(prepared: Prepared, tokenizer: Any, template: Template) -> list[str]:
    """Return the lines that the pre-flight prints about the rows."""
    lines = [f"template    {template.name}" + (f" ({template.note})" if template.note else "")]
    lines.append(f"end of turn {tokenizer.decode([prepared.stop])!r}, trained in every turn")
    for part in [*prepared.train.values(), *prepared.validation.values()]:
        found = part.lengths
        share = part.trained / max(1, sum(_sizes(part.table)))
        lines += [
            "",
            f"{part.kind} ({part.split}): {found.rows:,} rows, {found.tokens:,} tokens; "
            f"{part.table.num_rows:,} rows are used, {share:.0%} of their tokens trained on",
            f"  lengths: {found.shortest:,} to {found.longest:,}, median {found.median:,}, 95 % up to {found.p95:,}",
            f"  over max_length ({found.max_length:,}): {found.over:,} ({found.share_over:.2%}); "
            f"dropped {part.dropped:,}, truncated {part.truncated:,}",
            f"  nothing to train on: {part.untrainable:,}",
            *(f"  {line}" for line in part.histogram),
        ]
    first = next(part.first for part in prepared.train.values() if part.first)
    more = f" … ({len(first) - SHOWN:,} characters more)" if len(first) > SHOWN else ""
    lines += ["", "first row, trained between ⟦ and ⟧:", first[:SHOWN] + more, ""]
    lines.append("proved in every row: the assistant's turns and nothing else are trained, whole, each with its end")
    return lines


def joined(parts: dict[str, Part]) -> pa.Table:
    """Return the rows of all kinds as one table, kind after kind."""
    return pa.concat_tables([part.table for part in parts.values()], promote_options="permissive")


__all__ = ["IGNORED", "Part", "Prepared", "joined", "prepare", "report"]
