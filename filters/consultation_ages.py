"""Ages in a consultation that are not the patient's, and what nobody of that age has or does.

An age counts where it is stated as the patient's own now: not of others, of earlier times, of weeks, or as a manner of
speaking ("I feel like eighty"). Decades, round birthdays and names ("teenager") count by the years they span.
"""

from __future__ import annotations

import re

from filters.consultation_numbers import WORD, ages, number
from filters.consultation_text import Sentence, of_others
from filters.phrasing import either, phrases

CHILD = 12
"""Below this age somebody else speaks for the patient."""
_DECADE = re.compile(r"\bin\s+(?:your|my|her|his)\s+(?:early\s+|mid-?\s*|late\s+)?(\w+ties|teens)\b", re.IGNORECASE)
_SIBLING = phrases(r"brother|sister|cousin|friend|twin|classmate|neighbou?r\w*|i'm|i am")
_DECADES = {"teens": 10, "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70,
            "eighties": 80, "nineties": 90}  # fmt: skip
_YEARS = rf"\d{{1,2}}|{WORD}"
_AT_AGE = either(
    rf"""
    ^\W*at (?:just |only |still )?({_YEARS})(?: years)?(?: of age| years old)?,? (?:
        an?|the|your|you|you're|you'd|it|this|bones|hearts?|children|adults|i'm|that|most|some|they
        i (?:can't|don't|didn't (?:expect|think)|shouldn't|am|have|feel|would|do|still|get)|we|one|there
        such|he|she|many|few|nobody|people
    )\b
    \b(?:even|already) at ({_YEARS})\W*$
    \bat ({_YEARS}),? (?:too|already|as well)\W*$
    """
)
_BIRTHDAY = re.compile(
    r"\b(?:my|your)\s+(?P<tens>twen|thir|for|fif|six|seven|eigh|nine)tieth(?:\s+birthday)?\b"
    r"|\b(?:my|your)\s+(?P<figures>\d{2})(?:st|nd|rd|th)\s+birthday\b",
    re.IGNORECASE,
)
_PAST_DECADE = re.compile(
    r"\b(?:i'm|i\s+am|you're|you\s+are)\s+(?:now\s+|well\s+|already\s+)?(?:past|over|pushing|nearing"
    r"|approaching|nearly|almost)"
    r"\s+(?P<tens>twen|thir|for|fif|six|seven|eigh|nine)ty\b",
    re.IGNORECASE,
)
_TENS = {
    name: 10 * n for n, name in enumerate(("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine"), start=2)
}
_CALLED = phrases(
    r"""
    (?:you're|you are|she's|she is|he's|he is|i'm|i am|being) (?:only |still |just |now |already )?an? (?:\w+ )?(?:
        (?P<baby>baby|infant|newborn)
        (?P<child>toddler|small child|schoolchild|little (?:boy|girl)|primary school (?:child|pupil))
        (?P<teen>teenager|adolescent|teen)
        (?P<old>pensioner|senior citizen|retiree|octogenarian|septuagenarian|nonagenarian|centenarian)
    )
    """
)
_OLDER = phrases(
    r"""
    (?:your|my) (?:retirement|pension|grandchild\w*|grandson|granddaughter|great-grand\w+|menopause|dentures)
    since (?:you|i) retired|(?:i'm|i am|you're|you are) (?:now |long )?(?:retired|a pensioner|menopausal|elderly)
    at your (?:advanced|old) age
    """
)
"""Said of nobody below thirty."""
_NO_AGE = phrases(
    r"temperature|degrees|fever|pressure|pulse|oxygen|saturation|value|level|sugar|come|back|appointment|am|pm"
)
"""What else than an age may stand behind "at"."""
_PEERS = phrases(
    r"""
    (?P<baby>baby|infant|newborn)(?: like you| (?:of|at) your age)
    (?P<child>child(?:ren)?|kids?|toddlers?|schoolchild(?:ren)?|youngsters?)(?: like you| (?:of|at) your age)
    (?P<teen>teenagers?|adolescents?)(?: like you| (?:of|at) your age)
    (?P<old>pensioner|senior|retiree|(?:elderly|old) (?:person|man|woman|lady))(?: like you| (?:of|at) your age)
    """
)
_SPANS = {"baby": (0, 3), "child": (0, 16), "teen": (10, 21), "old": (50, 130)}
"""Ages at which somebody may be called one."""
_CHILDISH = phrases(
    r"""
    (?:your|my) (?:
        kindergarten|nursery|pre-?school|day-?care|primary school|elementary school|baby teeth|growth spurt
        paedia\w+|pedia\w+|teething|growing pains|puberty|high school|school (?:teacher|nurse|bus)|classmates
    )
    teething|growing pains|diapers?|nappy|nappies
    (?:you're|you are|i'm|i am) still growing|(?:your|my) (?:homework|school exams|GCSEs|A-levels|prom|school uniform)
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
_ADULT, _OLD = 30, 60
_OTHER_PERSON = re.compile(r"\bs?he\b|\b(?:son|daughter|boy|girl|child|brother|sister|cousin|friend)\b", re.IGNORECASE)


def stated_ages(text: str, own: bool) -> list[float]:
    """Years that a sentence gives the patient; ``own``: a child's card, so that a pronoun is the patient's."""
    return [
        value
        for _, end, value in ages(text)
        if not _OTHER_PERSON.search(text[:end]) or (own and not _SIBLING.search(text))
    ]


def other_age(stated: list[float], age: float | None, sentence: Sentence) -> str | None:
    """The card's age, where the years of :func:`stated_ages`, a decade or a name for an age are others."""
    if age is None:
        return None
    match = _AT_AGE.search(sentence.text)
    said = list(stated)
    if match and not _NO_AGE.search(sentence.text):
        said.append(number(next(group for group in match.groups() if group)) or age)
    said += _stated_decades(sentence.text, age)
    peer = _PEERS.search(sentence.text) or _called(sentence.text)
    if peer and not of_others(sentence.text[: peer.end()], peer.start()):
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


def _called(text: str) -> re.Match[str] | None:
    """What somebody is called now ("you're a pensioner"), where no other person can be meant."""
    match = _CALLED.search(text)
    if match is None or re.search(
        r"\b(?:when|was|like|as if|not|n't|feel|where|sister|brother|my \w+|if)\b", text[: match.end()]
    ):
        return None
    return match


def _stated_decades(text: str, age: float) -> list[float]:
    """Ages that follow from a round birthday, or from being past a round age; the patient's own where they fit."""
    found = []
    if (match := _BIRTHDAY.search(text)) and not re.search(
        r"\b(?:until|before|when|since|by|at|after)\b", text[: match.start()]
    ):
        years = float(match["figures"]) if match["figures"] else _TENS[match["tens"].lower()]
        found.append(age if abs(years - age) <= 2 else float(years))
    if match := _PAST_DECADE.search(text):
        years = _TENS[match["tens"].lower()]
        found.append(age if abs(years - age) <= 9 else float(years))
    return found


def unfit(sentence: Sentence, age: float | None) -> str | None:
    """What no child, no adult, or nobody past the menopause has."""
    text = sentence.text
    if age is None:
        return None
    patterns = [_CHILDISH, _BACK_TO] if age >= _ADULT else []
    patterns += [_GROWN] if age < CHILD + 3 else [_OLDER] if age < _ADULT else []
    patterns += [_FERTILE] if age >= _OLD or age < 9 else []
    for pattern in patterns:
        match = pattern.search(text)
        if match and age < CHILD and re.search(r"wife|husband|boss|employer|mortgage", match[0], re.IGNORECASE):
            continue  # a parent speaks for a child
        about_others = match and (
            (of_others(text, match.start()) and not re.search(r"wife|husband", match[0]))
            or (re.search(r"\b(?:son|daughter|grand\w+|kids?|children)\b", text) and pattern in (_CHILDISH, _BACK_TO))
        )
        past = re.search(
            r"\b(?:when|as\s+a\s+child|used\s+to|years\s+ago|since|last\s+period|stopped|in\s+(?:my"
            r"|your)\s+(?:teens|twenties|thirties)|teach\w*|work\w*|stop)\b",
            text,
            re.IGNORECASE,
        )
        if match and not about_others and not (past and pattern is not _GROWN):
            return f"age {age:g}"
    return None
