"""Who the patient of a stored case is: age in whole years, sex, pregnant or not, from the words of the source.

The texts come in order of trust: demographics, the opening, then single facts; the first that says it decides. An
infant's age is 0, and of 18 months it is 1. What is not said is None, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Sex = Literal["female", "male"]

_YEARS = re.compile(r"\b(\d{1,3})[\s-]*(?:years?|yrs?|y/?o)\b|\byear[s-]*\s*old:?\s*(\d{1,3})\b", re.IGNORECASE)
_MONTHS = re.compile(r"\b(\d{1,3})[\s-]*months?(?:[\s-]*old|\s*,|\s*$)", re.IGNORECASE)
_NEWBORN = re.compile(
    r"\b(?:newborn|neonate|infant|\d+[\s-]*(?:hours?|days?|weeks?)(?:[\s-]*old|\s*,|\s*$))", re.IGNORECASE
)
_BARE = re.compile(r"^(?:age\s*:?\s*)?(\d{1,3})\s*(?:,|$)", re.IGNORECASE)
_OLDEST = 110

_FEMALE = re.compile(r"\b(?:female|woman|girl|lady|(?:nulli|primi|multi)(?:gravida|parous|para)\w*)\b", re.IGNORECASE)
_MALE = re.compile(r"\b(?:male|man|boy|gentleman)\b", re.IGNORECASE)
_WHO = re.compile(r"\b(?:\w+-old|newborn|infant|neonate|patient is an?|baby)\b[\w\s,-]{0,40}", re.IGNORECASE)
_HER = re.compile(r"\b(?:she|her|hers)\b", re.IGNORECASE)
_HIM = re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE)

_PREGNANT = re.compile(
    r"\b(?:is|currently|now|an?|the) (?:\w+[- ]){0,3}?pregnant\b(?! until)"
    r"|\b\d+[- ]weeks?[- ]pregnant\b|\bpregnant\b[^.]{0,40}\b(?:woman|female|patient)\b"
    r"|\bat \d+(?: [\d/]+)?[ -]weeks?['’]?(?: of)? gestation\b|\b\d+[ -]weeks?['’]?(?: of)? gestation(?:al age)?$"
    r"|\bpregnancy test[\w (-]*\bpositive\b",
    re.IGNORECASE,
)
_NOT_PREGNANT = re.compile(
    r"\b(?:not|denies|deny|never|unlikely|if|wife|girlfriend|sister|partner|mother|daughter|friend|last pregnancy"
    r"|previous|prior|deliver\w*|postpartum|puerper\w+|abortion|miscarriage|gave birth|born|newborn|birth at|ago"
    r"|history of|was|wants?|become|trying)\b",
    re.IGNORECASE,
)
_AFTER = re.compile(r"\b(?:postpartum|post[- ]?delivery|after deliver\w+|newborn|neonate)\b", re.IGNORECASE)


def age_of(texts: Sequence[str]) -> int | None:
    """Whole years, 0 to 110."""
    for text in texts:
        for pattern, years in ((_YEARS, 1), (_MONTHS, 12), (_BARE, 1)):
            found = pattern.search(text)
            number = int(next(filter(None, found.groups()))) // years if found else _OLDEST + 1
            if number <= _OLDEST:
                return number
        if _NEWBORN.search(text):
            return 0
    return None


def sex_of(texts: Sequence[str]) -> Sex | None:
    """The sex that the demographics name, else the words next to an age, else pronouns where all are of one kind."""
    if texts and (told := _only(_FEMALE, _MALE, texts[0][:80])):
        return told
    for text in texts:
        for who in _WHO.finditer(text):
            if told := _only(_FEMALE, _MALE, who[0]):
                return told
    return _only(_HER, _HIM, " ".join(texts))


def is_pregnant(texts: Sequence[str]) -> bool:
    """Whether a sentence says that the patient carries a child now; past and others' pregnancies do not count."""
    if any(_AFTER.search(text) for text in texts):
        return False
    return any(_PREGNANT.search(text) and not _NOT_PREGNANT.search(text) for text in texts)


def _only(female: re.Pattern[str], male: re.Pattern[str], text: str) -> Sex | None:
    is_female, is_male = bool(female.search(text)), bool(male.search(text))
    if is_female == is_male:
        return None
    return "female" if is_female else "male"
