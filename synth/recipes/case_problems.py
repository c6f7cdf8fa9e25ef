"""Why no consultation can be played from a case card: it names no illness, gives it away, or contradicts itself.

Rules over English words, each with its reason; a card in another language passes all but the ones about names. A
sentence about somebody else (a mother, a wife) is no contradiction. What this module does not do: it does not know
whether the findings of a card fit its diagnosis.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from filters.terms import canonical, synonyms
from filters.text import normalise, words
from synth.recipes.case import name_and_result, stated
from synth.recipes.forms import CaseCard

_EMPTY = re.compile(
    r"|no|none|nil|unknown|n/a|null|diagnosis|illness|disease|condition|unspecified|undetermined|pending|tbd"
    r"|(?:to be|not yet) determined|no diagnosis|see (?:text|passage)"
)
_NO_NAME = re.compile(
    r"^(?:the |this |a |an )?(?:patient|passage|text|\d+[- ]year[- ]old)\b|^(?:i|you|we) |[?{}\[\]<>]"
)
_LONGEST_NAME = 14
"""Words of a diagnosis; what is longer tells a story."""

_OTHERS = re.compile(
    r"\b(?:mother|father|parents?|wife|husband|girlfriend|boyfriend|partners?|sister|brother|daughter|son|aunt|uncle"
    r"|grand\w+|friend|family|born|birth|deliver\w*|cousin|nephew|niece|spouse|women|men|maternal|newborn)\b"
)
_FEMALE_ONLY = re.compile(
    r"\b(?:pregnan\w+|menstrua\w+|menses|menopaus\w+|menarche|uterus|uterine|ovar(?:y|ies|ian)|cervix|vagin\w+|vulv\w+"
    r"|gravida|g\dp\d|hysterectomy|endometri\w+|lactating|cesarean)\b"
)
_MALE_ONLY = re.compile(r"\b(?:prostat\w+|testic\w+|test[ei]s|scrot\w+|penis|penile|erectile|ejaculat\w+|semen)\b")
_GROWN_UP = re.compile(
    r"\b(?:pregnant|retired|menopaus\w+|pack-years?|my (?:husband|wife)|is married|his wife|her husband)\b"
)
_AGE = re.compile(r"\b(\d{1,3})[- ]?year[- ]?old (?:\w+ ){0,2}(?:female|male|woman|man|boy|girl|patient)\b")
_FERTILE = range(10, 61)


def problem_of(card: CaseCard) -> tuple[str, str] | None:
    """(reason, detail) why no consultation can be played from this card; None when one can.

    ``no_case``: the model says that the passage describes no illness. ``bad_case``: the card is of no use.
    """
    if card.subject == "other":
        return "no_case", "the passage describes no illness that a patient could come with"
    for rule in (_missing, _given_away, _against_sex_or_age, _contradiction):
        detail = rule(card)
        if detail is not None:
            return "bad_case", detail
    return None


def _missing(card: CaseCard) -> str | None:
    for name in ("complaint", "diagnosis"):
        if _EMPTY.fullmatch(normalise(getattr(card, name)).strip(" .")):
            return f"the card has no {name}"
    name = normalise(card.diagnosis)
    if not any(letter.isalpha() for letter in name) or len(name.split()) > _LONGEST_NAME or _NO_NAME.search(name):
        return "the diagnosis is no name of an illness"
    return None if stated(card.history) else "the card has no facts"


def _given_away(card: CaseCard) -> str | None:
    names = [words(name) for name in names_of(card.diagnosis)]
    places = (("complaint", [card.complaint]), ("history", card.history), ("red flags", stated(card.red_flags)))
    for place, lines in places:
        if any(_tells(line, name) for line in lines for name in names if name):
            return f"the {place} name{'' if place == 'red flags' else 's'} the diagnosis"
    return None


def names_of(diagnosis: str) -> list[str]:
    """The diagnosis, what stands in brackets behind it, and the known other names of both."""
    inner = re.findall(r"\(([^()]+)\)", diagnosis)
    plain = [re.sub(r"\s*\([^()]*\)", "", diagnosis).strip(), *inner]
    return sorted({other for name in plain if len(name) > 1 for other in {name, *synonyms(name)}})


def _tells(line: str, name: list[str]) -> bool:
    """Whether the words of the name all stand in the line, in any order."""
    return set(name) <= set(words(line))


def _own(lines: Iterable[str]) -> list[str]:
    """The lines in lower case, without those about other people."""
    return [line for line in map(normalise, lines) if not _OTHERS.search(line)]


def _against_sex_or_age(card: CaseCard) -> str | None:
    if card.pregnant and (card.sex == "male" or card.age not in _FERTILE):
        return f"pregnant does not go with {card.sex}, {card.age} years"
    told = _own([card.complaint, *card.history, *card.red_flags])
    body = [*told, *_own([card.diagnosis, *card.findings, *card.tests])]
    other = _FEMALE_ONLY if card.sex == "male" else _MALE_ONLY
    for line in body:
        if found := other.search(line):
            return f"{found[0]!r} does not go with {card.sex}"
    for line in told:
        if card.age < _FERTILE.start and (found := _GROWN_UP.search(line)):
            return f"{found[0]!r} does not go with {card.age} years"
        if (age := _AGE.search(line)) and int(age[1]) != card.age:
            return f"{age[0]!r} does not go with {card.age} years"
    return None


def _contradiction(card: CaseCard) -> str | None:
    allergens = {canonical(name) for name in stated(card.allergies)}
    for name in stated(card.medication):
        if canonical(name) in allergens:
            return f"{name!r} is both taken and not tolerated"
    for kind, lines in (("examination", card.findings), ("test", card.tests)):
        results: dict[str, str] = {}
        for name, result in map(name_and_result, lines):
            if results.setdefault(normalise(name), normalise(result)) != normalise(result):
                return f"the {kind} {name!r} has two results"
    return None
