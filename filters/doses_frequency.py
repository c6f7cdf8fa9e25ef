"""How often a day something is taken, from the words behind a dose ("twice a day", "every 6 hours", "tds")."""

from __future__ import annotations

import re

from filters.numbers_in_words import NUMBER, number

_TIMES = r"(?P<times>once|twice|thrice|" + NUMBER + r"(?:\s?(?:-|to|or)\s?(?:" + NUMBER + r"))?\s(?:times|x))"
_OFTEN = re.compile(
    rf"\b(?:{_TIMES}\s?(?:a|per|each|every|in\sa)?\s?(?P<span>day|daily|week|weekly|month|monthly|night)"
    rf"|(?:every|q)\s?(?P<hours>{NUMBER})(?:\s?(?:-|to)\s?{NUMBER})?\s?(?:h|hr|hrs|hours?|hourly)"
    r"|(?P<hourly>(?:every|each)\shour|hourly)|(?P<other>every\sother\sday|alternate\sdays)|(?P<weekly>weekly|(?:a|per|each|every)\sweek)"
    r"|(?P<monthly>monthly|(?:a|per|each|every)\s(?:\w+\s)?months?|every\s\w+\sweeks)"
    r"|(?P<latin>o\.?d|qd|q\.d|b\.?i?\.?d|t\.?d\.?s|t\.?i\.?d|q\.?d\.?s|q\.?i\.?d)\b"
    r"|(?P<daily>daily|nightly|(?:a|per|each|every)\s(?:single\s)?(?:day|morning|evening|night)|at\s(?:night|bedtime)|in\sthe\smorning))",
    re.IGNORECASE,
)
_Q_POINT = re.compile(r"\bq\.\s?(?=\d)", re.IGNORECASE)  # "q.6 h", not 0.6 hours
_LATIN = {"od": 1, "qd": 1, "bd": 2, "bid": 2, "tds": 3, "tid": 3, "qds": 4, "qid": 4}
_SPAN = {"day": 1, "daily": 1, "night": 1, "week": 1 / 7, "weekly": 1 / 7, "month": 1 / 30, "monthly": 1 / 30}


def per_day(text: str) -> float | None:
    """Times a day by the first words of frequency in the first 80 characters, None where there are none."""
    found = _OFTEN.search(_Q_POINT.sub("q ", text[:80]))
    if found is None:
        return None
    if found["times"]:
        return _count(found["times"]) * _SPAN[found["span"].lower()]
    if found["hours"]:
        return 24 / hours if (hours := number(found["hours"])) else None
    if found["latin"]:
        return float(_LATIN[found["latin"].lower().replace(".", "")])
    if found["hourly"]:
        return 24.0
    return 0.5 if found["other"] else 1 / 7 if found["weekly"] else 1 / 30 if found["monthly"] else 1.0


def _count(times: str) -> float:
    words = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
    if times.lower() in words:
        return words[times.lower()]
    return max(number(found.group()) for found in re.finditer(NUMBER, times, re.IGNORECASE))
