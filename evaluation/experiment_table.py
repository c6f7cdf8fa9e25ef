"""The table that an experiment ends with, ``results.md`` and ``results.json``: the report's figures and the clock.

A row a run: base, SFT, DPO, DPO with test-time training, and the control that adapts to random rows. What test-time
training does is told by the last line: relevant minus random neighbours, for random ones also teach style and length.
Every figure comes from ``evaluation/report.json`` and ``minutes.json``; nothing is computed anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.shape import Comparison, HeldOut, Range, Report
from synth.errors import UserError

MINUTES = "minutes.json"
RUNS = {"base": "base", "sft": "SFT", "dpo": "DPO", "dpo+ttt": "DPO + TTT", "dpo+random": "DPO + random neighbours"}


def write_results(out: Path) -> str:
    """Write both files into the experiment's folder and return what to say at the end.

    Raises:
        UserError: a file cannot be read.
    """
    from synth.staging import disk_errors, replace_text

    report = Report.model_validate(_read(out / "evaluation" / "report.json"))
    taken = {name: float(facts["seconds"]) for name, facts in read_minutes(out / MINUTES).items()}
    facts = {
        "runs": [_facts(report, run) for run in RUNS],
        "ttt_minus_random": {one.task: _difference(one) for one in _against(report, "dpo+ttt", "dpo+random")},
        "ttt_minus_random_nats_per_byte": _held_difference(report, "dpo+ttt", "dpo+random"),
        "minutes_by_step": {name: seconds / 60 for name, seconds in taken.items()},
        "minutes": sum(taken.values()) / 60,
    }
    text = markdown(report, facts["minutes_by_step"])  # type: ignore[arg-type]
    with disk_errors(out):
        replace_text(out / "results.json", json.dumps(facts, indent=2, allow_nan=False) + "\n")
        replace_text(out / "results.md", text)
    return f"{text}\nresults: {out / 'results.md'}, {out / 'results.json'}, {out / 'evaluation' / 'report.html'}"


def read_minutes(path: Path) -> dict[str, Any]:
    """Return what each step took, by its name: ``seconds``, and ``done``, the arguments of a step that was finished.

    Raises:
        UserError: the file cannot be read.
    """
    found = _read(path)
    if not all(isinstance(one, dict) and isinstance(one.get("seconds"), float) and "done" in one
               for one in found.values()):  # fmt: skip
        raise UserError(f"{path}: holds no minutes: remove it, the steps are then timed anew")
    return found


def markdown(report: Report, minutes: Mapping[str, float]) -> str:
    """Return the table and what goes with it."""
    tasks = [task.name for task in report.tasks]
    head = ["", *(f"{task}, % right | {task}, to base | p" for task in tasks), "nats a byte, held out", "to base",
            "minutes"]  # fmt: skip
    columns = sum(part.count("|") + 1 for part in head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * columns]
    for run in RUNS:
        if row := _row(report, run, tasks):
            lines.append("| " + " | ".join(row) + " |")
    lines += ["", _legend(report, minutes), "", "Test-time training, relevant minus random neighbours:", ""]
    for one in _against(report, "dpo+ttt", "dpo+random"):
        lines.append(f"- {one.task}: {_points(one.difference)} points, p {_p(one.p_holm)}. {one.sentence}")
    if (held := _held(report, "dpo+ttt")) and (found := held.differences.get("dpo+random")):
        lines.append(f"- rows held out ({held.rows}): {_nats(found, '+.4f')} nats a byte, below zero is better")
    return "\n".join(lines) + "\n"


def _legend(report: Report, minutes: Mapping[str, float]) -> str:
    items = ", ".join(f"{task.items} of {task.name}" for task in report.tasks)
    steps = ", ".join(f"{name} {value:.1f}" for name, value in minutes.items())
    return (
        f"Items: {items}; by the log-likelihood a byte of the options' texts, which are not shown. In brackets 95 % "
        "intervals. Differences are in points and paired by item, p is McNemar's exact test with Holm's adjustment "
        f"over the tasks. Minutes are those of a run's answers; all steps took {sum(minutes.values()):.1f} ({steps})."
    )


def _row(report: Report, run: str, tasks: list[str]) -> list[str]:
    scores = {one.task: one for one in report.scores if one.run == run}
    if not scores:
        return []
    row = [RUNS[run]]
    for task in tasks:
        one = scores.get(task)
        row.append(f"{100 * one.accuracy.value:.1f} [{_ends(one.accuracy)}]" if one else "–")
        against = next((pair for pair in _against(report, run, "base") if pair.task == task), None)
        row += [_points(against.difference), _p(against.p_holm)] if against else ["", ""]
    held = _held(report, run)
    row.append(_nats(held.nll_per_byte, ".4f") if held else "–")
    row.append(_nats(held.differences["base"], "+.4f") if held and "base" in held.differences else "")
    seconds = sum(one.seconds for one in scores.values()) + (held.seconds if held else 0)
    return [*row, f"{seconds / 60:.1f}"]


def _facts(report: Report, run: str) -> dict[str, Any]:
    held = _held(report, run)
    return {
        "run": run,
        "accuracy": {one.task: one.accuracy.model_dump() for one in report.scores if one.run == run},
        "items": {one.task: one.items for one in report.scores if one.run == run},
        "unparsed": {one.task: one.unparsed for one in report.scores if one.run == run},
        "to_base": {one.task: _difference(one) for one in _against(report, run, "base")},
        "seconds": {one.task: one.seconds for one in report.scores if one.run == run},
        "held_out": held.model_dump() if held else None,
    }


def _difference(one: Comparison) -> dict[str, Any]:
    return {"difference": one.difference.model_dump(), "p": one.p, "p_holm": one.p_holm, "items": one.items,
            "smallest_detectable": one.smallest_detectable, "verdict": one.verdict}  # fmt: skip


def _against(report: Report, run: str, other: str) -> list[Comparison]:
    return [one for one in report.comparisons if one.run == run and one.against == other]


def _held(report: Report, run: str) -> HeldOut | None:
    return next((one for one in report.held_out if one.run == run), None)


def _held_difference(report: Report, run: str, other: str) -> dict[str, Any] | None:
    held = _held(report, run)
    found = held.differences.get(other) if held else None
    return found.model_dump() if found else None


def _ends(value: Range) -> str:
    return f"{100 * value.low:.1f}, {100 * value.high:.1f}"


def _points(value: Range) -> str:
    return f"{100 * value.value:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def _nats(value: Range, form: str) -> str:
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("is no record")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())[:120]}") from None
    return found
