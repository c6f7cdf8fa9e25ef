"""How long something has gone on, or how long an episode lasts, in running text. English only.

Lengths stand in figures or words ("two and a half weeks"), or follow from a day ("since Monday", "last night"); words
that leave a length open give it slack. Festivals ("since Easter") are not read; ages are no
lengths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.consultation_numbers import NUMBER, SPAN, number
from filters.phrasing import either, phrases

_DURATION = re.compile(
    rf"\b(?P<number>{NUMBER}|a\s+couple(?:\s+of)?|a\s+few|several|half\s+an?|(?:a\s+)?quarter\s+of\s+an|an?)"
    rf"(?:\s*(?:-|to|or)\s*(?P<high>{NUMBER}))?(?P<half>\s+and\s+a\s+half)?"
    r"[\s-]+(?:good\s+|full\s+|whole\s+)?(?P<unit>min(?:ute)?|hour|hr|day|night|week|fortnight|month|year|yr"
    r"|decade)s?\b"
    r"(?P<more>\s+and\s+a\s+half\b)?",
    re.IGNORECASE,
)
_ROUGHLY = phrases(
    "less than|under|more than|over|not even|at least|at most|a few|several|a couple(?: of)?|some|or so|getting on for"
)
_SINCE_DAY = re.compile(
    r"\b(?P<lead>since|from|started|began|begun|came\s+on|for|over|been|there)\s+(?:\w+\s+){0,2}?(?P<word>DAYS)\b"
    r"|^(?:\W*+\w++){0,3}?\W*+\b(?P<bare>DAYS)\b".replace(
        "DAYS",
        r"(?:the\s+)?day\s+before\s+yesterday|yesterday|(?:last|this|all)\s+(?:night|week|month|year|morning"
        r"|afternoon|evening)"
        r"|(?:last\s+|on\s+)?(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|breakfast|lunch(?:time)?|midday|noon"
        r"|midnight|dawn|the\s+weekend|weeks|months|years|decades|ages|i\s+was\s+(?:a\s+)?(?:child|kid|boy"
        r"|girl|little)|childhood",
    ),
    re.IGNORECASE,
)
"""A time since when: behind a word that says so, or among the first words of an answer."""
_DAYS = {
    "yesterday": (1.0, 1.8),
    "day before": (2.0, 1.5),
    "last night": (1.0, 2.0),
    "last week": (7.0, 2.0),
    "last month": (30.0, 2.0),
    "last year": (365.0, 2.0),
    "all week": (6.0, 1.6),
    "all month": (30.0, 1.6),
    "all year": (365.0, 1.6),
    "day": (4.0, 2.4),
    "weekend": (3.0, 2.5),
    "weeks": (25.0, 2.0),
    "months": (120.0, 2.5),
    "years": (1800.0, 3.0),
    "decades": (9000.0, 2.5),
    "ages": (400.0, 8.0),
    "child": (9000.0, 4.0),
    "i was": (9000.0, 4.0),
}
"""Days and the factor by which they may be off; anything else is some hours of today."""
_TODAY = (0.4, 3.0)
_COURSE = either(
    r"""
    \b(?:for|since|over|past|last|within|during|about|around|nearly|almost|roughly|maybe)\W+(?:\w+\W+){0,4}?$
    \b(?:has|have|been) last(?:ed|ing) (?:\w+ ){0,3}?$
    \b(?:started|began|going on|it's been|been|long|onset|duration|history of)\W+(?:\w+\W+){0,4}?$
    """
)
_AFTER = either(r"^\W*(?:ago|now|back|history|earlier|of \w+|duration)\b")
_EPISODE = either(
    r"""
    (?<!has\x20)(?<!have\x20)(?<!been\x20)\blast(?:s|ed|ing)? (?:\w+ ){0,2}?$
    \b(?:at a time|each|every|goes away|go away|within|attack|episode|spell|rest\w*|per\b)
    \bafter (?:\w+ ){0,2}?$
    \bin $
    """
)
_EACH_AFTER = either(r"^\W*(?:at a time|each|every)")
_NO_LENGTH = either(r"^[\s-]*(?:old|of age|follow|time|later|course)\b")


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, ``text[start:end]``, in days; ``course``: how long something has gone on, not one episode."""

    start: int
    end: int
    days: float
    course: bool
    slack: float = 1.0
    """The factor by which the words leave the length open ("a few", "since Monday")."""


def durations(text: str) -> list[Duration]:
    """Lengths of time that something has gone on or an episode lasts; ages ("54 years old") are none."""
    found = []
    for match in _DURATION.finditer(text):
        words = " ".join((match["high"] or match["number"]).split()).lower()
        value = 0.25 if "quarter" in words else number(words)
        after, before = text[match.end() :], text[: match.start()]
        unit = match["unit"].lower()
        unit = {"min": "minute", "hr": "hour", "yr": "year"}.get(unit, unit)
        if value is None or _NO_LENGTH.match(after):
            continue
        value += 0.5 if match["half"] or match["more"] else 0.0
        episode = _EPISODE.search(before[-30:]) or _EACH_AFTER.match(after)
        course = not episode and bool(
            _COURSE.search(before[-40:]) or _AFTER.match(after) or not before.strip(" ,.'\"")
        )
        rough = _ROUGHLY.search(before[-18:] + match[0] + after[:8])
        found.append(Duration(match.start(), match.end(), value * SPAN[unit], course, 1.6 if rough else 1.0))
    taken = {place for one in found for place in range(one.start, one.end)}
    for match in _SINCE_DAY.finditer(text):
        name = "word" if match["word"] else "bare"
        if match.start(name) in taken or (name == "bare" and match[name].lower() in _PLURALS):
            continue
        days, slack = _since(" ".join(match[name].lower().split()))
        found.append(Duration(match.start(name), match.end(), days, True, slack))
    return sorted(found, key=lambda one: one.start)


_PLURALS = frozenset(("weeks", "months", "years", "decades"))


def _since(words: str) -> tuple[float, float]:
    """Days and their slack of a word like "yesterday"."""
    words = words.removeprefix("the ")
    for name, length in _DAYS.items():
        outer = words.startswith(name) or (name in ("day", "child") and words.endswith((name, "hood")))
        if outer and (not (name == "day" and words == "today")):
            return length
    return _TODAY
