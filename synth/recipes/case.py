"""The hidden case of a dialogue: atomic facts with ids, who can know them, and what examinations and tests show.

A patient knows the complaint, the history, the warning signs, the medication and the allergies. Findings and test
results come only from an examination or a test, and the card answers these without a model, by a stated rule: the
entry of the same name, abbreviations and synonyms included, else the one whose name shares most words with what the
doctor asked for. With no shared word nothing is recorded, which is
never the same as normal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from filters.terms import canonical, synonyms
from filters.text import normalise, words
from synth.recipes.forms import CaseCard, RecordedCase

_NOTHING = re.compile(r"(none|no|nil|nothing|unknown|n/?a|null|nkda|not (known|applicable|any))([\s,;:(].*)?")
"""An entry that says there is none."""

_COMMON_WORDS = frozenset(
    words(
        """
        a about all am an and any are as at be been blood by can check could do does examination examine exam for
        from had has have he her him his i if in is it its left level levels me measure my no not of on or order our
        patient perform physical please rate right serum she so some take test testing tests that the their them
        there this to us was we were what which will with would you your
        """
    )
)
"""Words that name neither an examination nor a test, or too many of them."""

_NAME_WORDS = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """One atomic fact of a case."""

    id: str
    text: str
    known_by: str
    """``patient``, ``examination`` or ``test``."""


def facts_of(card: CaseCard) -> list[Fact]:
    """The card as atomic facts: p1… the patient knows, f1… an examination shows, t1… a test gives.

    A card from a record says nothing of medicines and allergies that the record does not list.
    """
    told = [card.complaint, *card.history, *stated(card.red_flags)]
    told += [f"You take {name}." for name in stated(card.medication)]
    told += [f"You are allergic to {name}." for name in stated(card.allergies)]
    if not isinstance(card, RecordedCase):  # an invented card lists all there is, a record what somebody wrote down
        told += ["You are pregnant."] if card.pregnant and "pregnan" not in card.diagnosis.lower() else []
        told += [] if stated(card.medication) else ["You take no medicines."]
        told += [] if stated(card.allergies) else ["You have no known allergies."]
    facts = [Fact(f"p{i}", text, "patient") for i, text in enumerate(told, 1)]
    facts += [Fact(f"f{i}", line, "examination") for i, line in enumerate(card.findings, 1)]
    return facts + [Fact(f"t{i}", line, "test") for i, line in enumerate(card.tests, 1)]


def stated(entries: list[str]) -> list[str]:
    """Entries without those that say there is none."""
    return [entry for entry in entries if not _NOTHING.fullmatch(normalise(entry).strip(" .-"))]


def result_of(card: CaseCard, action: str, argument: str) -> tuple[str, bool]:
    """What an examination or test shows, as the words of the turn that follows, and whether the card says it."""
    entries, label = (card.findings, "Examination") if action == "examine" else (card.tests, "Test")
    found = _nearest(entries, argument)
    if found is not None:
        name, result = found
        return f"[{label}: {name}] {result}", True
    nothing = "No finding recorded for this case." if action == "examine" else "Not done; no result available."
    return f"[{label}: {argument}] {nothing}", False


def _nearest(entries: list[str], argument: str) -> tuple[str, str] | None:
    """(name, result) of the entry of that name or a synonym, else of that sharing most words with ``argument``."""
    named = [name_and_result(entry) for entry in entries]
    same = next((entry for entry in named if canonical(entry[0]) == canonical(argument)), None)
    if same is not None:
        return same
    asked = {word for term in synonyms(argument) for word in words(term)} - _COMMON_WORDS
    shared = [len(asked & set(words(name))) for name, _ in named]
    best = max(range(len(named)), key=shared.__getitem__, default=None)
    return named[best] if best is not None and shared[best] else None


def name_and_result(entry: str) -> tuple[str, str]:
    """Both halves of ``name: result``; of another line the first words are the name, and all of it is the result."""
    name, colon, result = entry.partition(":")
    if colon and name.strip() and result.strip():
        return name.strip(), result.strip()
    return " ".join(entry.split()[:_NAME_WORDS]).rstrip(" :"), entry


def case_json(card: CaseCard) -> dict[str, Any]:
    """The card and its facts as they are stored with a dialogue."""
    facts = [{"id": f.id, "text": f.text, "known_by": f.known_by} for f in facts_of(card)]
    return {**card.model_dump(), "facts": facts}
