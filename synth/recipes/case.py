"""The hidden case of a dialogue: atomic facts with ids, who can know them, and what examinations and tests show.

A patient knows the complaint, the history, the medication and the allergies. Findings and test results come only from
an examination or a test, and the card answers these without a model, by a stated rule: the entry that shares most
words with what the doctor asked for; with no shared word, an examination is unremarkable and a test was not done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from filters.text import normalise, words
from synth.recipes.forms import CaseCard

_EMPTY = {"", "no", "none", "unknown", "n/a", "null", "diagnosis"}
_COMMON_WORDS = {
    "a",
    "an",
    "and",
    "examination",
    "examine",
    "exam",
    "for",
    "in",
    "of",
    "on",
    "or",
    "test",
    "the",
    "to",
    "your",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One atomic fact of a case."""

    id: str
    text: str
    known_by: str
    """``patient``, ``examination`` or ``test``."""


def facts_of(card: CaseCard) -> list[Fact]:
    """The card as atomic facts: p1… the patient knows, f1… an examination shows, t1… a test gives."""
    told = [card.complaint, *card.history]
    told += [f"You take {name}." for name in card.medication]
    told += [f"You are allergic to {name}." for name in card.allergies]
    facts = [Fact(f"p{i}", text, "patient") for i, text in enumerate(told, 1)]
    facts += [Fact(f"f{i}", line, "examination") for i, line in enumerate(card.findings, 1)]
    return facts + [Fact(f"t{i}", line, "test") for i, line in enumerate(card.tests, 1)]


def problem_of(card: CaseCard) -> tuple[str, str] | None:
    """(reason, detail) why no consultation can be played from this card; None when one can."""
    if card.subject == "other":
        return "no_case", "the passage describes no illness that a patient could come with"
    for name in ("complaint", "diagnosis"):
        if normalise(getattr(card, name)).strip(" .") in _EMPTY:
            return "bad_case", f"the card has no {name}"
    if same_diagnosis(card.diagnosis, card.complaint):
        return "bad_case", "the complaint is the diagnosis itself"
    return None


def result_of(card: CaseCard, action: str, argument: str) -> str:
    """What an examination or test shows, as the words of the turn that follows."""
    entries = card.findings if action == "examine" else card.tests
    label = "Examination" if action == "examine" else "Test"
    found = _nearest(entries, argument)
    if found is not None:
        name, result = found
        return f"[{label}: {name}] {result}"
    return f"[{label}: {argument}] {'Nothing abnormal.' if action == 'examine' else 'Not done; no result available.'}"


def _nearest(entries: list[str], argument: str) -> tuple[str, str] | None:
    """(name, result) of the entry whose name shares most words with ``argument``."""
    asked = set(words(argument)) - _COMMON_WORDS
    named = [_name_and_result(entry) for entry in entries]
    shared = [len(asked & set(words(name))) for name, _ in named]
    best = max(range(len(named)), key=shared.__getitem__, default=None)
    return named[best] if best is not None and shared[best] else None


def _name_and_result(entry: str) -> tuple[str, str]:
    """Both halves of ``name: result``; a line without a colon is name and result in one."""
    name, colon, result = entry.partition(":")
    return (name.strip(), result.strip()) if colon and result.strip() else (entry, entry)


def same_diagnosis(given: str, expected: str) -> bool:
    """Whether two names are equal but for case, punctuation and word order."""
    return bool(words(given)) and sorted(words(given)) == sorted(words(expected))


def case_json(card: CaseCard) -> dict[str, Any]:
    """The card and its facts as they are stored with a dialogue."""
    facts = [{"id": f.id, "text": f.text, "known_by": f.known_by} for f in facts_of(card)]
    return {**card.model_dump(), "facts": facts}
