"""Short answers that only their question makes statements: another count, no illness, nobody in the family.

A count contradicts when the question names what the card counts. A plain no to a question
about all illnesses, or about the family, contradicts a card that tells of one. What makes it better on the card and
worse in the answer is compared by the words they share. Answers to two questions at once are left alone.
"""

from __future__ import annotations

import re

from filters.consultation_concepts import Found, concepts
from filters.consultation_numbers import NUMBER, counted, number
from filters.consultation_replies import NO
from filters.consultation_sides import other_side
from filters.consultation_text import asks, denied, of_others
from filters.phrasing import either, phrases
from filters.text import words

_LEADING = re.compile(
    rf"^\W*(?:just|only|about|around|maybe|oh|well|roughly|some|yes|the|by now|now|i have|i've got|i use"
    rf"|we have|we've got|\W)*"
    rf"\b(?P<number>{NUMBER}|once|twice)\b(?!\s*(?:%|am\b|pm\b|o'clock|{NUMBER}|of them))",
    re.I,
)
_TIMES = {"once": 1.0, "twice": 2.0}
_HOW_MANY = phrases(r"how many|how much|do you have|have you (?:got|had)|any")
_NEVER_ANY = phrases("children|kids|pregnanc\\w+|sons?|daughters?")
_ASKS_ILLNESS = phrases(
    r"""
    (?:any|what|which|other|long-term|chronic|serious|past|previous|ongoing|existing|have) (?:\w+ ){0,3}?(?:
        illness(?:es)?|conditions?|diseases?|diagnos[ei]s|medical (?:problems?|history)|health (?:problems?|issues?)
    )
    medical history|past history|(?:are you|been) (?:otherwise )?(?:well|healthy|fit)|ever been (?:seriously )?ill
    """
)
_BESIDES = either(
    r"\bother (?:than|illness|condition|disease|problem|medical|health)|\belse\b|\bbesides|\bapart|\bany other"
)
_HEALTHY = phrases(
    r"""
    never been (?:ill|sick|unwell|to (?:a|the) doctor)|(?:perfectly|completely|totally|always been
    otherwise) (?:healthy|fit|well)
    (?:no|not any|without) (?:other |known |long-term |chronic |past )?(?:illness\w*|conditions?|diseases?
    medical (?:problems?|history))
    picture of health|fit as a fiddle|clean bill of health|never had anything(?! like| of the)
    never (?:\w+ )?(?:had )?a day's illness
    """
)
_HELD = phrases("but|only|just|except|apart|besides|other|else|otherwise|unless|because")
_ASKS_FAMILY = phrases(
    r"in (?:the|your) family|run in|family history|relatives?|parents?|siblings?|mother|father|brothers?|sisters?"
    r"|family members?|anyone (?:in|close|related)"
)
_NOBODY = either(r"^\W*(?:nobody|no one|none of (?:them|us)|not (?:a single|any)(?: one)?|nope)\b")
_HABITS = frozenset(
    {"smoking", "alcohol", "pregnancy", "travel", "allergy", "surgery", "recreational drugs", "injury"}
)
_WORSE = phrases(r"worse\w*|aggravat\w*|brings? it on|sets? it off|trigger\w*|hurts? more")
_BETTER = phrases(r"better|eas(?:es|ed|ing|y)|reliev\w*|helps?|helped|improv\w*|settles?|goes away|soothes?")
_IDLE = frozenset(words("makes gets feels pain when with after your that this does hurts better worse eases helps"))
_Card = list[tuple[str, str]]


def asked_for(text: str, asked: str, card: _Card) -> str | None:
    """The name of the fact that an answer contradicts; ``asked``: the doctor's last question before it."""
    if asks(text):
        return None
    return (
        other_side(text, asked, card)
        or _other_count(text, asked, card)
        or (_no_illness(text, asked, card) or _nobody(text, asked, card))
        or _other_way(text, asked, card)
    )


def _other_count(text: str, asked: str, card: _Card) -> str | None:
    match = _LEADING.match(text)
    no = bool(NO.match(text)) and not _HELD.search(text)
    if (match is None and not no) or not _HOW_MANY.search(asked):
        return None
    for name, fact in card:
        if denied(fact, len(fact) - 1, len(fact)) or of_others(fact, len(fact) - 1):
            continue
        for noun, value in counted(fact).items():
            if not re.search(rf"\b{noun[:5]}", asked, re.I) or re.search(r"\b(?:old|month|week|young|still)\b", asked):
                continue
            if no and _NEVER_ANY.search(noun):
                return name
            said = _TIMES.get(match["number"].lower()) or number(match["number"]) if match else None
            if said is not None and said != value and not _other_unit(text[match.end() :] if match else "", noun):
                return name
    return None


def _other_unit(after: str, noun: str) -> bool:
    """Whether a number is followed by another thing than the one asked for ("two boys and a girl")."""
    return (
        bool(re.match(r"\s+(?!a\b|per\b|or so|at\b|by\b|in\b|now|these|each|every)[a-z]", after))
        and noun[:4] not in after
    )


def _no_illness(text: str, asked: str, card: _Card) -> str | None:
    plainly = bool(NO.match(text)) and bool(_ASKS_ILLNESS.search(asked)) and not _ASKS_FAMILY.search(asked)
    if not (plainly or _HEALTHY.search(text)) or _HELD.search(text) or _BESIDES.search(asked) or of_others(text, 0):
        return None
    for name, fact in card:
        for found in concepts(fact):
            outer = found.kind == "condition" and found.name not in _HABITS and _has(fact, found)
            if outer and (re.match(r"you (?:have|had|are|suffer|live with)", fact, re.I) and not concepts(text)):
                return name
    return None


def _has(fact: str, found: Found) -> bool:
    return not denied(fact, found.start, found.end) and not of_others(fact, found.start)


def _nobody(text: str, asked: str, card: _Card) -> str | None:
    if not (NO.match(text) or _NOBODY.match(text)) or not _ASKS_FAMILY.search(asked) or _HELD.search(text):
        return None
    about = {f.name for f in concepts(asked) if f.kind in ("condition", "symptom")}
    for name, fact in card:
        for found in concepts(fact):
            if (
                of_others(fact, found.start)
                and not fact.lower().startswith("my ")
                and not denied(fact, found.start, found.end)
            ) and found.name in about:
                return name
    return None


def _other_way(text: str, asked: str, card: _Card) -> str | None:
    """The fact of what makes it worse where the patient says that it makes it better, or the other way round."""
    worse, better = bool(_WORSE.search(text)), bool(_BETTER.search(text))
    if worse == better or re.search(r"\b(?:not|no|n't|nothing|never)\b|n't\b", text):
        return None
    said = _words(asked + " " + text)
    for name, fact in card:
        known = (bool(_WORSE.search(fact)), bool(_BETTER.search(fact)))
        outer = known == (better, worse) and not re.search(r"\b(?:not|no|nothing|never)\b|n't\b", fact)
        if outer and ((_words(fact) & _words(text)) or (_words(fact) & said and len(text.split()) < 9)):
            return name
    return None


def _words(text: str) -> set[str]:
    found = (
        word.rstrip("s").removesuffix("ing") for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in _IDLE
    )
    return {word[:5] for word in found if len(word) > 2} - _STOP


_STOP = frozenset(
    words("the and you for has had have was are but not any all get gets make it's day days more much mor")
)
