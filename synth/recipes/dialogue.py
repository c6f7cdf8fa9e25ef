"""The dialogue recipe: passage or stored case → hidden case → persona → consultation → rubric, review and judge → row.

From the last turn a preference pair may branch (:mod:`synth.recipes.outcome_pairs`).
"""

from __future__ import annotations

import json
from typing import Any

from filters.readers import Case
from synth.ask import Answer, together
from synth.recipes.case import case_json
from synth.recipes.case_problems import problem_of
from synth.recipes.case_records import Unusable, card_of
from synth.recipes.case_rubric import Rubric, rubric_of
from synth.recipes.consultation import Consultation, consult
from synth.recipes.forms import CaseCard, case_form
from synth.recipes.job import Job
from synth.recipes.notes import checked, repetitive
from synth.recipes.outcome_pairs import Ending, diagnosis_unsaid, ending_of, outcome_pair
from synth.recipes.review import merged, review_of
from synth.recipes.slots import Slot
from synth.spec import Dialogues


async def dialogues(job: Job) -> None:
    """Settle the seed's dialogue slots and the preference slots that branch from them."""
    wanted = job.spec.produce.dialogues
    if wanted is not None:
        await together(*(_dialogue(job, wanted, str(n)) for n in range(wanted.per_seed)))


async def _dialogue(job: Job, wanted: Dialogues, name: str) -> None:
    slot, pair = ("dialogue", name), ("preference", f"dialogue_outcome-{name}")
    talk = Consultation()
    so_far: dict[str, Any] = {}

    def made_so_far() -> dict[str, Any]:
        return {**so_far, "turns": [turn.as_dict() for turn in talk.turns]} if so_far else {}

    with job.slots.covering(slot, pair, so_far=made_so_far):
        card, made = await _card(job, name)
        if isinstance(card, Unusable):
            job.slots.reject(job.slots.open(slot, pair), "case", card.reason, card.detail)
            return
        so_far["case"] = card.model_dump()
        problem = problem_of(card)
        if problem is not None:
            job.slots.reject(job.slots.open(slot, pair), "case", *problem, so_far)
            return
        persona = job.personas.draw(job.asker.rng(f"persona/{name}"), card.age)
        so_far["persona"] = persona
        await consult(job.asker, talk, card, persona, name, wanted.max_turns)
        ending = await ending_of(job.asker, card, talk.turns[-1], talk.answers[-1], name)
        rubric = await rubric_of(job.asker, wanted.rubric, card, talk.shown(), name)
        if wanted.review:
            turns = [turn.as_dict() for turn in talk.turns]
            talk.review = await review_of(job.asker, card, turns, name, job.max_tokens("review_dialogue"))
        await _row(job, slot, made, card, persona, talk, ending, rubric)
        if job.slots.open(pair):
            await outcome_pair(job, pair, made, card, talk, ending, rubric, name)


async def _card(job: Job, name: str) -> tuple[CaseCard | Unusable, tuple[Answer, ...]]:
    """The hidden case and what was asked for it: nothing where the seed is a case itself."""
    if isinstance(job.seed.record, Case):
        return card_of(job.seed.record), ()
    made = await job.asker.ask("case", case_form(job.max_tokens("case")), sample=int(name), passage=job.seed.text)
    return made.value, (made,)


async def _row(
    job: Job, slot: Slot, made: tuple[Answer, ...], card: CaseCard, persona: dict[str, str], talk: Consultation,
    ending: Ending, rubric: Rubric,
) -> None:  # fmt: skip
    grade = await job.grade("judge_dialogue", slot[1], turns=talk.shown())
    last = len(talk.turns) - 1
    loops = [found for i, t in enumerate(talk.turns) if t.speaker != "result" for found in repetitive(t.text, i)]
    case, turns = case_json(card), [turn.as_dict() for turn in talk.turns]
    evidence = checked(turns, case, [*talk.evidence, *diagnosis_unsaid(ending.turn, last), *loops])
    row = await job.common(
        "dialogue",
        (*made, *rubric.written, *talk.answers),
        (*ending.judged, *rubric.judged, *talk.review.judged, grade),
        evidence=merged(evidence, talk.review.evidence),
        flags=(*rubric.flags, *talk.review.flags),
    )
    messages = talk.messages()
    row |= {
        "messages": messages,
        "case": json.dumps(case, ensure_ascii=False, sort_keys=True),
        "persona": json.dumps(persona, ensure_ascii=False, sort_keys=True),
        "turns": turns,
        "diagnosis": ending.turn.argument,
        "diagnosis_correct": ending.correct,
        "rubric": [one.as_dict() for one in rubric.graded],
    }
    job.slots.keep(*slot, row, messages)
