"""One pass over what did not make it: counts and examples by reason, scores of dropped rows, who was a twin of whom.

Payloads are read for scores and for the first examples and then forgotten; those that are compared word by word are
read once more by id.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from synth.curate import STEP as CURATE
from synth.reporting.facts import EXAMPLES, SCORES
from synth.reporting.pieces import cut
from synth.reporting.read import Row, RunFolder, payload_of, rejected_batches
from synth.reporting.shape import LossExample
from synth.rows import KINDS, TEXT_COLUMNS, dedup_text
from synth.screens import FLAG

_DETAIL = 200  # characters
_TEXT = 300

TWINS = ("duplicate_id", "near_duplicate", "paraphrase")
"""Reasons of curation that name the kept row."""


class Dropped(NamedTuple):
    """A rejection that is shown or counted by itself."""

    kind: str
    id: str
    reason: str
    detail: str
    of: str
    """What its first evidence rests on: the kept twin."""


@dataclass(slots=True)
class Losses:
    """All rejections of a run."""

    rows: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """By (kind, step, reason, status); kinds of rows alone."""
    byproducts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By (kind, step, reason)."""
    examples: dict[tuple[str, str, str], list[LossExample]] = field(default_factory=dict)
    """The first of each (kind, step, reason)."""
    scores: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """Scores of rows that curation dropped, by (kind, score)."""
    quality: dict[str, int] = field(default_factory=dict)
    """Judged quality of each row that a reviewer rejected, by id."""
    twins: list[Dropped] = field(default_factory=list)
    contaminated: list[Dropped] = field(default_factory=list)
    curated: int = 0
    """Rows that curation dropped."""

    def of(self, reason: str) -> int:
        """Rows lost for one reason, of all kinds and steps."""
        return sum(count for (_, _, name, _), count in self.rows.items() if name == reason)


def gather_losses(run: RunFolder) -> Losses:
    """Read everything under ``rejected/`` once.

    Raises:
        UserError: a file is damaged.
    """
    losses = Losses()
    for batch in rejected_batches(run):
        for row in batch.to_pylist():
            shown = losses.examples.setdefault((row["kind"], row["step"], row["reason"]), [])
            if len(shown) < EXAMPLES:
                shown.append(_example(row))
            if row["kind"] in KINDS:
                _add(losses, row)
            else:
                losses.byproducts[row["kind"], row["step"], row["reason"]] += 1
    return losses


def _add(losses: Losses, row: Row) -> None:
    losses.rows[row["kind"], row["step"], row["reason"], row["status"]] += 1
    if row["step"] != CURATE:
        return
    losses.curated += 1
    evidence = row["evidence"] or [{}]
    one = Dropped(row["kind"], row["id"], row["reason"], row["detail"] or "", evidence[0].get("fact") or "")
    if row["reason"] in TWINS:
        losses.twins.append(one)
    elif row["reason"] == "contaminated":
        losses.contaminated.append(one)
    payload = payload_of(row["payload"])
    for score in SCORES:
        if isinstance(value := payload.get(score), int):
            losses.scores.setdefault((row["kind"], score), []).append(value)
    if row["reason"] == "rejected_by_reviewer" and isinstance(value := payload.get("quality"), int):
        losses.quality[row["id"]] = value


def _example(row: Row) -> LossExample:
    if row["reason"] == FLAG:  # it is dropped so that nobody reads it
        return LossExample(id=row["id"], detail="", text="")
    payload = payload_of(row["payload"])
    kind = row["kind"]
    whole = row["step"] == CURATE and kind in KINDS and all(payload.get(column) for column in TEXT_COLUMNS[kind])
    text = dedup_text(kind, payload) if whole else "\n".join(f"{key}: {_said(one)}" for key, one in payload.items())
    return LossExample(id=row["id"], detail=cut(row["detail"], _DETAIL), text=cut(text, _TEXT))


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
