"""The funnel: planned → asked → answered → parsed → made → deduplicated → judged → kept, and what each step has cost.

Each reason of a loss belongs to one stage, in this order, though a recipe may come to them in another: a question is
compared with others before it is answered. So each stage's rows are those of the one before less what ended there, and
the last are the kept ones.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from synth.curate import STEP as CURATE
from synth.reporting.journals import Spent
from synth.reporting.losses import Losses
from synth.reporting.read import RunFolder
from synth.reporting.shape import Funnel, KindCount, Loss, Quota, Stage
from synth.rows import KINDS

_UNREADABLE = {"content_filter", "empty", "length", "not_json", "refusal", "schema", "truncated", "turn_empty"}
_REPEATED = {"duplicate_id", "near_duplicate", "near_duplicate_question", "paraphrase"}
_JUDGED = {"low_quality", "low_complexity", "not_verified", "tie", "unscored"}
_Reason = tuple[str, str, str]
"""(kind, step, reason)."""
_NAMES = ("planned", "asked", "answered", "parsed", "made", "deduplicated", "judged", "kept")


def kind_counts(run: RunFolder) -> list[KindCount]:
    """Counts of the manifest, for kinds that were planned; empty without an export."""
    counts: dict[str, Any] = run.manifest.get("counts", {})
    return [
        KindCount(
            kind=kind,
            planned=one["planned"],
            kept=sum(one["kept"].values()),
            train=one["kept"].get("train", 0),
            validation=one["kept"].get("validation", 0),
            rejected=sum(one["rejected"].values()),
            failed=one["failed"],
            pending=one["pending"],
        )
        for kind in KINDS
        if (one := counts.get(kind)) and one["planned"]
    ]


def quotas(run: RunFolder) -> list[Quota]:
    """Quotas as the manifest tells them."""
    names = ("kind", "dimension", "value", "planned", "available", "kept")
    return [Quota(**{name: one[name] for name in names}) for one in run.manifest.get("quotas", [])]


def funnel(kinds: list[KindCount], losses: Losses, spent: Spent) -> Funnel:
    """Stages, losses and costs."""
    known = spent.journals > 0
    return Funnel(
        stages=_stages(kinds, losses),
        losses=_most_first({(kind, step, reason): n for (kind, step, reason, _), n in losses.rows.items()}, losses),
        byproducts=_most_first(losses.byproducts, losses),
        steps=spent.steps,
        models=spent.models,
        requests=spent.requests if known else None,
        tokens_in=spent.tokens_in if known else None,
        tokens_out=spent.tokens_out if known else None,
        usd=spent.usd if known else None,
        lost_tokens=spent.lost_tokens if known else None,
        lost_usd=spent.lost_usd if known else None,
        times=spent.times,
        journals=spent.journals,
    )


def _stages(kinds: list[KindCount], losses: Losses) -> list[Stage]:
    ended: Counter[tuple[str, str]] = Counter()
    for kind, step, reason, status in losses.rows:
        stage = "answered" if status == "failed" else _stage(step, reason)
        ended[stage, kind] += losses.rows[kind, step, reason, status]
    ended.update({("asked", one.kind): one.pending for one in kinds})
    left = {one.kind: one.planned for one in kinds}
    stages = []
    for name in _NAMES:
        lost = {kind: ended[name, kind] for kind in left}
        left = {kind: rows - lost[kind] for kind, rows in left.items()}
        stages.append(Stage(name=name, by_kind=dict(left), rows=sum(left.values()), lost=sum(lost.values())))
    return stages if kinds else []


def _stage(step: str, reason: str) -> str:
    if reason in _REPEATED:
        return "deduplicated"
    if reason in _JUDGED:
        return "judged"
    if step == CURATE:
        return "kept"
    return "parsed" if reason in _UNREADABLE else "made"


def _most_first(counts: dict[_Reason, int] | Counter[_Reason], losses: Losses) -> list[Loss]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Loss(kind=place[0], step=place[1], reason=place[2], count=n, examples=losses.examples.get(place, []))
        for place, n in ordered
    ]
