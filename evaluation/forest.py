"""A forest plot as SVG: differences with their intervals around a line at nothing. Colours come from the style sheet.

Every label is escaped here, and the figures stand in a table beside it, for who cannot see the plot.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from evaluation.shape import Comparison
from synth.reporting.figures import escape

_LABELS, _PLOT, _FIGURES, _ROW, _TOP, _FOOT = 250, 330, 205, 24, 10, 40
_WIDTH = _LABELS + _PLOT + _FIGURES
_STEPS = (1, 2, 5, 10, 20, 25, 50)
_LONGEST = 36  # characters of a label


def forest(comparisons: Sequence[Comparison]) -> Markup:
    """A row for each comparison, in points; nothing for none."""
    if not comparisons:
        return Markup("")
    furthest = max(abs(100 * end) for one in comparisons for end in (one.difference.low, one.difference.high))
    step = next((step for step in _STEPS if furthest <= 4 * step), _STEPS[-1])
    reach = step * max(1, -(-furthest // step))
    bottom = _TOP + _ROW * len(comparisons)
    parts = [_ticks(step, reach, bottom)]
    for number, one in enumerate(comparisons):
        parts.append(_row(one, _TOP + _ROW * number + _ROW / 2, reach))
    title = f"Differences in points with 95 % intervals: {len(comparisons)} comparisons"
    return Markup(
        f'<svg class="forest" viewBox="0 0 {_WIDTH} {bottom + _FOOT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


def _row(one: Comparison, y: float, reach: float) -> str:
    low, middle, high = (
        _x(100 * value, reach) for value in (one.difference.low, one.difference.value, one.difference.high)
    )
    label = f"{one.task}: {one.run}"
    shown = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    figures = (
        f"{100 * one.difference.value:+.1f} ({100 * one.difference.low:+.1f} to {100 * one.difference.high:+.1f})"
    )
    return (
        f'<g class="{one.verdict}"><title>{escape(f"{label} against {one.against}: {figures} points")}</title>'
        f'<text x="{_LABELS - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(shown)}</text>'
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="4"/>'
        f'<text x="{_LABELS + _PLOT + 12}" y="{y + 4:.1f}">{figures}</text></g>'
    )


def _ticks(step: float, reach: float, bottom: float) -> str:
    parts, count = [], round(reach / step)
    for number in range(-count, count + 1):
        x = _x(number * step, reach)
        name = "zero" if number == 0 else "grid"
        parts.append(f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        text = f"{number * step:+g}" if number else "0"
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 15}">{text}</text>')
    parts.append(f'<text class="tick" x="{_x(0, reach):.1f}" y="{bottom + 32}">points</text>')
    return "".join(parts)


def _x(points: float, reach: float) -> float:
    return _LABELS + _PLOT * (0.5 + min(max(points / reach, -1), 1) / 2)
