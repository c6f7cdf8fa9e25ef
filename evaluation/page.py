"""The page of an evaluation folder: one offline HTML file from a :class:`Report` and from nothing else.

It looks like the report on a run, whose style sheet it shares. It has no script, a content security policy lets
nothing load, and what models and benchmarks wrote is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluation.forest import forest
from evaluation.shape import Range, Report, Score
from synth.reporting.figures import visible
from synth.reporting.page import FOLDER as SHARED

FOLDER = Path(__file__).parent / "pages"


def render(report: Report) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {"percent": _percent, "interval": _interval, "points": _points, "p": _p, "time": _time}
    environment.globals |= {"forest": forest}
    style = (SHARED / "report.css").read_text("utf-8") + (FOLDER / "evaluation.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("evaluation.html.jinja").render(
        report=report,
        names=[run.name for run in report.runs],
        scores={(one.task, one.run): one for one in report.scores},
        pairs=list(dict.fromkeys((one.run, one.against) for one in report.comparisons)),
        groups=_groups(report),
        totals=_totals(report.scores),
        style=Markup(style),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def _groups(report: Report) -> list[dict[str, Any]]:
    """Comparisons under the questions that they answer; empty groups are left out."""
    against_base = [one for one in report.comparisons if one.purpose == "base"]
    groups = [
        ("base", f"Against {report.base}", [one for one in against_base if one.task != "general"]),
        ("general", "What was forgotten", [one for one in against_base if one.task == "general"]),
        ("without", "With help and without", [one for one in report.comparisons if one.purpose == "without"]),
        (
            "random",
            "Relevant neighbours against random ones",
            [one for one in report.comparisons if one.purpose == "random"],
        ),
    ]
    return [{"key": key, "title": title, "comparisons": found} for key, title, found in groups if found]


def _totals(scores: list[Score]) -> list[dict[str, Any]]:
    """Tokens and time of each run over its tasks."""
    totals: dict[str, dict[str, Any]] = {}
    for one in scores:
        row = totals.setdefault(
            one.run, {"run": one.run, "answers": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}
        )
        row["answers"] += one.items * len(one.seeds)
        for key in ("tokens_in", "tokens_out", "seconds"):
            row[key] += getattr(one, key)
    return list(totals.values())


def _percent(value: float | None, places: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{places}f} %"


def _interval(value: Range | None) -> str:
    """An accuracy's interval."""
    return "–" if value is None else f"{100 * value.low:.1f}–{100 * value.high:.1f}"


def _points(value: Range | None) -> str:
    """A difference with its interval, in points."""
    if value is None:
        return "–"
    return f"{100 * value.value:+.1f} ({100 * value.low:+.1f} to {100 * value.high:+.1f})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
