"""What simulated consultations come to: shares with Wilson's intervals, means with bootstrapped ones, paired doctors.

Shares are between 0 and 1. A consultation that was not played says nothing about the doctor and stands in no measure;
each measure says on how many it rests. Two doctors compare on the cases that both played, and only if patient, judge,
prompts and turns were the same: another judge or another patient is another ruler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evaluation.consultations import PATIENT_FLAGS
from evaluation.statistics import (
    Interval,
    difference_interval,
    mcnemar_exact,
    paired_bootstrap,
    share_interval,
    wilson,
)
from filters.consultation_checks import FLAGS
from synth.errors import UserError
from synth.journal import Slot
from synth.steps import STEPS

Row = Mapping[str, Any]
Summary = dict[str, Any]

SHARES = ("diagnosis_correct", "diagnosis_by_name", "facts_told", "red_flags_escalated", "rubric_score")
COUNTS = ("doctor_turns", "questions", "examinations", "tests")
ROLES, COSTS = ("doctor", "patient", "judge"), ("tokens_in", "tokens_out", "usd")


def value_of(row: Row, measure: str) -> float | None:
    """One consultation's value of a measure; None where it has none."""
    if row["outcome"] == "not_played":
        return None
    if measure == "facts_told":
        return row["facts_told"] / row["facts_known"] if row["facts_known"] else None
    if measure == "diagnosis_by_name":
        return float(row["graded_by"] == "name")
    found = row["escalated" if measure == "red_flags_escalated" else measure]
    return None if found is None else float(found)


def measures(rows: Sequence[Row], seed: int = 0) -> dict[str, Summary | None]:
    """Every measure by name: ``value``, ``low``, ``high``, ``how`` and ``n``; None where nothing can be said."""
    found: dict[str, Summary | None] = {}
    for name in (*SHARES, *COUNTS):
        values = [value for row in rows if (value := value_of(row, name)) is not None]
        interval = share_interval if name in SHARES else lambda given: paired_bootstrap(given, seed=seed)
        found[name] = _shown(interval(values), len(values)) if values else None
    return found


def flag_shares(rows: Sequence[Row]) -> dict[str, Summary]:
    """The share of played consultations with each flag of :data:`FLAGS`, about the doctor and about the patient."""
    played = [row for row in rows if row["outcome"] != "not_played"]
    if not played:
        return {}
    counted = Counter(flag for row in played for flag in row["flags"])
    return {
        flag: {
            "about": "patient" if flag in PATIENT_FLAGS else "doctor",
            **_shown(wilson(counted[flag], len(played)), len(played)),
        }
        for flag in FLAGS
    }


def judge_control(verdicts: Sequence[bool | None]) -> Summary | None:
    """How often the judge took a wrong diagnosis for the right one; None where it never gave a verdict."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return _shown(wilson(sum(given), len(given)), len(given)) if given else None


def outcomes(rows: Sequence[Row]) -> dict[str, int]:
    """How many consultations there are, what became of them, and what lacks a verdict."""
    counted = Counter(row["outcome"] for row in rows)
    ended = [row for row in rows if row["outcome"] == "diagnosed"]
    return {
        "consultations": len(rows),
        "diagnosed": counted["diagnosed"],
        "doctor_unusable": counted["doctor_unusable"],
        "not_played": counted["not_played"],
        "diagnosis_ungraded": sum(row["diagnosis_correct"] is None for row in ended),
        "criteria": sum(len(row["rubric"]) for row in rows),
        "criteria_ungraded": sum(one["met"] is None for row in rows for one in row["rubric"]),
        "graded_by_name": sum(row["graded_by"] == "name" for row in ended),
        "graded_by_judge": sum(row["graded_by"] == "judge" for row in ended),
    }


def paired(ours: Sequence[Row], theirs: Sequence[Row], seed: int = 0) -> dict[str, Summary | None]:
    """This doctor less the other on the cases that have a value for both; McNemar's exact test for diagnoses."""
    other = {row["id"]: row for row in theirs}
    found: dict[str, Summary | None] = {}
    for name in (*SHARES, *COUNTS):
        both = [(value_of(row, name), value_of(other[row["id"]], name)) for row in ours if row["id"] in other]
        pairs = [(one, two) for one, two in both if one is not None and two is not None]
        found[name] = _difference(name, pairs, seed) if pairs else None
    return found


def _difference(name: str, pairs: Sequence[tuple[float, float]], seed: int) -> Summary:
    gaps = [one - two for one, two in pairs]
    # The interval for few changes holds for shares; counts have no bound.
    interval = difference_interval(gaps, seed=seed) if name in SHARES else paired_bootstrap(gaps, seed=seed)
    shown = _shown(interval, len(pairs))
    if name == "diagnosis_correct":
        won, lost = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
        shown |= {"won": won, "lost": lost, "p": mcnemar_exact(lost, won)}
    return shown


def comparable(ours: Summary, theirs: Summary, where: str) -> None:
    """UserError unless both summaries were measured by the same patient, judge, prompts, turns and seed."""
    for key in sorted(ours["fixed"].keys() | theirs["fixed"].keys()):
        mine, other = ours["fixed"].get(key), theirs["fixed"].get(key)
        if mine != other:
            raise UserError(f"{where}: its {key} was {other!r}, here it is {mine!r}: such results do not compare")


def table(summary: Summary) -> str:
    """The summary for a terminal."""
    counts = summary["outcomes"]
    lines = [
        f"doctor {summary['doctor']} · patient {summary['fixed']['patient']} · judge {summary['fixed']['judge']}",
        f"{counts['consultations']} consultations: {counts['diagnosed']} diagnosed, {counts['doctor_unusable']} with "
        f"unusable replies of the doctor, {counts['not_played']} not played; "
        f"{counts['diagnosis_ungraded']} diagnoses and {counts['criteria_ungraded']} of {counts['criteria']} criteria "
        "ungraded",
        f"{summary['cases']['read']} cases read, unusable: {_listed(summary['cases']['unusable'])}",
        "",
        f"{'':28}{'value':>8}  {'95 % interval':>16}  {'n':>5}",
    ]
    lines += [_line(name, one) for name, one in summary["measures"].items()]
    lines += [_line("judge took wrong for right", summary["judge_false_yes"])]
    lines += [_line(name, one) for name, one in summary["flags"].items() if one["value"]]
    if summary.get("paired"):
        lines += ["", f"less {summary['paired']['doctor']}, on the same cases"]
        lines += [_line(name, one) for name, one in summary["paired"]["differences"].items()]
    lines += ["", *(_cost(role, spent) for role, spent in summary["cost"].items())]
    return "\n".join(lines)


def _line(name: str, one: Summary | None) -> str:
    if one is None:
        return f"{name:28}{'—':>8}"
    p = f"  p {one['p']:.3g} ({one['won']} won, {one['lost']} lost)" if "p" in one else ""
    return f"{name:28}{one['value']:8.3f}  {one['low']:7.3f} –{one['high']:7.3f}  {one['n']:5}{p}"


def _cost(role: str, spent: Summary) -> str:
    money = "" if spent["usd"] is None else f", ${spent['usd']:,.4f}"
    return f"{role:28}{spent['tokens_in']:,.0f} tokens in, {spent['tokens_out']:,.0f} out{money}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in counts.items()) or "none"


def _shown(interval: Interval, n: int) -> Summary:
    return {**asdict(interval), "n": n}


def add_costs(rows: Iterable[dict[str, Any]], slots: Iterable[Slot], priced: Collection[str]) -> dict[str, Summary]:
    """Add to each row what its questions cost (``doctor_tokens_in`` …), and return the sums by role.

    Args:
        rows: consultations.
        slots: what the journal holds of them and of the judge's control, which is in the sums alone. Replies that were
            of no use and asked for again cost as well.
        priced: roles whose model has a price; the money of others is None.
    """
    sums: dict[str, Summary] = {role: dict.fromkeys(COSTS, 0.0) for role in ROLES}
    by_id = {row["id"]: row for row in rows}
    for row in by_id.values():
        row |= {f"{role}_{name}": 0.0 for role in ROLES for name in COSTS}
    for slot in slots:
        role = STEPS[slot.step.partition("/")[0]].role
        for name in COSTS:
            if slot.seed_id in by_id:
                by_id[slot.seed_id][f"{role}_{name}"] += getattr(slot, name)
            sums[role][name] += getattr(slot, name)
    for role in set(ROLES) - set(priced):
        sums[role]["usd"] = None
        for row in by_id.values():
            row[f"{role}_usd"] = None
    return sums
