"""Medicines in a consultation: doses far from any in use, names that are none, and what must not be given.

What is known of medicines stands in :mod:`filters.medicines` and :mod:`filters.doses`; whether a sentence gives one in
:mod:`filters.consultation_given`. Here allergies and pregnancies are gathered, from the card and from what was told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_answers import pregnancy_weeks
from filters.consultation_given import gives
from filters.consultation_record import Evidence, Talk, Turn, evidence, strings
from filters.consultation_text import Sentence, denied, of_others
from filters.doses import find_doses, implausible
from filters.medicines import candidates, contraindications, find_medicines
from filters.phrasing import either

_LATE = 20
"""Weeks of pregnancy from which leaflets forbid NSAIDs (FDA 2020: from week 20 on)."""
_ALLERGIC = re.compile(r"\b(?:allerg(?:ic|y|ies)|anaphyla\w*|reaction|hives|rash|swell\w*|swole)\b", re.IGNORECASE)
_PREGNANT = either(
    r"""
    \b(?:i'm|i am|i could be|she's|she is) (?:\w+ ){0,4}?(?:pregnant|expecting)\b|\b\d+ weeks (?:pregnant|along)
    \bmy pregnancy\b|\bpregnancy test (?:was|came back|is) positive|\bweeks pregnant\b
    """
)
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
    weeks = max((week for text in _card_texts(case) for week in pregnancy_weeks(text)), default=0.0)
    found: list[Evidence] = []
    for turn in talk.turns:
        for sentence in turn.sentences:
            if turn.speaker == "patient":
                if pregnant and not of_others(sentence.text, 0):
                    weeks = max([weeks, *pregnancy_weeks(sentence.text)])
                allergies += _told_allergies(sentence)
                match = _PREGNANT.search(sentence.text)
                pregnant = pregnant or bool(
                    match
                    and not denied(sentence.text, match.start(), match.end())
                    and not of_others(sentence.text, match.start())
                )
            elif turn.speaker == "doctor" and (allergies or pregnant):
                given = [m.name for m in find_medicines(sentence.text) if gives(turn, sentence, m.start, m.end)]
                for name, reason in contraindications(given, allergies, pregnant, weeks >= _LATE)[:1]:
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
