"""The command: a model as the doctor in simulated consultations on stored cases.

    python -m evaluation.consult --model doctor.yaml --judge judge.yaml --cases agentclinic.jsonl --out results/doctor
    python -m evaluation.consult --model packaged --cases mediq.jsonl --limit 20 --out results/small
    python -m evaluation.consult … --out results/tuned --against results/base

writes ``consultations.parquet`` (a row a case, :data:`evaluation.consultations.SCHEMA` and what it cost) and
``consult.json`` (the summary). The same command again asks nothing twice. Without ``--patient`` the judge's model
plays the patient; without ``--judge`` the doctor judges itself, which the summary says, and which is worth little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.command import carry_out
from synth.arguments import Parser, whole
from synth.errors import UserError

if TYPE_CHECKING:
    from evaluation.patients import Patients
    from synth.progress import Progress
    from synth.spec import Spec

STEPS = ("patient", "doctor", "diagnosis", "rubric_judge")


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog="python -m evaluation.consult", description="A model as the doctor in simulated consultations."
    )
    model = "a YAML file with one model as in a spec, the same inline, or packaged"
    parser.add_argument("--model", required=True, metavar="M", help=f"the doctor: {model}")
    parser.add_argument("--judge", metavar="J", help="who grades (default: the doctor itself)")
    parser.add_argument("--patient", metavar="P", help="who plays the patient (default: the judge)")
    parser.add_argument("--cases", required=True, nargs="+", type=Path, metavar="FILE", help="MEDIQ or AgentClinic")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--limit", type=whole(1, 1_000_000), metavar="N", help="only the first N cases that can be played"
    )
    parser.add_argument(
        "--max-turns", type=whole(2, 40), default=12, metavar="N", help="the doctor's turns, 2 to 40 (12)"
    )
    parser.add_argument("--criteria", type=whole(0, 12), default=6, metavar="N", help="of the rubric, 0 for none (6)")
    parser.add_argument("--seed", type=int, default=0, help="of sampling and of the patients' manners (0)")
    parser.add_argument("--against", type=Path, metavar="DIR", help="compare with another doctor's results, paired")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = make_parser().parse_args(argv)
    return carry_out(lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> str:
    import asyncio

    from evaluation.consult_files import SUMMARY, TABLE, read_results, write_results
    from evaluation.consult_sums import comparable, paired, table
    from evaluation.patients import read_patients
    from synth.progress import Progress
    from synth.run_lock import RunLock

    spec = make_spec(arguments)
    patients = read_patients(arguments.cases, arguments.limit)
    fixed = _fixed(spec)
    other = read_results(arguments.against, "--against: ") if arguments.against else None
    if other is not None:
        comparable({"fixed": fixed}, other[0], str(arguments.against))
    with RunLock(arguments.out):
        _same_doctor(arguments.out, spec)
        with Progress() as progress:
            rows, beside = asyncio.run(_played(spec, patients, arguments.out, progress))
        summary = _summary(spec, patients, rows, fixed) | beside
        if other is not None:
            differences = paired(rows, other[1], arguments.seed)
            summary["paired"] = {"doctor": other[0]["doctor"], "differences": differences}
        write_results(arguments.out, rows, summary)
    return table(summary) + f"\n\n{arguments.out / TABLE}, {arguments.out / SUMMARY}"


def make_spec(arguments: argparse.Namespace) -> Spec:
    """The command's options as a spec, whose rules they have to keep; the generator is never asked."""
    from evaluation.asking import read_model
    from synth.spec import Dialogues, Models, Produce, RubricSpec, SeedsSpec, Spec

    doctor = read_model(arguments.model)
    judge = read_model(arguments.judge) if arguments.judge else doctor
    patient = read_model(arguments.patient) if arguments.patient else judge
    rubric = RubricSpec(criteria=arguments.criteria) if arguments.criteria else None
    return Spec(
        name="consult",
        seed=arguments.seed,
        seeds=SeedsSpec(source=str(arguments.cases[0])),
        models=Models.model_validate({"generator": judge, "judge": judge, "doctor": doctor, "patient": patient}),
        produce=Produce(dialogues=Dialogues(max_turns=arguments.max_turns, rubric=rubric)),
    )


def _fixed(spec: Spec) -> dict[str, Any]:
    """What must be the same for two doctors' results to compare."""
    from evaluation.asking import load_templates, model_id
    from synth import steps

    assert spec.produce.dialogues is not None
    rubric = spec.produce.dialogues.rubric
    return {
        "patient": model_id(spec.models.of("patient")),
        "judge": model_id(spec.models.of("judge")),
        "prompts": {
            name: template.sha256[:16]
            for name, template in load_templates({name: steps.STEPS[name] for name in STEPS}).items()
        },
        "max_turns": spec.produce.dialogues.max_turns,
        "criteria": rubric.criteria if rubric else 0,
        "seed": spec.seed,
    }


def _same_doctor(folder: Path, spec: Spec) -> None:
    """Another doctor's results are never written over."""
    from evaluation.asking import model_id
    from evaluation.consult_files import SUMMARY, read_results

    if not (folder / SUMMARY).exists():
        return
    before, now = read_results(folder)[0]["doctor"], model_id(spec.models.of("doctor"))
    if before != now:
        raise UserError(f"{folder}: holds results of the doctor {before!r}; choose another folder with --out")


async def _played(
    spec: Spec, patients: Patients, folder: Path, progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows with what they cost; and for the summary the sums of that by role, and the judge's control."""
    from functools import partial

    from evaluation.asking import Work, ask_all, journal_file, load_templates
    from evaluation.consult_sums import ROLES, add_costs, judge_control
    from evaluation.consultations import control, play
    from evaluation.patients import controls
    from synth import steps
    from synth.journal import Journal
    from synth.recipes.personas import load_personas

    wanted, personas = spec.produce.dialogues, load_personas()
    assert wanted is not None
    asked = {name: steps.STEPS[name] for name in STEPS}
    work: list[Work[Any]] = [
        (one.case.id, partial(play, patient=one, personas=personas, max_turns=wanted.max_turns, rubric=wanted.rubric))
        for one in patients.playable
    ]
    each = 2 * wanted.max_turns + 3 + (wanted.rubric.criteria if wanted.rubric else 0)
    work += [
        (f"control {one.case.id}", partial(control, expected=one.card.diagnosis, other=other))
        for one, other in controls(patients.playable)
    ]
    count = len(patients.playable)
    found = await ask_all(spec, asked, load_templates(asked), folder, work, progress, requests=each * count)
    rows, verdicts = found[:count], found[count:]
    journal = Journal(journal_file(folder))
    try:
        priced = {role for role in ROLES if getattr(spec.models.of(role), "price", None) is not None}
        cost = add_costs(rows, journal.slots([name for name, _ in work]), priced)
        return rows, {"judge_false_yes": judge_control(verdicts), "cost": cost}
    finally:
        await journal.close()


def _summary(spec: Spec, patients: Patients, rows: list[dict[str, Any]], fixed: dict[str, Any]) -> dict[str, Any]:
    from evaluation.asking import model_id
    from evaluation.consult_sums import flag_shares, measures, outcomes

    models = spec.models
    return {
        "doctor": model_id(models.of("doctor")),
        "self_judged": models.of("judge") == models.of("doctor"),
        "fixed": fixed,
        "cases": {"read": patients.read, "unusable": dict(patients.unusable)},
        "outcomes": outcomes(rows),
        "measures": measures(rows, spec.seed),
        "flags": flag_shares(rows),
    }


if __name__ == "__main__":
    sys.exit(main())
