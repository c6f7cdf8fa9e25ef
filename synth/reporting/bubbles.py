"""Conversations as bubbles: who says what, the doctor's thought beside it, flagged sentences as marked pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from synth.reporting.pieces import cut, marked, plain
from synth.reporting.read import Row
from synth.reporting.shape import Bubble

_SAID = 1500
_THOUGHT = 2500
_OPEN, _CLOSE = "<think>", "</think>"
_SIDES = {"patient": "left", "doctor": "right", "result": "middle"}
_ROLES = {"user": "left", "assistant": "right"}


def turns(row: Row) -> Iterator[Bubble]:
    """The turns of a dialogue; evidence without a place in them is looked for everywhere."""
    for at, turn in enumerate(row["turns"] or []):
        quotes = _quotes(row, at)
        doing = ": ".join(part for part in (turn["action"], turn["argument"]) if part)
        yield Bubble.model_validate(
            {
                "side": _SIDES.get(turn["speaker"] or "", "middle"),
                "speaker": cut(turn["speaker"], 40),
                "pieces": marked(turn["text"], quotes, limit=_SAID),
                "thought": plain(turn["thought"], _THOUGHT),
                "action": cut(doing, 200) or None,
                "differential": differential_of(turn["differential"] or []),
            }
        )


def messages(row: Row, column: str) -> Iterator[Bubble]:
    """The messages of a column; what stands in ``<think>`` becomes the thought."""
    for message in row[column] or []:
        text, thought = message["content"] or "", ""
        if text.lstrip().startswith(_OPEN) and _CLOSE in text:
            inner, _, text = text.lstrip().removeprefix(_OPEN).partition(_CLOSE)
            thought = inner
        yield Bubble.model_validate(
            {
                "side": _ROLES.get(message["role"] or "", "middle"),
                "speaker": cut(message["role"], 40),
                "pieces": marked(text.strip(), _quotes(row, None), limit=_SAID),
                "thought": marked(thought.strip(), _quotes(row, None), limit=_THOUGHT),
                "action": None,
                "differential": [],
            }
        )


def differential_of(listed: list[dict[str, Any]]) -> list[str]:
    """Diagnoses with their probability in per cent, where one is given."""
    found = []
    for one in listed[:10]:
        chance = one.get("probability")
        name = cut(one.get("diagnosis"), 120)
        found.append(f"{name}, {chance:.0%}" if isinstance(chance, float) and 0 <= chance <= 1 else name)
    return found


def case_lines(case: str | None) -> list[str]:
    """The hidden case, one fact a line; the text as it is where it holds no JSON object."""
    try:
        card = json.loads(case or "{}")
    except ValueError:
        return [cut(case, 300)]
    if not isinstance(card, dict):
        return [cut(case, 300)]
    lines = []
    for key, value in card.items():
        if key == "facts" or value in (None, "", []):
            continue
        shown = "; ".join(map(_plainly, value)) if isinstance(value, list) else _plainly(value)
        lines.append(cut(f"{key.replace('_', ' ')}: {shown}", 250))
    return lines[:20]


def _plainly(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _quotes(row: Row, turn: int | None) -> list[tuple[str, str]]:
    """Flagged words of a turn, and those whose turn is not known."""
    return [
        (one["text"] or "", one["flag"] or "flagged")
        for one in row["evidence"] or ()
        if turn is None or one["turn"] in (None, turn)
    ]
