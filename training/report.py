"""``training_report.html``: the curves of a run as inline SVG, with its figures, rows, options and lineage.

One file, no script, nothing loaded from elsewhere; every text is escaped. Each group of :data:`PLOTS` becomes a plot
when the log has any of its series; series of one kind each (``eval_sft_loss``) share a plot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.card import flat
from training.lineage import Facts

FOLDER = Path(__file__).parent / "pages"
GIB = 2**30

PLOTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Loss", ("loss", "eval_loss", "eval_*_loss")),
    ("Share of tokens (or pairs) right", ("mean_token_accuracy", "eval_*_mean_token_accuracy", "rewards/accuracies",
                                          "eval_*_rewards/accuracies")),
    ("Implicit rewards", ("rewards/chosen", "rewards/rejected", "rewards/margins")),
    ("Learning rate", ("learning_rate",)),
    ("Gradient norm", ("grad_norm",)),
)  # fmt: skip
"""Title and series of each plot; ``*`` stands for a name between."""

LEFT, RIGHT, TOP, BOTTOM = 60, 740, 44, 232
MOST_POINTS = 600
"""Points drawn of a series; longer ones are thinned evenly."""


def render_report(facts: Facts, preflight: Sequence[str] = ()) -> str:
    """Return the page; ``preflight`` are the lines that were printed before the run."""
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("training_report.html.jinja").render(
        facts=facts,
        plots=plots(facts.history),
        table=[(name, f"{value:.6g}") for name, value in sorted(facts.metrics.items())],
        options=flat(facts.config),
        files=sorted(facts.lineage.files.items()),
        preflight="\n".join(preflight),
        minutes=f"{facts.seconds / 60:.1f}",
        memory=f"{facts.peak_memory / GIB:.1f}",
    )


def plots(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the template draws: for each plot its lines in pixels and its ticks."""
    drawn = []
    for title, patterns in PLOTS:
        series = {name: points for name in _names(history, patterns) if (points := _points(history, name))}
        if series:
            drawn.append(_plot(title, series))
    return drawn


def _names(history: Sequence[dict[str, Any]], patterns: Sequence[str]) -> list[str]:
    seen = list(dict.fromkeys(name for entry in history for name in entry))
    names = []
    for pattern in patterns:
        start, star, end = pattern.partition("*")
        names += [
            name
            for name in seen
            if (name == pattern if not star else name.startswith(start) and name.endswith(end)
                and len(name) > len(start) + len(end))
        ]  # fmt: skip
    return names


def _points(history: Sequence[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    found = [(entry["step"], entry[name]) for entry in history if name in entry and "step" in entry]
    finite = [(step, value) for step, value in found if isinstance(value, (int, float)) and math.isfinite(value)]
    return finite[:: max(1, math.ceil(len(finite) / MOST_POINTS))]


def _plot(title: str, series: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    steps = [step for points in series.values() for step, _ in points]
    values = [value for points in series.values() for _, value in points]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def x(step: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (step - first) / (last - first), 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low), 1)

    return {
        "title": title,
        "lines": [
            {
                "name": name,
                "points": " ".join(f"{x(step)},{y(value)}" for step, value in points),
                "single": (x(points[0][0]), y(points[0][1])) if len(points) == 1 else None,
            }
            for name, points in series.items()
        ],
        "x": [{"at": x(step), "text": f"{step:g}"} for step in sorted({first, round((first + last) / 2), last})],
        "y": [{"at": y(value), "text": f"{value:.3g}"} for value in (low, (low + high) / 2, high)],
    }
