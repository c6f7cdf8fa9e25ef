"""Clinical concepts in running text: symptoms, conditions, signs, tests and examinations, under one name each.

Spellings stand in ``data/consultation_concepts.txt``; pain is put together from a word for pain and a part of the body
near it, so that "it hurts in my chest" and "chest pain" are one. What is listed nowhere is not found: this is for
checks that must be right when they speak, not an extractor of everything. English only.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from filters.phrasing import phrases

_FILE = Path(__file__).parent / "data" / "consultation_concepts.txt"
_GAP = r"(?:\W+\w+){0,4}?\W+"

_PAIN = phrases(
    r"""
    pain\w*|ach(?:e|es|ed|ing|y)|ach\w+|\w+aches?|\w+algia|hurt\w*|sore(?:ness)?|discomfort|agony|colic\w*|cramp\w*
    tight(?:ness)?|pressure|heav(?:y|iness)|crushing|burning|squeezing|throb\w*|stabbing
    """
)
_PARTS = {
    "chest": r"chest|breastbone|sternum|ribs?|sternal|heart",
    "head": r"head|temples?|forehead|skull|headaches?|cephalalgia",
    "abdomen": r"abdomen|abdominal|bell(?:y|ies)|tumm(?:y|ies)|stomach|gut|epigastri\w+|flank|groin|pelvi[cs]"
    r"|bellyache|stomachache|tummy-?ache"
    r"|(?:right|left)\s+(?:upper|lower)\s+(?:quadrant|side)",
    "back": r"back|spine|lumbar|backache|loin|flank",
    "neck": r"neck|nape",
    "throat": r"throat",
    "arm": r"arms?|shoulders?|elbows?|wrists?|hands?|fingers?",
    "leg": r"legs?|cal(?:f|ves)|thighs?|knees?|ankles?|f(?:oo|ee)t|toes?|hips?|shins?|heels?",
    "ear": r"ears?|earache",
    "eye": r"eyes?",
    "jaw": r"jaws?|tooth|teeth|gums?|toothache",
    "face": r"face|facial|sinus(?:es)?",
    "joint": r"joints?|arthralgia",
    "muscle": r"muscles?|body|myalgias?|all\s+over",
    "breast": r"breasts?|nipples?",
    "testicle": r"testic\w+|testis|scrot\w+|balls?",
}
_PART = re.compile("|".join(rf"(?P<{name}>\b(?:{form})\b)" for name, form in _PARTS.items()), re.IGNORECASE)
_LONE = {"headache": "head pain", "stomachache": "abdomen pain", "bellyache": "abdomen pain", "backache": "back pain",
         "earache": "ear pain", "toothache": "jaw pain"}  # fmt: skip
_TIGHT = re.compile(r"tight|pressure|heav|burn|squeez|crush|cramp", re.IGNORECASE)
_MEASURED = re.compile(
    r"\b(?:tak\w+|measur\w+|check\w*|blood|eye|high|low|your|normal) (?:\w+ ){0,2}?pressure\b"
    r"|pressure [^.]{0,30}\b(?:is|was|of|over) \d",
    re.IGNORECASE,
)
"""A pressure that is measured, and does not hurt."""
NEAR = 6
"""Words that may stand between a pain and the part of the body that hurts."""
_REACH = 60
_START = 3
"""By how many letters the spellings are looked up."""
_WORD = re.compile(r"\w+")
ABSENCE = "absence"
"""The kind of words that deny the concept they are listed under ("dry cough": no sputum)."""

RELATED: dict[str, tuple[str, ...]] = {
    "productive cough": ("cough", "sputum"),
    "haemoptysis": ("cough",),
    "night sweats": ("sweating",),
    "haematemesis": ("vomiting",),
    "rectal bleeding": ("bleeding",),
    "vaginal bleeding": ("bleeding",),
    "paroxysmal nocturnal dyspnoea": ("dyspnoea",),
    "saddle numbness": ("numbness",),
    "neck stiffness": ("stiffness",),
    "visual loss": ("blurred vision",),
    "chest X-ray": ("X-ray",),
    "blood count": ("white cells", "blood test"),
    "white cells": ("leukocytosis",),
    "strength": ("weakness",),
    "panic attacks": ("anxiety",),
    "swollen joint": ("oedema", "joint pain"),
    "morning stiffness": ("stiffness",),
    "breast lump": ("lump",),
    "neck lump": ("lump",),
    "flashing lights": ("blurred vision",),
    "high cholesterol": ("lipids",),
    "blood pressure": ("hypertension",),
    "loss of interest": ("low mood",),
    "coronary heart disease": ("heart attack",),
}
"""What is told along with a concept: whoever told the first has told the others."""


@dataclass(frozen=True, slots=True)
class Found:
    """A concept in a text: ``text[start:end]``."""

    start: int
    end: int
    name: str
    kind: str
    """symptom, condition, sign, test, exam or absence."""


def concepts(text: str) -> list[Found]:
    """Every concept of the text in order; of two that overlap the longer, and of equal ones both."""
    return list(_concepts(text))


@functools.lru_cache(maxsize=4096)
def _concepts(text: str) -> tuple[Found, ...]:
    found = _pains(text)
    lower = text.lower()
    patterns, by_start = _patterns()
    likely: set[int] = set()
    for word in set(_WORD.findall(lower)):  # most spellings are in no sentence: a cheap look before the patterns
        for size in (1, 2, _START):
            likely.update(by_start.get(word[:size], ()))
    for place in sorted(likely):
        kind, name, pattern = patterns[place]
        found += (Found(match.start(), match.end(), name, kind) for match in pattern.finditer(text))
    return tuple(_outer(found))


def _outer(found: list[Found]) -> list[Found]:
    """Those that are no part of a longer one, in order; words that deny something hide nothing within them."""
    found.sort(key=lambda f: (f.start, -f.end))
    kept: list[Found] = []
    reach = -1
    for _, group in groupby(found, key=lambda f: (f.start, f.end)):
        same = list(group)
        if same[0].end > reach:
            kept += same
        if any(f.kind != ABSENCE for f in same):
            reach = max(reach, same[0].end)
    return kept


def _pains(text: str) -> list[Found]:
    parts = [(m.start(), m.end(), m.lastgroup or "") for m in _PART.finditer(text)]
    starts = [start for start, _, _ in parts]
    found = []
    for match in _PAIN.finditer(text):
        word = match[0].lower().rstrip("s")
        if word in _LONE:
            found.append(Found(match.start(), match.end(), _LONE[word], "symptom"))
            continue
        first, last = bisect_left(starts, match.start() - _REACH), bisect_right(starts, match.end() + _REACH)
        near = [
            (_words_between(text, match.start(), match.end(), s, e), s, e, name) for s, e, name in parts[first:last]
        ]
        near = [part for part in near if part[0] <= NEAR]
        if word == "pressure" and _MEASURED.search(text[max(0, match.start() - 30) : match.end() + 30]):
            continue
        if near:
            _, start, end, name = min(near)
            start, end = min(start, match.start()), max(end, match.end())
            if "blood pressure" not in text[max(0, match.start() - 8) : match.end()].lower():
                found.append(Found(start, end, f"{name} pain", "symptom"))
        elif not _TIGHT.match(word):
            found.append(Found(match.start(), match.end(), "pain", "symptom"))
    return found


def _words_between(text: str, start: int, end: int, other_start: int, other_end: int) -> int:
    """How many words lie between two pieces of a text; many when a clause ends between them."""
    between = text[end:other_start] if end <= other_start else text[other_end:start]
    return 99 if re.search(r"[.;:!?]|\bbut\b|\bno\b", between) else len(between.split())


@functools.cache
def _patterns() -> tuple[list[tuple[str, str, re.Pattern[str]]], dict[str, list[int]]]:
    """Of each concept its kind, name and pattern; and where those stand by the letters their spellings begin with.

    A pattern each, because concepts may overlap and an alternation of all would hide the second.
    """
    found: list[tuple[str, str, re.Pattern[str]]] = []
    starts: dict[str, list[int]] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, name, spellings = (part.strip() for part in line.split("|"))
            forms = [
                form.strip() for form in sorted(spellings.split(";"), key=lambda form: -len(form)) if form.strip()
            ]
            for start in {_WORD.findall(form.lower())[0][:_START] for form in forms}:
                starts.setdefault(start, []).append(len(found))
            pattern = re.compile(rf"\b(?:{'|'.join(map(_form, forms))})(?!\w)", re.IGNORECASE)
            found.append((kind, name, pattern))
    return found, starts


def _form(spelling: str) -> str:
    """A spelling of the file as a pattern; short capitals (CT, BP) keep their case."""
    pieces = []
    for part in spelling.split(" .. "):
        pieces.append(r"[\s-]+".join(re.escape(word).replace(r"\*", r"\w*") for word in part.split()))
    form = _GAP.join(pieces)
    return rf"(?-i:{form})" if spelling.isupper() and len(spelling) <= 4 else form


def told_with(name: str) -> set[str]:
    """The concept and what is told along with it."""
    return {name, *RELATED.get(name, ())}
