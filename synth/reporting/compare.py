"""Two runs side by side: which figures got better, which worse.

A figure has a direction only where one can be defended: fewer flags are better, more rows kept are, but longer texts
are only other texts. A difference below one per cent of the larger value counts as none. Figures of variety depend on
how many texts they rest on, and are compared only where both rest on as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from synth.reporting.shape import Change, Comparison, Report

_SAME = 0.01


class _Figure(NamedTuple):
    value: float | None
    direction: int
    """1: more is better, -1: less is, 0: neither."""
    percent: bool


def compare(report: Report, other: Report) -> Comparison:
    """What changed from ``other`` to ``report``; figures that neither has are left out."""
    before, after = dict(_figures(other)), dict(_figures(report))
    same_sample = {f"{one.kind}: " for one in report.texts for two in other.texts
                   if one.kind == two.kind and one.diversity_rows == two.diversity_rows}  # fmt: skip
    changes = []
    for name in {**after, **before}:
        if name.endswith(_VARIETY) and not any(name.startswith(kind) for kind in same_sample):
            continue
        old, new = before.get(name), after.get(name)
        known = new or old
        assert known is not None
        values = (old.value if old else None), (new.value if new else None)
        if values == (None, None):
            continue
        verdict = _verdict(*values, known.direction)
        changes.append(Change(name=name, before=values[0], after=values[1], verdict=verdict, percent=known.percent))
    same = bool(report.fingerprint) and report.fingerprint == other.fingerprint
    return Comparison(other=other.name, same_spec=same, changes=changes)


_VARIETY = ("distinct word pairs", "self-BLEU")


def _verdict(before: float | None, after: float | None, direction: int) -> Literal["better", "worse", "same", "other"]:
    if before is None or after is None:
        return "other"
    if abs(after - before) <= _SAME * max(abs(before), abs(after)):
        return "same"
    if not direction:
        return "other"
    return "better" if (after > before) == (direction > 0) else "worse"


def _figures(report: Report) -> Iterator[tuple[str, _Figure]]:
    planned = sum(kind.planned for kind in report.kinds)
    kept = sum(kind.kept for kind in report.kinds)
    yield "rows kept", _Figure(kept, 1, False)
    yield "share of planned rows kept", _Figure(kept / planned if planned else None, 1, True)
    failed = sum(kind.failed for kind in report.kinds)
    yield "share of planned rows failed", _Figure(failed / planned if planned else None, -1, True)
    usd, tokens = report.funnel.usd, report.funnel.tokens_out
    yield "dollars a kept row", _Figure(usd / kept if usd and kept else None, -1, False)
    yield "tokens written a kept row", _Figure(tokens / kept if tokens and kept else None, -1, False)
    yield "share dropped as duplicates", _Figure(report.duplicates.share, -1, True)
    for model in report.funnel.models:  # how fast a server was is no merit of the data
        median = model.times.median if model.times else None
        yield f"seconds of a request to {model.model} (median)", _Figure(median, 0, False)
    flagged = report.safety.flagged
    yield "share of kept rows with a flag", _Figure(flagged / kept if kept else None, -1, True)
    for histogram in report.scores.histograms:
        direction = 1 if histogram.name in ("quality", "relevance") else 0
        yield f"{histogram.kind}: mean {histogram.name}", _Figure(histogram.mean, direction, False)
    for one in report.scores.agreement:
        yield f"{one.kind}: agreement on {one.score} (alpha)", _Figure(one.alpha, 1, False)
    for text in report.texts:
        yield f"{text.kind}: mean words", _Figure(text.words.mean, 0, False)
        yield f"{text.kind}: share of the most frequent opening", _Figure(text.opening_share, -1, True)
        yield f"{text.kind}: share with a stock phrase", _Figure(text.stock_share, -1, True)
        yield f"{text.kind}: {_VARIETY[0]}", _Figure(text.distinct_2, 1, False)
        yield f"{text.kind}: {_VARIETY[1]}", _Figure(text.self_bleu, -1, False)
    for flag in report.safety.flags:
        yield f"share flagged {flag.flag.replace('_', ' ')}", _Figure(flag.share, -1, True)
