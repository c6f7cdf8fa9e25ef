"""The command: what an evaluation folder shows, as one page and as figures.

    python -m evaluation.report DIR [--base NAME]

Writes ``report.html`` (one file, offline, no script) and ``report.json`` (the same figures, see ``--print-schema``)
into DIR. ``evaluation.benchmark`` does so at the end of every run. Neither file holds a clock: the same answers give
the same bytes. Nothing is asked of a model here.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.command import carry_out
from synth.arguments import Parser
from synth.errors import UserError

if TYPE_CHECKING:
    from evaluation.compare_runs import Frames
    from evaluation.shape import Comparison, Report

PAGE, NUMBERS = "report.html", "report.json"
_MAY_DIFFER = {"model", "weights", "revision", "chat_form", "control", "base", "method", "prompt_hash"}
"""What two runs may have been told differently: whose answers they are. Method and prompt have notes of their own."""


def write_report(folder: Path, base: str | None = None) -> Path:
    """Write both files into ``folder`` and return the page; a kill leaves each file as it was or as it should be.

    Args:
        folder: an evaluation folder.
        base: the run that the others are compared with; without it the run ``base``, else the one that a run names as
            its base, else none.

    Raises:
        UserError: the folder holds no answers, a file of it is damaged, there is no such run, or two runs were asked
            different things under one id.
    """
    from evaluation.page import render
    from synth.staging import disk_errors, replace_text

    report = build(folder, base)
    numbers = json.dumps(report.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with disk_errors(folder / PAGE):
        replace_text(folder / NUMBERS, numbers)
        replace_text(folder / PAGE, render(report))
    return folder / PAGE


def build(folder: Path, base: str | None = None) -> Report:
    """All figures of an evaluation folder; errors as :func:`write_report`."""
    from evaluation.answers import list_runs, read_run
    from evaluation.compare_runs import load_frames, score
    from evaluation.contamination import read_contamination
    from evaluation.held_out_sums import compare_held_out
    from evaluation.shape import Report, Run, Task

    frames = load_frames(folder)
    runs = list_runs(folder)
    about = {run: read_run(folder, run) if (folder / "runs" / f"{run}.json").exists() else {} for run in runs}
    base = _base(folder, base, runs, [of_run.get("base") for of_run in about.values()])
    runs.sort(key=lambda run: (run != base, run))
    searched = {task: read_contamination(folder, task) for task in frames}
    asked = {task: set().union(*(frame["id"] for frame in of_task.values())) for task, of_task in frames.items()}
    notes = [] if base or len(runs) == 1 else ["No run is the base: name one with --base."]
    found = {task: _not_clean(task, asked[task], sources, notes) for task, sources in searched.items()}
    notes += _unlike(base, about, _controls(frames))
    comparisons = _comparisons(folder, base, frames, found, notes)
    return Report(
        base=base,
        runs=[Run(name=run, about=about[run]) for run in runs],
        tasks=[
            Task(
                name=task,
                items=len(asked[task]),
                found={
                    source: sum(bool(ids[key]) for key in asked[task] & ids.keys())
                    for source, ids in searched[task].items()
                },
                searched={source: len(asked[task] & ids.keys()) for source, ids in searched[task].items()},
            )
            for task in frames
        ],
        scores=[
            score(run, task, of_task[run], found[task])
            for task, of_task in frames.items()
            for run in runs
            if run in of_task
        ],
        comparisons=comparisons,
        held_out=compare_held_out(folder, base),
        notes=notes,
    )


def _not_clean(task: str, asked: set[str], sources: dict[str, dict[str, str]], notes: list[str]) -> set[str] | None:
    """Items that the clean subset leaves out: found, or not looked for everywhere; None where nothing was searched."""
    if not sources:
        return None
    found = {name for ids in sources.values() for name, evidence in ids.items() if evidence}
    unknown = {name for name in asked if not all(name in ids for ids in sources.values())}
    if unknown:
        notes.append(f"{task}: {len(unknown)} items were not searched for everywhere and do not count as clean.")
    return found | unknown


def _base(folder: Path, wanted: str | None, runs: Sequence[str], named: Sequence[object]) -> str | None:
    if wanted is not None and wanted not in runs:
        near = difflib.get_close_matches(wanted, runs, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(runs)}"
        raise UserError(f"--base: {folder} has no run {wanted!r}; {hint}")
    candidates = [wanted, "base", *(name for name in named if isinstance(name, str))]
    return next((name for name in candidates if name in runs), None)


def _controls(frames: Frames) -> dict[str, str]:
    return {run: str(frame["control"].iloc[0]) for of_task in frames.values() for run, frame in of_task.items()}


def _unlike(base: str | None, about: dict[str, dict[str, object]], controls: dict[str, str]) -> list[str]:
    """Notes on pairs whose settings differ: their difference is not that of model or control alone."""
    notes = []
    for run, against, _ in _pairs(base, controls):
        ours, theirs = about[run], about[against]
        keys = sorted(key for key in (ours.keys() & theirs.keys()) - _MAY_DIFFER if ours[key] != theirs[key])
        if keys:
            listed = ", ".join(f"{key} ({ours[key]}, {theirs[key]})" for key in keys)
            notes.append(f"{run} and {against} differ in more than the model or the control: {listed}.")
    return list(dict.fromkeys(notes))


def _comparisons(
    folder: Path, base: str | None, frames: Frames, found: dict[str, set[str] | None], notes: list[str]
) -> list[Comparison]:
    """Every pair that says something, over all tasks that both runs answered; what cannot be paired is noted."""
    from evaluation.compare_runs import compare, settle
    from evaluation.flips import show_flips
    from evaluation.questions import read_questions

    comparisons = []
    for run, against, purpose in _pairs(base, _controls(frames)):
        family, partners = [], {}
        for task, of_task in frames.items():
            if run not in of_task or against not in of_task:
                continue
            both = of_task[run], of_task[against]
            if both[0]["method"].iloc[0] != both[1]["method"].iloc[0]:
                notes.append(f"{task}: {run} and {against} were scored by different methods and are not compared.")
            elif one := compare(task, (run, against), both, purpose, found[task]):
                family.append(one)
                partners[task] = both
            else:
                notes.append(f"{task}: {run} and {against} answered no item in common and are not compared.")
        for one in settle(family):
            flips = show_flips(one, partners[one.task], read_questions(folder, one.task))
            comparisons.append(one.model_copy(update={"flips": flips}))
    return comparisons


def _pairs(base: str | None, controls: dict[str, str]) -> list[tuple[str, str, str]]:
    """Run, partner, purpose. ``sft+ttt`` is ``sft`` with help, as the controls of the answers say."""
    runs = sorted(controls)
    pairs = [(run, base, "base") for run in runs if base is not None and run != base]
    stems = {run: run.removesuffix(f"+{controls[run]}") for run in runs}  # a model's own name may hold a plus
    for run in runs:
        stem = stems[run]
        if controls[run] == "none":
            continue
        if stem in runs and stem not in (run, base):
            pairs.append((run, stem, "without"))
        others = [name for name in runs if controls[name] == "random" and stems[name] == stem]
        pairs += [(run, other, "random") for other in others if controls[run] == "ttt"]
    return pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = Parser(
        prog="python -m evaluation.report",
        description=f"Write {PAGE} and {NUMBERS} into an evaluation folder: scores, intervals, paired tests.",
        epilog="exit codes: 0 done · 1 not written · 2 no evaluation folder, or a damaged one",
    )
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the --out of evaluation.benchmark")
    parser.add_argument("--base", metavar="NAME", help="the run to compare the others with (default: base)")
    parser.add_argument("--print-schema", action="store_true", help=f"print the JSON Schema of {NUMBERS} and stop")
    arguments = parser.parse_args(argv)
    if arguments.print_schema:
        from evaluation.shape import Report

        print(json.dumps(Report.model_json_schema(), indent=2, ensure_ascii=False))
        return 0
    if arguments.folder is None:
        parser.error("name an evaluation folder, the --out of evaluation.benchmark")
    return carry_out(lambda: str(_locked(arguments.folder, arguments.base)))


def _locked(folder: Path, base: str | None) -> Path:
    from synth.run_lock import RunLock

    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name the --out of evaluation.benchmark")
    with RunLock(folder):
        return write_report(folder, base)


if __name__ == "__main__":
    sys.exit(main())
