"""What the patient must not say: the hidden diagnosis, and what contradicts the card.

An answer contradicts when it plainly denies a fact of the card, affirms what the card denies, or gives another number
for the same thing; denials that hold for a time or a place only ("no pain right now") do not. The diagnosis is
:mod:`filters.consultation_diagnosis`', numbers are :mod:`filters.consultation_quantities`', medicines and allergies
:mod:`filters.consultation_own_medicines`'. Qualities ("dull" for "sharp"), sides and places are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_concepts import ABSENCE, concepts
from filters.consultation_diagnosis import names_diagnosis
from filters.consultation_own_medicines import own_medicines
from filters.consultation_quantities import quantities
from filters.consultation_record import Evidence, Said, Talk, evidence, strings
from filters.consultation_text import clause_at, denied, of_others, plain
from filters.medicines import find_medicines
from filters.phrasing import phrases

_VAGUE = frozenset({"pain", "allergy", "injury", "anxiety", "redness", "discharge", "radiating pain", "insomnia"})
"""Whoever denies one of these may mean another one than the card's."""
_OPPOSITE = {"weight loss": "weight gain", "weight gain": "weight loss"}
_OF_ALLERGY = re.compile(r"^You (?:are|have) (?:\w+ )?(?:allergic|no known allerg)", re.IGNORECASE)
"""Facts whose symptoms are those of a reaction."""
_ONCE = phrases(
    r"""
    used to|ago|as an? (?:child|kid|boy|girl|baby|teenager|student)|when (?:i|he|she|it|they|you)|whenever|while|during
    last (?:year|winter|summer|spring|autumn|fall|month|time|christmas)|in the past|before|once|years back|previous\w*
    if(?! anything)|unless|only|except|after|without|thought|think|feel like|felt like|feels? as|felt as|as if
    as though
    (?:almost|nearly)(?! (?:an?|one|two|three|four|five|six|ten|\d+|all|every)\b)|might|could(?!n't)|stopped
    quit|gave up|given up|hates?|can't (?:stand|bear)|smell of|ex-?|former\w*|until|instead
    any ?more|because|from|caus\w+|due|relat\w+|a bit|a little|slight\w*|sometimes|now and (?:then|again)|other
    occasional\w*|together|else|more than|than|change\w*|spread\w*|radiat\w*|with the|not sure|normal\w*|fine|good
    worr\w+|afraid (?:of|that|it|i)|fear\w*|scared|wonder\w*|suppose|reckon|guess|catch|caught|prevent\w*|against
    """
)
"""Words with which something told need not be the patient's trouble now."""
_NOT_OF_YOU = phrases("my|anyone|anybody|everyone|everybody|someone|somebody|who")
_REPLY_HOLDS = phrases("since|any ?more|today|now|yet|but|only|just|except|apart|other|still|longer")
"""Words with which a no holds for a time or a part only."""


def patient_says(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """diagnosis_named_by_patient and answer_contradicts_case."""
    card = _told_by_card(case)
    found = names_diagnosis(talk, case, card)
    facts = _facts(card)
    for said in talk.said:
        asked = talk.turns[said.turn - 1].text if said.turn else ""
        if said.speaker == "patient" and (fact := _contradicts(said, asked, facts)) is not None:
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
    return [(name, part) for name, text in told for part in re.split(r";\s+", text)]


def _facts(card: list[tuple[str, str]]) -> dict[str, tuple[str, bool]]:
    """Concept → (fact, whether the card has it); where it says both, the concept is left out."""
    facts: dict[str, tuple[str, bool]] = {}
    mixed = set()
    for name, text in card:
        for found in concepts(text) if not _OF_ALLERGY.search(text) else ():
            if found.kind in ("symptom", "condition", ABSENCE) and not of_others(text, found.start):
                has = denied(text, found.start, found.end) == (found.kind == ABSENCE)
                if found.name in facts and facts[found.name][1] != has:
                    mixed.add(found.name)
                facts.setdefault(found.name, (name, has))
    return {name: fact for name, fact in facts.items() if name not in mixed}


def _contradicts(said: Said, asked: str, facts: dict[str, tuple[str, bool]]) -> str | None:
    """The fact that a concept's mention contradicts; ``asked``: the doctor's turn before it."""
    name = said.found.name
    if name == "allergy" or said.status not in ("told", "denied"):
        return None
    own = said.found in concepts(said.sentence.text)
    if said.status == "told":
        fact, has = facts.get(name) or facts.get(_OPPOSITE.get(name, ""), ("", False))
        opposite = name not in facts
        if not fact or has != opposite or name == "pain":
            return None
        return None if _partly(said, own) else fact
    if said.qualified or name not in facts or name in _VAGUE:
        return None
    fact, has = facts[name]
    if not own and (_REPLY_HOLDS.search(said.sentence.text) or _NOT_OF_YOU.search(asked)):
        return None
    return fact if has else None


def _partly(said: Said, own: bool) -> bool:
    """Whether something told is of another time, of somebody else, felt rather than there, or of a degree only."""
    if not own:
        return said.qualified or bool(_ONCE.search(said.sentence.text))
    if find_medicines(said.sentence.text):
        return said.found.kind == "symptom"  # what a medicine did
    start, end = clause_at(said.sentence.text, said.found.start)
    return bool(_ONCE.search(said.sentence.text[start:end]))
