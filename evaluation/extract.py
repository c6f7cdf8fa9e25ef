"""From a reply to the letter it answers with, or to None; one extractor for every model, task and command.

In this order, over the text after the reasoning (:mod:`evaluation.final_text`):

1. the last line of the form that our prompt asks for, ``Answer: X`` (``<answer>X</answer>``, a heading "Final answer"
   and the next line);
2. else the last ``\\boxed{X}`` or sentence that commits itself ("the correct answer is X", "I choose X");
3. else "option X is correct", where only one option is called so;
4. else a reply, or its last line, that is nothing but a letter or an option.

A later sentence that says otherwise than the line makes a contradiction, and so does "A or B": both are None. So are
questions, hypotheses ("if …, the answer would be B") and negations. There is no fallback: no nearest option, no random
one, no first letter that happens to stand somewhere. None counts as wrong wherever scores are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from evaluation.final_text import final_text, plain_text
from evaluation.verdict import CONTRADICTION, begins_with, verdict


class Extraction(NamedTuple):
    """A letter, or None, and how it came about."""

    letter: str | None
    how: str
    """``line``, ``sentence``, ``option`` or ``alone`` for a letter; ``no answer``, ``contradiction`` or
    ``unfinished reasoning`` for None."""


_LAST = 50
"""Sentences looked at, from the end; what a reply repeats more often than that was settled long before."""


class _Claim(NamedTuple):
    at: int
    letter: str
    """Or :data:`CONTRADICTION`."""


_FOREIGN = r"antwort|lösung|respuesta|réponse|resposta|risposta|ответ|答案|정답|答え"
_ANSWER = rf"(?:answer|ans\b|{_FOREIGN})"
_QUALITY = r"(?:single|final|correct|right|best|proper|most likely|most appropriate|richtige|korrekte)"
_IS = r"(?:is|was|would be|must be|should be|has to be|will be|remains|ist|lautet|es|est|é|è|是|为|为:)"
_SURELY = r"(?:therefore|thus|clearly|most likely|likely|indeed|still|hence|then|definitely|certainly|actually|now)"

_LINE = re.compile(
    rf"^\W{{0,12}}(?:(?:so|thus|therefore|hence|and|the|my|your|die|la|most|likely|appropriate|{_QUALITY})\W{{1,3}}){{0,5}}"
    rf"{_ANSWER}(?:\s{{1,3}}(?:choice|option|letter|key|is|correcta|correcte)){{0,2}}"
    r"(?:\s{0,3}[\"'”]?\s{0,3}[:=|→]\s{0,3}|\s{0,3}[-–—]{1,2}\s{1,3}|[ \t]{0,20}$)",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(r"<\s{0,2}(?:final_?)?answer\s{0,2}>", re.IGNORECASE)
_SENTENCE = re.compile(
    rf"(?:\b{_ANSWER}(?:\s{{1,3}}(?:here|choice|option|letter|to (?:this|the) question|correcta|correcte)){{0,2}}"
    rf"|\b{_QUALITY}\s{{1,3}}(?:option|choice|response|selection|one))"
    rf"(?:\s{{0,3}}\.?\s{{0,3}}(?:\b{_IS}(?!\w)|[是为]))"
    rf"(?:\s{{1,3}}{_SURELY}\b){{0,2}}[\s:,]{{0,5}}"
    rf"|\b{_ANSWER}\s{{0,3}}[:=]\s{{0,3}}"
    r"|\bans\b\.?\s{0,3}(?:is\b|[-:.])?\s{0,3}"
    r"|\b(?:I|we)(?:['’](?:d|ll)|\s{1,3}(?:would|will|must|have to))?(?:\s{1,3}(?:therefore|thus|then|hence)){0,1}"
    r"\s{1,3}(?:choose|pick|select|go with|opt for|chose|answer)\s{1,3}"
    r"|\x02",
    re.IGNORECASE,
)
_IS_BEST = re.compile(
    r"(?:\b(?i:option|choice|answer)\s{1,3}[(\[\"']?(?P<a>[A-Z])\b|[(\[](?P<b>[A-Z])[)\]])[)\]\"']?"
    r"(?:[.:]?\s{1,3}[^\n.,;:?!]{1,80}?)?,?\s{1,3}is\s{1,3}(?:therefore\s|thus\s|clearly\s|indeed\s){0,1}"
    r"(?:correct(?! to\b| that\b| about\b| in\b| but\b)|(?:best|right)(?=\s{0,3}(?:[.!\n]|$))"
    r"|the\s{1,3}(?:single\s)?(?:correct|best|right|most likely|most appropriate)?\s{0,3}"
    r"(?:answer|option|choice|one)\b)",
)
_DOUBT = re.compile(
    r"\b(?:if|unless|whether|were|might|could|may|some|many|most people|students?|tempt\w{0,6}|initial\w{0,4}"
    r"|first glance|at first|would think|suppose"
    r"|assum\w{0,4}|previous\w{0,3}"
    r"|hypothe\w{0,8}|otherwise|had|example|instead of|rather than|why|explain)\b"
    r"|(?:\b(?:not|wrong\w{0,3}|incorrect\w{0,3}|mistak\w{0,6}|never|cannot|doubt|unlikely|no longer)\b"
    r"|n['’]t\b)[^,;:]{0,40}$",
    re.IGNORECASE,
)
_OPTION_LINE = re.compile(r"^[\s>#-]{0,6}[(\[]?([A-Za-z])[)\].:]", re.MULTILINE)


def extract(text: str, options: Mapping[str, str]) -> Extraction:
    """Return the option that ``text`` answers with; ``options`` are the letters (upper case) and texts as shown."""
    final = final_text(text)
    if final is None:
        return Extraction(None, "unfinished reasoning")
    plain = plain_text(final)
    shown = {letter: plain_text(option).strip() for letter, option in options.items()}
    claims = list(_sentences(plain, shown))
    praised = _praised(plain, shown)
    lines = [*_LINE.finditer(plain), *_TAG.finditer(plain)]
    if lines:
        line = max(lines, key=lambda found: found.start())
        return _from_line(plain, line, claims + praised, shown)
    if claims:
        return _unless_denied(claims[-1], praised, "sentence")
    if praised:
        same = {claim.letter for claim in praised}
        return Extraction(same.pop(), "option") if len(same) == 1 else Extraction(None, "contradiction")
    return _alone(plain, shown)


def _from_line(text: str, line: re.Match[str], claims: list[_Claim], options: Mapping[str, str]) -> Extraction:
    said = _said(text, line.end(), options)
    later = [claim for claim in claims if claim.at >= line.start()]
    if said is None:
        later.sort()
        return _unless_denied(later[-1], [], "sentence") if later else Extraction(None, "no answer")
    return _unless_denied(_Claim(line.start(), said), later, "line")


def _unless_denied(claim: _Claim, others: list[_Claim], how: str) -> Extraction:
    """The claim's letter, unless it is none or a later claim has another."""
    denied = any(other.letter != claim.letter for other in others if other.at >= claim.at)
    if denied or claim.letter == CONTRADICTION:
        return Extraction(None, "contradiction")
    return Extraction(claim.letter, how)


def _said(text: str, at: int, options: Mapping[str, str]) -> str | None:
    """The verdict of the line from ``at`` on, or of the next line with something on it.

    Where the line below begins with the following letter, all options are listed over again and none is chosen.
    """
    here, _, below = text[at : at + 4000].partition("\n")
    if not here.strip(" \t:#"):
        here, _, below = below.lstrip().partition("\n")
        here = here.lstrip("#>- ")
    said = verdict(here, options)
    following = _OPTION_LINE.match(below.lstrip())
    if said in options and following and ord(following[1].upper()) == ord(said or "") + 1:
        return CONTRADICTION
    return said


def _sentences(text: str, options: Mapping[str, str]) -> Iterator[_Claim]:
    """Sentences that commit themselves to an option, in order; doubts and questions are none."""
    for found in list(_SENTENCE.finditer(text))[-_LAST:]:
        said = _said(text, found.end(), options)
        if said is None:
            continue
        if found[0] != "\x02" and (_DOUBT.search(_before(text, found.start())) or _asks(text, found.end())):
            continue
        yield _Claim(found.start(), said)


def _praised(text: str, options: Mapping[str, str]) -> list[_Claim]:
    found = []
    for match in _IS_BEST.finditer(text):
        letter = match["a"] or match["b"]
        doubtful = _DOUBT.search(_before(text, match.start())) or _asks(text, match.end())
        if letter in options and not doubtful and not re.search(r"\b(?:not|n't)\b", match[0]):
            found.append(_Claim(match.start(), letter))
    return found


def _before(text: str, at: int) -> str:
    """The sentence's part before ``at``."""
    return re.split(r"[.!?;]\s|\n", text[max(0, at - 300) : at])[-1]


def _asks(text: str, at: int) -> bool:
    end = re.search(r"[.!?](?=\s|$)|\n", text[at : at + 300])
    return end is not None and end[0] == "?"


def _alone(text: str, options: Mapping[str, str]) -> Extraction:
    """A reply that is an option and nothing else, or ends in such a line; lists of options are no answers."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return Extraction(None, "no answer")
    last = lines[-1].lstrip("#>- ")
    said = verdict(last, options)
    listed = {letter.upper() for letter in _OPTION_LINE.findall(text)} & options.keys()
    bare = bool(re.fullmatch(r"\W{0,6}(?:option\s|choice\s)?\W{0,3}[A-Za-z]\W{0,6}", last, re.IGNORECASE))
    whole = bare or _is_option(last, options)
    if said is None or said == CONTRADICTION or not whole or len(listed - {said}) > 0:
        return Extraction(None, "no answer")
    introduced = len(lines) > 1 and (lines[-2].endswith(":") or not bare)
    return Extraction(None, "no answer") if introduced else Extraction(said, "alone")


def _is_option(line: str, options: Mapping[str, str]) -> bool:
    """Whether the line is an option's text to its end, with or without its letter."""
    text = (
        re.sub(r"^\W{0,4}[A-Z]\s{0,2}[).:\]-]{1,3}\s{0,3}", "", line) if not begins_with(line, options).end else line
    )
    end = begins_with(text, options).end
    return end > 0 and not text[end:].strip(" .!)]}\"'")
