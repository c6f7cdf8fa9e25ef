"""What an answer's own words say: from the text after "Answer:" to a letter, to nothing, or to a contradiction.

A letter counts when it is offered and stands alone; "A patient", "I think", "B cell", "E. coli" and "C-section" are
words. An option's full text counts as its letter. A letter with the text of another option, and several options joined
by "or", are contradictions. Looks at the beginning of the text only and never for the most probable reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

CONTRADICTION = "?"
"""Two different answers at once."""


class Claim(NamedTuple):
    """An option that a text names as its answer, and where."""

    at: int
    letter: str
    """Or :data:`CONTRADICTION`."""


_OPENERS = " \t\"'“”‘’«»([{<:=|>→–—-\x02"
_LABEL = re.compile(r"(?:the\s{1,3})?(?:options?|choices?|letter|answer)\b[\s:.(\"'\[{-]{0,6}", re.IGNORECASE)
_LETTER = re.compile(r"([A-Za-z])(?!\w)(?!['’.-]\w)")
_CLOSERS = re.compile(r"[)\]}>\"'”’»]{1,6}")
_SEPARATOR = re.compile(r"\s{0,3}[.:;,!。、|=)\]}\-–—→>]{1,4}\s{0,5}")
_BRACKET = re.compile(r"\s{0,3}[(\[{]\s{0,3}(?:i\.e\.,?\s{0,3})?")
_JOINED = re.compile(
    r"\s{0,3}(?:[,/&+;|]|\(?\b(?:or|and|and/or|versus|vs\.?|oder|und|ou|et|o|y|nor)\b){1,2}"
    r"\s{0,3}(?:also\s|possibly\s|perhaps\s|maybe\s|either\s){0,2}(?:(?:option|choice)\s{1,3})?",
    re.IGNORECASE,
)
_EITHER = re.compile(r"(?:either|between|both|neither)\s{1,3}", re.IGNORECASE)
_WHY = re.compile(
    r"\W{0,3}(?:because|since|due to|given|i\.e\b|weil|porque|(?:is|was|would be)\s{1,3}(?:the\s{1,3})?"
    r"(?:correct|best|right|most|answer|only))\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\W{0,3}(?:only\s{1,3})?(?:if|unless|when|provided|assuming|otherwise|else|but not|\?)\b", re.I
)
_OTHERWISE = re.compile(
    r"\b(?:but|however|although|though|or|alternatively|unless|otherwise|while)\b"
    r"[^\n]{0,80}?(?:\(([A-Z])\)|\b(?:option|choice)\s{1,2}([A-Z])\b|\b([B-HJ-Z])\b(?![-.'’]\w))"
)
_QUESTION = re.compile(r"[\s)\]}>\"'”’.,:;!]{0,5}\?")
_SECOND = re.compile(r"[\s(\[|{\"'“]{0,4}([A-Z])\s{0,2}(?:\.?$|[)\]|}\"'”])")
"""Another letter right behind the first: ``(A)(C)``, ``A–D``, ``B|C``."""
_CLEAR_END = re.compile(r"\s{0,3}(?:$|[)\]}.:;!。\"'”’])")


class Named(NamedTuple):
    """Options whose text a text begins with."""

    letters: frozenset[str]
    end: int
    """Where that text ends; 0 for none."""


def verdict(text: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that the beginning of ``text`` names, :data:`CONTRADICTION`, or None where it names none.

    ``options`` are letters to texts as :func:`evaluation.final_text.plain_text` leaves them; ``text`` is one line.
    """
    rest = text.lstrip(_OPENERS)
    opened = text[: len(text) - len(rest)].rstrip(" \t")[-1:] in set("\"'“‘([{\x02")
    named = begins_with(rest, options)
    if named.letters:
        return _by_text(rest, named, options)
    either = _EITHER.match(rest)
    if either and either[0].lower().strip() != "neither" and _other(rest[either.end() :], "", options):
        return CONTRADICTION
    label = _LABEL.match(rest)
    if label:
        rest = rest[label.end() :]
    found = _LETTER.match(rest)
    if not found or found[1].upper() not in options:
        return None
    if found[1].islower() and not _CLEAR_END.match(rest[1:]):
        return None
    if found[1] == "a" and not (opened or label or _surely(rest[1:], options)):
        return None
    return _by_letter(found[1].upper(), rest[1:], options)


def begins_with(text: str, options: Mapping[str, str]) -> Named:
    """Return the options whose whole text stands at the beginning of ``text`` and ends with a word, longest first.

    Texts of one character are no names: they cannot be told from letters.
    """
    squeezed, places = _squeeze(text)
    best: set[str] = set()
    length = 0
    for letter, option in options.items():
        wanted = _squeeze(option)[0].strip(" .;:,")
        if len(wanted) < max(2, length) or not squeezed.startswith(wanted):
            continue
        if squeezed[len(wanted) : len(wanted) + 1].isalnum():
            continue
        best = best | {letter} if len(wanted) == length else {letter}
        length = len(wanted)
    return Named(frozenset(best), places[length - 1] + 1 if length else 0)


def same_text(text: str, option: str) -> bool:
    """Return whether the text is the option's, but for case, spaces and the punctuation around it."""
    return _squeeze(text)[0].strip(" .;:,") == _squeeze(option)[0].strip(" .;:,") != ""


def _squeeze(text: str) -> tuple[str, list[int]]:
    """The text in lower case with single spaces, and where each of its characters stood."""
    kept: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text[:2000]):
        low = " " if character.isspace() else character.lower()
        if low == "," and text[at + 1 : at + 2].isspace():
            continue
        if len(low) > 1 or (low == " " and (not kept or kept[-1] == " ")):
            continue
        kept.append(low)
        places.append(at)
    return "".join(kept), places


def _surely(tail: str, options: Mapping[str, str]) -> bool:
    """Whether an "a" with this after it is a letter and no article: a bracket, the end, or its own option's text."""
    mark = _SEPARATOR.match(tail)
    own = mark is not None and "A" in begins_with(tail[mark.end() :], options).letters
    return own or bool(_CLOSERS.match(tail)) or not tail.strip(" .")


def _by_text(rest: str, named: Named, options: Mapping[str, str]) -> str | None:
    tail = rest[named.end :]
    said = re.match(
        r"[\s,;:.\-–—(\[]{0,6}(?:(?:which is|i\.e\.)\s{1,2})?(?:(?:option|choice|letter)\s{1,3})?([A-Z])\b", tail
    )
    if said and said[1] in options and (said[1] not in "AI" or _CLEAR_END.match(tail[said.end() :])):
        if said[1] not in named.letters:
            return CONTRADICTION
        return said[1]
    if len(named.letters) > 1 or _CONDITION.match(tail) or _QUESTION.match(tail):
        return None
    (letter,) = named.letters
    if _hedged(letter, tail, options):
        return CONTRADICTION
    if tail and tail[0].isspace() and tail.lstrip()[:1].isalnum() and not _WHY.match(tail):
        return None
    return None if tail[:1] in ("-", "/", "'", "’") and tail[1:2].isalnum() else letter


def _by_letter(letter: str, tail: str, options: Mapping[str, str]) -> str | None:
    closers = _CLOSERS.match(tail)
    closed = closers is not None
    tail = tail[closers.end() :] if closers else tail
    if _other(_after(_JOINED, tail), letter, options) if _JOINED.match(tail) else False:
        return CONTRADICTION
    if _CONDITION.match(tail) or _QUESTION.match(tail):
        return None
    mark = _BRACKET.match(tail) or _SEPARATOR.match(tail)
    after = tail[mark.end() :] if mark else tail.lstrip()
    if not after:
        return letter
    second = _SECOND.match(after)
    if second and second[1] in options and second[1] != letter:
        return letter if same_text(second[1], options[letter]) else CONTRADICTION
    after = after.lstrip(_OPENERS) or after
    named = begins_with(after, options)
    if named.letters:
        if letter not in named.letters:
            return CONTRADICTION
        return CONTRADICTION if _hedged(letter, after[named.end :], options) else letter
    if _hedged(letter, tail, options):
        return CONTRADICTION
    own = options[letter].lower()
    if mark and _means_another(after, letter, options):
        return CONTRADICTION
    if mark and not closed and "." in mark[0] and after[0].islower() and not own.startswith(after[:4].strip().lower()):
        return letter if _WHY.match(after) else None
    if letter == "I" and not closed and (not mark or "," in mark[0]):
        return None
    return letter if mark or closed or _WHY.match(after) else None


def _means_another(text: str, letter: str, options: Mapping[str, str]) -> bool:
    """Whether the words behind the letter are another option's, long enough to be told, and not its own."""
    said = _words(re.split(r"[.!?](?:\s|$)|\n", text, maxsplit=1)[0])
    shares = {other: _share(_words(option), said) for other, option in options.items()}
    others = [other for other in options if other != letter and len(_words(options[other])) >= 4]
    return bool(others) and shares[letter] <= 0.35 and max(shares[other] for other in others) >= 0.55


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{2,}", text.lower()))


def _share(words: set[str], said: set[str]) -> float:
    return len(words & said) / len(words) if words else 0.0


def _hedged(letter: str, tail: str, options: Mapping[str, str]) -> bool:
    """Whether another option is joined on, or put against this one, in the rest of the sentence."""
    joined = _JOINED.match(tail)
    if joined and _other(tail[joined.end() :], letter, options):
        return True
    sentence = re.split(r"[.!?](?:\s|$)", tail, maxsplit=1)[0]
    others = {group for found in _OTHERWISE.finditer(sentence) for group in found.groups() if group}
    return bool(others & (options.keys() - {letter}))


def _other(text: str, letter: str, options: Mapping[str, str]) -> bool:
    """Whether the text begins with another option than ``letter``, by its letter or its text."""
    text = text.lstrip(_OPENERS)
    named = begins_with(text, options).letters
    if named:
        return letter not in named
    found = _LETTER.match(text)
    if not found or not found[1].isupper() or found[1] not in options or found[1] == letter:
        return False
    return found[1] not in "AI" or bool(re.match(r"\s{0,3}(?:$|[)\]}.:;,\"'”’]|and\b|or\b|are\b)", text[1:]))


def _after(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return text[found.end() :] if found else text
