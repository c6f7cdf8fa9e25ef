"""The page: one offline HTML file from a :class:`Report` and from nothing else.

Everything a model or a seed wrote is escaped by Jinja; nothing is marked as safe but our own style sheet, script and
figures. A content security policy lets only that style and that script run, known by their hashes, and nothing load.
The page is whole without the script, which only saves a reviewer's marks.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from synth.reporting.figures import histogram, share_bar, visible
from synth.reporting.shape import Report

FOLDER = Path(__file__).parent.parent / "data" / "report"

SHADES = 6


def render(report: Report) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )
    environment.filters |= {
        "number": _number,
        "percent": _percent,
        "figure": _figure,
        "short": _short,
        "words": _words,
    }
    environment.globals |= {"histogram": histogram, "share_bar": share_bar, "shade": _shade}
    style, script = ((FOLDER / name).read_text("utf-8") for name in ("report.css", "marks.js"))
    return environment.get_template("report.html.jinja").render(
        report=report, style=Markup(style), script=Markup(script), policy=_policy(style, script)
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _visible(value: Any) -> Any:
    """Foreign text without what cannot be seen; our own markup as it is."""
    return visible(value) if type(value) is str else value


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if 0 < value < 0.1 else f"{value:.0%}"


def _figure(value: float | None, places: int = 2) -> str:
    return "–" if value is None else f"{value:,.{places}f}"


def _short(value: float | None) -> str:
    """Two places, and none where they would be noughts."""
    return _figure(value).removesuffix(".00")


def _words(name: str | None) -> str:
    """One of our names as words: ``near_duplicate`` as "near duplicate"."""
    return (name or "").replace("_", " ")


def _shade(count: int, highest: int) -> int:
    """Which of the shades 0 to 6 a cell of a heat map has."""
    return 0 if not count or not highest else max(1, round(SHADES * count / highest))
