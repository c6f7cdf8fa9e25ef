"""The form of turns: empty, cut off, refusing, out of its role, telling who somebody is.

Refusals are :mod:`filters.consultation_refusals`', roles :mod:`filters.consultation_roles`'.
Length and style are nobody's business here. A turn is cut off when it ends in a word that nothing ends in ("the",
"because"), in a comma or an open bracket, or without a full stop where the others have one, unless that speaker
mostly does without. A dialogue most of whose
turns begin in small letters is a record of speech, in which people break off: nothing is cut off there.
"""

from __future__ import annotations

import re

from filters.consultation_record import Evidence, Talk, Turn, evidence
from filters.consultation_roles import out_of_role, sentence_with
from filters.consultation_text import plain
from filters.phi import find
from filters.phrasing import either

_OPEN_END = either(
    r"""
    \b(?:
        the|an?|of|and|to|with|my|your|our|their|his|because|for|from|in|at|by|or|but|if|that|which|is|are|was
        were|have|has|had|will|would|should|can|could|when|while|as|than|very|into|about|i|i'm|i've|you're|it's
        we|am|be|been|since|so|this|these|every|some|any|also|without|between|during|until
    )\W*$
    [,\-\u2013(\[{&/:;]\s*$
    """
)
_MAY_END = either(
    r"""
    \b(?:
        it (?:is|was|has|does)|i (?:am|was|have|had|can|could|would|will|should)
        (?:they|we|you|there) (?:are|were|have|can|will|is|was)|come in|think so|hope so|what for|to be|that
        this|these|some|any|used to|like to|want to|need to|have to|if you can|he|she|so|before|since|about|by
        in|at|with|from|also|very|if i can|of|for
    )[.!?]+$
    """
)
_NOTHING_SAID = re.compile(
    r"\W*(?:(?:no|empty|blank|without(?: an?)?) (?:response|reply|answer|text|message|output)|silence|silent"
    r"|blank|empty"
    r"|n/a|none given|null|nil response|says nothing|no words)\W*",
    re.IGNORECASE,
)
"""A whole turn that stands for saying nothing."""
_WORD = re.compile(r"[^\W_]")
_ENDS = re.compile(r"(?:[.!?\u2026\u3002\uff01\uff1f]|\.\.\.)[\"')\]}>*\u201d\u2019 ]*$|</\w+>\s*$")
_BORN = re.compile(r"\b(?:born|birth\w*|DOB)\b", re.IGNORECASE)
_PLAIN_ENDS = 0.7
"""From which share of other turns with a full stop on one without counts as cut off."""


def form(talk: Talk) -> list[Evidence]:
    """turn_empty, turn_truncated, refusal, role_slip and identifying_details."""
    found: list[Evidence] = []
    spoken = [t for t in talk.turns if t.speaker in ("patient", "doctor") and _WORD.search(t.text)]
    stopped = [t for t in spoken if _ENDS.search(t.text.rstrip())]
    spoken_aloud = len(spoken) > 3 and sum(t.text.lstrip()[:1].isupper() for t in spoken) < len(spoken) / 2
    for turn in talk.turns:
        if not _WORD.search(turn.text) or _NOTHING_SAID.fullmatch(turn.text):
            found.append(evidence("turn_empty", turn.place, turn.text.strip()))
            continue
        others = len(spoken) - 1
        same = [t for t in spoken if t.speaker == turn.speaker and t is not turn]
        unstopped = len(same) > 1 and sum(t in stopped for t in same) < len(same) / 2
        tidy = not unstopped and others > 2 and (len(stopped) - (turn in stopped)) / others >= _PLAIN_ENDS
        if turn.speaker in ("patient", "doctor"):
            found += out_of_role(turn) if spoken_aloud else _cut_off(turn, tidy) + out_of_role(turn)
        found += _details(turn)
    return found


def _cut_off(turn: Turn, tidy: bool) -> list[Evidence]:
    text = plain(turn.text).rstrip()
    last = turn.sentences[-1].raw if turn.sentences else turn.text
    if _ENDS.search(text):
        return []
    unclosed = text.count("(") > text.count(")") or text.count('"') % 2 == 1
    if (_OPEN_END.search(text) and not _MAY_END.search(text + ".")) or unclosed:
        return [evidence("turn_truncated", turn.place, last)]
    if (_OPEN_END.search(text) and tidy) or (tidy and len(last.split()) >= 4):
        return [evidence("turn_truncated", turn.place, last)]
    return []


def _details(turn: Turn) -> list[Evidence]:
    """What tells who somebody is: contacts, numbers, addresses, a date of birth, a full name together with a date."""
    spans = find(turn.text)
    kinds = {span.kind for span in spans}
    full = any(s.kind == "name" and len(turn.text[s.start : s.end].split()) > 1 for s in spans)
    telling = [
        s for s in spans if s.kind in ("email", "phone", "id", "address") and not _service(turn.text[s.start : s.end])
    ]
    born = [s for s in spans if s.kind == "date" and (full or _BORN.search(turn.text[max(0, s.start - 40) : s.end]))]
    if telling or (born and ("name" in kinds or re.search(r"\d{4}|\d/\d", turn.text[born[0].start : born[0].end]))):
        return [evidence("identifying_details", turn.place, sentence_with(turn, (telling or born)[0].start))]
    return []


def _service(number: str) -> bool:
    """Whether a number is one of a public service (112, 911, 999, 988 …)."""
    return len(re.sub(r"\D", "", number)) <= 3 and "@" not in number
