"""What a blind comparison of data sets comes to: means and preferences with intervals, position bias.

A preference of 0.5 means that neither is preferred. What counts is the pair: the verdicts on its two orders are one
piece of evidence, and ``n`` is the number of pairs. Intervals of preferences and of the bias are Wilson's, which stay
wide where few pairs all went one way; those of mean scores are Student's. The p of a preference is of an exact sign
test over pairs, adjusted for the number of pairs of data sets (Holm).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import mean, variance
from typing import Any

from evaluation.blind import Compared, Scored, is_cut
from evaluation.dataset_readers import Example
from evaluation.statistics import holm, share_interval, sign_test, student_t, wilson

Summary = dict[str, Any]
MARKS = {"quality": 10, "complexity": 10, "relevance": 6}
"""What is scored, and the highest score; the lowest is 1."""
_ROUNDING = 1 / 12
"""Variance that a whole number hides: scores that are all the same were not the same before they were rounded."""


def summarise(
    names: Sequence[str],
    samples: Sequence[Sequence[Example]],
    scored: Sequence[Sequence[Scored]],
    compared: Mapping[tuple[int, int], Sequence[Compared]],
) -> Summary:
    """Scores by data set, preferences by two of them, and the judge's position bias over all pairs."""
    datasets = {
        name: {
            "sample": len(sample),
            "unscored": sum(said.quality is None for said in verdicts),
            "cut": sum(map(is_cut, sample)),
            **{mark: _mean([getattr(said, mark) for said in verdicts], highest) for mark, highest in MARKS.items()},
        }
        for name, sample, verdicts in zip(names, samples, scored, strict=True)
    }
    preferences = [
        {"first": names[one], "second": names[two], **preference(verdicts)}
        for (one, two), verdicts in compared.items()
    ]
    told = {str(at): pair["p"] for at, pair in enumerate(preferences) if pair["p"] is not None}
    for at, adjusted in holm(told).items():
        preferences[int(at)]["p_adjusted"] = adjusted
    everything = [said for verdicts in compared.values() for said in verdicts]
    return {"datasets": datasets, "preferences": preferences, "position": position_bias(everything)}


def preference(verdicts: Sequence[Compared]) -> Summary:
    """How far the first of two data sets is preferred: ``points`` with interval, pairs won, lost and undecided, p."""
    points = [said.points for said in verdicts if said.points is not None]
    return {
        "points": {**asdict(share_interval(points)), "n": len(points)} if points else None,
        "won": sum(point > 0.5 for point in points),
        "lost": sum(point < 0.5 for point in points),
        "undecided": sum(point == 0.5 for point in points),
        "unscored": len(verdicts) - len(points),
        "p": sign_test([point - 0.5 for point in points]) if points else None,
    }


def position_bias(verdicts: Sequence[Compared]) -> Summary | None:
    """Of pairs with both verdicts, how many went to the same place twice; None where there is no such pair.

    ``first``: how often a decided verdict named what stood first, meaned by pair; 0.5 for a judge without a habit.
    Its ``n`` counts the pairs that have such a verdict.
    """
    both = [said for said in verdicts if said.points is not None]
    if not both:
        return None
    flipped = sum(said.flipped for said in both)
    decided = [[place for place in (said.ours_first, said.theirs_first) if place != "tie"] for said in both]
    first = [places.count("first") / len(places) for places in decided if places]
    return {
        "flipped": {**asdict(wilson(flipped, len(both))), "n": len(both)},
        "first": {**asdict(share_interval(first)), "n": len(first)} if first else None,
    }


def _mean(values: Sequence[int | None], highest: int) -> Summary | None:
    """Mean score with Student's interval (1908), cut at the ends of the scale; one score alone may mean any."""
    given = [value for value in values if value is not None]
    if not given:
        return None
    n, middle = len(given), mean(given)
    half = student_t(n) * math.sqrt(max(variance(given), _ROUNDING) / n) if n > 1 else math.inf
    low, high = max(1.0, middle - half), min(float(highest), middle + half)
    return {"value": middle, "low": low, "high": high, "how": "student", "n": n}


def table(summary: Summary) -> str:
    """The summary for a terminal."""
    lines = [f"judge {summary['judge']}", ""]
    for name, one in summary["datasets"].items():
        duplicates, variety = one["duplicates"], one["diversity"]
        lines += [
            f"{name}: {duplicates['of']:,} examples, {one['sample']} judged ({one['unscored']} without a verdict)",
            *(_line(f"  {mark}", one[mark]) for mark in MARKS),
            f"  {'duplicates':24}{duplicates['share']:8.3f}",
            f"  {'distinct 2-grams':24}{_number(variety['distinct_2'])}  of {variety['texts']} texts",
            f"  {'self-BLEU':24}{_number(variety['self_bleu'])}",
            *(_line(f"  {flag}", share) for flag, share in one["rules"].items()),
            *(_line(f"  {flag}", share) for flag, share in (one["consultations"] or {}).items()
              if isinstance(share, dict)),
            "",
        ]  # fmt: skip
    for pair in summary["preferences"]:
        lines.append(_line(f"{pair['first']} over {pair['second']}", pair["points"]))
        p = f", p {pair['p_adjusted']:.3g} (adjusted)" if "p_adjusted" in pair else ""
        lines.append(f"  {pair['won']} won, {pair['lost']} lost, {pair['undecided']} undecided{p}")
    if (position := summary["position"]) is not None:
        lines += [_line("verdict flipped with order", position["flipped"])]
        lines += [_line("first place named", position["first"])]
    return "\n".join(lines)


def _line(name: str, one: Summary | None) -> str:
    if one is None:
        return f"{name:26}{'—':>8}"
    return f"{name:26}{one['value']:8.3f}  {one['low']:7.3f} –{one['high']:7.3f}  {one['n']:5}"


def _number(value: float | None) -> str:
    return f"{'—':>8}" if value is None else f"{value:8.3f}"
