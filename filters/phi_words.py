"""The letter runs of a text, found once for all rules: most rules can begin at, or need, one of a few words.

A pattern that may begin anywhere costs its first steps at every character. Tried at the words alone with which it can
begin, it costs a look into a table for each word. What is found is the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

Run = tuple[str, int]
"""A word in lower case, letters only, and where it begins."""

_RUN = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=2)
def runs(text: str) -> list[Run]:
    """All letter runs, in order."""
    return [(match[0].lower(), match.start()) for match in _RUN.finditer(text)]


@lru_cache(maxsize=2)
def vocabulary(text: str) -> frozenset[str]:
    """The distinct letter runs."""
    return frozenset(word for word, _ in runs(text))


def spots(text: str, words: Collection[str]) -> list[int]:
    """Where any of ``words`` (lower case) begins."""
    if vocabulary(text).isdisjoint(words):
        return []
    return [start for word, start in runs(text) if word in words]


def at_words(pattern: re.Pattern[str], text: str, words: Collection[str]) -> Iterator[re.Match[str]]:
    """The matches of ``pattern.finditer`` for a pattern that begins with one of ``words``."""
    last = 0
    for start in spots(text, words):
        if start >= last and (match := pattern.match(text, start)):
            yield match
            last = match.end()


def near(
    pattern: re.Pattern[str], text: str, places: Iterable[int], before: int, after: int
) -> Iterator[re.Match[str]]:
    """The matches of a pattern that lie within so many characters of one of ``places``, which rise."""
    start, end = 0, -1  # of the stretch that is gathered; none yet
    for place in places:
        if end >= 0 and place - before <= end:
            end = place + after
            continue
        yield from pattern.finditer(text, start, end) if end >= 0 else ()
        start, end = max(0, place - before), place + after
    yield from pattern.finditer(text, start, min(end, len(text))) if end >= 0 else ()
