"""Evidence that checks attach to rows, and texts made safe to show.

Each piece of evidence names its flag, the turn (place in ``turns``, from 0; null outside of dialogues), the text and
the fact it rests on. The checks here look at form: loops and brevity. Those of a
consultation come from :mod:`filters.consultation_checks`.
"""

from __future__ import annotations

import re
from typing import Any

from filters.consultation_checks import check_consultation
from filters.text import normalise, repeated_share, words

REPETITIVE = 0.5
"""A text of which this share of word 4-grams repeats an earlier one is flagged: small models loop."""

SHORT_ANSWER, SHORT_THOUGHT = 5, 15
"""Words below which an answer or a chain of thought is flagged."""

_FENCE = re.compile("={5,}")

Evidence = dict[str, Any]


def note(flag: str, text: str, turn: int | None = None) -> Evidence:
    """One piece of evidence."""
    return {"flag": flag, "turn": turn, "text": text[:300], "fact": None}


def checked(turns: list[dict[str, Any]], case: dict[str, Any], known: list[Evidence]) -> list[Evidence]:
    """``known`` and what the rules find in a consultation, without what is already known of the same turn."""
    noted = {(item["flag"], item["turn"]) for item in known}
    found = check_consultation(turns, case)
    return [*known, *(item for item in found if (item["flag"], item["turn"]) not in noted)]


def repetitive(text: str, turn: int | None = None) -> list[Evidence]:
    """Evidence that a text repeats itself, if it does."""
    return [note("repetitive", text, turn)] if repeated_share(text) > REPETITIVE else []


def short(answer: str, thought: str | None = None) -> list[Evidence]:
    """Evidence that an answer, or the thought before it, is hardly one."""
    found = [note("short", answer)] if len(words(answer)) < SHORT_ANSWER else []
    return found + ([note("short", thought)] if thought is not None and len(words(thought)) < SHORT_THOUGHT else [])


def unsaid(diagnosis: str, say: str) -> bool:
    """Whether the doctor's words name no part of the diagnosis: none of its words longer than three letters."""
    named = words(diagnosis)
    spoken = normalise(say)
    return bool(named) and not any(word in spoken for word in [w for w in named if len(w) > 3] or named)


def unfenced(text: str) -> str:
    """The text without lines of equal signs, which tell a judge where material ends."""
    return _FENCE.sub("====", text)


def shortened(text: str, longest: int) -> str:
    """The text on one line, of ``longest`` characters and a mark where it was cut; it need not hold spaces."""
    line = one_line(text)
    return line if len(line) <= longest else f"{line[:longest].rstrip()} …"


def one_line(text: str) -> str:
    """The text on one line and unfenced, so that it cannot pass for another speaker's turn."""
    return unfenced(" ".join(text.split()))
