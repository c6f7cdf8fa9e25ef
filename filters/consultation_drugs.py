"""Medicines in a consultation: doses far from any in use, names that are none, and what must not be given.

What is known of medicines stands in :mod:`filters.medicines` and :mod:`filters.doses`; here is decided whether a
sentence gives a medicine: not when it asks, denies, stops, warns, or speaks of the past.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_record import Evidence, Talk, Turn, evidence, strings
from filters.consultation_text import Sentence, denied, of_others
from filters.doses import find_doses, implausible
from filters.medicines import candidates, contraindications, find_medicines
from filters.phrasing import either, phrases

_GIVES = phrases(
    r"""
    prescri\w+|giv(?:e|ing)|start\w*|begin|put(?:ting)? you|take|taking|recommend\w*|suggest\w*|course of
    treat\w*|add\w*|use|using|try|try\w*|administer\w*|inject\w*|need|write you|writing|switch\w*
    chang\w+ (?:you )?to|continue|keep|go on|i'd like you|should|can|dose|mg|tablets?|daily|twice|once|every
    for the (?:pain|infection|fever)|script|antibiotic called|will|we'll|i'll|help\w*
    """
)
_NOT_GIVEN = either(
    r"""
    \b(?:
        avoid\w*|stop\w*|instead of|rather than
        not (?:give|use|take|prescribe|safe|suitable|recommended|an option)|can't (?:take|have|give|use)
        cannot (?:take|have|give|use)|don't (?:take|use)|never|allerg\w*|react\w*|contraindicat\w*
        because of your|discontinu\w*|hold (?:off|the)|steer clear|stay away|intoleran\w*|without|unsafe
        should not|shouldn't|mustn't|won't|wouldn't|no longer|related to|alternative to|off limits|ruled out
    )\b[^.;]*$
    """
)
_STILL_GIVEN = either(
    r"""
    \b(?:
        avoid\w*|instead of|rather than|allerg\w*|without|stop\w*
    )\b[^.;]*?\b(?:but|so|i'll|we'll|i will|let's|take|prescrib\w*|start)\b[^.;]*$
    """
)
_NOT_AFTER = either(
    r"""
    ^[^.;]{0,40}\b(?:
        is (?:not|off|out)|isn't|should be avoided|must be avoided|is contraindicated|are (?:not|out|off)|aren't
        can't|cannot|won't|would (?:not|be (?:risky|dangerous|unsafe))|wouldn't|shouldn't|must not|allergy
        because you(?:'re| are) allergic
    )\b
    """
)
_NEW_STATEMENT = either(
    r"""
    , (?:so )?(?:please|we|i|you|your|they|the \w+|he|she|it's best to)\s(?:\w+ )?(?:
        start|give|take|prescribe|add|get|need|use|begin|put
    )s?\s(?:(?!\b(?:no|not|without)\b)[^,;.])*$
    """
)
"""A statement of its own after a denial: "so that you get no clots, the ward starts …"."""
_ALLERGIC = re.compile(r"\b(?:allerg(?:ic|y|ies)|anaphyla\w*|reaction|hives|rash|swell\w*|swole)\b", re.IGNORECASE)
_PREGNANT = either(
    r"""
    \b(?:i'm|i am|i could be|she's|she is) (?:\w+ ){0,4}?(?:pregnant|expecting)\b|\b\d+ weeks (?:pregnant|along)
    \bmy pregnancy\b|\bpregnancy test (?:was|came back|is) positive|\bweeks pregnant\b
    """
)
_CONDITION = re.compile(r"^\W*(?:if|unless|when|should)\b[^,.;]*,", re.IGNORECASE)
_NONE = re.compile(r"\W*(?:none|no|nil|unknown|n/?a|null|nkda|nothing)\b|^\W*$", re.IGNORECASE)


def medicines(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """dose_implausible, unknown_drug and contraindicated."""
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker not in ("patient", "doctor"):
            continue
        for sentence in turn.sentences:
            found += _doses(turn, sentence) + _unknown(turn, sentence)
    return found + _forbidden(talk, case)


def _doses(turn: Turn, sentence: Sentence) -> list[Evidence]:
    for dose in find_doses(sentence.text):
        reason = implausible(dose)
        if reason is not None:
            return [evidence("dose_implausible", turn.place, sentence.raw, reason)]
    return []


def _unknown(turn: Turn, sentence: Sentence) -> list[Evidence]:
    return [evidence("unknown_drug", turn.place, sentence.raw, m.text) for m in candidates(sentence.text)][:1]


def _forbidden(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    allergies = [a for a in strings(case.get("allergies")) if not _NONE.match(a)]
    allergies += [
        m.group(1)
        for text in _card_texts(case)
        if (m := re.search(r"allergic to ([^.]+)", text)) and "not allergic" not in text
    ]
    pregnant = case.get("pregnant") is True or any(
        re.search(r"\bpregnan", t, re.I) and not denied(t, *_span(t)) and not of_others(t, _span(t)[0])
        for t in _card_texts(case)
    )
    found: list[Evidence] = []
    for turn in talk.turns:
        for sentence in turn.sentences:
            if turn.speaker == "patient":
                allergies += _told_allergies(sentence)
                match = _PREGNANT.search(sentence.text)
                pregnant = pregnant or bool(
                    match
                    and not denied(sentence.text, match.start(), match.end())
                    and not of_others(sentence.text, match.start())
                )
            elif turn.speaker == "doctor":
                given = [m.name for m in find_medicines(sentence.text) if _given(turn, sentence, m.start, m.end)]
                for name, reason in contraindications(given, allergies, pregnant)[:1]:
                    found.append(evidence("contraindicated", turn.place, sentence.raw, f"{name}: {reason}"))
    return found


def _span(text: str) -> tuple[int, int]:
    match = re.search(r"\bpregnan\w*", text, re.IGNORECASE)
    return match.span() if match else (0, 0)


def _card_texts(case: Mapping[str, Any]) -> list[str]:
    facts = case.get("facts")
    listed = [f.get("text") for f in facts if isinstance(f, Mapping)] if isinstance(facts, list | tuple) else []
    return [t for t in [*listed, *strings(case.get("history")), *strings(case.get("complaint"))] if isinstance(t, str)]


def _told_allergies(sentence: Sentence) -> list[str]:
    """Medicines to which a patient says to be allergic."""
    match = _ALLERGIC.search(sentence.text)
    if (
        match is None
        or denied(sentence.text, match.start(), match.end())
        or of_others(sentence.text, match.start())
        or sentence.asks
    ):
        return []
    plainly = re.search(r"\ballerg|\banaphyl|\breaction", sentence.text, re.IGNORECASE) or re.search(
        r"\b(?:gave|gives|got|after|from|with|when)\b", sentence.text
    )
    return [m.name for m in find_medicines(sentence.text)] if plainly else []


def _given(turn: Turn, sentence: Sentence, start: int, end: int) -> bool:
    text = sentence.text
    if (
        sentence.asks
        and not re.match(
            r"\W*(?:why\s+don't|how\s+about|shall|could\s+you\s+(?:start|take)|can\s+you\s+(?:start|take))",
            text,
            re.IGNORECASE,
        )
    ) or of_others(text, start):
        return False
    text = _CONDITION.sub(lambda m: " " * len(m[0]), text)  # what is denied there is the course, not the medicine
    before, after = text[:start], text[end:]
    if (
        (_NOT_GIVEN.search(before) and not _STILL_GIVEN.search(before))
        or _NOT_AFTER.match(after)
        or (denied(text, start, end) and not _NEW_STATEMENT.search(before))
    ):
        return False
    if re.search(
        r"\b(?:you\s+(?:mentioned|told|said|were|have\s+(?:been|had)|had|took)|you've\s+(?:been|had)|you(?:'re|\s+are)\s+(?:already\s+)?(?:on|taking|allergic)|your\s+allergy|if\s+you(?!\s+(?:like|want|agree|wish|prefer)))\b[^.;,]*$",
        before,
        re.IGNORECASE,
    ):
        return False
    return bool(_GIVES.search(text)) or turn.action == "diagnose"
