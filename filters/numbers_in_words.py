"""Numbers as they stand in talk: "1,000", "0.5", ".5", "½", "five hundred", "twenty five", "a half"."""

from __future__ import annotations

import re

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENTHS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: float(value) for value, word in enumerate(_ONES.split())}
_WORDS |= {word: 10.0 * (at + 2) for at, word in enumerate(_TENTHS.split())}
_WORDS |= {"half": 0.5, "quarter": 0.25}
_FRACTIONS = {"\u00bd": 0.5, "\u00bc": 0.25, "\u00be": 0.75}
_SCALES = {"hundred": 100.0, "thousand": 1000.0, "million": 1e6}
_TENS = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_ONE = "(?:one|two|three|four|five|six|seven|eight|nine)"
_TEEN = "(?:ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"
_TWO_DIGITS = rf"(?:{_TENS}(?:[\s-]{_ONE})?|{_TEEN})"
_UNDER = rf"(?:{_TWO_DIGITS}|{_ONE}|zero|half|quarter)"
_IN_WORDS = (
    rf"(?:{_ONE}\s{_TWO_DIGITS}|(?:{_UNDER}\s)?(?:thousand|million)(?:\s(?:and\s)?{_UNDER}(?:\shundred)?)?"
    rf"|(?:{_UNDER}\s)?hundred(?:\sthousand|\s(?:and\s)?{_UNDER})?|{_UNDER}(?:\spoint\s{_UNDER})?)"
)

NUMBER = (
    r"(?:(?<![\d.,])(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})|[\u00bd\u00bc\u00be]"
    rf"|\b{_IN_WORDS}\b)"
)
"""Pattern of a number, to be used without regard to case."""


def number(text: str) -> float:
    """The value of what :data:`NUMBER` matched; 0.0 for anything else."""
    plain = text.strip().lower().replace(",", "")
    if plain in _FRACTIONS:
        return _FRACTIONS[plain]
    try:
        return float(plain)
    except ValueError:
        whole, _, part = plain.partition(" point ")
        return _words(whole) + (_words(part) / 10 if part else 0.0)


def _words(text: str) -> float:
    total = 0.0
    current = 0.0
    for word in re.split(r"[\s-]+", text):
        if word in _WORDS:
            spoken = 1 <= current < 10 <= _WORDS[word]  # "one fifty" is 150
            current = current * (100 if spoken else 1) + _WORDS[word]
        elif word == "hundred":
            current = (current or 1.0) * 100
        elif word in _SCALES:
            total += (current or 1.0) * _SCALES[word]
            current = 0.0
    return total + current
