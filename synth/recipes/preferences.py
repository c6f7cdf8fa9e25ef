"""Preference pairs: a shared prompt and two single assistant turns.

Trainers learn every token after the prompt, so the prompt holds all that went before and each side one turn only.
"""

from __future__ import annotations

from typing import Any

from synth.recipes.job import Job

Message = dict[str, str]


def user(text: str) -> Message:
    """A user message."""
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    """An assistant message."""
    return {"role": "assistant", "content": text}


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
    """Settle the preference slot ``name``. Two equal sides teach nothing and are rejected as a tie."""
    sides = {"prompt": prompt, "chosen": [chosen], "rejected": [rejected]}
    if chosen["content"].strip() == rejected["content"].strip():
        job.slots.reject([("preference", name)], origin, "tie", "both sides say the same", sides)
        return
    job.slots.keep("preference", name, {**row, **sides, "origin": origin, "margin": float(margin)}, sides)
