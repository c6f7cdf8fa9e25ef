"""What cannot go with the patient's sex or age, and other ages or sexes than the card's.

Without a card the first age and sex that the patient or the doctor states count. Organs and states of one sex only
are looked for where they are said to be the patient's own; partners, relatives and general statements are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_numbers import ages
from filters.consultation_record import Evidence, Talk, Turn, evidence
from filters.consultation_sexes import FEMALE_ONLY, MALE_ONLY, PEERS_FEMALE, PEERS_MALE, SAYS_FEMALE, SAYS_MALE
from filters.consultation_text import Sentence, denied, of_others
from filters.phrasing import either, phrases

_DECADE = re.compile(r"\bin\s+(?:your|my|her|his)\s+(?:early\s+|mid-?\s*|late\s+)?(\w+ties|teens)\b", re.IGNORECASE)
_DECADES = {"teens": 10, "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70,
            "eighties": 80, "nineties": 90}  # fmt: skip
_AT_AGE = either(
    r"""
    ^\W*at (\d{1,2})(?: years)?(?: of age| years old)?,? (?:
        an?|the|your|you|it|this|that|i|most|some|we|one|there|such|he|she|many|few|nobody|people
    )\b
    \b(?:even|already) at (\d{1,2})\W*$
    \bat (\d{1,2}),? (?:too|already|as well)\W*$
    """
)
_NO_AGE = phrases(
    r"temperature|degrees|fever|pressure|pulse|oxygen|saturation|value|level|sugar|come|back|appointment|am|pm"
)
"""What else than an age may stand behind "at"."""
_PEERS = phrases(
    r"""
    (?P<baby>baby|infant|newborn)(?: like you| (?:of|at) your age)
    (?P<child>child(?:ren)?|kids?|toddlers?|schoolchild|youngsters?)(?: like you| (?:of|at) your age)
    (?P<teen>teenagers?|adolescents?)(?: like you| (?:of|at) your age)
    (?P<old>pensioner|senior|retiree|(?:elderly|old) (?:person|man|woman|lady))(?: like you| (?:of|at) your age)
    """
)
_SPANS = {"baby": (0, 3), "child": (0, 16), "teen": (10, 21), "old": (50, 130)}
"""Ages at which somebody may be called one."""
_OF_HIM = re.compile(
    r"^\W*(?:(?:and|so|then|now|but)\W+)?(he|she)\s+(?:can|should|may|must|needs?|will|gets|has|is|was)\b", re.I
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
_CHILDISH = phrases(
    r"""
    (?:your|my) (?:
        kindergarten|nursery|pre-?school|day-?care|primary school|elementary school|baby teeth|growth spurt
        paedia\w+|pedia\w+|teething|growing pains|puberty|high school|school (?:teacher|nurse|bus)|classmates
    )
    teething|growing pains|diapers?|nappy|nappies
    """
)
_GROWN = phrases(
    r"""
    (?:your|my) (?:
        retirement|pension|grandchild\w*|menopause|mortgage|grandson|granddaughter|wife|husband|employer|boss
    )
    since (?:you|i) retired
    (?:i'm|i am|you're|you are) (?:now )?(?:retired|menopausal|a grandmother|a grandfather|elderly|a pensioner)
    at your (?:advanced|old) age|people your age often (?:have|get) (?:arthritis|cataracts)|age-related
    """
)
_BACK_TO = phrases(
    r"(?:back to|return to|go to|at|from) (?:kindergarten|nursery|pre-?school|day-?care|primary school)"
)
"""Said by a doctor of an adult patient."""
_FERTILE = phrases(
    r"""
    (?:i'm|i am|you're|you are|are you|you (?:might|may|could) be) (?:\w+ ){0,3}?pregnant
    (?:my|your) (?:last |monthly )?(?:period|periods|pregnancy)|pregnancy test
    (?:i'm|i am|you're|you are|are you|do you|were you) (?:\w+ ){0,2}?(?:breast-?feed(?:ing)?|nursing a|lactating)
    your waters
    """
)
_CHILD, _ADULT, _OLD = 12, 30, 60


def demographics(talk: Talk, case: Mapping[str, Any]) -> list[Evidence]:
    """age_sex_contradiction."""
    sex, age = case.get("sex"), case.get("age")
    sex = sex.lower() if isinstance(sex, str) and sex.lower() in ("female", "male") else None
    years = float(age) if isinstance(age, int | float) and not isinstance(age, bool) else None
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker not in ("patient", "doctor"):
            continue
        for sentence in turn.sentences:
            stated = [
                value
                for start, end, value in ages(sentence.text)
                if not re.search(
                    r"(?:\bs?he\b|\b(?:son|daughter|boy|girl|child)\b)", sentence.text[:end], re.IGNORECASE
                )
                or (case and (years or 99) < _CHILD)
            ]
            fact = (
                _other_sex(sentence, sex, years, turn.speaker)
                or _other_age(stated, years, sentence)
                or _unfit(sentence, years)
                or (_other_pronoun(talk, turn, sentence, sex) if years is not None and years < _CHILD else None)
            )
            if fact is not None:
                found.append(evidence("age_sex_contradiction", turn.place, sentence.raw, fact))
            if years is None and stated and not case:
                years = stated[0]
            sex = sex or (None if case or turn.speaker == "patient" else _stated_sex(sentence))
    return found


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
    said = match[1].lower() if match and turn.speaker == "doctor" else ""
    if sex is None or said != {"male": "she", "female": "he"}[sex]:
        return None
    first = turn.sentences.index(sentence)
    near = [*(s.text for s in turn.sentences[max(0, first - 1) : first])]
    if turn.place and first == 0:
        near.append(talk.turns[turn.place - 1].text)
    return None if any(_OTHER_PEOPLE[said].search(text) for text in near) else f"sex {sex}"


def _other_age(stated: list[float], age: float | None, sentence: Sentence) -> str | None:
    if age is None:
        return None
    match = _AT_AGE.search(sentence.text)
    said = list(stated)
    if match and not _NO_AGE.search(sentence.text):
        said.append(float(next(group for group in match.groups() if group)))
    peer = _PEERS.search(sentence.text)
    if peer and not of_others(sentence.text, peer.start()):
        youngest, oldest = _SPANS[peer.lastgroup or "child"]
        if not youngest <= age < oldest:
            return f"age {age:g}"
    if any(abs(value - age) >= 1 for value in said):
        return f"age {age:g}"
    for decade in _DECADE.finditer(sentence.text):
        first = _DECADES.get(decade[1].lower())
        past = re.search(r"\b(?:when|was|were|had|since|started|used)\b", sentence.text, re.IGNORECASE)
        if (
            first is not None
            and not first <= age < first + 10
            and not past
            and not of_others(sentence.text, decade.start())
        ):
            return f"age {age:g}"
    return None


def _unfit(sentence: Sentence, age: float | None) -> str | None:
    """What no child, no adult, or nobody past the menopause has."""
    text = sentence.text
    if age is None:
        return None
    patterns = [_CHILDISH, _BACK_TO] if age >= _ADULT else []
    patterns += [_GROWN] if age < _CHILD + 3 else []
    patterns += [_FERTILE] if age >= _OLD or age < 9 else []
    for pattern in patterns:
        match = pattern.search(text)
        if match and age < _CHILD and re.search(r"wife|husband|boss|employer|mortgage", match[0], re.IGNORECASE):
            continue  # a parent speaks for a child
        about_others = match and (
            (of_others(text, match.start()) and not re.search(r"wife|husband", match[0]))
            or (re.search(r"\b(?:son|daughter|grand\w+|kids?|children)\b", text) and pattern in (_CHILDISH, _BACK_TO))
        )
        past = re.search(
            r"\b(?:when|as\s+a\s+child|used\s+to|years\s+ago|since|last\s+period|stopped|in\s+(?:my|your)\s+(?:teens|twenties|thirties)|teach\w*|work\w*|stop)\b",
            text,
            re.IGNORECASE,
        )
        if match and not about_others and not (past and pattern is not _GROWN):
            return f"age {age:g}"
    return None
