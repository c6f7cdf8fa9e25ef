"""Rows to read: 30 at random, the 30 that the judge liked least, 30 borderline ones, each with where it comes from.

The draw hangs on the spec's seed and the rows' ids. A borderline row is one whose votes lie apart, or whose quality is
near the least that the spec wants (near the median where it wants nothing); it is none of the worst. Seed passages are
read from the spec's source where that is a file which is still there; nothing is loaded from the Hub.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from synth.errors import ClinsynthError
from synth.reporting.bubbles import case_lines, messages, turns
from synth.reporting.facts import SCORES, Facts, drawn, traits
from synth.reporting.journals import costs
from synth.reporting.pieces import cut
from synth.reporting.read import Row, RunFolder, fetch_kept
from synth.reporting.shape import Bubble, Group, Provenance, Sample
from synth.seeds import read_seeds

if TYPE_CHECKING:
    import pandas as pd

ROWS = 30
_BUBBLES = 40
_CHARACTERS = 12_000  # of the bubbles of a row
_SEED = 1500


def samples(run: RunFolder, facts: Facts) -> list[Group]:
    """The three groups; empty where no row was kept."""
    chosen = _choose(run, facts.frame)
    rows = fetch_kept(run, [row_id for ids in chosen.values() for _, row_id in ids])
    known = costs(run, [key for row in rows.values() for key in row["calls"] or ()])
    passages = _passages(run, {row["seed_id"] for row in rows.values()})
    return [
        Group(
            name=name,
            about=about,
            samples=[_sample(kind, rows[kind, row_id], known, passages) for kind, row_id in chosen[name]],
        )
        for name, about in _about(run).items()
        if chosen.get(name)
    ]


_Name = Literal["random", "worst", "borderline"]


def _about(run: RunFolder) -> dict[_Name, str]:
    least = run.spec.filters.quality.min_quality if run.spec else 1
    near = f"the least quality that the spec wants ({least})" if least > 1 else "the median quality"
    return {
        "random": f"Drawn from all kept rows by the seed {run.seed}.",
        "worst": "Kept rows of the lowest judged quality; of equal ones those with the most flags.",
        "borderline": f"Rows whose votes lie furthest apart, then those whose quality is nearest to {near}.",
    }


def _choose(run: RunFolder, frame: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    if not len(frame):
        return {}
    lines = frame.assign(draw=[drawn(run.seed, row_id) for row_id in frame["id"]])
    scored = lines.dropna(subset=["quality"])
    worst = scored.sort_values(["quality", "flags", "draw"], ascending=[True, False, True])
    worst = worst.head(min(ROWS, -(-len(scored) // 3)))  # a small run has borderline rows, too
    least = run.spec.filters.quality.min_quality if run.spec else 1
    limit = float(least) if least > 1 else float(scored["quality"].median()) if len(scored) else 0.0
    rest = scored.drop(worst.index)
    rest = rest.assign(apart=rest["spread"].fillna(0).astype(float), near=(rest["quality"] - limit).abs())
    border = rest.sort_values(["apart", "near", "draw"], ascending=[False, True, True]).head(ROWS)
    groups = {"random": lines.sort_values("draw").head(ROWS), "worst": worst, "borderline": border}
    return {name: list(zip(rows["kind"], rows["id"], strict=True)) for name, rows in groups.items()}


def _sample(kind: str, row: Row, known: dict[str, float], passages: dict[str, str]) -> Sample:
    whole = list(turns(row)) if kind == "dialogue" else list(messages(row, _conversation(kind)))
    shown = _fitting(whole)
    department = " / ".join(part for part in (row["department"], row["subdepartment"]) if part)
    return Sample(
        id=row["id"],
        kind=kind,
        split=row["split"],
        seed_id=cut(row["seed_id"], 200),
        department=department,
        scores={name: int(row[name]) for name in SCORES if row[name] is not None},
        facts=[cut(fact, 300) for fact in _facts(kind, row)],
        flags=[cut(flag, 60) for flag in row["flags"] or ()],
        bubbles=shown,
        cut=len(whole) - len(shown),
        chosen=_side(row, "chosen") if kind == "preference" else [],
        rejected=_side(row, "rejected") if kind == "preference" else [],
        case=case_lines(row["case"]) if kind == "dialogue" else [],
        persona=[cut(f"{k.replace('_', ' ')}: {v}", 200) for k, v in traits(row["persona"]).items()]
        if kind == "dialogue"
        else [],
        seed=passages.get(row["seed_id"]),
        provenance=_provenance(row, known),
    )


def _fitting(bubbles: list[Bubble]) -> list[Bubble]:
    """As many of the first bubbles as keep the page small, and at least one."""
    shown: list[Bubble] = []
    room = _CHARACTERS
    for bubble in bubbles[:_BUBBLES]:
        room -= sum(len(piece.text) for piece in (*bubble.pieces, *bubble.thought))
        if room < 0 and shown:
            break
        shown.append(bubble)
    return shown


def _conversation(kind: str) -> str:
    return "prompt" if kind == "preference" else "messages"


def _side(row: Row, column: str) -> list[Bubble]:
    return list(messages(row, column))


def _facts(kind: str, row: dict[str, Any]) -> Iterator[str]:
    if kind == "dialogue" and row["diagnosis"]:
        said = {True: "right", False: "wrong", None: "not judged"}[row["diagnosis_correct"]]
        yield f"diagnosis: {row['diagnosis']} ({said})"
    if kind == "reasoning":
        said = {True: "verified", False: "not confirmed", None: "not verified"}[row["verified"]]
        yield said + (f" ({row['verification']})" if row["verification"] else "")
        if row.get("pass_rate") is not None:
            yield f"pass rate {row['pass_rate']:.0%}"
    if kind == "preference":
        yield f"origin: {row['origin']}"
        if row["margin"] is not None:
            yield f"margin: {row['margin']:g}"


def _provenance(row: Row, known: dict[str, float]) -> Provenance:
    calls = row["calls"] or []
    money = [known.get(key) for key in calls]
    return Provenance(
        generator=cut(row["generator"], 120),
        judge=cut(row["judge"], 120),
        prompt_hash=cut(row["prompt_hash"], 64),
        source=cut(row["source"], 200),
        license=cut(row["source_license"], 80),
        calls=len(calls),
        tokens_in=row["tokens_in"] or 0,
        tokens_out=row["tokens_out"] or 0,
        usd=sum(one for one in money if one is not None) if calls and None not in money else None,
    )


def _passages(run: RunFolder, wanted: Iterable[str]) -> dict[str, str]:
    """The seed passages of the named seeds, as far as the spec's source gives them."""
    left = set(wanted)
    found: dict[str, str] = {}
    if run.spec is None or not left:
        return found
    source = run.spec.seeds.source
    if source.startswith("hf://") or not Path(source).exists():
        run.note("The seed passages are not shown: their source is no file on this machine.")
        return found
    try:
        for seed in read_seeds(run.spec.seeds):
            if seed.id in left:
                found[seed.id] = cut(seed.text, _SEED)
                left.discard(seed.id)
                if not left:
                    break
    except ClinsynthError as error:
        run.note(f"The seed passages are not all shown: {error}")
    return found
