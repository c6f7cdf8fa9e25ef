"""Answers that put a trouble on another side than the card.

A side contradicts when the card puts something on one side alone, and the patient puts the same, or what was asked
for, on the other one alone. "Right" and "left" count as sides only before a part of the body or behind an article.
"""

from __future__ import annotations

import re

from filters.consultation_concepts import concepts
from filters.consultation_text import of_others
from filters.phrasing import either, phrases

_PART = (
    r"(?:side|half|part|one|arm|leg|hand|foot|knee|hip|shoulder|elbow|wrist|ankle|ear|eye|breast|nostril|cheek|temple"
    r"|calf|thigh|shin|heel|toe|thumb|finger|flank|groin|loin|kidney|lung|testicle|buttock|jaw|face|nipple|ovary"
    r"|forearm|palm|collarbone|armpit|lower|upper|big|little|index|middle|inner|outer|front|back|belly|chest)"
)
_LEFT = re.compile(
    rf"\b(?:left(?=(?:-hand|-sided|[ -]{_PART})\b)|(?:the|my|your|his|her) left\b|on (?:the )?left)", re.I
)
_RIGHT = re.compile(
    rf"\b(?:right(?=(?:-hand|-sided|[ -]{_PART})\b)|(?:the|my|your|his|her) right\b|on (?:the )?right)", re.I
)
_BOTH = phrases(
    "both|either|neither|each|other|opposite|too|as well|also|never|not|no|n't|years? ago|used to|before|then"
)
_WHICH = either(
    r"\bwhich (?:\w+ )?(?:side|one|arm|leg|hand|foot|knee|hip|shoulder|elbow|wrist|ankle|ear|eye|breast|calf"
    r"|thigh|testicle"
    r"|nostril)\b|\bwhere\b|\bleft or right\b|\bright or left\b|\bone side\b"
)
_PARTS = re.compile(
    r"\b(arms?|legs?|hands?|f(?:oo|ee)t|knees?|hips?|shoulders?|elbows?|wrists?|ankles?|ears?|eyes?|breasts?"
    r"|cal(?:f|ves)"
    r"|thighs?|flanks?|groins?|testicles?|belly|tummy|abdomen|chest|face|jaw|side)\b",
    re.I,
)
_Card = list[tuple[str, str]]


def _sides(text: str) -> set[str]:
    return {name for name, pattern in (("left", _LEFT), ("right", _RIGHT)) if pattern.search(text)}


def other_side(text: str, asked: str, card: _Card) -> str | None:
    """The name of the fact that an answer contradicts; ``asked``: the doctor's last question before it."""
    said = _sides(text)
    if not said and _WHICH.search(asked) and (bare := re.match(r"^\W*(?:it's |in |on )?(left|right)\W*$", text, re.I)):
        said = {bare[1].lower()}
    if len(said) != 1 or _BOTH.search(text) or of_others(text, len(text) - 1):
        return None
    which = bool(_WHICH.search(asked)) and not _sides(asked)
    about, parts = _symptoms(text), _parts(text)
    asked_parts = _parts(asked)
    for name, fact in card:
        known = _sides(fact)
        if len(known) != 1 or known == said or _BOTH.search(fact) or of_others(fact, len(fact) - 1):
            continue
        if any(said <= _sides(other) for _, other in card):
            continue
        same_part = bool((parts - {"side"}) & _parts(fact))
        if which and (
            same_part or (not parts - {"side"} and (not asked_parts - {"side"} or asked_parts & _parts(fact)))
        ):
            return name
        if same_part and about & _symptoms(fact):
            return name
    return None


def _symptoms(text: str) -> set[str]:
    return {f.name for f in concepts(text) if f.kind in ("symptom", "sign")}


def _parts(text: str) -> set[str]:
    return {m[1].lower().rstrip("s").replace("feet", "foot").replace("calve", "calf") for m in _PARTS.finditer(text)}
