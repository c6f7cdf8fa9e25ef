"""Preference pairs: a shared prompt and two single assistant turns.

Trainers learn every token after the prompt, so the prompt holds all that went before and each side one turn only.
Preference optimisation learns length where one side is always longer; with ``length_ratio`` in the spec, pairs of too
unequal length are rejected. Lengths are in words, thoughts and all.
"""

from __future__ import annotations

import math
from typing import Any

from filters.text import words
from synth.recipes.job import Job

Message = dict[str, str]


def user(text: str) -> Message:
    """A user message."""
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    """An assistant message."""
    return {"role": "assistant", "content": text}


def length_ratio(job: Job) -> float | None:
    """How far the sides of a pair may be apart in length; None for no bound."""
    wanted = job.spec.produce.preferences
    return wanted.length_ratio if wanted is not None else None


def lengths_apart(one: str, other: str) -> float:
    """How many times the words of the shorter text the longer one has, 1 or more; infinite where only one has any."""
    shorter, longer = sorted((len(words(one)), len(words(other))))
    return longer / shorter if shorter else 1.0 if not longer else math.inf


def keep_pair(
    job: Job,
    name: str,
    row: dict[str, Any],
    prompt: list[Message],
    chosen: Message,
    rejected: Message,
    *,
    origin: str,
    margin: float,
) -> None:
    """Settle the preference slot ``name``.

    Two equal sides teach nothing and are rejected as a tie; two of too unequal ``length`` where the spec says so.
    """
    sides = {"prompt": prompt, "chosen": [chosen], "rejected": [rejected]}
    if chosen["content"].strip() == rejected["content"].strip():
        job.slots.reject([("preference", name)], origin, "tie", "both sides say the same", sides)
        return
    most, apart = length_ratio(job), lengths_apart(chosen["content"], rejected["content"])
    if most is not None and apart > most:
        longer = "chosen" if len(words(chosen["content"])) > len(words(rejected["content"])) else "rejected"
        detail = f"the {longer} side has {apart:.1f} times the words of the other, more than {most:g}"
        job.slots.reject([("preference", name)], origin, "length", detail, sides)
        return
    job.slots.keep("preference", name, {**row, **sides, "origin": origin, "margin": float(margin)}, sides)
