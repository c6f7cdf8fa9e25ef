"""Numbers, ages, frequencies and counted things in running text, in figures and in words. English only.

Lengths of time are :mod:`filters.consultation_durations`'; dates, weights and lengths are not read. What a number is
said of stays with the caller; only ages know of others' ages and of earlier ones ("when I was 20").
"""

from __future__ import annotations

import re

from filters.phrasing import either

_ONES = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_UNITS = {word: value for value, word in enumerate(_ONES, start=1)}
_TENS = {
    word: value * 10
    for value, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
WORD = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(list(_UNITS)[:9])}))?"
    rf"|{'|'.join(sorted(_UNITS, key=len, reverse=True))})"
)
NUMBER = rf"(?:\d+(?:\.\d+)?|{WORD})"
"""Figures or a number word below a hundred."""
_VAGUE = {
    "a couple of": 2,
    "a couple": 2,
    "a few": 3,
    "several": 4,
    "half a": 0.5,
    "half an": 0.5,
    "a": 1,
    "an": 1,
    "the last": 1,
    "the past": 1,
}
SPAN = {
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1,
    "night": 1,
    "week": 7,
    "fortnight": 14,
    "month": 30,
    "year": 365,
    "decade": 3650,
}
"""Days in a unit of time."""


def number(text: str) -> float | None:
    """The value of figures or of an English number word below a hundred."""
    text = text.lower().strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text[:12])
    if text in _VAGUE:
        return float(_VAGUE[text])
    parts = re.split(r"[\s-]+", text)
    if all(part in _UNITS or part in _TENS for part in parts):
        return float(sum(_UNITS.get(part, 0) + _TENS.get(part, 0) for part in parts))
    return None


_NOUNS = (
    "cigarettes?|packs?|pack-years?|puffs?|beers?|drinks?|pints?|glass(?:es)?|units?|bottles?|cups?"
    "|pregnanc\\w+|children|kids|pounds|kilos|kg|lbs?|pillows?|flights?|blocks?"
)
_COUNTED = re.compile(rf"\b(?P<number>{NUMBER})\s+(?:\w+\s+)?(?P<noun>{_NOUNS})\b", re.IGNORECASE)


def counted(text: str) -> dict[str, float]:
    """How many cigarettes, drinks, children … a text counts, by the singular of the noun."""
    found = {}
    for match in _COUNTED.finditer(text):
        value = number(match["number"])
        noun = {"kids": "children", "lbs": "pound", "lb": "pound", "kilos": "kg"}.get(
            match["noun"].lower(), match["noun"].lower().removesuffix("s")
        )
        if value is not None:
            found[noun] = value
    return found


_NO_AGE = (
    "%|kg|kilo|pound|lb|feet|foot|cm|week|month|day|hour|minute|time|percent|mg|pack|blocks?|miles?"
    r"|and\s+a\s+half\s+(?:week|month)|to\s|-\s?\d|out|on\b|in\b(?!\s(?-i:[A-Z]))|of\b|or\b|years?\s+(?!old|of)"
    r"|(?:and|hundred|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|point)\b"
)
_IS = (
    r"i'm|i\s+am|you're|you\s+are|he's|she's|he\s+is|she\s+is|aged?|age\s+(?:is|of)|turned|just\s+turned"
    r"|me(?=\s+(?:only|just|barely)\b)"
)
_AGE = re.compile(
    rf"\b(?:{_IS})\s+(?:only\s+|just\s+|now\s+|barely\s+|hardly\s+|scarcely\s+|still\s+|a\s+|an\s+)*(?P<one>(?>{NUMBER}))(?!\w|[\s-]*(?:{_NO_AGE}))"
    rf"|\b(?P<two>{NUMBER})[\s-]+years?[\s-]+(?:old|of\s+age)\b"
    r"|\b(?P<three>\d{1,3})[\s-]?(?:y/?o|yo)\b"
    r"|\byour\s+(?P<four>\d{1,3})(?:st|nd|rd|th)\s+birthday\b"
    rf"|\bat\s+(?P<five>\d{{1,3}}|{WORD})\s*,\s*(?:you|i|it's)\b",
    re.IGNORECASE,
)
_NOT_OWN = either(
    r"""
    \b(?:when|since|until|before|after|at|was|were|over|under|above|below|than|from|between|if)\b[^.!?]{0,25}$
    \b(?:almost|nearly|about to|turning|began|started|first|ages? \d+ (?:to|and))\b[^.!?]{0,25}$
    \b(?:people|patients|women|men|adults|children|anyone|everyone|most|his|her|their)\b[^.!?]{0,25}$
    \bmy (?!son|daughter|child|baby|boy|girl|little)\w+\b[^.!?]{0,25}$
    """
)
_TURNED = either("^(?:aged?|turned)")
_OF_US = either(r"\b(?:i|you|i've|you've)\b[^.]*$")


def ages(text: str) -> list[tuple[int, int, float]]:
    """(start, end, years) of each age that a sentence gives the patient now; of others' and of earlier ages none."""
    found = []
    for match in _AGE.finditer(text):
        group = match.lastgroup or "one"
        value = number(match[group])
        before = text[: match.start()]
        if value is None or not 0 < value <= 120 or (group != "five" and _NOT_OWN.search(before)):
            continue
        if group == "one" and _TURNED.match(match[0]) and not _OF_US.search(before):
            continue
        found.append((match.start(), match.end(), value))
    return found


_TIMES_OF = r"(?:times|attacks|episodes|days|nights|evenings|mornings)"
_RATE = re.compile(
    rf"\b(?P<number>once|twice|thrice|(?:{NUMBER}|a\s+couple\s+of|several)\s+{_TIMES_OF})"
    r"\s+(?:a|an|per|each|every|out\s+of\s+(?P<of>seven|7))\s*(?P<unit>hour|day|night|week|month|year)?\b",
    re.IGNORECASE,
)
_EVERY = re.compile(
    rf"\b(?:(?:every|each)\s+(?:single\s+)?(?:(?P<other>other|second)\s+|(?P<number>{NUMBER})\s+)?"
    r"(?P<unit>hour|day|night|morning|evening|week|month|year)s?|(?P<adverb>daily|weekly|monthly|nightly))\b",
    re.IGNORECASE,
)
_ADVERBS = {"daily": 1.0, "nightly": 1.0, "weekly": 1 / 7, "monthly": 1 / 30}
_TIMES = {"once": 1.0, "twice": 2.0, "thrice": 3.0}


def rates(text: str) -> list[float]:
    """How often something is said to come, in times a day ("twice a month": 1/15)."""
    found = []
    for match in _RATE.finditer(text):
        word = " ".join(match["number"].lower().split())
        value = _TIMES.get(word) or number(word.rpartition(" ")[0])
        unit = "week" if match["of"] else (match["unit"] or "").lower()
        if value is not None and unit:
            found.append(value / SPAN[unit])
    for match in _EVERY.finditer(text):
        if match["adverb"]:
            found.append(_ADVERBS[match["adverb"].lower()])
            continue
        every = 2.0 if match["other"] else number(match["number"]) if match["number"] else 1.0
        unit = match["unit"].lower()
        if every:
            found.append(1 / (every * SPAN["day" if unit in ("morning", "evening") else unit]))
    return found
