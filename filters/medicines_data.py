"""The names of medicines, read once: what is called how, and to which classes it belongs.

``data/medicines.txt`` holds generic names with their classes and brands, ``data/medicine_names.txt`` (from DrugBank's
open vocabulary) names that only say that a word is no invention. A name is looked up as its lower-case words with one
space between them, so "Co-Amoxiclav", "co amoxiclav" and "CO-AMOXICLAV" are one. Nothing here reads running text.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
_WORD = re.compile(r"[^\W_]+")
_NEW_STEMS = (
    "mab",
    "tinib",
    "ciclib",
    "parib",
    "gepant",
    "zomib",
    "degib",
    "rafenib",
    "metinib",
    "lisib",
    "siran",
    "rsen",
)
_GROUP_CLASSES = {
    "water pill": "diuretics",
    "arb": "angiotensin receptor blockers",
    "sulfonamide": "sulfonamide antibiotics",
    "antidepressant": "antidepressants",
    "steroid": "corticosteroids",
    "anticonvulsant": "antiepileptics",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What one spelling stands for."""

    name: str
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Names:
    """All spellings: ``entries`` by their words, ``longest`` the most words of a spelling that starts with a word."""

    entries: dict[str, Entry]
    longest: dict[str, int]
    by_start: dict[str, tuple[str, ...]]
    """Single-word spellings of 7 or more letters by their first letter, for misspellings."""


def key(name: str) -> str:
    """The words of a name in lower case with one space between them."""
    return " ".join(_WORD.findall(name.casefold()))


@cache
def names() -> Names:
    """The names of ``medicines.txt``; a spelling that stands there twice keeps its first meaning."""
    entries: dict[str, Entry] = {}
    classes: frozenset[str] = frozenset()
    for line in _lines("medicines.txt"):
        if line.startswith("["):
            classes = frozenset(part.strip() for part in line.strip("[]").split(";"))
            continue
        generic, _, others = line.partition("=")
        for name in [generic] if others else generic.split(","):
            entry = Entry(name.strip(), _group(name.strip()) if "groups" in classes else classes)
            for spelling in (name, *others.split(",")):
                if words := key(spelling):
                    entries.setdefault(words, entry)
    longest: dict[str, int] = {}
    starts: dict[str, list[str]] = {}
    for words in entries:
        first, *rest = words.split()
        longest[first] = max(longest.get(first, 0), 1 + len(rest))
        if not rest and len(words) > 6:
            starts.setdefault(words[0], []).append(words)
    return Names(entries, longest, {letter: tuple(found) for letter, found in starts.items()})


@cache
def other_names() -> frozenset[str]:
    """Single words of DrugBank's vocabulary that are names of substances; nothing is said of their classes."""
    return frozenset(word for line in _lines("medicine_names.txt") for word in line.split())


def lookup(words: str) -> Entry | None:
    """The entry of a spelling in the form of :func:`key`; one word may stand in the plural."""
    entries = names().entries
    return entries.get(words) or (entries.get(words[:-1]) if words.endswith("s") and len(words) > 5 else None)


def is_newer_stem(word: str) -> bool:
    """Whether a word is built like the generic name of a kind that new ones are added to each year (-mab, -tinib).

    Stems of old, closed kinds (-pril, -olol, -statin) are left out: their members are listed, and a new name with such
    an end is more likely an invention.
    """
    return len(word) > 7 and word.endswith(_NEW_STEMS)


@cache
def misspelt(word: str) -> str | None:
    """The listed name a word of 7 or more letters differs from by a letter or two ("metropolol"), or None."""
    if len(word) < 7:
        return None
    near = [name for name in names().by_start.get(word[0], ()) if abs(len(name) - len(word)) <= 2]
    found = difflib.get_close_matches(word, near, n=1, cutoff=0.85)
    return found[0] if found else None


def _group(name: str) -> frozenset[str]:
    return frozenset({"groups", _GROUP_CLASSES.get(name, name if name.endswith("s") else name + "s")})


def _lines(name: str) -> list[str]:
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
