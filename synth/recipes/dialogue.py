"""The dialogue recipe: passage → hidden case → persona → consultation → judged row, and a pair from its last turn.

The pair branches at the doctor's diagnosis: the same prefix, another diagnosis turn, and the better of the two (right
diagnosis first, then the judge's score) is preferred. Equal ones give no pair, nor do two of which one has no verdict.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from synth.ask import Answer, AskRejected, together
from synth.recipes.case import case_json, problem_of, same_diagnosis
from synth.recipes.consultation import CLOSING, Consultation, Turn, consult, doctor_turn
from synth.recipes.forms import CaseCard, Verdict, case_form
from synth.recipes.job import Job
from synth.recipes.notes import Evidence, note, one_line, repetitive, unsaid
from synth.recipes.preferences import assistant, keep_pair
from synth.recipes.slots import Slot


@dataclass(frozen=True, slots=True)
class Ending:
    """A diagnosis turn and what is thought of it."""

    turn: Turn
    written: Answer
    correct: bool | None
    judged: tuple[Answer, ...]


async def dialogues(job: Job) -> None:
    """Settle the seed's dialogue slots and the preference slots that branch from them."""
    wanted = job.spec.produce.dialogues
    if wanted is not None:
        await together(*(_dialogue(job, str(n)) for n in range(wanted.per_seed)))


async def _dialogue(job: Job, name: str) -> None:
    slot, pair = ("dialogue", name), ("preference", f"dialogue_outcome-{name}")
    talk = Consultation()
    so_far: dict[str, Any] = {}

    def made_so_far() -> dict[str, Any]:
        return {**so_far, "turns": [turn.as_dict() for turn in talk.turns]} if so_far else {}

    with job.slots.covering(slot, pair, so_far=made_so_far):
        made = await job.asker.ask("case", case_form(job.max_tokens("case")), sample=int(name), passage=job.seed.text)
        card: CaseCard = made.value
        so_far["case"] = card.model_dump()
        problem = problem_of(card)
        if problem is not None:
            job.slots.reject(job.slots.open(slot, pair), "case", *problem, so_far)
            return
        persona = job.personas.draw(job.asker.rng(f"persona/{name}"))
        await consult(job, talk, card, persona, name)
        ending = await _ending(job, card, talk.turns[-1], talk.answers[-1], name)
        await _row(job, slot, made, card, persona, talk, ending)
        if job.slots.open(pair):
            await _pair(job, pair, made, card, talk, ending, name)


async def _ending(job: Job, card: CaseCard, turn: Turn, written: Answer, part: str) -> Ending:
    """Whether the diagnosis is right: by equal names, else by the judge; None when the judge gives no verdict."""
    given = turn.argument or ""
    if same_diagnosis(given, card.diagnosis):
        return Ending(turn, written, True, ())
    expected, said = one_line(card.diagnosis), one_line(turn.text)
    try:
        verdict = await job.asker.ask(
            "diagnosis", Verdict, part=part, given=one_line(given), expected=expected, said=said
        )
    except AskRejected:
        return Ending(turn, written, None, ())
    return Ending(turn, written, verdict.value.verdict == "yes", (verdict,))


def _unsaid(turn: Turn, place: int) -> list[Evidence]:
    """Evidence that the patient is not told the diagnosis that the row names."""
    diagnosis = turn.argument or ""
    return [note("diagnosis_not_said", diagnosis, place)] if unsaid(diagnosis, turn.text) else []


async def _row(
    job: Job, slot: Slot, made: Answer, card: CaseCard, persona: dict[str, str], talk: Consultation, ending: Ending
) -> None:
    grade = await job.grade("judge_dialogue", slot[1], turns=talk.shown())
    last = len(talk.turns) - 1
    loops = [found for i, t in enumerate(talk.turns) if t.speaker != "result" for found in repetitive(t.text, i)]
    evidence = [*talk.evidence, *_unsaid(ending.turn, last), *loops]
    row = await job.common("dialogue", (made, *talk.answers), (*ending.judged, grade), evidence=evidence)
    messages = talk.messages()
    row |= {
        "messages": messages,
        "case": json.dumps(case_json(card), ensure_ascii=False, sort_keys=True),
        "persona": json.dumps(persona, ensure_ascii=False, sort_keys=True),
        "turns": [turn.as_dict() for turn in talk.turns],
        "diagnosis": ending.turn.argument,
        "diagnosis_correct": ending.correct,
        "rubric": [],
    }
    job.slots.keep(*slot, row, messages)


async def _pair(
    job: Job, pair: Slot, made: Answer, card: CaseCard, talk: Consultation, first: Ending, name: str
) -> None:
    """Write the diagnosis turn once more from the same prefix and prefer the better one."""
    prefix = Consultation(talk.turns[:-1], talk.answers[:-1])
    turn, written = await doctor_turn(job, prefix, CLOSING, f"{name}/again", sample=1)
    second = await _ending(job, card, turn, written, f"{name}/again")
    ends = (first, second)
    payload = {"prompt": prefix.messages(), "endings": [{**e.turn.as_dict(), "correct": e.correct} for e in ends]}
    if any(end.correct is None for end in ends):
        detail = "the judge gave no verdict on both diagnoses"
        job.slots.reject([pair], "diagnosis", "unscored", detail, payload)
        return
    grades = await together(
        *(
            job.grade("judge_turn", f"{name}/{i}", turns=prefix.shown(), reply=one_line(end.turn.text))
            for i, end in enumerate(ends)
        )
    )
    ranked = sorted(
        ((end.correct is True, grade.value.quality, -i, end, grade)
         for i, (end, grade) in enumerate(zip(ends, grades, strict=True)) if grade is not None),
        key=lambda r: r[:3],
        reverse=True,
    )  # fmt: skip
    if len(ranked) < 2:
        job.slots.reject([pair], "judge_turn", "unscored", "the judge did not score both endings", payload)
        return
    (right, quality, _, better, grade), (wrong, lower, _, worse, other) = ranked
    if (right, quality) == (wrong, lower):
        job.slots.reject([pair], "judge_turn", "tie", "the judge prefers neither ending", payload)
        return
    row = await job.common(
        "dialogue",
        (made, *prefix.answers, worse.written, better.written),
        (*worse.judged, *better.judged, other, grade),
        texts=(better.turn.text, worse.turn.text),
        evidence=_about_pair(talk, better),
        flags=("judge_prefers_rejected",) if quality < lower else (),
    )
    keep_pair(
        job, pair[1], row, prefix.messages(), assistant(better.turn.text), assistant(worse.turn.text),
        origin="dialogue_outcome", margin=quality - lower,
    )  # fmt: skip


def _about_pair(talk: Consultation, better: Ending) -> list[Evidence]:
    """What was noticed about the conversation before the pair, and about its preferred side."""
    last = len(talk.turns) - 1
    wrong = [] if better.correct else [note("chosen_diagnosis_wrong", better.turn.argument or "", last)]
    return [*talk.evidence, *_unsaid(better.turn, last), *wrong]
