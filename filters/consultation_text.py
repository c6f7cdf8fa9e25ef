"""Sentences of a consultation, and how something in them is said: affirmed, denied, asked, imagined, of somebody else.

English rules in the manner of NegEx: a word that denies reaches to the end of its clause, and a clause ends at a
semicolon, at "but" and its like, and where a new statement begins. Irony, double negation and denial across sentences
are not understood. Other languages give sentences and nothing else.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from filters.phrasing import either, phrases

_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " ", "\u2011": "-"})
_ABBREVIATIONS = r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bSt)(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bapprox)"
_END = re.compile(
    rf"(?<=[.!?\u2026])[\"')\]]*{_ABBREVIATIONS}\s+(?=[\"'(\[*]?[A-Za-z0-9])|\n+|(?<=[\u3002\uff01\uff1f])"
)
LONGEST = 300
"""Characters of a sentence; a longer one is read in pieces, for a run without full stops would cost the square."""

_SUBJECT = r"i|i've|i'm|i'd|it|it's|he|she|they|we|you|you've|there|there's|there is|my|your"
_CLAUSE = either(
    rf"""
    ;|:|\s[\u2013\u2014-]{{1,2}}\s|\u2014
    [,.]?\s\b(?:but|however|although|though|except|yet|whereas|while|apart from|other than)\b
    ,?\s(?:and|so|because|since) (?=(?:{_SUBJECT})\b(?!\s*,))
    , (?=(?:{_SUBJECT}|just|only)\s)
    , (?=(?:so|then|now|which)\b)
    """
)
_DENIES = phrases(
    r"""
    no(?! (?:doubt|wonder|matter|longer than|more than|idea)\b)
    not(?! (?:only|just|sure|certain))
    never|none|nor|neither|without|\w+n't|cannot|dont|didnt|havent|nothing|nobody|zero|nil
    den(?:y|ies|ied|ying)|absence of|absent|free of|negative for|lacks?|ruled out|rules? out
    hardly any|stopped having|no longer
    """
)
_NOT_DENYING = either(
    r"""
    \b(?:can't|cannot|couldn't|can not|could not)\b
    \b(?:doesn't|does not|didn't|don't|won't|isn't|not|hasn't) (?:seem to )?(?:go|going|gone|stop\w*|help\w*)\b
    \b(?:doesn't|does not|didn't|don't|won't|isn't|not|hasn't) (?:seem to )?(?:improve\w*|get|got|getting|clear\w*)\b
    \b(?:doesn't|does not|didn't|don't|won't|isn't|not|hasn't) (?:ease\w*|settl\w*|let|resolv\w*|respond\w*|worr\w*)\b
    \b(?:doesn't|does not|didn't|don't|won't|isn't|not|hasn't) (?:wait|ignore|hesitate|know|remember|think|want|like)\b
    \b(?:doesn't|does not|didn't|don't|won't|isn't|not|hasn't) (?:be able|sure|certain|related|due|caused|explain\w*)\b
    \b(?:doesn't|does not|didn't|don't|won't|isn't|not|hasn't) (?:mean|matter|just|only)\b
    \bno (?:relief|change|improvement|idea|better|longer able)\b
    \bnothing (?:helps?|works?|makes?|relieves?|seems?)\b
    \bwhy (?:don't|not)\b
    \bnot (?:enough|much|very|as|always|constant\w*|all)\b
    ^\s*no\s*[,.]\s*
    """
)
"""Denying words that deny no symptom: inability, what does not stop or help, a bare "No," before a statement."""

_DENIED_AFTER = either(
    r"""
    ^\W*(?:(?:is|are|was|were|has|have|had) (?:all )?(?:been )?)?(?:none|absent|negative|nil|denied|ruled out)\b
    ^\W*(?:(?:is|are|was|were|has|have|had) (?:all )?(?:been )?)?(?:excluded|unlikely|gone|resolved)\b
    ^\W*(?:(?:is|are|was|were|has|have|had) (?:been )?)?not (?:present|there|seen|found|reported|noted)\b
    ^\W*(?:isn't|wasn't|aren't|weren't)\b
    ^\s*[-:]\s*(?:no|none|nil)\b
    ^\W*\?\s*(?:no|none|never)\b
    """
)
_IMAGINED = phrases(
    r"""
    if|whether|in case|should (?:you|it|the|any|there|your)|unless|were to|suppose
    would|might|may|could(?!n't)|can(?!'t|not)(?! (?:hear|feel|see|tell|confirm|say)\b)
    watch (?:out )?for|look out for|looking for|keep an eye|alert for|warning signs?|signs? (?:such as|like|of)
    come back|return (?:if|for|to)|until|risk|prevent\w*|develop|worried about|afraid of|concern\w* (?:about|for)
    to (?:check|see|rule|exclude|look|find|confirm|assess|prevent|avoid|reduce|lower|treat|help|relieve|control)
    to (?:ease|manage)|typically|usually|often|commonly|in (?:some|many|most|such) (?:people|patients|cases)
    people with|patients? with|side effects?|tends? to|sometimes (?:cause|lead|get)|or any|any|rather than
    symptoms include|wonder\w*|possible|possibly|happens? when|occurs? when|condition (?:where|in which)
    means? (?:that )?(?:the|a|an|there)|in general|when you (?:notice|develop|get)|such as|like to
    let's|let me|i'd|i'll|we'll|i will|we will|going to|want to|need to|tell me|describe|please
    """
)
_OTHERS = phrases(
    r"""
    (?:my|his|her|your|the|our) (?:\w+ )?(?:parents?|siblings?|cousin|partner|girlfriend|boyfriend|son|daughter)
    (?:my|his|her|your|the|our) (?:\w+ )?(?:children|kids?|friend|neighbou?r|colleague|family|relatives?|roommate|boss)
    family history|runs? in (?:the|my|your) family
    mother|father|grand\w+|sister|brother|mom|mum|dad|uncle|aunt|wife|husband
    (?:wife|husband|mother|father)'s
    """
)
_OPENS = r"^\W*(?:(?:and|so|okay|ok|now|well|alright|right|also|then|but)\W+)*"
_ASKS = either(
    rf"""
    {_OPENS}(?:do|does|did|have|has|had|are|is|was|were|can|could|would|will|any)\b[^.!]*$
    {_OPENS}(?:what|when|where|which|who|why|how)\b[^.!]*$
    """
)
_CONDITION_FIRST = either(r"^\W*(?:if|should|in case|unless)\b")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as it stands in a turn."""

    text: str
    """With straight quotes, of the same length as it was written."""
    raw: str
    """As it was written."""
    asks: bool


def plain(text: object) -> str:
    """The text with straight quotes; "" for what is no text."""
    return text.translate(_QUOTES) if isinstance(text, str) else ""


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text, verbatim but for white space at their ends."""
    found: list[Sentence] = []
    straight = plain(text)
    start = 0
    for match in [*_END.finditer(straight), None]:
        end = match.start() if match else len(text)
        for place in range(start, end, LONGEST):
            piece, raw = (given[place : min(end, place + LONGEST)].strip() for given in (straight, text))
            if piece:
                found.append(Sentence(piece if len(piece) == len(raw) else raw, raw, asks(piece)))
        start = match.end() if match else end
    return found


def asks(text: str) -> bool:
    """Whether a sentence is a question, with or without its mark."""
    return text.rstrip().endswith("?") or bool(_ASKS.match(text))


@functools.lru_cache(maxsize=2048)
def clauses(text: str) -> tuple[tuple[int, int], ...]:
    """Start and end of each clause of a sentence."""
    ends = [match.start() for match in _CLAUSE.finditer(text)]
    return tuple(zip([0, *ends], [*ends, len(text)], strict=True))


def clause_at(text: str, place: int) -> tuple[int, int]:
    """The clause in which a place lies."""
    for start, end in clauses(text):
        if start <= place < end:
            return start, end
    return 0, len(text)


def denied(text: str, start: int, end: int) -> bool:
    """Whether what stands at ``text[start:end]`` is said not to be."""
    first, last = clause_at(text, start)
    before = _NOT_DENYING.sub(lambda m: " " * len(m[0]), text[first:start])
    return bool(_DENIES.search(before)) or bool(_DENIED_AFTER.match(text[end:last]))


def imagined(text: str, start: int) -> bool:
    """Whether what follows ``start`` is a possibility, a plan or a general truth rather than a statement."""
    first, _ = clause_at(text, start)
    return bool(_IMAGINED.search(text[first:start])) or bool(_CONDITION_FIRST.match(text))


def of_others(text: str, start: int) -> bool:
    """Whether the clause before ``start`` speaks of relatives or friends."""
    first, _ = clause_at(text, start)
    return bool(_OTHERS.search(text[first : start + 40]))
