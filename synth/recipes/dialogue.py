"""The dialogue recipe: passage → hidden case → persona → consultation → judged row, and a pair from its last turn.

The pair branches at the doctor's diagnosis: the same prefix, another diagnosis turn, and the better of the two (right
diagnosis first, then the judge's score) is preferred. Equal ones give no pair.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from synth.ask import Answer, AskRejected, together
from synth.recipes.case import case_json, problem_of, same_diagnosis
from synth.recipes.consultation import CLOSING, Consultation, Turn, consult, doctor_turn
from synth.recipes.forms import CaseCard, Verdict, case_form
from synth.recipes.job import Job
from synth.recipes.preferences import assistant, keep_pair
from synth.recipes.slots import Slot

SHORTEST = 4
"""Messages that a dialogue has at least: complaint, question, answer, diagnosis."""


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
    with job.slots.covering(slot, pair):
        made = await job.asker.ask("case", case_form(job.max_tokens("case")), sample=int(name), passage=job.seed.text)
        card: CaseCard = made.value
        problem = problem_of(card)
        if problem is not None:
            job.slots.reject(job.slots.open(slot, pair), "case", *problem, {"case": card.model_dump()})
            return
        persona = job.personas.draw(job.asker.rng(f"persona/{name}"))
        talk = await consult(job, card, persona, name)
        if len(talk.messages()) < SHORTEST:
            detail = f"only {len(talk.messages())} messages"
            job.slots.reject(job.slots.open(slot, pair), "doctor", "too_short", detail, {"messages": talk.messages()})
            return
        ending = await _ending(job, card, talk.turns[-1], talk.answers[-1], name)
        await _row(job, slot, made, card, persona, talk, ending)
        if job.slots.open(pair):
            await _pair(job, pair, made, card, talk, ending, name)


async def _ending(job: Job, card: CaseCard, turn: Turn, written: Answer, part: str) -> Ending:
    """Whether the diagnosis is right: by equal names, else by the judge; None when the judge gives no verdict."""
    if same_diagnosis(turn.argument or "", card.diagnosis):
        return Ending(turn, written, True, ())
    try:
        verdict = await job.asker.ask("diagnosis", Verdict, part=part, given=turn.argument, expected=card.diagnosis)
    except AskRejected:
        return Ending(turn, written, None, ())
    return Ending(turn, written, verdict.value.verdict == "yes", (verdict,))


async def _row(
    job: Job, slot: Slot, made: Answer, card: CaseCard, persona: dict[str, str], talk: Consultation, ending: Ending
) -> None:
    grade = await job.grade("judge_dialogue", slot[1], turns=talk.shown())
    said = [t.text for t in talk.turns if t.speaker != "result"]
    row = await job.common(
        "dialogue", (made, *talk.answers), (*ending.judged, grade), texts=said, flags=tuple(talk.flags)
    )
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
    grades = await together(
        *(
            job.grade("judge_turn", f"{name}/{i}", turns=prefix.shown(), reply=end.turn.text)
            for i, end in enumerate((first, second))
        )
    )
    ranked = sorted(
        ((end.correct is True, grade.value.quality, -i, end, grade)
         for i, (end, grade) in enumerate(zip((first, second), grades, strict=True)) if grade is not None),
        key=lambda r: r[:3],
        reverse=True,
    )  # fmt: skip
    if len(ranked) < 2:
        job.slots.reject([pair], "judge_turn", "unscored", "the judge did not score both endings")
        return
    (right, quality, _, better, grade), (wrong, lower, _, worse, other) = ranked
    if (right, quality) == (wrong, lower):
        job.slots.reject([pair], "judge_turn", "tie", "the judge prefers neither ending")
        return
    row = await job.common(
        "dialogue",
        (made, *prefix.answers, worse.written, better.written),
        (*worse.judged, *better.judged, other, grade),
        texts=(better.turn.text,),
        flags=("judge_prefers_rejected",) if quality < lower else (),
    )
    keep_pair(
        job, pair[1], row, prefix.messages(), assistant(better.turn.text), assistant(worse.turn.text),
        origin="dialogue_outcome", margin=quality - lower,
    )  # fmt: skip
