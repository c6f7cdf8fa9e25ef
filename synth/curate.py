"""Curation of the whole data set: which staged rows stay, in one pass over the shards, one kind after the other.

A row is dropped for the first of these reasons, and what is dropped is handed on with it:

- ``duplicate_id``: an earlier row of its kind has the same id;
- ``low_quality``, ``low_complexity``: the judge scored it below the spec's least; a row without a score passes;
- ``near_duplicate``: its text is too similar to an earlier row of its kind that was kept.

Rows keep their order, and the first of similar rows stays; so the outcome depends on the stages and the filters alone.
Kinds are not compared with each other. In memory are a batch of rows, the ids, and the index of kept texts, never all
rows. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from filters.near_duplicates import NearDuplicates
from synth.errors import UserError
from synth.rows import TEXT_COLUMNS, Rejected, dedup_text
from synth.spec import Dedup, Filters, Quality
from synth.staging import read_stage

STEP = "curation"
"""The ``step`` of every rejection made here."""

_EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Curated:
    """The outcome for one batch of staged rows of a kind."""

    kept: pa.RecordBatch
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class _Drop:
    """Why a row goes: a reason to count by, a sentence, and the two sides of the evidence."""

    reason: str
    detail: str
    text: str
    fact: str


def curate(kind: str, stages: Sequence[Path], filters: Filters) -> Iterator[Curated]:
    """Yield the rows of ``kind`` that stay and those that go, batch by batch, in the order of ``stages``.

    Raises UserError when the spec's near-duplicate settings do not work together.
    """
    index = _index(filters.dedup)
    seen: set[str] = set()
    for stage in stages:
        for batch in read_stage(stage, kind):
            rows = batch.select(["id", "quality", "complexity", *TEXT_COLUMNS[kind]]).to_pylist()
            drops = [_judge(kind, row, filters.quality, seen, index) for row in rows]
            kept = batch.filter(pa.array([drop is None for drop in drops], pa.bool_()))
            yield Curated(kept, [_rejected(kind, batch, at, drop) for at, drop in enumerate(drops) if drop])


def _index(dedup: Dedup | None) -> NearDuplicates | None:
    if dedup is None:
        return None
    try:
        return NearDuplicates(dedup.rows, ngram=dedup.ngram, num_perm=dedup.num_perm)
    except ValueError as error:
        raise UserError(f"spec: filters.dedup: {error}") from error


def _judge(
    kind: str, row: dict[str, Any], quality: Quality, seen: set[str], index: NearDuplicates | None
) -> _Drop | None:
    if row["id"] in seen:
        return _Drop("duplicate_id", "an earlier row has the same id", "", row["id"])
    seen.add(row["id"])
    for score, least in (("quality", quality.min_quality), ("complexity", quality.min_complexity)):
        if row[score] is not None and row[score] < least:
            return _Drop(f"low_{score}", f"{score} {row[score]} is below {least}", str(row[score]), f"min_{score}")
    if index is None:
        return None
    text = dedup_text(kind, row)
    twin = index.add(row["id"], text)
    if twin is None:
        return None
    detail = f"similarity {twin.similarity:.2f} to {twin.of}"
    return _Drop("near_duplicate", detail, text[:_EXCERPT], twin.of)


def _rejected(kind: str, batch: pa.RecordBatch, at: int, drop: _Drop) -> Rejected:
    row: dict[str, Any] = batch.slice(at, 1).to_pylist()[0]
    return Rejected(
        kind=kind,
        seed_id=row["seed_id"],
        id=row["id"],
        step=STEP,
        reason=drop.reason,
        detail=drop.detail,
        evidence=({"flag": drop.reason, "turn": None, "text": drop.text, "fact": drop.fact},),
        payload=row,
    )
