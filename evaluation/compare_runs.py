"""Runs held against each other item by item: scores, paired differences, tests, and the items that changed.

Answers are paired by item and seed; what only one run has is left out of the comparison and counted. Several seeds of
an item are averaged first, so an item counts once. A run that saw other options under a pair's letters, or was scored
by another method, is no partner: the one is a mistake and refused, the other a note.

The verdict rests on the exact test alone, adjusted for all tasks on which the same two runs are compared (Holm); the
interval says how large the difference may be. Nothing is read from models and nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation import statistics
from evaluation.answers import list_runs, list_tasks, read_answers
from evaluation.shape import Comparison, Range, Score, Subset
from synth.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Frames = dict[str, dict[str, "pd.DataFrame"]]
"""Task to run to answers."""

_NLL_DRAWS = 1_000  # values that are all different cost more to draw


def load_frames(folder: Path) -> Frames:
    """All answers of an evaluation folder.

    Raises:
        UserError: there are none, a file cannot be read, or two runs were asked different things under one id.
    """
    runs = list_runs(folder)
    if not runs:
        raise UserError(f"{folder}: holds no answers; run python -m evaluation.benchmark --out {folder} first")
    frames: Frames = {}
    for run in runs:
        for task in list_tasks(folder, run):
            frames.setdefault(task, {})[run] = read_answers(folder, run, task).to_pandas()
    for task, of_task in frames.items():
        _check_same_items(folder, task, of_task)
    return dict(sorted(frames.items()))


def score(run: str, task: str, frame: pd.DataFrame, found: Collection[str] | None) -> Score:
    """What one run reached on one task; ``found`` are contaminated ids, None where nothing was searched."""
    items = _by_item(frame)
    clean = None
    if found is not None:
        kept = items[~items.index.isin(list(found))]
        accuracy = _share(kept) if len(kept) else None
        clean = Subset(items=len(kept), left_out=len(items) - len(kept), accuracy=accuracy)
    control = str(frame["control"].iloc[0])
    return Score(
        run=run,
        task=task,
        items=len(items),
        clusters=int(items["cluster"].nunique()),
        seeds=sorted(int(seed) for seed in frame["seed"].unique()),
        method=str(frame["method"].iloc[0]),
        accuracy=_share(items),
        chance=float((1 / frame["order"].map(len)).mean()),
        unparsed=float(1 - frame["parsed"].mean()),
        truncated=float(frame["truncated"].mean()),
        failed=int(frame["failure"].notna().sum()),
        clean=clean,
        nll_per_byte=_mean(frame["nll_per_byte"]),
        similarity=_mean(frame["similarity"]),
        without_neighbours=0 if control == "none" else int((frame["neighbours"].map(len) == 0).sum()),
        tokens_in=int(frame["tokens_in"].sum()),
        tokens_out=int(frame["tokens_out"].sum()),
        seconds=float(frame["seconds"].sum()),
        model=str(frame["model"].iloc[0]),
        control=control,
        prompt_hashes=sorted(frame["prompt_hash"].dropna().unique()),
    )


def compare(
    task: str,
    names: tuple[str, str],
    frames: tuple[pd.DataFrame, pd.DataFrame],
    purpose: str,
    found: Collection[str] | None,
) -> Comparison | None:
    """The first of two runs against the second, None without an item in common; :func:`settle` gives the verdict."""
    both = frames[0].merge(frames[1], on=["id", "seed"], suffixes=("", "_before"))
    if both.empty:
        return None
    both["difference"] = both["correct"].astype(float) - both["correct_before"].astype(float)
    both["nll"] = both["nll_per_byte"].astype(float) - both["nll_per_byte_before"].astype(float)
    items = both.groupby("id", sort=True).agg(
        difference=("difference", "mean"), nll=("nll", "mean"), cluster=("cluster", "first")
    )
    differences, clusters = items["difference"].to_numpy(), items["cluster"].tolist()
    measured = items[items["nll"].notna()]
    nll = (
        statistics.paired_bootstrap(measured["nll"].to_numpy(), measured["cluster"].tolist(), draws=_NLL_DRAWS)
        if len(measured)
        else None
    )
    return Comparison(
        run=names[0],
        against=names[1],
        task=task,
        purpose=purpose,
        items=len(items),
        clusters=len(set(clusters)),
        only_run=len(frames[0]) - len(both),
        only_against=len(frames[1]) - len(both),
        accuracy_run=float(both.groupby("id")["correct"].mean().mean()),
        accuracy_against=float(both.groupby("id")["correct_before"].mean().mean()),
        difference=as_range(statistics.difference_interval(differences, clusters)),
        p=statistics.sign_test(differences, clusters),
        p_holm=1.0,
        won=items.index[items["difference"] > 1e-9].tolist(),
        lost=items.index[items["difference"] < -1e-9].tolist(),
        smallest_detectable=None,
        clean=_clean_difference(items, found),
        nll_difference=None if nll is None else as_range(nll),
        verdict="unclear",
        sentence="",
        notes=_notes(both),
        flips=[],
    )


def settle(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons of the same two runs, adjusted for being several, with their verdicts and sentences."""
    adjusted = statistics.holm({comparison.task: comparison.p for comparison in comparisons})
    settled = []
    for one in comparisons:
        p, changed = adjusted[one.task], len(one.won) + len(one.lost)
        # Half a pair added to each outcome, as for the interval: nothing seen to change is not "nothing changes".
        smallest = statistics.smallest_detectable(
            one.clusters,
            min(1.0, (changed + 1) / (one.items + 2)),
            level=1 - (1 - statistics.LEVEL) / len(comparisons),
        )
        # The test counts which way items changed, the difference how far: where they disagree nothing is shown.
        way = len(one.won) - len(one.lost)
        shown = p <= 1 - statistics.LEVEL and way * one.difference.value > 0
        verdict = "unclear" if not shown else "better" if way > 0 else "worse"
        updates: dict[str, Any] = {"p_holm": p, "smallest_detectable": smallest, "verdict": verdict}
        known = one.model_copy(update=updates)
        settled.append(known.model_copy(update={"sentence": _sentence(known, len(comparisons))}))
    return settled


def as_range(interval: statistics.Interval) -> Range:
    """An interval as the report has it."""
    return Range(value=interval.value, low=interval.low, high=interval.high, how=interval.how)


def _sentence(one: Comparison, tasks: int) -> str:
    if one.verdict == "unclear":
        if one.smallest_detectable is None:
            return "No difference could be shown; so few items could not have shown any."
        least = f"{100 * one.smallest_detectable:.1f} points or more"
        return f"No difference could be shown (this comparison could have shown {least})."
    what = "more" if one.verdict == "better" else "fewer"
    over = f" after Holm's adjustment for {tasks} tasks" if tasks > 1 else ""
    p = "p < 0.001" if one.p_holm < 0.001 else f"p = {one.p_holm:.3f}"
    low, high = (100 * end for end in (one.difference.low, one.difference.high))
    points = f"{abs(100 * one.difference.value):.1f} points {what} right answers than {one.against}"
    return f"{points} (95 % interval of the difference {low:+.1f} to {high:+.1f}; {p}{over})."


def _notes(both: pd.DataFrame) -> list[str]:
    notes = []
    if set(both["prompt_hash"]) != set(both["prompt_hash_before"]):
        notes.append("The two were asked with different prompts.")
    for name, what in (("truncated", "were cut at the limit of tokens"), ("parsed", "held no letter")):
        shares = [float(both[column].mean()) for column in (name, f"{name}_before")]
        if name == "parsed":
            shares = [1 - share for share in shares]
        if abs(shares[0] - shares[1]) > 0.05:
            notes.append(f"{shares[0]:.0%} of the replies {what}, {shares[1]:.0%} of those compared with.")
    return notes


def _clean_difference(items: pd.DataFrame, found: Collection[str] | None) -> Range | None:
    kept = items if found is None else items[~items.index.isin(list(found))]
    if found is None or kept.empty:
        return None
    return as_range(statistics.difference_interval(kept["difference"].to_numpy(), kept["cluster"].tolist()))


def _by_item(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.groupby("id", sort=True).agg(correct=("correct", "mean"), cluster=("cluster", "first"))


def _share(items: pd.DataFrame) -> Range:
    return as_range(statistics.share_interval(items["correct"].to_numpy(dtype=float), items["cluster"].tolist()))


def _mean(column: pd.Series[Any]) -> float | None:
    values = column.astype(float).to_numpy()
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _check_same_items(folder: Path, task: str, of_task: Mapping[str, pd.DataFrame]) -> None:
    seen: dict[tuple[str, int], tuple[str, tuple[str, ...], str]] = {}
    for run, frame in of_task.items():
        for name, seed, gold, order in zip(frame["id"], frame["seed"], frame["gold"], frame["order"], strict=True):
            shown = (gold, tuple(order), run)
            before = seen.setdefault((name, int(seed)), shown)
            if before[:2] != shown[:2]:
                raise UserError(
                    f"{folder}: {task}: item {name} has another right answer or order of options in {run!r} than in "
                    f"{before[2]!r}: they were asked from different files; ask one of them again into another --out"
                )
