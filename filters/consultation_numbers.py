"""Ages, durations and counted things in running text, in figures and in words. English only."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = dict(
    zip(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        range(1, 20),
        strict=True,
    )
)
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))  # noqa: SIM905
_WORD = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(list(_UNITS)[:9])}))?|{'|'.join(sorted(_UNITS, key=len, reverse=True))})"
NUMBER = rf"(?:\d+(?:\.\d+)?|{_WORD})"
_VAGUE = {
    "a couple of": 2,
    "a couple": 2,
    "a few": 3,
    "several": 4,
    "half a": 0.5,
    "a": 1,
    "an": 1,
    "the last": 1,
    "the past": 1,
}
_SPAN = {
    "minute": 1 / 1440,
    "hour": 1 / 24,
    "day": 1,
    "night": 1,
    "week": 7,
    "fortnight": 14,
    "month": 30,
    "year": 365,
}
_DURATION = re.compile(
    rf"\b(?P<number>{NUMBER}|a\s+couple(?:\s+of)?|half\s+an?|an?)(?:\s*(?:-|to|or)\s*(?P<high>{NUMBER}))?[\s-]+(?P<unit>min(?:ute)?|hour|hr|day|night|week|fortnight|month|year|yr)s?\b",
    re.IGNORECASE,
)
_YESTERDAY = re.compile(
    r"\b(?:since|from|started|began)\s+(?:\w+\s+)?(?P<word>yesterday|last\s+(?:night|week|month|year)|this\s+morning)\b",
    re.IGNORECASE,
)
_DAYS = {
    "yesterday": 1.0,
    "last night": 1.0,
    "this morning": 0.5,
    "last week": 7.0,
    "last month": 30.0,
    "last year": 365.0,
}
_COURSE = re.compile(
    r"(?:\b(?:for|since|over|past|last|within|started|began|going\s+on|during|about|around|nearly|almost|roughly|maybe|it's\s+been|been|long|onset|duration|history\s+of)\W+(?:\w+\W+){0,4}?)$",
    re.IGNORECASE,
)
_AFTER = re.compile(r"^\W*(?:ago|now|back|history|earlier|of\s+\w+|duration)\b", re.IGNORECASE)
_EPISODE = re.compile(
    r"\b(?:last(?:s|ed|ing)?\s+(?:\w+\s+){0,2}?$|at\s+a\s+time|each|every|goes\s+away|go\s+away|within|after\s+(?:\w+\s+){0,2}?$|attack|episode|spell|rest\w*|per\b|in\s+$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, ``text[start:end]``, in days; ``course`` is how long something has gone on, not one episode."""

    start: int
    end: int
    days: float
    course: bool


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


def durations(text: str) -> list[Duration]:
    """Lengths of time that something has gone on or an episode lasts; ages ("54 years old") are none."""
    found = []
    for match in _DURATION.finditer(text):
        value = number(" ".join((match["high"] or match["number"]).split()))
        after, before = text[match.end() :], text[: match.start()]
        unit = match["unit"].lower()
        unit = {"min": "minute", "hr": "hour", "yr": "year"}.get(unit, unit)
        if value is None or re.match(r"[\s-]*(?:old|of\s+age|follow|time|later|course)\b", after, re.IGNORECASE):
            continue
        episode = _EPISODE.search(before[-30:]) or re.match(r"\W*(?:at\s+a\s+time|each|every)", after)
        course = not episode and bool(
            _COURSE.search(before[-40:]) or _AFTER.match(after) or not before.strip(" ,.'\"")
        )
        found.append(Duration(match.start(), match.end(), value * _SPAN[unit], course))
    for match in _YESTERDAY.finditer(text):
        found.append(Duration(match.start(), match.end(), _DAYS[" ".join(match["word"].lower().split())], True))
    return found


_COUNTED = re.compile(
    rf"\b(?P<number>{NUMBER})\s+(?:\w+\s+)?(?P<noun>cigarettes?|packs?|beers?|drinks?|pints?|glass(?:es)?|units?|pregnanc\w+|children|kids|pounds|kilos|kg|lbs?|pillows?|flights?|blocks?|cups?|pack-years?|bottles?|puffs?)\b",
    re.IGNORECASE,
)


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


_AGE = re.compile(
    rf"\b(?:i'm|i\s+am|you're|you\s+are|he's|she's|he\s+is|she\s+is|aged?|age\s+(?:is|of)|turned|just\s+turned)\s+(?:only\s+|just\s+|now\s+|a\s+|an\s+)*(?P<one>{NUMBER})(?!\w|[\d.]*\s*(?:%|kg|kilo|pound|lb|feet|foot|cm|week|month|day|hour|minute|time|percent|mg|pack|and\s+a\s+half\s+(?:week|month)|to\s|-\s?\d|out\b|on\b|out|blocks?|miles?|in\b|of\b|or\b|years?\s+(?!old|of)|(?:and|hundred|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|point)\b))"
    rf"|\b(?P<two>{NUMBER})[\s-]+years?[\s-]+(?:old|of\s+age)\b|\b(?P<three>\d{{1,3}})[\s-]?(?:y/?o|yo)\b|\byour\s+(?P<four>\d{{1,3}})(?:st|nd|rd|th)\s+birthday\b|\bat\s+(?P<five>\d{{1,3}}|{_WORD})\s*,\s*(?:you|i|it's)\b",
    re.IGNORECASE,
)
_NOT_OWN = re.compile(
    r"\b(?:when|since|until|before|after|at|was|were|over|under|above|below|than|from|between|almost|nearly|about\s+to|turning|if|people|patients|women|men|adults|children|anyone|everyone|most|my\s+(?!son|daughter|child|baby|boy|girl|little)\w+|his|her|their|began|started|first|ages?\s+\d+\s+(?:to|and))\b[^.!?]{0,25}$",
    re.IGNORECASE,
)


def ages(text: str) -> list[tuple[int, int, float]]:
    """(start, end, years) of each age that a sentence gives the patient now; of others' and of earlier ages none."""
    found = []
    for match in _AGE.finditer(text):
        group = match.lastgroup or "one"
        value = number(match[group])
        before = text[: match.start()]
        if value is None or not 0 < value <= 120 or (group != "five" and _NOT_OWN.search(before)):
            continue
        if (
            group == "one"
            and re.match(r"aged?|turned", match[0], re.IGNORECASE)
            and not re.search(r"\b(?:i|you|i've|you've)\b[^.]*$", before, re.IGNORECASE)
        ):
            continue
        found.append((match.start(), match.end(), value))
    return found
