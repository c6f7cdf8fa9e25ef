"""Exam items about topics of their own, and whole runs on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.synth.played import Played, play
from tests.synth.scripted import Asked, Script

PAIRS: dict[str, Any] = {"preferences": {"from": ["reasoning_over_answer", "verified_over_unverified"]}}

_STRATEGIES = {
    "Go back:": "backtrack",
    "Take a new path:": "new_path",
    "Verify:": "verification",
    "Correct:": "correction",
    "You are told": "hinted",
}


def item(topic: str = "topic-one", **changes: Any) -> dict[str, Any]:
    """An item in the format of MedQA."""
    return {
        "id": topic,
        "question": f"A man with {topic} has a fast pulse. Which of the following drugs slows it?",
        "options": {"A": "Furosemide", "B": "Digoxin", "C": "Aspirin", "D": "Heparin"},
        "answer_idx": "B",
    } | changes


def seed_id(topic: str = "topic-one") -> str:
    return f"medqa:{topic}"


def strategy(asked: Asked) -> str:
    """The strategy that a request for a further chain names."""
    (found,) = (name for words, name in _STRATEGIES.items() if words in asked.system)
    return found


async def play_items(
    folder: Path,
    script: Script,
    reasoning: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]] = (),
    *,
    pairs: bool = False,
    **spec: Any,
) -> Played:
    """Run the recipe of exam items; one chain first unless ``reasoning`` says otherwise."""
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(one) + "\n" for one in items or [item()])
    (folder / "items.jsonl").write_text(lines, "utf-8")
    produce = {"reasoning": {"chains": 1, **reasoning}} | (PAIRS if pairs else {})
    seeds = {"source": "items.jsonl", "kind": "items", "split": "train"}
    return await play(folder, script, produce, seeds=seeds, **spec)
