"""Reviewers' marks against the judge's scores: would a person have kept what the judge liked?"""

from __future__ import annotations

from statistics import fmean

from synth.marks import Mark, marks_of
from synth.reporting.facts import Facts
from synth.reporting.losses import Losses
from synth.reporting.pieces import plain
from synth.reporting.read import RunFolder
from synth.reporting.shape import Example, Marks

_COMMENTS = 30


def reviews(run: RunFolder, facts: Facts, losses: Losses) -> Marks | None:
    """What reviewers said; None where the run folder holds no marks.

    Raises:
        UserError: the marks are damaged.
    """
    marks = marks_of(run.folder)
    if not marks:
        return None
    frame = facts.frame
    given = {row: int(q) for row, q in zip(frame["id"], frame["quality"], strict=True) if q is not None and q == q}
    given |= losses.quality
    kinds = dict(zip(frame["id"], frame["kind"], strict=True))
    scored = [mark for mark in marks.values() if mark.id in given]
    kept = [given[mark.id] for mark in scored if mark.mark == "keep"]
    rejected = [given[mark.id] for mark in scored if mark.mark == "reject"]
    applied = losses.of("rejected_by_reviewer")
    unknown = sum(mark.id not in kinds and mark.id not in given for mark in marks.values())
    return Marks(
        marked=len(marks),
        kept=sum(mark.mark == "keep" for mark in marks.values()),
        rejected=sum(mark.mark == "reject" for mark in marks.values()),
        unknown=unknown,
        scored=len(scored),
        quality_kept=fmean(kept) if kept else None,
        quality_rejected=fmean(rejected) if rejected else None,
        agreement=_above(kept, rejected),
        applied=applied,
        comments=[_comment(mark, kinds.get(mark.id, "")) for mark in marks.values() if mark.comment][:_COMMENTS],
    )


def _above(kept: list[int], rejected: list[int]) -> float | None:
    """Share of pairs in which the kept row has the higher score, ties half (the area under the ROC curve)."""
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in kept for b in rejected]
    return fmean(pairs) if pairs else None


def _comment(mark: Mark, kind: str) -> Example:
    return Example(id=mark.id, kind=kind, turn=None, pieces=plain(mark.comment, 500), fact=mark.mark)
