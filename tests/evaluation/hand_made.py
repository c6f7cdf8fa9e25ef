"""Evaluation folders with answers made by hand, for tests of what is counted from them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.answers import Answer, Answers

LETTERS = "ABCD"


def order_of(seed: int, name: str) -> list[str]:
    """The order of the options of an item: the source's for seed 0."""
    order = list(LETTERS)
    if seed:
        random.Random(f"{seed} {name}").shuffle(order)
    return order


def answer(task: str, name: str, right: bool | None, seed: int = 0, **more: Any) -> Answer:
    """An answer to an item whose right option is the source's B; ``right`` None is a reply without a letter."""
    order = order_of(seed, name)
    gold = LETTERS[order.index("B")]
    wrong = LETTERS[order.index("C")]
    letter = None if right is None else gold if right else wrong
    known: dict[str, Any] = {
        "cluster": name,
        "method": "generate",
        "prompt_hash": "p1",
        "model": "m",
        "text": f"Answer: {letter}",
        "tokens_in": 10,
        "tokens_out": 3,
        "seconds": 0.5,
    }
    return Answer(task=task, id=name, gold=gold, answer=letter, seed=seed, order=order, **(known | more))


def write_run(folder: Path, run: str, task: str, answers: Sequence[Answer]) -> None:
    """Put a run's answers on disk as the benchmark does."""
    with Answers(folder, run, task, {"model": run}) as file:
        file.add(answers)


def pattern(task: str, marks: str, **more: Any) -> list[Answer]:
    """An answer for each mark: ``+`` right, ``-`` wrong, ``?`` without a letter; ids are q000, q001, …"""
    right = {"+": True, "-": False, "?": None}
    return [answer(task, f"q{number:03d}", right[mark], **more) for number, mark in enumerate(marks)]
