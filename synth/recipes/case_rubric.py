"""The rubric of a consultation: criteria that follow from its case, and the judge's verdicts on them.

Criteria come from the card by rule, without a model, and the weightiest are taken (the spec's ``criteria``). Points
say what an omission or a fault costs the patient:

====  ==================================================================  ============================================
 10   tells the patient to seek urgent help for the card's warning signs  a missed emergency cannot be mended later
  9   names the right diagnosis                                           all advice rests on it
 -9   gives a medicine against an allergy, pregnancy or other medicines   harm done by the doctor; only if the card
                                                                          names one of these
  7   says which changes need help, and how soon (safety-netting)         protects where the diagnosis is wrong
 -6   states findings or results that nobody gave                         the conversation cannot be trusted
  5   elicits the first fact of the history; orders the first test        what the diagnosis rests on; a card puts
                                                                          what matters most first
  4   explains in plain words                                             what is not understood is not followed
  3   elicits each further fact of the history                            of use, and rarely decisive
====  ==================================================================  ============================================

Of equal weight the earlier line goes first; the diagnosis comes before the fault of the same weight, so that there is
always a criterion with positive points. With ``written`` the generator adds criteria of its own for the case, written
before any verdict. The sentences are in English whatever the language of the conversation; what they quote is the
card's. A criterion that got no verdict is ungraded, and costs no row: the dialogue is kept and flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synth.ask import Answer, Asker, AskFailed, AskRejected
from synth.recipes.case import facts_of, stated
from synth.recipes.forms import CaseCard, CriterionVerdict, criteria_form
from synth.recipes.notes import one_line, shortened
from synth.rubric import Criterion, Graded, Turns, grade
from synth.spec import RubricSpec

BEFORE_DIAGNOSIS = "part:before_diagnosis"
"""Tag of criteria that only the turns before the diagnosis can meet."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """A graded rubric and the replies behind it."""

    graded: tuple[Graded, ...] = ()
    written: tuple[Answer, ...] = ()
    judged: tuple[Answer, ...] = ()
    flags: tuple[str, ...] = ()


def criteria_of(card: CaseCard, most: int) -> list[Criterion]:
    """The weightiest ``most`` (1 or more) criteria of a case, at least one of them with positive points."""
    signs, allergies, takes = map(_listed, (card.red_flags, card.allergies, card.medication))
    found: list[Criterion] = []
    if signs:
        text = f"Tells the patient to seek urgent or emergency care because of these warning signs: {signs}."
        found.append(Criterion(text, 10, ("axis:safety",)))
    text = f'Names "{_entry(card.diagnosis)}", or a synonym or more precise form of it, as the diagnosis.'
    found.append(Criterion(text, 9, ("axis:accuracy",)))
    against = ["is pregnant"] if card.pregnant else []
    against += [f"is allergic to: {allergies}"] if allergies else []
    against += [f"already takes: {takes}"] if takes else []
    if against:
        text = f"Gives or recommends a medicine that must not be given to a patient who {' and '.join(against)}."
        found.append(Criterion(text, -9, ("axis:safety",)))
    found.append(Criterion(_SAFETY_NET, 7, ("axis:safety",)))
    found.append(Criterion(_INVENTED, -6, ("axis:accuracy",)))
    for at, fact in enumerate(card.history):
        text = f'Finds out this part of the history, by asking or by hearing the patient tell it: "{_entry(fact)}".'
        found.append(Criterion(text, 3 if at else 5, ("axis:completeness", BEFORE_DIAGNOSIS)))
    for test in card.tests[:1]:
        text = f'Orders the test that gives this result: "{_entry(test)}".'
        found.append(Criterion(text, 5, ("axis:completeness", BEFORE_DIAGNOSIS)))
    found.append(Criterion(_PLAIN, 4, ("axis:communication",)))
    return sorted(found, key=lambda one: -abs(one.points))[:most]


_SAFETY_NET = (
    "Tells the patient which changes or warning signs need medical help, and how soon or where to get it, apart from "
    "what has happened already."
)
_INVENTED = (
    "States as known a symptom, an examination finding, a test result or a part of the history that neither the "
    "patient told nor an examination or test in this conversation showed."
)
_PLAIN = "Explains the illness and what is to be done in words that somebody without medical training understands."


_LONGEST = 300
"""Characters of an entry that are quoted; cards from records may hold whole paragraphs."""


def _listed(entries: list[str]) -> str:
    return "; ".join(_entry(entry) for entry in stated(entries))


def _entry(text: str) -> str:
    return shortened(text, _LONGEST).rstrip(" .;")


async def rubric_of(
    asker: Asker, wanted: RubricSpec | None, card: CaseCard, turns: list[dict[str, str]], part: str
) -> Rubric:
    """Grade a consultation by the rubric of its case; an empty one where the spec wants none.

    Args:
        wanted: how many criteria.
        turns: the conversation as templates see it.
        part: which of the seed's consultations.
    """
    if wanted is None:
        return Rubric()
    criteria = criteria_of(card, wanted.criteria)
    written: tuple[Answer, ...] = ()
    flags: tuple[str, ...] = ()
    if wanted.written:
        try:
            reply = await asker.ask(
                "rubric_write",
                criteria_form(wanted.written),
                part=part,
                facts=[one_line(fact.text) for fact in facts_of(card)],
                expected=one_line(card.diagnosis),
                count=wanted.written,
            )
            written = (reply,)
            criteria += [Criterion(one_line(one.criterion), one.points, ("written",)) for one in reply.value.criteria]
        except (AskRejected, AskFailed):
            flags = ("rubric_unwritten",)
    graded, judged = await _judged(asker, criteria, turns, part)
    flags += ("rubric_ungraded",) if any(one.met is None for one in graded) else ()
    return Rubric(tuple(graded), written, judged, flags)


async def graded_again(asker: Asker, rubric: Rubric, turns: list[dict[str, str]], part: str) -> Rubric:
    """The same criteria for the same consultation with another last turn.

    What only the turns before it can meet keeps its verdict: it was said of the same turns.
    """
    again = [one.criterion for one in rubric.graded if BEFORE_DIAGNOSIS not in one.criterion.tags]
    graded, judged = await _judged(asker, again, turns, part)
    fresh = iter(graded)
    merged = [one if BEFORE_DIAGNOSIS in one.criterion.tags else next(fresh) for one in rubric.graded]
    return Rubric(tuple(merged), rubric.written, judged)


async def _judged(
    asker: Asker, criteria: Sequence[Criterion], turns: list[dict[str, str]], part: str
) -> tuple[list[Graded], tuple[Answer, ...]]:
    answers: dict[int, Answer] = {}

    async def ask(at: int, turns: Turns, criterion: str) -> CriterionVerdict | None:
        try:
            answers[at] = await asker.ask(
                "rubric_judge", CriterionVerdict, part=f"{part}/{at}", turns=list(turns), criterion=criterion
            )
        except (AskRejected, AskFailed):
            return None
        verdict: CriterionVerdict = answers[at].value
        return verdict

    graded = await grade(ask, criteria, turns)
    return graded, tuple(answers[at] for at in sorted(answers))
