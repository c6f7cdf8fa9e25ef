"""Sentences of a consultation, and how something in them is said: affirmed, denied, asked, imagined, of somebody else.

English rules in the manner of NegEx: a word that denies reaches to the end of its clause, and a clause ends at a
semicolon, at "but" and its like, and where a new statement begins. Irony, double negation and denial across sentences
are not understood. Other languages give sentences and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " ", "\u2011": "-"})
_ABBREVIATIONS = r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bSt)(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bapprox)"
_END = re.compile(
    rf"(?<=[.!?\u2026])[\"')\]]*{_ABBREVIATIONS}\s+(?=[\"'(\[*]?[A-Za-z0-9])|\n+|(?<=[\u3002\uff01\uff1f])"
)
_CLAUSE = re.compile(
    r";|:|\s[\u2013\u2014-]{1,2}\s|\u2014|[,.]?\s\b(?:but|however|although|though|except|yet|whereas|while|apart from|other than)\b"
    r"|,?\s(?:and|so|because|since)\s+(?=(?:i|i've|i'm|i'd|it|it's|he|she|they|we|you|there|there's|my|your)\b(?!\s*,))"
    r"|,\s+(?=(?:i|i've|i'm|i'd|it|it's|he|she|you|you've|we|my|your|there's|there is|just|only)\s)"
    r"|,\s+(?=(?:so|then|now|which)\b)",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:no(?!\s+(?:doubt|wonder|matter|longer\s+than|more\s+than|idea)\b)|not(?!\s+(?:only|just|sure|certain))|never"
    r"|none|nor|neither|without|den(?:y|ies|ied|ying)|\w+n't|cannot|absence\s+of|absent|free\s+of|negative\s+for|lacks?"
    r"|ruled\s+out|rules?\s+out|nothing|nobody|hardly\s+any|zero|nil|stopped\s+having|no\s+longer|dont|didnt|havent)\b",
    re.IGNORECASE,
)
_NOT_DENYING = re.compile(
    r"\b(?:can't|cannot|couldn't|can\s+not|could\s+not)\b"  # inability is a complaint, not a denial
    r"|\b(?:doesn't|does\s+not|didn't|don't|won't|isn't|not|hasn't)\s+(?:seem\s+to\s+)?(?:go|going|gone|stop\w*|help\w*|improve\w*"
    r"|get|got|getting|clear\w*|ease\w*|settl\w*|let|resolv\w*|respond\w*|worr\w*|wait|ignore|hesitate|know|remember|think|want|like"
    r"|be\s+able|sure|certain|related|due|caused|explain\w*|mean|matter|just|only)\b"
    r"|\bno\s+(?:relief|change|improvement|idea|better|longer\s+able)\b|\bnothing\s+(?:helps?|works?|makes?|relieves?|seems?)\b"
    r"|\bwhy\s+(?:don't|not)\b|\bnot\s+(?:enough|much|very|as|always|constant\w*|all)\b|^\s*no\s*[,.]\s*",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^\W*(?:(?:is|are|was|were|has|have|had)\s+(?:all\s+)?(?:been\s+)?)?(?:none|absent|negative|nil|denied|ruled\s+out|excluded"
    r"|unlikely|gone|resolved|not\s+(?:present|there|seen|found|reported|noted))\b|^\W*(?:isn't|wasn't|aren't|weren't)\b"
    r"|^\s*[-:]\s*(?:no|none|nil)\b|^\W*\?\s*(?:no|none|never)\b",
    re.IGNORECASE,
)
_IMAGINED = re.compile(
    r"\b(?:if|whether|in\s+case|should\s+(?:you|it|the|any|there|your)|unless|were\s+to|would\s+(?:be|mean|suggest|need|have)|might|may"
    r"|could(?!n't)|watch\s+(?:out\s+)?for|look\s+out\s+for|looking\s+for|keep\s+an\s+eye|alert\s+for|warning\s+signs?"
    r"|signs?\s+(?:such\s+as|like|of)|come\s+back|return\s+(?:if|for|to)|until|to\s+(?:check|see|rule|exclude|look|find|confirm|assess"
    r"|prevent|avoid|reduce|lower|treat|help|relieve|control|ease|manage)|risk|prevent\w*|develop|typically|usually|often|commonly|can\s+(?:cause"
    r"|be|lead|also|happen|include|come|result|give)|in\s+(?:some|many|most|such)\s+(?:people|patients|cases)|people\s+with|patients?\s+with"
    r"|side\s+effects?|tends?\s+to|sometimes\s+(?:cause|lead|get)|or\s+any|any|rather\s+than|symptoms\s+include|wonder\w*|possible|possibly"
    r"|happens?\s+when|occurs?\s+when|condition\s+(?:where|in\s+which)|means?\s+(?:that\s+)?(?:the|a|an|there)|in\s+general|suppose|would|when\s+you\s+(?:notice|develop|get)|such\s+as|like\s+to|let's|let\s+me"
    r"|i'd|i'll|we'll|i\s+will|we\s+will|going\s+to|want\s+to|need\s+to|worried\s+about|afraid\s+of|concern\w*\s+(?:about|for)|tell\s+me|describe|please)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\b(?:my|his|her|your|the|our)\s+(?:\w+\s+)?(?:mother|father|mom|mum|dad|parents?|brother|sister|siblings?|grand\w+|uncle|aunt"
    r"|cousin|wife|husband|partner|girlfriend|boyfriend|son|daughter|children|kids?|friend|neighbou?r|colleague|family|wife's|husband's"
    r"|mother's|father's|relatives?|roommate|boss)\b|\b(?:family\s+history|runs?\s+in\s+(?:the|my|your)\s+family|mother|father|grand\w+"
    r"|sister|brother|mom|mum|dad|uncle|aunt|wife|husband)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(?:(?:and|so|okay|ok|now|well|alright|right|also|then|but)\W+)*(?:do|does|did|have|has|had|are|is|was|were|can|could|would|will"
    r"|any|what|when|where|which|who|why|how)\b[^.!]*$",
    re.IGNORECASE,
)


LONGEST = 800
"""Characters of a sentence; a longer one is read in pieces, for a run without full stops costs the square."""


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
            if not piece:
                continue
            found.append(Sentence(piece if len(piece) == len(raw) else raw, raw, asks(piece)))
        start = match.end() if match else end
    return found


def asks(text: str) -> bool:
    """Whether a sentence is a question, with or without its mark."""
    return text.rstrip().endswith("?") or bool(_ASKS.match(text))


def clauses(text: str) -> list[tuple[int, int]]:
    """Start and end of each clause of a sentence."""
    ends = [match.start() for match in _CLAUSE.finditer(text)]
    return list(zip([0, *ends], [*ends, len(text)], strict=True))


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
    return bool(_IMAGINED.search(text[first:start])) or bool(
        re.match(r"\W*(?:if|should|in case|unless)\b", text, re.IGNORECASE)
    )


def of_others(text: str, start: int) -> bool:
    """Whether the clause before ``start`` speaks of relatives or friends."""
    first, _ = clause_at(text, start)
    return bool(_OTHERS.search(text[first : start + 40]))
