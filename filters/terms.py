"""Groups of equal medical terms: diagnoses, tests and examinations, symptoms, with abbreviations and lay words.

Two terms are compared as sets of words: without articles, "of", "in" and possessive endings, in American spelling, in
the singular, Roman type numbers as digits, in any order; then by the groups of ``data/terms.txt``. Every other word
matters: stable and unstable, left and right, chronic, type 1 and type 2. Of diagnoses alone, words that say how sure
or how bad ("suspected", "severe", "acute") do not matter, unless the other diagnosis is a chronic one or a leukaemia,
and a bracket that repeats the name ("myocardial infarction (MI)") falls away. A wider term is not equal to a narrower
one. Abbreviations that mean several things (MS, PE, RA) are taken in one sense; whole terms are read, no running text.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
_WORD = re.compile(r"[^\W_]+(?:['\u2019]s\b)?")
_BRACKET = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_ARTICLES = "a an the of in on at my your his her their to with for and or some any i is am are has have had been"
_DEGREES = (
    "acute suspected probable possible likely presumed severe mild moderate uncomplicated new onset early typical"
    " known confirmed disease disorder"
)
_SKIPPED = frozenset(_ARTICLES.split())
_SOFT = frozenset(_DEGREES.split())
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_AMERICAN = (
    ("haem", "hem"), ("aemi", "emi"), ("oedem", "edem"), ("oea", "ea"), ("oes", "es"), ("tumour", "tumor"),
    ("colour", "color"), ("paed", "ped"), ("gynaec", "gynec"), ("faec", "fec"), ("coel", "cel"), ("aesth", "esth"),
    ("ischaem", "ischem"), ("orrhoe", "orrhe"), ("necrotis", "necrotiz"), ("generalis", "generaliz"),
    ("catheteris", "catheteriz"), ("computeris", "computeriz"), ("phaeo", "pheo"), ("normalis", "normaliz"),
    ("leukaem", "leukem"), ("praevia", "previa"), ("melaena", "melena"), ("neurone", "neuron"),
    ("oesophag", "esophag"), ("apnoe", "apne"), ("dyspnoe", "dyspne"), ("toxaem", "toxem"),
)  # fmt: skip


def canonical(text: str) -> str:
    """The name of a term's group ("SOB", "short of breath": "dyspnoea"); an unknown term comes back tidied."""
    tidy = " ".join(text.casefold().split()).strip(" .,;:!?\"'")
    return _groups().get(_key(text), tidy)


def synonyms(term: str) -> frozenset[str]:
    """All known spellings of a term in lower case, itself and American spellings included; itself alone if unknown."""
    name = canonical(term)
    return _spellings().get(name, frozenset()) | {name, " ".join(term.casefold().split())}


def same_diagnosis(a: str, b: str) -> bool:
    """Whether two names mean the same diagnosis, by the rules at the top of this module. An empty name equals none."""
    first, second = _diagnosis(a), _diagnosis(b)
    if not first or not second:
        return False
    if first == second:
        return True
    if "chronic" in first | second or any(word.startswith("leuk") for word in first | second):
        return False
    return bool(_hard(first)) and _hard(first) == _hard(second)


@lru_cache(maxsize=4096)
def _diagnosis(text: str) -> frozenset[str]:
    """The words of the group's name, brackets that repeat or abbreviate the name left out."""
    outside = _BRACKET.sub(" ", text)
    for inside in _BRACKET.findall(text):
        repeats = canonical(inside) == canonical(outside)
        if not repeats and not (inside.isupper() and inside.isalpha() and len(inside) <= 6):
            outside += " " + inside
    key = _key(outside)
    return frozenset(_key(_groups()[key])) if key in _groups() else frozenset(key)


def _hard(words: frozenset[str]) -> frozenset[str]:
    """The words without those that say how sure or how bad, by the name of the group that is left."""
    left = tuple(sorted(words - _SOFT))
    return frozenset(_key(_groups()[left])) - _SOFT if left in _groups() else frozenset(left)


@lru_cache(maxsize=8192)
def _key(text: str) -> tuple[str, ...]:
    """The words that matter, in the form they are compared in, sorted."""
    words = []
    tokens = _WORD.findall(text.casefold())
    for at, token in enumerate(tokens):
        token_ends = at > 0 and at == len(tokens) - 1  # "hepatitis A", no article
        word = re.sub(r"['\u2019]s$", "", token)
        if word in _ROMAN and re.search(rf"\b(?:type|stage|grade|class)\s+{word}\b", text, re.IGNORECASE):
            words.append(_ROMAN[word])
        elif word and (word not in _SKIPPED or (word == "a" and token_ends)):
            words.append(_singular(_american(word)))
    return tuple(sorted(set(words)))


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 5 else word[:-1]


def _american(text: str) -> str:
    for british, american in _AMERICAN:
        text = text.replace(british, american)
    return text


@cache
def _groups() -> dict[tuple[str, ...], str]:
    """The name of the group by the words of each spelling; the first group that has a spelling keeps it."""
    found: dict[tuple[str, ...], str] = {}
    for name, spellings in _lines():
        for spelling in spellings:
            found.setdefault(_key(spelling), name)
    return found


@cache
def _spellings() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, spellings in _lines():
        lower = {spelling.casefold() for spelling in spellings}
        found[name] = found.get(name, frozenset()) | lower | {_american(spelling) for spelling in lower}
    return found


def _lines() -> list[tuple[str, list[str]]]:
    """(name, spellings with the name first) of every group."""
    groups = []
    for line in (_DATA / "terms.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, others = line.partition(" = ")
            spellings = [name.strip(), *(other.strip() for other in others.split(","))]
            groups.append((name.strip().casefold(), [spelling for spelling in spellings if spelling]))
    return groups
