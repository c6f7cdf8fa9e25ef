"""What the patient must not say: the hidden diagnosis, and what contradicts the card.

An answer contradicts when it plainly denies a fact of the card, affirms what the card denies, or gives another number
for the same thing; denials that hold for a time or a place only ("no pain right now") do not. The diagnosis is
:mod:`filters.consultation_diagnosis`', numbers are :mod:`filters.consultation_quantities`', medicines and allergies
:mod:`filters.consultation_own_medicines`'. Qualities ("dull" for "sharp"), sides and places are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filters.consultation_concepts import ABSENCE, concepts
from filters.consultation_diagnosis import names_diagnosis
from filters.consultation_own_medicines import own_medicines
from filters.consultation_quantities import quantities
from filters.consultation_record import Evidence, Said, Talk, evidence, strings
from filters.consultation_text import denied, of_others, plain

_VAGUE = frozenset({"pain", "allergy", "injury", "anxiety", "redness", "discharge", "radiating pain", "insomnia"})
"""Whoever denies one of these may mean another one than the card's."""


def patient_says(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """diagnosis_named_by_patient and answer_contradicts_case."""
    card = _told_by_card(case)
    found = names_diagnosis(talk, case, card)
    facts = _facts(card)
    for said in talk.said:
        if said.speaker == "patient" and (fact := _contradicts(said, facts)) is not None:
            found.append(evidence("answer_contradicts_case", said.turn, said.sentence.raw, fact))
    for turn in talk.turns:
        if turn.speaker == "patient":
            found += quantities(talk, turn, case, card) + own_medicines(talk, turn, case, card)
    return found


def _told_by_card(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of all that the patient knows of the card."""
    facts = case.get("facts")
    listed = [f for f in facts if isinstance(f, Mapping)] if isinstance(facts, list | tuple) else []
    told = [
        (str(f.get("id") or f.get("text")), plain(f["text"]))
        for f in listed
        if f.get("known_by", "patient") == "patient" and isinstance(f.get("text"), str)
    ]
    if not told:
        told = [(t, plain(t)) for name in ("complaint", "history", "red_flags") for t in strings(case.get(name))]
    return told


def _facts(card: list[tuple[str, str]]) -> dict[str, tuple[str, bool]]:
    """Concept → (fact, whether the card has it); where it says both, the concept is left out."""
    facts: dict[str, tuple[str, bool]] = {}
    mixed = set()
    for name, text in card:
        for found in concepts(text):
            if found.kind in ("symptom", "condition", ABSENCE) and not of_others(text, found.start):
                has = denied(text, found.start, found.end) == (found.kind == ABSENCE)
                if found.name in facts and facts[found.name][1] != has:
                    mixed.add(found.name)
                facts.setdefault(found.name, (name, has))
    return {name: fact for name, fact in facts.items() if name not in mixed}


def _contradicts(said: Said, facts: dict[str, tuple[str, bool]]) -> str | None:
    """The fact that a concept's mention contradicts."""
    name = said.found.name
    if said.qualified or name not in facts or name == "allergy":
        return None
    fact, has = facts[name]
    if said.status == "denied" and has and name not in _VAGUE:
        return fact
    return fact if said.status == "told" and not has and name != "pain" else None
