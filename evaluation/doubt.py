"""Whether a sentence that names an option means it: doubts and questions before it, denials after it.

Looks at the sentence itself and at the one behind it. Knows nothing about options or letters.
"""

from __future__ import annotations

import re

_DOUBT = re.compile(
    r"\b(?:if|unless|whether|were|might|could|may|some|many|most people|students?|tempt\w{0,6}|initial\w{0,4}"
    r"|first glance|at first|would think|suppose"
    r"|assum\w{0,4}|previous\w{0,3}"
    r"|hypothe\w{0,8}|otherwise|had|example|instead of|rather than|why|explain)\b"
    r"|(?:\b(?:not|wrong\w{0,3}|incorrect\w{0,3}|mistak\w{0,6}|never|cannot|doubt|unlikely|no longer|false)\b"
    r"|n['’]t\b)[^,;:]{0,40}$"
    r"|\bno\s{0,3}$",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:\b(?:not|never|than|except)|n['’]t)[\s$({\[]{0,5}$", re.IGNORECASE)
_WRONG = r"(?:\s{1,3}|n['’]t\s{1,3})(?:not\b|n['’]t\b|(?:wrong|incorrect|false|mistaken|untrue)\b)"
_DENIED = re.compile(
    rf"[^.!?;\n]{{0,200}}?(?:,\s{{0,3}}which\s{{1,3}}(?:is|was)|[.!;]\s{{1,3}}(?:this|that|it)"
    rf"(?:\s(?:answer|option|choice))?\s{{1,3}}(?:is|was)){_WRONG}(?!\s(?:only|just)\b)",
    re.IGNORECASE,
)
_NONE_RIGHT = re.compile(
    r"\b(?:correct|right|best)\s(?:answer|option|choice)\s(?:is|was)\s(?:not|n['’]t)\s(?:given|listed|among|there|provided|shown)\b"
    r"|\bnone of (?:the|these|them)(?:\s(?:above|options?|choices|answers?)){0,2}\s(?:is|are)\s(?:correct|right)\b",
    re.IGNORECASE,
)


_NO_GOOD = r"(?:wrong|incorrect|false|mistaken|untrue|not\s(?:correct|right|the\s(?:correct|right|best)))"
_TAKEN_BACK = re.compile(
    r"(?:\W{0,6}[A-Z][.):]\s)?[^.!?;\n]{0,200}?"
    rf"(?:,\s{{0,3}}which\s(?:is|was)\s{_NO_GOOD}\b"
    rf"|(?:[.!;]\s{{1,3}}|[.!;\s]{{0,3}}\n\s{{0,6}})\W{{0,4}}(?:(?:this|that|it)(?:\s(?:answer|option|choice))?\s(?:is|was)\s{_NO_GOOD}"
    r"|actually,?\s{1,3}(?:no|not|it)|correction\s?:|scratch that|(?:on|upon) second thoughts?"
    r"|I (?:was wrong|made a mistake|take that back)))",
    re.IGNORECASE,
)
_MARKED_WRONG = re.compile(
    r"\W{0,6}[A-Z]\W{1,6}(?:(?:is|was)\s)?(?:incorrect|wrong|not correct|false)[)\].!\s*]{0,4}(?:\n|$)", re.IGNORECASE
)


def before(text: str, at: int) -> str:
    """Return the part of a sentence before ``at``."""
    return re.split(r"[.!?;]\s|\n|\b(?:while|whereas)\s", text[max(0, at - 300) : at])[-1]


def doubtful(text: str, start: int, end: int) -> bool:
    """Return whether the claim from ``start`` to ``end`` is a hypothesis, a question, another's opinion or negated."""
    return bool(_DOUBT.search(before(text, start))) or asks(text, end)


def negated(text: str, at: int) -> bool:
    """Return whether "not" or its like stands right before ``at``."""
    return bool(_NOT.search(before(text, at)))


def asks(text: str, at: int) -> bool:
    """Return whether the sentence around ``at`` ends with a question mark."""
    end = re.search(r"[.!?](?=\s|$)|\n", text[at : at + 300])
    return end is not None and end[0] == "?"


def denied(text: str, at: int) -> bool:
    """Return whether the sentence from ``at`` on, or the next one, calls wrong what was just said."""
    return bool(_DENIED.match(text[at : at + 400]))


def taken_back(text: str, at: int) -> bool:
    """Return whether the answer in the line from ``at`` on is called wrong there or by the sentence right behind it.

    Narrower than :func:`denied`: what follows an answer's own line is mostly an explanation, full of "this is not".
    """
    return bool(_TAKEN_BACK.match(text[at : at + 500]))


def marked_wrong(text: str, at: int) -> bool:
    """Return whether a letter from ``at`` on has nothing behind it but that it is wrong: ``B (incorrect)``."""
    return bool(_MARKED_WRONG.match(text[at : at + 60]))


def none_is_right(text: str) -> bool:
    """Return whether the text says that no option is right or that the right one is missing."""
    return bool(_NONE_RIGHT.search(text))
