"""Curation of the whole data set: which staged rows stay, in one pass over the shards, one kind after the other.

A row is dropped for the first of these reasons, and what is dropped is handed on with it:

- ``duplicate_id``: an earlier row of its kind has the same id;
- ``rejected_by_reviewer``: a person marked it so (:mod:`synth.marks`);
- ``low_quality``, ``low_complexity``: the judge scored it below the spec's least; a row without a score passes, and so
  does one that a reviewer marked ``keep``, which has to pass everything below like any other;
- ``refusal``, ``repetitive``, … ``contaminated``, ``phi``: see :mod:`synth.screens`;
- ``near_duplicate``: its text is too similar to an earlier row of its kind that was kept;
- ``paraphrase``: an earlier row that was kept says the same in other words;
- ``over_quota``: its department (band of difficulty, trait of the patient) has as many rows as the spec wants, and
  theirs are better.

Rows keep their order, and the first of similar rows stays, or with quotas the one of the highest quality; so the
outcome depends on the stages and the filters alone. Kinds are not compared with each other. In memory are a batch of
rows, the ids, and the index of kept texts; where the spec wants paraphrases dropped or quotas kept, a pass of its own
comes first, which holds the texts of all rows of a kind. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from filters.near_duplicates import NearDuplicates
from filters.quotas import Cell, fill
from filters.semantic import drop_paraphrases
from filters.verdicts import Verdicts
from synth.errors import UserError
from synth.marks import Mark, Marks
from synth.quota_cells import cells_of
from synth.rows import Rejected, dedup_text
from synth.screens import Screens
from synth.spec_filters import Dedup, Filters, Quality
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


def curate(
    kind: str,
    stages: Sequence[Path],
    filters: Filters,
    screens: Screens,
    whole: Whole | None = None,
    marks: Marks | None = None,
) -> Iterator[Curated]:
    """Yield the rows of ``kind`` that stay and those that go, batch by batch, in the order of ``stages``.

    ``whole`` is what :func:`survey` said of the same ``marks``. Raises UserError when the spec's near-duplicate
    settings do not work together.
    """
    index = _index(filters.dedup) if whole is None else None
    for batch, rows, drops in _screened(kind, stages, filters, screens, marks or {}):
        for at, row in enumerate(rows):
            if drops[at] is None:
                drops[at] = _twin(kind, row, index) if whole is None else whole.drops.get(row["id"])
        kept = [screens.marked(kind, row) for row, drop in zip(rows, drops, strict=True) if drop is None]
        yield Curated(
            pa.RecordBatch.from_pylist(kept, schema=batch.schema),
            [_rejected(kind, row, drop) for row, drop in zip(rows, drops, strict=True) if drop],
        )


@dataclass(frozen=True, slots=True)
class Whole:
    """What only a look at all rows of a kind tells."""

    drops: dict[str, _Drop]
    """By row id: near-duplicates, paraphrases, rows over a quota."""
    cells: list[Cell]
    """Planned against available and kept for each quota."""


def survey(
    kind: str, stages: Sequence[Path], filters: Filters, screens: Screens, marks: Marks | None = None
) -> Whole | None:
    """Look at all rows of a kind, where the spec wants paraphrases dropped or quotas kept; else None.

    With quotas rows are taken by quality, the best first, so that of similar rows the best one has the place.
    """
    if filters.paraphrases is None and not filters.quotas:
        return None
    left: list[dict[str, Any]] = []
    for _, rows, drops in _screened(kind, stages, filters, screens, marks or {}):
        for row, drop in zip(rows, drops, strict=True):
            if drop is None:
                facts = {"id": row["id"], "quality": row["quality"], **cells_of(row, filters.quotas)}
                left.append(facts | {"text": dedup_text(kind, row)})
    if filters.quotas:
        left.sort(key=lambda row: (row["quality"] is None, -(row["quality"] or 0)))
    index = _index(filters.dedup)
    twins = {row["id"]: drop for row in left if (drop := _near(row["id"], row["text"], index))}
    left = [row for row in left if row["id"] not in twins]
    found: dict[str, _Drop] = {}
    if filters.paraphrases is not None and screens.encoder is not None and left:
        vectors = screens.encoder([row["text"] for row in left])
        found = _drops(left, drop_paraphrases(vectors, filters.paraphrases, [row["id"] for row in left]))
        left = [row for row in left if row["id"] not in found]
    plan = filters.quotas
    filled = fill(plan, {name: [row[name] for row in left] for name in plan}, [row["quality"] for row in left])
    found |= _drops(left, filled.verdicts)
    # A twin of a row that is not kept goes for that row's reason: what it names must be in the data set.
    return Whole(found | {row_id: found.get(drop.fact, drop) for row_id, drop in twins.items()}, filled.cells)


def _drops(rows: Sequence[dict[str, Any]], verdicts: Verdicts) -> dict[str, _Drop]:
    """What a verdict says of each row that goes; the evidence rests on the kept row where there is one."""
    facts = verdicts.evidence if verdicts.of is None else verdicts.of
    reasons = zip(rows, verdicts.reasons, verdicts.evidence, facts, strict=True)
    return {row["id"]: _Drop(reason, shown, "", fact) for row, reason, shown, fact in reasons if reason}


def _screened(
    kind: str, stages: Sequence[Path], filters: Filters, screens: Screens, marks: Marks
) -> Iterator[tuple[pa.RecordBatch, list[dict[str, Any]], list[_Drop | None]]]:
    """Batches with their rows and what ids, scores and screens say of each."""
    seen: set[str] = set()
    for stage in stages:
        for batch in read_stage(stage, kind):
            rows = batch.to_pylist()
            drops = [_scored(row, filters.quality, seen, marks.get(row["id"])) for row in rows]
            left = [at for at, drop in enumerate(drops) if drop is None]
            for at, found in zip(left, screens.drops(kind, [rows[at] for at in left]), strict=True):
                if found is not None:
                    drops[at] = _Drop(found.reason, found.detail, found.detail[:_EXCERPT], "")
            yield batch, rows, drops


def _index(dedup: Dedup | None) -> NearDuplicates | None:
    if dedup is None:
        return None
    try:
        return NearDuplicates(dedup.rows, ngram=dedup.ngram, num_perm=dedup.num_perm)
    except ValueError as error:
        raise UserError(f"spec: filters.dedup: {error}") from error


def _scored(row: dict[str, Any], quality: Quality, seen: set[str], mark: Mark | None) -> _Drop | None:
    if row["id"] in seen:
        return _Drop("duplicate_id", "an earlier row has the same id", "", row["id"])
    seen.add(row["id"])
    if mark is not None:
        comment = mark.comment[:_EXCERPT] or "a reviewer rejected it"
        return _Drop("rejected_by_reviewer", comment, comment, "") if mark.mark == "reject" else None
    for score, least in (("quality", quality.min_quality), ("complexity", quality.min_complexity)):
        if row[score] is not None and row[score] < least:
            return _Drop(f"low_{score}", f"{score} {row[score]} is below {least}", str(row[score]), f"min_{score}")
    return None


def _twin(kind: str, row: dict[str, Any], index: NearDuplicates | None) -> _Drop | None:
    return _near(row["id"], dedup_text(kind, row), index) if index is not None else None


def _near(row_id: str, text: str, index: NearDuplicates | None) -> _Drop | None:
    twin = index.add(row_id, text) if index is not None else None
    if twin is None:
        return None
    detail = f"similarity {twin.similarity:.2f} to {twin.of}"
    return _Drop("near_duplicate", detail, text[:_EXCERPT], twin.of)


def _rejected(kind: str, row: dict[str, Any], drop: _Drop) -> Rejected:
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
