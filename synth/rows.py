"""Rows as they are stored: an Arrow schema for each kind, stable ids, and text that Arrow can hold.

A recipe returns :class:`Kept` and :class:`Rejected`; staging and export turn them into Parquet by the schemas here.
A row names every column of its schema (``None`` where there is nothing to say) and no other: a misspelt or missing
column is a mistake in a recipe and raises ``AssertionError`` instead of becoming a silent null. Inside nested structs
a missing name is null, an unknown one is refused too.

Column names are chosen so that SFT and DPO trainers take the files unmapped: there is never ``prompt``/``completion``
beside ``messages``, nor ``conversations``, ``labels``, ``input_ids``, ``image(s)``, ``tools``.

This module does not judge rows (:mod:`synth.curate`) and knows no folder (:mod:`synth.staging`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from filters.text import storable

KINDS = ("sft", "reasoning", "dialogue", "preference")
"""Kinds of rows; each is a folder of ``export/`` and a configuration of the data set."""

BYPRODUCTS = ("seed", "question", "answer", "chain", "turn")
"""What else can be rejected on the way to a row; not counted among planned rows."""

_TEXTS = pa.list_(pa.string())
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_EVIDENCE = pa.list_(
    pa.struct([("flag", pa.string()), ("turn", pa.int32()), ("text", pa.string()), ("fact", pa.string())])
)
_DIFFERENTIAL = pa.list_(pa.struct([("diagnosis", pa.string()), ("probability", pa.float64())]))
_TURNS = pa.list_(
    pa.struct(
        [
            ("speaker", pa.string()),
            ("text", pa.string()),
            ("thought", pa.string()),
            ("action", pa.string()),
            ("argument", pa.string()),
            ("differential", _DIFFERENTIAL),
        ]
    )
)
_SCORES = ("quality", "complexity", "relevance")
_VOTES = pa.list_(pa.struct([(name, pa.int32()) for name in _SCORES]))
_RUBRIC = pa.list_(pa.struct([("criterion", pa.string()), ("points", pa.int32()), ("met", pa.bool_())]))

_COMMON: list[tuple[str, pa.DataType]] = [
    ("source", pa.string()),
    ("source_license", pa.string()),
    ("language", pa.string()),
    ("department", pa.string()),
    ("subdepartment", pa.string()),
    ("quality", pa.int32()),
    ("complexity", pa.int32()),
    ("relevance", pa.int32()),
    ("votes", _VOTES),
    ("generator", pa.string()),
    ("judge", pa.string()),
    ("prompt_hash", pa.string()),
    ("calls", _TEXTS),
    ("tokens_in", pa.int64()),
    ("tokens_out", pa.int64()),
    ("flags", _TEXTS),
    ("evidence", _EVIDENCE),
]

_OWN: dict[str, list[tuple[str, pa.DataType]]] = {
    "sft": [("messages", _MESSAGES), ("instruction", pa.string()), ("response", pa.string())],
    "reasoning": [
        ("messages", _MESSAGES),
        ("question", pa.string()),
        ("reasoning", pa.string()),
        ("answer", pa.string()),
        ("verified", pa.bool_()),
        ("verification", pa.string()),
        ("pass_rate", pa.float64()),
        ("attempts", pa.int32()),
    ],
    "dialogue": [
        ("messages", _MESSAGES),
        ("case", pa.string()),
        ("persona", pa.string()),
        ("turns", _TURNS),
        ("diagnosis", pa.string()),
        ("diagnosis_correct", pa.bool_()),
        ("rubric", _RUBRIC),
    ],
    "preference": [
        ("prompt", _MESSAGES),
        ("chosen", _MESSAGES),
        ("rejected", _MESSAGES),
        ("origin", pa.string()),
        ("margin", pa.float64()),
    ],
}

SCHEMAS: dict[str, pa.Schema] = {
    kind: pa.schema([("id", pa.string()), ("seed_id", pa.string()), *_OWN[kind], *_COMMON]) for kind in KINDS
}
"""Columns of each kind: ids, then the kind's own columns, then provenance, scores and flags."""

REJECTED: pa.Schema = pa.schema(
    [
        ("id", pa.string()),
        ("seed_id", pa.string()),
        ("kind", pa.string()),
        ("step", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("status", pa.string()),
        ("evidence", _EVIDENCE),
        ("payload", pa.string()),
    ]
)
"""What did not make it; ``payload`` is the row (or reply) as JSON, ``status`` is ``rejected`` or ``failed``."""

TEXT_COLUMNS: dict[str, tuple[str, ...]] = {
    "sft": ("instruction", "response"),
    "reasoning": ("question", "answer"),
    "dialogue": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
}
"""Columns whose text decides whether two rows are near-duplicates."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished row of one kind, with every column of its schema."""

    kind: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """What did not become a row, and why.

    ``kind`` is one of :data:`KINDS` or :data:`BYPRODUCTS`; ``step`` is where it happened, ``reason`` a short fixed
    name to count by, ``detail`` a sentence for people. ``failed`` means that no usable reply came; ``rejected`` that
    a reply came and was not good enough. ``evidence`` holds dicts with ``flag``, ``turn``, ``text``, ``fact``.
    """

    kind: str
    seed_id: str
    id: str
    step: str
    reason: str
    detail: str
    status: Literal["rejected", "failed"] = "rejected"
    evidence: tuple[dict[str, Any], ...] = ()
    payload: dict[str, Any] | None = None


def row_id(kind: str, seed_id: str, slot: str, content: object) -> str:
    """Return 32 hex digits that depend on the arguments alone.

    ``slot`` tells apart rows of one seed (``answer``, ``dialogue-1``); ``content`` is anything JSON can hold.
    """
    # ASCII escapes keep lone surrogates encodable, so that even broken text has an id.
    canonical = json.dumps([kind, seed_id, slot, content], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32]


def dedup_text(kind: str, row: Mapping[str, Any]) -> str:
    """Return the text of ``row`` that is compared for near-duplicates: one line break between its parts."""
    parts: list[str] = []
    for column in TEXT_COLUMNS[kind]:
        value = row[column] or ""
        parts.extend([value] if isinstance(value, str) else [message["content"] or "" for message in value])
    return "\n".join(parts)


def clean_row(value: Any) -> Any:
    """Return ``value`` with every string in it made storable, keys included; tuples become lists."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {clean_row(key): clean_row(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_row(item) for item in value]
    return value


def kept_batch(kind: str, rows: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return cleaned rows of one kind as an Arrow batch; raises AssertionError where columns do not fit."""
    schema = SCHEMAS[kind]
    cleaned = [clean_row(row) for row in rows]
    for row in cleaned:
        _check_names(row, pa.struct(list(schema)), f"{kind} row {row.get('id')}")
        if missing := [name for name in schema.names if name not in row]:
            raise AssertionError(f"{kind} row {row.get('id')}: no column {', '.join(missing)}")
    return pa.RecordBatch.from_pylist(cleaned, schema=schema)


def rejected_batch(rejected: Iterable[Rejected]) -> pa.RecordBatch:
    """Return cleaned rejections as an Arrow batch, their payloads as JSON text."""
    rows = [clean_row({name: getattr(item, name) for name in REJECTED.names}) for item in rejected]
    for row in rows:
        _check_names(row, pa.struct(list(REJECTED)), f"rejected {row['kind']} {row['id']}")
        if row["payload"] is not None:
            row["payload"] = json.dumps(row["payload"], ensure_ascii=False, sort_keys=True)
    return pa.RecordBatch.from_pylist(rows, schema=REJECTED)


def _check_names(value: Any, type_: pa.DataType, where: str) -> None:
    # Arrow drops unknown keys without a word; data that a recipe made would be lost.
    if value is None:
        return
    if pa.types.is_list(type_) and pa.types.is_nested(type_.value_type):
        for item in value:
            _check_names(item, type_.value_type, where)
    elif pa.types.is_struct(type_):
        fields = {field.name: field.type for field in type_}
        if unknown := [str(name) for name in value if name not in fields]:
            raise AssertionError(f"{where}: unknown {', '.join(unknown)}")
        for name, item in value.items():
            _check_names(item, fields[name], f"{where}: {name}")
