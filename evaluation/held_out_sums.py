"""What runs on held-out rows come to: mean nats a byte with an interval, and differences paired by row.

Reads the files that :mod:`evaluation.held_out` writes. Rows made from one passage are not independent, so whole
passages are drawn; where these are few, Student's interval (1908) on the clustered standard error stands in for the
bootstrap, which would be too narrow. A single passage has no interval to speak of: its ends are its value. Nothing is
measured here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.compare_runs import as_range
from evaluation.shape import HeldOut
from evaluation.statistics import FEW, Interval, clustered_se, paired_bootstrap, student_t
from synth.errors import UserError

FOLDER = "held-out"


def compare_held_out(folder: Path, base: str | None) -> list[HeldOut]:
    """Return every run of an evaluation folder with its differences, paired by row; [] where nothing was measured.

    A run is held against ``base``, ``x+ttt`` against ``x`` and ``x+random`` as well.

    Raises:
        UserError: a file cannot be read.
    """
    runs = {path.stem: read_measured(path) for path in sorted((folder / FOLDER).glob("*.json"))}
    found = []
    for run, facts in runs.items():
        values = _by_row(facts)
        passages = {row["id"]: row.get("seed_id") or row["id"] for row in facts["rows"]}
        stem, _, control = run.rpartition("+")
        partners = [base, *([stem, f"{stem}+random"] if control == "ttt" else [stem] if control == "random" else [])]
        differences = {}
        for partner in dict.fromkeys(partners):
            if partner is None or partner == run or partner not in runs:
                continue
            before = _by_row(runs[partner])
            both = sorted(values.keys() & before.keys())
            if both:
                gaps = [values[name] - before[name] for name in both]
                differences[partner] = as_range(_interval(gaps, [passages[name] for name in both]))
        mean = as_range(_interval(list(values.values()), list(passages.values())))
        found.append(HeldOut(run=run, kind=facts["about"]["kind"], rows=len(values), nll_per_byte=mean,
                             differences=differences, seconds=facts["seconds"]))  # fmt: skip
    return sorted(found, key=lambda one: (one.run != base, one.run))


def read_measured(path: Path) -> dict[str, Any]:
    """Return what a run's file holds: ``about``, ``rows``, ``seconds``.

    Raises:
        UserError: it cannot be read.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if not facts["rows"] or not all(row["bytes"] > 0 for row in facts["rows"]):
            raise ValueError("holds no rows")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read, delete it to measure again: {str(error)[:120]}") from None
    return dict(facts)


def _by_row(facts: dict[str, Any]) -> dict[str, float]:
    return {row["id"]: row["nats"] / row["bytes"] for row in facts["rows"]}


def _interval(values: Sequence[float], passages: Sequence[str]) -> Interval:
    """Of a mean, by whole passages."""
    groups = len(set(passages))
    if not 1 < groups < FEW:
        return paired_bootstrap(values, passages)
    middle = sum(values) / len(values)
    half = student_t(groups) * clustered_se(values, passages)
    return Interval(middle, middle - half, middle + half, "student")
