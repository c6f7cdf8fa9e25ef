"""From a reply to the letter it answers with, or to None; one extractor for every model, task and command.

In this order, over the text after the reasoning (:mod:`evaluation.final_text`):

1. the last line of the form that our prompt asks for, ``Answer: X`` (``<answer>X</answer>``, a heading "Final answer"
   and the next line);
2. else the last ``\\boxed{X}`` or sentence that commits itself ("the correct answer is X", "I choose X");
3. else an answer that is given without being announced (:mod:`evaluation.implied`): "option X is correct", "The most
   likely cause is <option>.", a reply that is nothing but an option.

A later sentence that says otherwise than the line makes a contradiction, and so do "A or B" and three different
answers one after another: all are None. So are questions, hypotheses ("if …, the answer would be B") and negations.
There is no fallback: no nearest option, no random one, no first letter that happens to stand somewhere. None counts as
wrong wherever scores are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from evaluation.doubt import denied, doubtful, marked_wrong, negated, none_is_right, taken_back
from evaluation.final_text import final_text, plain_text
from evaluation.implied import OPTION_LINE, alone, praised, preferred, stem
from evaluation.verdict import CONTRADICTION, Claim, begins_with, verdict


class Extraction(NamedTuple):
    """A letter, or None, and how it came about."""

    letter: str | None
    how: str
    """``line``, ``sentence``, ``option``, ``stem`` or ``alone`` for a letter; ``no answer``, ``contradiction`` or
    ``unfinished reasoning`` for None."""


_LAST = 50
"""Sentences looked at, from the end; what a reply repeats more often than that was settled long before."""
_FOREIGN = r"antwort|lösung|respuesta|réponse|resposta|risposta|ответ|答案|정답|答え"
_ANSWER = rf"(?:answer|ans\b|{_FOREIGN})"
_QUALITY = r"(?:single|final|correct|right|best|proper|most likely|most appropriate|richtige|korrekte)"
_IS = (
    r"(?:is|was|would (?:(?:therefore|thus|then|hence) )?be|must be"
    r"|should be|has to be|will be|remains|ist|lautet|es|est|é|è|是|为|为:)"
)
_SURELY = r"(?:therefore|thus|clearly|most likely|likely|indeed|still|hence|then|definitely|certainly|actually|now)"

_LINE = re.compile(
    rf"^\W{{0,12}}(?:(?:so|thus|therefore|hence|and|the|my|your|die|la|most|likely|appropriate|{_QUALITY})\W{{1,3}}){{0,5}}"
    rf"{_ANSWER}(?:\s{{1,3}}(?:choice|option|letter|key|is|correcta|correcte)){{0,2}}"
    r"(?:\s{0,3}[\"'”]?\s{0,3}[:=|→]\s{0,3}|\s{0,3}[-–—]{1,2}\s{1,3}|[ \t]{0,20}$"
    r"|\s{1,3}(?=[(\[]?[A-Z][)\]]?\W{0,5}$))"
    rf"|^\W{{0,12}}(?:(?:the|my)\s{{1,3}})?(?:{_QUALITY}\s{{1,3}}){{1,2}}(?:option|choice|letter)\W{{0,3}}[:=]\s{{0,3}}",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(r"<\s{0,2}(?:final[_ ]?)?answer\s{0,2}>", re.IGNORECASE)
_SENTENCE = re.compile(
    rf"(?:\b{_ANSWER}(?:\s{{1,3}}(?:here|choice|option|letter"
    rf"|to (?:this|the) question(?:\s[\"“][^\"”\n]{{1,600}}[\"”])?|correcta|correcte)){{0,2}}"
    rf"|\b{_QUALITY}\s{{1,3}}(?:option|choice|response|selection|one|letter)|\b(?:my|the)\s{{1,3}}(?:choice|letter))"
    rf"(?:\s{{0,3}}\.?\s{{0,3}}(?:\b{_IS}(?!\w)|[是为]))"
    rf"(?:\s{{1,3}}{_SURELY}\b){{0,2}}[\s:,]{{0,5}}"
    rf"|\b{_ANSWER}\s{{0,3}}[:=]\s{{0,3}}"
    r"|\bans\b\.?\s{0,3}(?:is\b|[-:.])?\s{0,3}"
    r"|\b(?:I|we)(?:['’](?:d|ll)|\s{1,3}(?:would|will|must|have to))?(?:\s{1,3}(?:therefore|thus|then|hence)){0,1}"
    r"\s{1,3}(?:choose|pick|select|go with|opt for|chose|answer)\s{1,3}"
    r"|\x02",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"[\"'](?:final[ _]?|correct[ _]?)?(?:answer|option|choice)(?:[ _]?(?:letter|choice|option))?[\"']"
    r"\s{0,3}:\s{0,3}(?=\S)",
    re.IGNORECASE,
)
"""The key of an answer in JSON, wherever it stands."""
_NOT_IT = re.compile(
    r"\b(?i:answer|option|choice)\s{1,3}(?i:is|was)(?i:\s{1,3}(?:therefore|thus|clearly|actually|definitely)){0,1}"
    r"(?i:\s{1,3}not|n['’]t)\s{1,3}(?i:(?:option|choice)\s){0,1}[(\[\"'“]{0,2}([A-Z])\b(?!['’-]\w|\s(?:alone|only)\b)"
)
"""An option that is said not to be the answer."""
_TWO_BOXES = re.compile(r"\x02\s?\{[^{}\n]{0,80}\}[\s,;/&]{0,4}(?:or|and)?[\s,]{0,3}$")
_ONLY_A_LETTER = re.compile(r"[(\[]?([A-Z])[)\].]?\s*(?:\n|$)")


def extract(text: str, options: Mapping[str, str]) -> Extraction:
    """Return the option that ``text`` answers with; ``options`` are the letters (upper case) and texts as shown."""
    final = final_text(text)
    if final is None:
        return Extraction(None, "unfinished reasoning")
    plain = plain_text(final)
    shown = {letter: plain_text(option).strip() for letter, option in options.items()}
    claims = list(_sentences(plain, shown))
    called = praised(plain, shown)
    lines = sorted([*_LINE.finditer(plain), *_KEY.finditer(plain), *_TAG.finditer(plain)], key=re.Match.start)
    lines = [line for line in lines[-_LAST:] if not _lists(plain, line.end(), shown)]
    if lines:
        if _many(_said(plain, line.end(), shown) for line in lines):
            return Extraction(None, "contradiction")
        return _unless_refused(_from_line(plain, lines[-1], claims + called, shown), plain, lines[-1].start())
    if claims:
        if _many(claim.letter for claim in claims):
            return Extraction(None, "contradiction")
        return _unless_refused(_unless_denied(claims[-1], called, "sentence"), plain, claims[-1].at)
    same = {claim.letter for claim in called} | preferred(plain, shown)
    if same:
        return Extraction(None, "contradiction") if len(same) > 1 else _named(same.pop(), "option")
    completed, taken = stem(plain, shown), alone(plain, shown)
    if completed and taken and completed != taken:
        return Extraction(None, "contradiction")
    return _named(completed, "stem") if completed else _named(taken, "alone")


def _named(letter: str | None, how: str) -> Extraction:
    if letter is None:
        return Extraction(None, "no answer")
    return Extraction(None, "contradiction") if letter == CONTRADICTION else Extraction(letter, how)


def _many(letters: Iterable[str | None]) -> bool:
    """Whether three or more options are each called the answer: such a reply walks through them."""
    return len({letter for letter in letters if letter is not None and letter != CONTRADICTION}) > 2


def _from_line(text: str, line: re.Match[str], claims: list[Claim], options: Mapping[str, str]) -> Extraction:
    said = _said(text, line.end(), options)
    later = [claim for claim in claims if claim.at >= line.start()]
    if said is None:
        later.sort()
        return _unless_denied(later[-1], [], "sentence") if later else Extraction(None, "no answer")
    words = _after_letter(text, line.end(), options)
    if taken_back(text, line.end()) or (marked_wrong(text, line.end()) and not words):
        return Extraction(None, "contradiction")
    return _unless_denied(Claim(line.start(), said), later, "line")


def _unless_denied(claim: Claim, others: list[Claim], how: str) -> Extraction:
    """The claim's letter, unless it is none or a later claim has another."""
    denied = any(other.letter != claim.letter for other in others if other.at >= claim.at)
    if denied or claim.letter == CONTRADICTION:
        return Extraction(None, "contradiction")
    return Extraction(claim.letter, how)


def _after_letter(text: str, at: int, options: Mapping[str, str]) -> bool:
    """Whether an option's own text stands behind the letter: of a question with "False" to choose, it is no denial."""
    letter = re.match(r"\W{0,6}[A-Z]\W{1,6}", text[at : at + 40])
    return letter is not None and bool(begins_with(text[at + letter.end() : at + 400], options).letters)


def _unless_refused(found: Extraction, text: str, at: int) -> Extraction:
    """What was found, unless a sentence after ``at`` says that just this option is not the answer."""
    refused = (no for no in _NOT_IT.finditer(text, at) if not doubtful(text, no.start(), no.end()))
    return Extraction(None, "contradiction") if found.letter in {no[1] for no in refused} else found


def _said(text: str, at: int, options: Mapping[str, str]) -> str | None:
    """The verdict of the line from ``at`` on, or of the next line with something on it."""
    here, below = _line_and_below(text, at)
    said = verdict(here, options)
    other = _ONLY_A_LETTER.match(below.lstrip())
    return CONTRADICTION if said in options and other and other[1] in options.keys() - {said} else said


def _lists(text: str, at: int, options: Mapping[str, str]) -> bool:
    """Whether the options follow one under another: the line below begins with the following letter."""
    here, below = _line_and_below(text, at)
    said = verdict(here, options)
    following = None if below.startswith("\n") else OPTION_LINE.match(below)
    return said in options and following is not None and ord(following[1].upper()) == ord(said or "") + 1


def _line_and_below(text: str, at: int) -> tuple[str, str]:
    here, _, below = text[at : at + 4000].partition("\n")
    if not here.strip(" \t:#"):
        here, _, below = below.lstrip().partition("\n")
        here = here.lstrip("#>- ")
    return here, below


def _sentences(text: str, options: Mapping[str, str]) -> Iterator[Claim]:
    """Sentences that commit themselves to an option, in order; doubts and questions are none."""
    for found in list(_SENTENCE.finditer(text))[-_LAST:]:
        said = _said(text, found.end(), options)
        if said is None or _lists(text, found.end(), options):
            continue
        if negated(text, found.start()) if found[0] == "\x02" else doubtful(text, found.start(), found.end()):
            continue
        if denied(text, found.end()) or none_is_right(text[found.end() : found.end() + 1000]):
            continue
        yield Claim(
            found.start(),
            CONTRADICTION if _TWO_BOXES.search(text[max(0, found.start() - 120) : found.start()]) else said,
        )
