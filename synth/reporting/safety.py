"""What checks found: flags with the sentence, what may identify a person, benchmark items with the matched words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from synth.reporting.facts import EXAMPLES, Facts
from synth.reporting.losses import Dropped, Losses
from synth.reporting.pieces import marked
from synth.reporting.read import Row, RunFolder, fetch_rejected
from synth.reporting.shape import Contamination, Example, Flag, Safety
from synth.screens import FLAG as PHI

_AROUND = 200
_DETAIL = re.compile(r"(?P<item>.*), (?:share|cosine) [\d.]+: (?P<span>.*)", re.DOTALL)


def safety(run: RunFolder, facts: Facts, losses: Losses) -> Safety:
    """Flags of kept rows, contamination and people in dropped ones."""
    rows = len(facts.frame)
    by_flag: dict[str, Counter[str]] = defaultdict(Counter)
    for (flag, kind), count in facts.flag_rows.items():
        by_flag[flag][kind] += count
    flags = [
        Flag(
            flag=flag,
            rows=kinds.total(),
            share=kinds.total() / rows if rows else 0.0,
            by_kind=dict(sorted(kinds.items())),
            examples=facts.examples.get(flag, []),
        )
        for flag, kinds in sorted(by_flag.items(), key=lambda item: (-item[1].total(), item[0]))
    ]
    return Safety(
        flagged=int((facts.frame["flags"] > 0).sum()) if rows else 0,
        flags=[one for one in flags if one.flag != PHI],
        phi=next((one for one in flags if one.flag == PHI), None),
        phi_kinds=dict(facts.phi_kinds.most_common()),
        phi_dropped=losses.of(PHI),
        contamination=_contamination(run, losses.contaminated),
        decontaminated=bool(run.spec and run.spec.filters.decontaminate),
    )


def _contamination(run: RunFolder, dropped: list[Dropped]) -> list[Contamination]:
    by_benchmark: dict[str, list[Dropped]] = defaultdict(list)
    for one in dropped:
        by_benchmark[one.detail.partition(":")[0] or "unknown"].append(one)
    shown = [one.id for rows in by_benchmark.values() for one in rows[:EXAMPLES]]
    gone = fetch_rejected(run, shown)
    ordered = sorted(by_benchmark.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        Contamination(
            benchmark=name, rows=len(rows), examples=[_example(one, gone.get(one.id)) for one in rows[:EXAMPLES]]
        )
        for name, rows in ordered
    ]


def _example(dropped: Dropped, gone: Row | None) -> Example:
    payload = gone["payload"] if gone else {}
    columns = ("prompt", "chosen", "rejected") if dropped.kind == "preference" else ("messages",)
    text = "\n".join(str(one.get("content") or "") for name in columns for one in payload.get(name) or ())
    found = _DETAIL.fullmatch(dropped.detail)
    span = found["span"] if found else dropped.detail
    pieces = marked(text, [(_as_written(text, span), "contaminated")], around=_AROUND)
    return Example(id=dropped.id, kind=dropped.kind, turn=None, pieces=pieces, fact=found["item"] if found else None)


def _as_written(text: str, span: str) -> str:
    """The words of a normalised span as they stand in the text; the span where they do not."""
    words = span.rstrip("…").split()
    found = re.search(r"\s+".join(map(re.escape, words)), text, re.IGNORECASE) if words else None
    return found[0] if found else span
