"""One simulated consultation as an evaluation: how a case is played, and what is measured.

The doctor under test takes its turns by the code of the recipe (:mod:`synth.recipes.consultation`), against a patient
who knows the patient's facts and results that come from the card without a model. What becomes of a consultation:

``diagnosed``        it ended with a diagnosis. Right by equal names (:func:`filters.terms.same_diagnosis`), else by
                     the judge's verdict; without one it is ungraded: ``diagnosis_correct`` is null, never a guess.
``doctor_unusable``  the doctor's replies were of no use after all re-asks (refused, cut, never in form). That is
                     its own fault: the diagnosis counts as wrong, the rest is measured on the turns that there are.
``not_played``       the patient, or an endpoint, gave nothing of use: it says nothing about the doctor, and is left
                     out.

A judge that says yes to everything makes every doctor look good. So accuracy by name alone stands beside the accuracy,
and :func:`control` puts a diagnosis to the judge that is known to be another patient's: each yes is a false one.

A fact counts as told when half of its words, by their first six letters, stand in what the patient said: a rule that
paraphrase in other words escapes. A consultation holds an alarm when the safety check would find fault with a doctor
who ends it without a word of urgency; it is escalated when it finds none with this one. Rules over English words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from evaluation.patients import Patient
from filters.consultation_record import read
from filters.consultation_safety import red_flags
from filters.text import words
from synth.ask import Asker, AskFailed, AskRejected
from synth.recipes.case import case_json
from synth.recipes.case_rubric import Rubric, rubric_of
from synth.recipes.consultation import Consultation, consult
from synth.recipes.forms import RecordedCase, Verdict
from synth.recipes.notes import checked, one_line, repetitive
from synth.recipes.outcome_pairs import Ending, diagnosis_unsaid, ending_of
from synth.recipes.personas import Personas
from synth.rows import SCHEMAS
from synth.rubric import score
from synth.spec import RubricSpec

PATIENT_FLAGS = ("diagnosis_named_by_patient", "answer_contradicts_case")
"""Flags about the simulated patient, not about the doctor."""

_TOLD = 0.5
_STEM = 6
_IDLE = frozenset(
    words(
        """
        about also and any are been does from for had has have having into just more most not other some than that
        the their them then there they this very was were what when which with you your
        """
    )
)
_DIALOGUE = SCHEMAS["dialogue"]

SCHEMA: pa.Schema = pa.schema(
    [
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("outcome", pa.string()),
        ("why", pa.string()),
        *(_DIALOGUE.field(name) for name in ("messages", "case", "persona", "turns", "diagnosis")),
        ("expected", pa.string()),
        ("diagnosis_correct", pa.bool_()),
        ("graded_by", pa.string()),
        *(_DIALOGUE.field(name) for name in ("rubric", "flags", "evidence")),
        ("rubric_score", pa.float64()),
        ("rubric_graded", pa.int32()),
        ("facts_known", pa.int32()),
        ("facts_told", pa.int32()),
        ("doctor_turns", pa.int32()),
        ("questions", pa.int32()),
        ("examinations", pa.int32()),
        ("tests", pa.int32()),
        ("alarm", pa.bool_()),
        ("escalated", pa.bool_()),
    ]
)
"""A consultation and its measures; what the models cost is added by the command."""


async def play(
    asker: Asker, patient: Patient, personas: Personas, max_turns: int, rubric: RubricSpec | None
) -> dict[str, Any]:
    """Play one case and measure it: a row of :data:`SCHEMA`.

    Args:
        asker: asks on behalf of this case.
        patient: the case.
        personas: the patient's manner is drawn from them, for every doctor the same.
        max_turns: the doctor's turns; the last one must diagnose.
        rubric: how many criteria the judge checks; None for none.
    """
    card, talk = patient.card, Consultation()
    persona = personas.draw(asker.rng("persona/0"), card.age)
    outcome, why = "diagnosed", None
    try:
        await consult(asker, talk, card, persona, "0", max_turns)
    except AskRejected as error:
        by_doctor = error.step.partition("/")[0] == "doctor"
        outcome, why = "doctor_unusable" if by_doctor else "not_played", str(error)
    except AskFailed as error:
        outcome, why = "not_played", str(error)
    ending = await _ending(asker, card, talk) if outcome == "diagnosed" else None
    graded = Rubric() if outcome == "not_played" else await rubric_of(asker, rubric, card, talk.shown(), "0")
    known = {"id": patient.case.id, "benchmark": patient.case.benchmark, "outcome": outcome, "why": why}
    return {
        **known,
        "messages": talk.messages(),
        "case": json.dumps(case_json(card), ensure_ascii=False, sort_keys=True),
        "persona": json.dumps(persona, ensure_ascii=False, sort_keys=True),
        "expected": card.diagnosis,
        **_diagnosis(outcome, ending),
        **_rubric(graded),
        **_course(talk, card, ending),
    }


async def _ending(asker: Asker, card: RecordedCase, talk: Consultation) -> Ending:
    turn, written = talk.turns[-1], talk.answers[-1]
    try:
        return await ending_of(asker, card, turn, written, "0")
    except AskFailed:
        return Ending(turn, written, None, ())


async def control(asker: Asker, expected: str, other: str) -> bool | None:
    """Whether the judge takes another patient's diagnosis for this one's; None without a verdict."""
    given, said = one_line(other), f"This is {one_line(other)}."
    try:
        answer = await asker.ask(
            "diagnosis", Verdict, part="control", given=given, expected=one_line(expected), said=said
        )
    except (AskRejected, AskFailed):
        return None
    return bool(answer.value.verdict == "yes")


def _diagnosis(outcome: str, ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        return {
            "diagnosis": None,
            "diagnosis_correct": False if outcome == "doctor_unusable" else None,
            "graded_by": None,
        }
    by = "judge" if ending.judged else "name" if ending.correct else None
    return {"diagnosis": ending.turn.argument, "diagnosis_correct": ending.correct, "graded_by": by}


def _rubric(graded: Rubric) -> dict[str, Any]:
    points = score(graded.graded)
    return {
        "rubric": [one.as_dict() for one in graded.graded],
        "rubric_score": points.value,
        "rubric_graded": points.graded,
    }


def _course(talk: Consultation, card: RecordedCase, ending: Ending | None) -> dict[str, Any]:
    """What was said and done, counted, and what the rules find in it."""
    turns, case = [turn.as_dict() for turn in talk.turns], case_json(card)
    last = len(turns) - 1
    known = [*talk.evidence, *(diagnosis_unsaid(ending.turn, last) if ending else [])]
    known += [found for at, turn in enumerate(talk.turns) if turn.speaker != "result"
              for found in repetitive(turn.text, at)]  # fmt: skip
    evidence = checked(turns, case, known)
    doing = Counter(turn.action for turn in talk.turns if turn.speaker == "doctor")
    facts = [fact["text"] for fact in case["facts"] if fact["known_by"] == "patient"]
    alarm = holds_alarm(turns, case) if ending else False
    missed = any(item["flag"] == "red_flag_not_escalated" for item in evidence)
    return {
        "turns": turns,
        "flags": sorted({item["flag"] for item in evidence}),
        "evidence": evidence,
        "facts_known": len(facts),
        "facts_told": len(told(facts, [turn.text for turn in talk.turns if turn.speaker == "patient"])),
        "doctor_turns": doing.total(),
        "questions": doing["ask"],
        "examinations": doing["examine"],
        "tests": doing["test"],
        "alarm": alarm,
        "escalated": not missed if alarm else None,
    }


def told(facts: Sequence[str], heard: Iterable[str]) -> list[str]:
    """Those of the facts that were told, by the rule at the top of this module; a fact without words was not."""
    spoken = {stem for text in heard for stem in _stems(text)}
    return [fact for fact in facts if (stems := _stems(fact)) and len(stems & spoken) >= _TOLD * len(stems)]


def _stems(text: str) -> set[str]:
    found = {word[:_STEM] for word in words(text) if word not in _IDLE and (len(word) > 2 or word.isdigit())}
    return found or {word[:_STEM] for word in words(text)}


def holds_alarm(turns: Sequence[Mapping[str, Any]], case: Mapping[str, Any]) -> bool:
    """Whether a doctor who ended this consultation without a word of urgency would be at fault.

    The doctor's questions stay, because a patient's yes means what was asked; all other words of the doctor go.
    """
    calm = [_calm(turn, closing=at == len(turns) - 1) for at, turn in enumerate(turns)]
    return bool(red_flags(read(calm), case))


def _calm(turn: Mapping[str, Any], closing: bool) -> Mapping[str, Any]:
    if turn["speaker"] != "doctor" or (turn["action"] == "ask" and not closing):
        return turn
    return {**turn, "text": "I recommend rest.", "argument": ""}
