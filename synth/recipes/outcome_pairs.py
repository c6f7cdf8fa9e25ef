"""Preference pairs that branch at the doctor's diagnosis: the same prefix, one diagnosis turn against another.

Which of the two is preferred is decided by the first of these that tells them apart: the right diagnosis; the case's
rubric, where its scores lie ``RUBRIC_MARGIN`` or more apart (the pair is then flagged ``decided_by_rubric``, and its
margin is that difference); the judge's score of the turn. The rubric is graded for the second turn only where the
diagnoses are equally right, and compared on the criteria that have a verdict for both. Equal turns give no pair, nor
do two of which one has no verdict on its diagnosis or no score. A judge's review is of the consultation as it was
held: where the second turn is preferred, the rules alone have seen that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from filters.terms import same_diagnosis
from synth.ask import Answer, Asker, AskRejected, together
from synth.recipes.case import case_json
from synth.recipes.case_rubric import Rubric, graded_again
from synth.recipes.consultation import CLOSING, Consultation, Turn, doctor_turn
from synth.recipes.forms import CaseCard, Verdict
from synth.recipes.job import Job
from synth.recipes.notes import Evidence, checked, note, one_line, unsaid
from synth.recipes.preferences import assistant, keep_pair
from synth.recipes.review import merged
from synth.recipes.slots import Slot
from synth.rubric import Graded, score

RUBRIC_MARGIN = 0.1
"""Least difference of two rubric scores (0 to 1) that counts: about one lesser criterion of a usual rubric. What is
closer together may well be the judge's noise."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A diagnosis turn and what is thought of it."""

    turn: Turn
    written: Answer
    correct: bool | None
    judged: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """An ending with what decides between two; sides sort from worse to better."""

    ending: Ending
    grade: Answer
    rubric: float
    """Its score, where the rubric tells the two apart; else 0 for both."""

    @property
    def merit(self) -> tuple[bool, float, int]:
        """What decides, in this order."""
        return self.ending.correct is True, self.rubric, self.grade.value.quality


async def ending_of(asker: Asker, card: CaseCard, turn: Turn, written: Answer, part: str) -> Ending:
    """Whether the diagnosis is right: by equal names, else by the judge; None when the judge gives no verdict."""
    given = turn.argument or ""
    if same_diagnosis(given, card.diagnosis):
        return Ending(turn, written, True, ())
    expected, said = one_line(card.diagnosis), one_line(turn.text)
    try:
        verdict = await asker.ask("diagnosis", Verdict, part=part, given=one_line(given), expected=expected, said=said)
    except AskRejected:
        return Ending(turn, written, None, ())
    return Ending(turn, written, verdict.value.verdict == "yes", (verdict,))


def diagnosis_unsaid(turn: Turn, place: int) -> list[Evidence]:
    """Evidence that the patient is not told the diagnosis that the row names."""
    diagnosis = turn.argument or ""
    return [note("diagnosis_not_said", diagnosis, place)] if unsaid(diagnosis, turn.text) else []


async def outcome_pair(
    job: Job, pair: Slot, made: tuple[Answer, ...], card: CaseCard, talk: Consultation, first: Ending, rubric: Rubric,
    name: str,
) -> None:  # fmt: skip
    """Write the diagnosis turn once more from the same prefix and prefer the better one; settles ``pair``."""
    prefix = Consultation(talk.turns[:-1], talk.answers[:-1])
    turn, written = await doctor_turn(job.asker, prefix, CLOSING, f"{name}/again", sample=1)
    second = await ending_of(job.asker, card, turn, written, f"{name}/again")
    ends = (first, second)
    payload: dict[str, Any] = {
        "prompt": prefix.messages(),
        "endings": [{**e.turn.as_dict(), "correct": e.correct} for e in ends],
    }
    if any(end.correct is None for end in ends):
        detail = "the judge gave no verdict on both diagnoses"
        job.slots.reject([pair], "diagnosis", "unscored", detail, payload)
        return
    other = Rubric()
    if first.correct == second.correct and rubric.graded:
        shown = Consultation([*prefix.turns, second.turn]).shown()
        other = await graded_again(job.asker, rubric, shown, f"{name}/again")
    scores = _apart(rubric.graded, other.graded)
    grades = await together(
        *(
            job.grade("judge_turn", f"{name}/{i}", turns=prefix.shown(), reply=one_line(end.turn.text))
            for i, end in enumerate(ends)
        )
    )
    sides = [
        _Side(end, grade, points) for end, grade, points in zip(ends, grades, scores, strict=True) if grade is not None
    ]
    if len(sides) < 2:
        job.slots.reject([pair], "judge_turn", "unscored", "the judge did not score both endings", payload)
        return
    worse, better = sorted(sides, key=lambda side: side.merit)
    if worse.merit == better.merit:
        job.slots.reject([pair], "judge_turn", "tie", "the judge prefers neither ending", payload)
        return
    graded = (*rubric.written, *rubric.judged, *other.judged) if other.graded else ()
    await _keep(job, pair, made, card, talk, prefix, better, worse, graded)


def _apart(first: tuple[Graded, ...], second: tuple[Graded, ...]) -> tuple[float, float]:
    """Both scores on the criteria graded for both; 0 and 0 where they do not tell the two apart."""
    if len(first) != len(second):  # the second was not graded
        return 0.0, 0.0
    both = [(a, b) for a, b in zip(first, second, strict=True) if a.met is not None and b.met is not None]
    one, other = score(a for a, _ in both).value, score(b for _, b in both).value
    if one is None or other is None or round(abs(one - other), 9) < RUBRIC_MARGIN:
        return 0.0, 0.0
    return one, other


async def _keep(
    job: Job, pair: Slot, made: tuple[Answer, ...], card: CaseCard, talk: Consultation,
    prefix: Consultation, better: _Side,
    worse: _Side, graded: tuple[Answer, ...],
) -> None:  # fmt: skip
    by_rubric = better.rubric != worse.rubric
    judged = better.grade.value.quality - worse.grade.value.quality
    flags = (("judge_prefers_rejected",) if judged < 0 else ()) + (("decided_by_rubric",) if by_rubric else ())
    row = await job.common(
        "dialogue",
        (*made, *prefix.answers, worse.ending.written, better.ending.written),
        (*worse.ending.judged, *better.ending.judged, *graded, *talk.review.judged, worse.grade, better.grade),
        texts=(better.ending.turn.text, worse.ending.turn.text),
        evidence=_about_pair(talk, card, better.ending),
        flags=(*flags, *talk.review.flags),
    )
    chosen, rejected = assistant(better.ending.turn.text), assistant(worse.ending.turn.text)
    margin = round(better.rubric - worse.rubric, 4) if by_rubric else judged
    keep_pair(job, pair[1], row, prefix.messages(), chosen, rejected, origin="dialogue_outcome", margin=margin)


def _about_pair(talk: Consultation, card: CaseCard, better: Ending) -> list[Evidence]:
    """What was noticed about the conversation before the pair, and about its preferred side."""
    last = len(talk.turns) - 1
    wrong = [] if better.correct else [note("chosen_diagnosis_wrong", better.turn.argument or "", last)]
    turns = [turn.as_dict() for turn in (*talk.turns[:-1], better.turn)]
    known = [item for item in talk.evidence if item["turn"] != last or better.turn is talk.turns[-1]]
    found = checked(turns, case_json(card), [*known, *diagnosis_unsaid(better.turn, last), *wrong])
    reviewed = range(last + 1 if better.turn is talk.turns[-1] else last)
    return merged(found, [one for one in talk.review.evidence if one["turn"] is None or one["turn"] in reviewed])
