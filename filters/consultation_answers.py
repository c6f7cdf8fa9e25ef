"""Answers that give another value than the card: a length, a week of pregnancy, a colour, an ability lost.

A length contradicts when the question, or the answer itself, names what the card gives a length of; a colour when the
question is about what the card gives a colour. An ability ("he drinks") is contradicted by whoever cannot or will not,
unless that holds for a degree or a kind ("cannot eat much", "solid food"). Anything else is left alone.
"""

from __future__ import annotations

import re

from filters.consultation_concepts import concepts
from filters.consultation_durations import Duration, durations
from filters.consultation_numbers import NUMBER, number
from filters.consultation_text import asks, denied, of_others
from filters.phrasing import either, phrases

_SAME = 1.4
_LASTS = either(r"\blast(?:s|ing)?\b|\btakes?\b|\bgoes? on for\b")
_HOW_LONG = phrases("length|how long|lasts?|duration")
_PER = either(r"\bevery|\beach|\ba (?:day|week|month)\b|\bapart|\bbetween|\bago\b|\bsince\b|\blate\b")
_WEEKS = re.compile(
    rf"\b(?P<one>{NUMBER})\s+weeks?\s+(?:pregnant|along|gone|gestation|into)"
    rf"|\bweek\s+(?P<two>{NUMBER})\b"
    rf"|\b(?:i'm|i am|you're|you are)\s+(?:only\s+|now\s+|about\s+)?(?P<three>{NUMBER})\s+weeks\b",
    re.IGNORECASE,
)
_EXPECTING = phrases(r"pregnan\w*|expecting|gestation|how far along")
_COLOURS = {
    "green": phrases("green(?:ish)?"),
    "yellow": phrases("yellow(?:ish)?"),
    "brown": phrases(r"brown(?:ish)?|cola|tea-colou?red"),
    "black": phrases("black|tarry"),
    "red": phrases(r"red|pink(?:ish)?|bloody|rusty"),
    "white": phrases("white|whitish|milky"),
    "clear": phrases(r"clear|colou?rless|transparent|pale|see-through|like water"),
}
_OF_OLD = phrases(
    r"normally|usually|before|used to|at first|earlier|now and then|sometimes|then|yesterday|since|until"
)
_WAYS = {
    "drink": r"drink",
    "eat": r"eat|feed",
    "walk": r"walk",
    "sleep": r"sleep",
    "swallow": r"swallow",
    "hear": r"hear",
}
_ABLE = r"(?=\s+(?:and|normally|well|as|enough|fine|without|properly|like)\b|\s*[.,;]|\s*$)"
_UNABLE = (
    r"(?:can't|cannot|can not|couldn't|could not|won't|will not|refus\w+ to|unable to|not able to|stopped|no longer"
    r"|hasn't|haven't|doesn't|does not|don't|do not)"
)
_DEGREE = phrases(
    r"much|well|enough|properly|as (?:much|well)|normally|solids?|hard|alcohol|beer|wine|coffee|tea|at night"
    r"|through|on|far|meat|fish|spicy|fatty|any\s?more than|a lot|often|when|if|without|because|until|after"
    r"|before|today"
)
_STEM = 5
_Card = list[tuple[str, str]]


def other_value(text: str, asked: str, card: _Card) -> str | None:
    """The name of the card's fact that a sentence of the patient contradicts; ``asked``: the question before it."""
    if asks(text) or of_others(text, len(text) - 1):
        return None
    return (
        _other_length(text, asked, card)
        or _other_week(text, asked, card)
        or _other_colour(text, asked, card)
        or _unable(text, card)
    )


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in re.findall(r"[a-z]{5,}", text.lower())}


def _share(one: str, other: str) -> bool:
    """Whether two texts speak of the same thing: a concept, or a longer word, in common."""
    if {f.name for f in concepts(one)} & {f.name for f in concepts(other)}:
        return True
    return bool(_stems(one) & _stems(other) - {"about", "doctor"[:_STEM], "there", "which", "would", "could"})


def _other_length(text: str, asked: str, card: _Card) -> str | None:
    said = durations(text)
    if not said or _PER.search(text) or not _HOW_LONG.search(asked + " " + text):
        return None
    listed = [length for _, fact in card for length in durations(fact)]
    if any(_alike(one, other) for one in said for other in listed):
        return None
    for name, fact in card:
        if _LASTS.search(fact) and durations(fact) and not _PER.search(fact) and _share(asked + " " + text, fact):
            return name
    return None


def _alike(one: Duration, other: Duration) -> bool:
    longer, shorter = max(one.days, other.days), max(min(one.days, other.days), 1e-6)
    return longer / shorter <= _SAME * one.slack * other.slack


def _other_week(text: str, asked: str, card: _Card) -> str | None:
    said = pregnancy_weeks(text)
    if not said or not any(_EXPECTING.search(fact) for _, fact in card):
        return None
    if re.search(r"\bago\b|\bwhen\b|\bsince\b|\bfrom\b|\buntil\b", text):
        return None
    for name, fact in card:
        known = pregnancy_weeks(fact) if _EXPECTING.search(fact) else []
        if known and all(abs(k - s) >= 2 for k in known for s in said):
            return name
    return None


def pregnancy_weeks(text: str) -> list[float]:
    """How many weeks pregnant somebody is said to be."""
    found = (number(next(group for group in match.groups() if group)) for match in _WEEKS.finditer(text))
    return [value for value in found if value is not None]


def _other_colour(text: str, asked: str, card: _Card) -> str | None:
    said = _colours(text)
    if not said or not asked or _OF_OLD.search(text):
        return None
    for name, fact in card:
        known = _colours(fact)
        if known and not known & said and not _OF_OLD.search(fact) and not denied(fact, len(fact) - 1, len(fact)):
            looks = re.search(r"\b(?:colou?r|look\w*|dark|chang\w+)\b", asked, re.IGNORECASE)
            if looks and (_share(asked, fact) or _brought_up(asked, fact)):
                return name
    return None


def _brought_up(asked: str, fact: str) -> bool:
    """Whether both are of phlegm, which questions call by many names."""
    names = re.compile(r"\b(?:phlegm|sputum|mucus|spit|bring(?:ing)? up|cough(?:ing)? up)\b", re.IGNORECASE)
    return bool(names.search(asked) and names.search(fact))


def _colours(text: str) -> set[str]:
    return {
        name
        for name, pattern in _COLOURS.items()
        if any(not denied(text, match.start(), match.end()) for match in pattern.finditer(text))
    }


def _unable(text: str, card: _Card) -> str | None:
    """The fact of something that is done as ever, where the patient says that it cannot be or is refused."""
    for verb, forms in _WAYS.items():
        cannot = re.search(rf"\b{_UNABLE}\s+(?:even\s+)?(?:{forms})(?:ing)?\b", text, re.IGNORECASE)
        if cannot is None or _DEGREE.search(text[cannot.end() :]) or re.match(r"don't|do not", cannot[0]):
            continue
        does = re.compile(rf"\b(?:you|he|she|it)\s+(?:still\s+|can\s+)?{verb}s?\b{_ABLE}", re.IGNORECASE)
        for name, fact in card:
            if (match := does.search(fact)) and not denied(fact, match.start(), match.end()):
                return name
    return None
