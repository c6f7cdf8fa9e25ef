"""What cannot go with the patient's sex or age, and other ages or sexes than the card's.

Without a card the first age and sex that the patient or the doctor states count. Organs and states of one sex only
are looked for where they are said to be the patient's own; partners, relatives and general statements are not. Where
somebody speaks for the patient ("My son coughs"), the pronouns and the kin that the patient is called by count too,
if nobody else of that sex was mentioned. Ages are :mod:`filters.consultation_ages`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_ages import CHILD, other_age, stated_ages, unfit
from filters.consultation_record import Evidence, Talk, Turn, evidence, strings
from filters.consultation_sexes import (
    FEMALE_ONLY,
    MALE_ONLY,
    PARENT_FEMALE,
    PARENT_MALE,
    PEERS_FEMALE,
    PEERS_MALE,
    SAYS_FEMALE,
    SAYS_MALE,
)
from filters.consultation_text import Sentence, denied, of_others
from filters.phrasing import either, phrases

_GUARDIAN = re.compile(
    r"\b(?:(?:he's|she's|this\s+is|it's(?:\s+(?:for|about))?|brought|here\s+(?:with|for"
    r"|about))\s+my\s+(?:\w+\s+){0,2}?"
    r"(?:(?P<male>son|boy|grandson|lad|nephew)|(?P<female>daughter|girl|granddaughter|niece)))\b",
    re.IGNORECASE,
)
_OF_HIM = re.compile(
    r"^\W*(?:(?:and|so|then|now|but)\W+)?(?:(?:does|is|has|did|can|will|was)\s+(?P<asked>he|she)"
    r"|(?P<said>he|she)(?:'s|'ll|\s+(?:can|should|may|must|needs?|will|gets|has|is|was|looks|seems|eats|drinks"
    r"|sleeps)))\b",
    re.I,
)
_OTHER_PEOPLE = {
    "he": phrases(r"brother|father|dad|daddy|husband|son|boy|uncle|grand\w+|doctor|surgeon|teacher|he|him|partner"),
    "she": phrases(
        r"sister|mother|mum|mom|mummy|wife|daughter|girl|aunt|gran\w*|nurse|midwife|teacher|she|her|partner"
    ),
}
"""Of whom else a pronoun may speak."""
_GENERAL = phrases(
    r"""
    in (?:women|men|females|males)|women|men|wom[ae]n (?:who|with)|anyone|people|some patients|babies|unlike
    only in|if you were|would be if|had you been|wife|girlfriend|husband|boyfriend|partner|daughter|sister
    mother|mom|mum|son|brother|father|dad|her own
    """
)
_KIN = {
    "male": r"son|boy|lad|grandson|grandfather|grandad|grandpa|nephew",
    "female": r"daughter|girl|lass|granddaughter|grandmother|gran|grandma|nan|niece",
}
_SPOKEN_FOR = either(
    rf"^\W*(?:my|your) (?:\w+ )?(?:{_KIN['male']}|{_KIN['female']}|baby|child|toddler|mother|father)\b"
)
"""How a card's complaint or fact begins, of which the patient is somebody's relative."""
_YOUR_KIN = {
    sex: either(rf"^\W*(?:(?:and|so|then|now|okay)\W+)*(?:has|have|is|did|does|was|can|will) your (?:\w+ )?({kin})\b")
    for sex, kin in _KIN.items()
}
_SAID_OF = either(r"\b(he|she)(?:'s|'ll| has| had| is| was| does| can| goes| gets| eats| drinks| sleeps)\b")


def demographics(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """age_sex_contradiction."""
    sex, age = case.get("sex"), case.get("age")
    sex = sex.lower() if isinstance(sex, str) and sex.lower() in ("female", "male") else None
    years = float(age) if isinstance(age, int | float) and not isinstance(age, bool) else None
    child = years is not None and years < CHILD
    spoken_for = child or any(
        _SPOKEN_FOR.search(text) for text in [*strings(case.get("complaint")), *strings(case.get("history"))[:1]]
    )
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker not in ("patient", "doctor"):
            continue
        for sentence in turn.sentences:
            stated = stated_ages(sentence.text, bool(case) and (years or 99) < CHILD)
            fact = (
                _other_sex(sentence, sex, years, turn.speaker)
                or other_age(stated, years, sentence)
                or unfit(sentence, years)
                or (_other_pronoun(talk, turn, sentence, sex) if child else None)
                or (_other_kin(talk, turn, sentence, sex) if spoken_for else None)
            )
            if fact is not None:
                found.append(evidence("age_sex_contradiction", turn.place, sentence.raw, fact))
            if years is None and stated and not case:
                years = stated[0]
            sex = sex or (None if case or turn.speaker == "patient" else _stated_sex(sentence))
    return found


def _other_kin(talk: Talk, turn: Turn, sentence: Sentence, sex: str | None) -> str | None:
    """The sex of a patient whom another speaks for, where kin or a pronoun of the other sex can mean nobody else."""
    if sex is None:
        return None
    other, said = {"male": ("female", "she"), "female": ("male", "he")}[sex]
    if turn.speaker == "doctor":
        match = _YOUR_KIN[other].search(sentence.text)
        told = " ".join(one.text for one in talk.turns[: turn.place])
        return f"sex {sex}" if match and not re.search(rf"\b{match[1]}\b", told, re.IGNORECASE) else None
    match = _SAID_OF.search(sentence.text) if sentence is turn.sentences[0] and turn.place else None
    if match is None or match[1].lower() != said:
        return None
    before = [*(one.text for one in talk.turns[: turn.place]), sentence.text[: match.start()]]
    people = _OTHER_PEOPLE[said]
    return None if any(people.search(text) for text in before) else f"sex {sex}"


def _stated_sex(sentence: Sentence) -> str | None:
    male, female = SAYS_MALE.search(sentence.text), SAYS_FEMALE.search(sentence.text)
    return None if bool(male) == bool(female) else "male" if male else "female"


def _other_sex(sentence: Sentence, sex: str | None, age: float | None, speaker: str) -> str | None:
    if sex is None:
        return None
    text = sentence.text
    organs, says = (FEMALE_ONLY, SAYS_FEMALE) if sex == "male" else (MALE_ONLY, SAYS_MALE)
    match = organs.search(text)
    if match and not _GENERAL.search(text) and not of_others(text, match.start()):
        return f"sex {sex}"
    if (PEERS_FEMALE if sex == "male" else PEERS_MALE).search(text) and speaker == "doctor":
        return f"sex {sex}"
    parents, guardian = (PARENT_FEMALE if sex == "male" else PARENT_MALE), _GUARDIAN.search(text)
    if age is not None and age >= 18 and (own := parents.search(text)) and not denied(text, own.start(), own.end()):
        return f"sex {sex}"
    if age is not None and age < CHILD and guardian and speaker == "patient" and not guardian[sex]:
        return f"sex {sex}"
    match = says.search(text)
    polite = match and re.search(r"\b(?:sir|ma'am|madam|mr|mrs|ms|miss|mister)\b", match[0], re.IGNORECASE)
    if (
        match
        and not (polite and (speaker == "patient" or (age is not None and age < 16)))
        and not re.search(r"\b(?:Dr|doctor|nurse)\b", text[: match.start()][-15:], re.IGNORECASE)
    ):
        return (
            f"sex {sex}"
            if not denied(text, match.start(), match.end()) and not re.match(r"in\s+an?\s+\w+\s*$", match[0])
            else None
        )
    return None


def _other_pronoun(talk: Talk, turn: Turn, sentence: Sentence, sex: str | None) -> str | None:
    """The sex of a child whom the doctor calls by the other pronoun, where nobody else can be meant."""
    match = _OF_HIM.match(sentence.text)
    said = (match["asked"] or match["said"]).lower() if match and turn.speaker == "doctor" else ""
    if sex is None or said != {"male": "she", "female": "he"}[sex]:
        return None
    rest = re.sub(r"\b(?:he|she|him|her)\b", "", sentence.text[match.end() if match else 0 :], flags=re.IGNORECASE)
    if _OTHER_PEOPLE[said].search(rest):
        return None
    first = turn.sentences.index(sentence)
    near = [*(s.text for s in turn.sentences[max(0, first - 1) : first])]
    if turn.place and first == 0:
        near.append(talk.turns[turn.place - 1].text)
    return None if any(_OTHER_PEOPLE[said].search(text) for text in near) else f"sex {sex}"
