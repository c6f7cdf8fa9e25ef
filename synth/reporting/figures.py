"""Small figures as SVG text: histograms and share bars. Colours come from the page's style sheet, by class.

Every figure has a title for who cannot see it; every label is escaped here. Heat maps are tables on the page: their
numbers can be read and copied.
"""

from __future__ import annotations

import re

from markupsafe import Markup
from markupsafe import escape as escape_html

from synth.reporting.shape import Histogram

_WIDTH, _HEIGHT, _FOOT, _TOP = 300, 96, 22, 16
_LABELS = 10  # under the bars at most
_WIDEST = 44  # a bar, where there are few

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Controls, and marks that would let a text change the direction of what stands around it."""


def visible(text: str) -> str:
    """Foreign text with the replacement character for what cannot be seen."""
    return _CONTROL.sub("\ufffd", text)


def escape(text: str) -> Markup:
    """Foreign text as HTML."""
    return escape_html(visible(text))


def histogram(figure: Histogram) -> Markup:
    """Bars from the left, kept rows below and dropped ones lighter on top of them."""
    counts = figure.counts
    dropped = figure.dropped or [0] * len(counts)
    highest = max((a + b for a, b in zip(counts, dropped, strict=True)), default=0)
    if not highest:
        return Markup('<p class="none">No values.</p>')
    step = _WIDTH / len(counts)
    wide = min(max(step - 3, 1), _WIDEST)
    every = -(-len(counts) // _LABELS)
    parts = []
    for at, (label, kept, gone) in enumerate(zip(figure.labels, counts, dropped, strict=True)):
        x = at * step + (step - wide) / 2
        low, high = (_bar_height(kept, highest), _bar_height(gone, highest))
        y = _TOP + _HEIGHT - low
        said = f"{label}: {kept:,} kept" + (f", {gone:,} dropped" if figure.dropped else "")
        parts.append(f"<g><title>{escape(said)}</title>{_rect('kept', x, y, wide, low)}")
        parts.append(_rect("gone", x, y - high, wide, high) + "</g>")
        if at % every == 0:
            middle = x + wide / 2
            shown = label.partition("–")[0] if every > 1 or step < 40 else label
            parts.append(f'<text x="{middle:.1f}" y="{_TOP + _HEIGHT + 15}" class="tick">{escape(shown)}</text>')
    parts.append(_rect("axis", 0, _TOP + _HEIGHT, _WIDTH, 0.5))
    parts.append(f'<text x="0" y="11" class="top">{highest:,} {"row" if highest == 1 else "rows"}</text>')
    title = f"{figure.kind}: {figure.name}, {sum(counts):,} rows" + (
        f", mean {figure.mean:.1f}" if figure.mean is not None else ""
    )
    return _svg(title, _WIDTH, _TOP + _HEIGHT + _FOOT, "".join(parts), "histogram")


def share_bar(share: float, title: str) -> Markup:
    """A bar of a table's row, ``share`` of its full width."""
    wide = 100 * min(max(share, 0.0), 1.0)
    inside = _rect("rest", 0, 0, 100, 8) + _rect("kept", 0, 0, wide, 8)
    return _svg(title, 100, 8, inside, "share")


def _bar_height(count: int, highest: int) -> float:
    return max(_HEIGHT * count / highest, 1.5) if count else 0.0


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    if not height or not width:
        return ""
    return f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _svg(title: str, width: int, height: int, inside: str, name: str) -> Markup:
    said = escape(title)
    stretch = ' preserveAspectRatio="none"' if name == "share" else ""
    return Markup(
        f'<svg class="{name}" viewBox="0 0 {width} {height}" role="img" aria-label="{said}"{stretch}>'
        f"<title>{said}</title>{inside}</svg>"
    )
