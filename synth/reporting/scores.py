"""What the judge thought: histograms, agreement of its votes, heat maps, and how rows spread over what was planned.

Quality and complexity go from 1 to 10, relevance from 1 to 6; all are medians of the judge's votes. Difficulty is the
judged complexity in three bands. A trait's plan is its weight among the dialogues that have the trait.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from filters.votes import agreement
from synth.errors import UserError
from synth.recipes.personas import load_personas
from synth.reporting.facts import SCORES, Facts
from synth.reporting.losses import Losses
from synth.reporting.read import RunFolder
from synth.reporting.shape import Agreement, Coverage, Grid, Place, Scores
from synth.reporting.tallies import grades

if TYPE_CHECKING:
    import pandas as pd

_MOST = {"quality": 10, "complexity": 10, "relevance": 6}
_SHOWN = 40
_DEPARTMENTS = 8
BANDS = (("easy (1–3)", 1, 3), ("middling (4–7)", 4, 7), ("hard (8–10)", 8, 10))
"""Difficulty: name, lowest and highest complexity."""


def scores(facts: Facts, losses: Losses) -> Scores:
    """Histograms of all scores, agreement, heat maps."""
    histograms = []
    for kind, rows in facts.frame.groupby("kind", sort=False):
        for score in SCORES:
            kept = [None if value is None or value != value else int(value) for value in rows[score]]
            if any(value is not None for value in kept):
                dropped = losses.scores.get((str(kind), score), [])
                histograms.append(grades(score, str(kind), kept, dropped, _MOST[score]))
    said = {place: agreement(votes) for place, votes in sorted(facts.votes.items())}
    return Scores(
        histograms=histograms,
        agreement=[
            Agreement(kind=kind, score=score, rows=one.rows, alpha=one.alpha, same=one.same, spread=one.spread)
            for (kind, score), one in said.items()
            if one.rows
        ],
        grids=_grids(facts.frame),
        departments=_departments(facts.frame),
    )


def _grids(frame: pd.DataFrame) -> list[Grid]:
    import pandas as pd

    scored = frame.dropna(subset=["quality"])
    grids = []
    if len(both := scored.dropna(subset=["complexity"])):
        grids.append(_two_scores("quality (rows) by complexity (columns)", both))
    placed = scored.assign(place=scored["department"].fillna("none"))
    if len(placed):
        table = pd.crosstab(placed["place"], placed["quality"].astype(int)).reindex(columns=range(1, 11), fill_value=0)
        sums = table.sum(axis=1)
        order = sorted(table.index, key=lambda name: (-sums[name], name))[:_SHOWN]
        grids.append(_grid("department (rows) by quality (columns)", table.loc[order]))
    return grids


def _departments(frame: pd.DataFrame) -> list[Grid]:
    both = frame.dropna(subset=["quality", "complexity", "department"])
    counts = both["department"].value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name))[:_DEPARTMENTS] if len(counts) > 1 else []
    return [_two_scores(str(name), both[both["department"] == name]) for name in names]


def _two_scores(name: str, rows: pd.DataFrame) -> Grid:
    """Quality downwards from 10 to 1, complexity from left to right."""
    import pandas as pd

    tens = range(1, 11)
    table = pd.crosstab(rows["quality"].astype(int), rows["complexity"].astype(int))
    return _grid(name, table.reindex(index=tens[::-1], columns=tens, fill_value=0))


def _grid(name: str, table: pd.DataFrame) -> Grid:
    return Grid(
        name=name,
        rows=[str(one) for one in table.index],
        columns=[str(one) for one in table.columns],
        counts=[[int(cell) for cell in row] for row in table.to_numpy()],
    )


def coverage(run: RunFolder, facts: Facts) -> list[Coverage]:
    """Departments and difficulties of all kinds, traits of the dialogues' patients."""
    frame = facts.frame
    planned: Counter[tuple[str, str]] = Counter()
    for cell in run.manifest.get("quotas", []):
        planned[str(cell["dimension"]), str(cell["value"])] += int(cell["planned"])
    found = []
    for dimension in ("department", "subdepartment"):
        plan = {value: float(n) for (name, value), n in planned.items() if name == dimension}
        found.append(_spread(dimension, frame, frame[dimension], plan))
    bands = frame["complexity"].map(_band, na_action="ignore")
    by_band = _spread("difficulty", frame, bands, {})
    order = [name for name, _, _ in BANDS]
    places = sorted(by_band.places, key=lambda place: order.index(place.value))
    found.append(by_band.model_copy(update={"places": places}))
    dialogues = frame[frame["kind"] == "dialogue"]
    weights = _weights(run)
    # A value that is no mapping is a row of another kind: its cell is empty.
    held = [value if isinstance(value, dict) else {} for value in dialogues["persona"]]
    for trait in sorted({trait for one in held for trait in one}):
        values = dialogues["persona"].map(lambda one, t=trait: one.get(t) if isinstance(one, dict) else None)
        shares = weights.get(trait, {})
        rows = int(values.notna().sum())
        plan = {value: rows * share for value, share in shares.items()}
        found.append(_spread(f"patient: {trait.replace('_', ' ')}", dialogues, values, plan))
    return [one for one in found if one.places]


def _spread(dimension: str, frame: pd.DataFrame, values: pd.Series[Any], plan: dict[str, float]) -> Coverage:
    placed = frame.assign(value=values).dropna(subset=["value"])
    groups = {str(value): rows for value, rows in placed.groupby("value", sort=True)}
    names = sorted({*groups, *plan}, key=lambda name: (-len(groups.get(name, ())), name))
    places = []
    for name in names[:_SHOWN]:
        rows = groups.get(name)
        kept = 0 if rows is None else len(rows)
        places.append(
            Place(
                value=name,
                kept=kept,
                share=kept / len(placed) if len(placed) else 0.0,
                planned=plan.get(name),
                quality=_mean(rows, "quality"),
                complexity=_mean(rows, "complexity"),
            )
        )
    return Coverage(dimension=dimension, places=places, more=max(0, len(names) - _SHOWN))


def _mean(rows: pd.DataFrame | None, column: str) -> float | None:
    given = [] if rows is None else [float(value) for value in rows[column].dropna()]
    return sum(given) / len(given) if given else None


def _band(complexity: float) -> str:
    return next((name for name, low, high in BANDS if low <= complexity <= high), BANDS[-1][0])


def _weights(run: RunFolder) -> dict[str, dict[str, float]]:
    """Share of each value of each trait by the spec's weights; empty where they cannot be read."""
    wanted = run.spec.produce.dialogues if run.spec else None
    if wanted is None:
        return {}
    try:
        known = load_personas(None if wanted.personas == "default" else wanted.personas).traits
    except UserError as error:
        run.note(f"The personas of the spec cannot be read: {error}")
        return {}
    return {
        trait: {value: weight / sum(values.values()) for value, weight in values.items()}
        for trait, values in known.items()
    }
