"""What cannot go with the patient's sex or age, and other ages or sexes than the card's.

Without a card the first age and sex that the patient or the doctor states count. Organs and states of one sex only
are looked for where they are said to be the patient's own; partners, relatives and general statements are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.consultation_numbers import ages
from filters.consultation_record import Evidence, Talk, evidence
from filters.consultation_text import Sentence, denied, of_others
from filters.phrasing import either, phrases

_OWN = r"(?:my|your|an?\s+enlarged|the|his|her)\s+(?:\w+\s+){0,2}?"
_FEMALE_ONLY = re.compile(
    rf"\b(?:{_OWN}(?:uterus|womb|ovar(?:y|ies)|ovarian|cervix|cervical\s+smear|vagina\w*|vulva\w*|period|periods|menstrua\w*|menopaus\w*|pregnanc\w*|fallopian|placenta|pap\s+smear|breast-?feeding|hysterectomy|last\s+period|due\s+date|menses)|(?:i'm|i\s+am|you're|you\s+are|you\s+(?:be|might\s+be|may\s+be|could\s+be)|are\s+you|were\s+you|"
    r"currently|chance\s+(?:that\s+)?you(?:'re|\s+are|\s+could\s+be|\s+might\s+be)?)\s+(?:\w+\s+){0,4}?(?:pregnant|breast-?feeding|menopausal|post-?menopausal|menstruating|expecting\s+a\s+baby|lactating)|(?:pregnancy|pap|smear)\s+test|menopaus\w*|hysterectomy|pap\s+smear|vaginal\s+\w+|trimester|pelvic\s+exam\w*\s+of\s+your\s+ovar\w+|(?:endometri|ovarian)\w*|gave\s+birth|since\s+giving\s+birth|your\s+(?:obstetrician|gyna?ecologist)|my\s+(?:obstetrician|gyna?ecologist)|menstrual\s+\w+)\b",
    re.IGNORECASE,
)
_MALE_ONLY = re.compile(
    rf"\b(?:{_OWN}(?:prostate|testic\w+|testis|testes|scrot\w+|penis|penile|foreskin|semen|erections?|prostatic|balls)|prostat\w+|PSA\s+(?:test|level|blood)|erectile\s+\w+|vasectomy|testicular\s+\w+|ejaculat\w+)\b",
    re.IGNORECASE,
)
_SAYS_MALE = either(
    r"""
    \b(?:
        (?:as|being|you(?:'re| are)|i(?:'m| am)|for|in) an? (?:[\w-]+ ){0,4}?(?:man|male|gentleman|guy|boy)\b
        \d+[\s-]year[\s-]old (?:\w+ )?(?:man|male|gentleman|boy)\b
        (?:
            ^|[,.!?]\s*
            \b(?:yes|no|hello|hi|thank you|thanks|okay|morning|afternoon|right|alright|well|see|sorry)\s*,?\s*
        )(?:sir|mister|young man)\b
        \b(?-i:Mr\.? [A-Z][a-z])
    )
    """
)
_SAYS_FEMALE = either(
    r"""
    \b(?:
        (?:as|being|you(?:'re| are)|i(?:'m| am)|for|in) an? (?:[\w-]+ ){0,4}?(?:woman|female|lady|girl)\b
        \d+[\s-]year[\s-]old (?:\w+ )?(?:woman|female|lady|girl)\b
        (?:
            ^|[,.!?]\s*
            \b(?:yes|no|hello|hi|thank you|thanks|okay|morning|afternoon|right|alright|well|see|sorry)\s*,?\s*
        )(?:ma'am|madam|miss|young lady)\b
        \b(?-i:(?:Mrs|Ms|Miss)\.? [A-Z][a-z])
    )
    """
)
_PEERS_MALE = phrases(r"(?:men|gentlemen|males|guys) (?:of|at|around) your age|men like you|for a man in h(?:is|er)")
_PEERS_FEMALE = phrases(r"(?:women|ladies|females) (?:of|at|around) your age|women like you|for a woman in h(?:is|er)")
"""What compares the patient to others of a sex."""
_DECADE = re.compile(r"\bin\s+(?:your|my|her|his)\s+(?:early\s+|mid-?\s*|late\s+)?(\w+ties|teens)\b", re.IGNORECASE)
_DECADES = {"teens": 10, "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70,
            "eighties": 80, "nineties": 90}  # fmt: skip
_AT_AGE = re.compile(
    r"^\W*at\s+(\d{1,2})(?:\s+years)?(?:\s+of\s+age)?,?\s+(?:an?|the|your|you|it|this|i|most|some)\b", re.I
)
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
            )
            if fact is not None:
                found.append(evidence("age_sex_contradiction", turn.place, sentence.raw, fact))
            if years is None and stated and not case:
                years = stated[0]
            sex = sex or (None if case or turn.speaker == "patient" else _stated_sex(sentence))
    return found


def _stated_sex(sentence: Sentence) -> str | None:
    male, female = _SAYS_MALE.search(sentence.text), _SAYS_FEMALE.search(sentence.text)
    return None if bool(male) == bool(female) else "male" if male else "female"


def _other_sex(sentence: Sentence, sex: str | None, age: float | None, speaker: str) -> str | None:
    if sex is None:
        return None
    text = sentence.text
    organs, says = (_FEMALE_ONLY, _SAYS_FEMALE) if sex == "male" else (_MALE_ONLY, _SAYS_MALE)
    match = organs.search(text)
    if match and not _GENERAL.search(text) and not of_others(text, match.start()):
        return f"sex {sex}"
    if (_PEERS_FEMALE if sex == "male" else _PEERS_MALE).search(text) and speaker == "doctor":
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


def _other_age(stated: list[float], age: float | None, sentence: Sentence) -> str | None:
    if age is None:
        return None
    match = _AT_AGE.match(sentence.text)
    said = [*stated, float(match[1])] if match else stated
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
