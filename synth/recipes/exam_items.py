"""An exam question with options as an open question with one short answer that can be checked.

What cannot be asked without its options is rejected as ``not_open``: by plain signs in code, for nothing (English:
``which is NOT``, ``all of the above``; any language: several right options), else by the model that converts. Its
short answer must be the right option still: the same words, or the same answer in a judge's eyes
(``answer_changed``); a question that holds the option's words where the item's did not gives it away
(``answer_leaks``). Items without a published answer never come here: they are no seeds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from filters.readers.items import Item
from filters.text import normalise
from synth.ask import Answer
from synth.recipes.answer_check import check_answer, holds, matches
from synth.recipes.forms import OpenedItem
from synth.recipes.job import Job
from synth.recipes.slots import Slot

_NEGATED = re.compile(
    r"\b(?:NOT|EXCEPT|LEAST)\b"
    r"|(?i:\bexcept\b[^.?!]{0,40}[?:.]?\s*$)"
    r"|(?i:\bwhich\b(?:(?!\bwho\b|\bthat\b)[^.?!]){0,60}\b(?:is|are) (?:not|false)\b)"
    r"|(?i:\b(?:false|incorrect|untrue)\b[^.?!]{0,40}[?:.]?\s*$)"
)
_ABOUT_OPTIONS = re.compile(
    r"\b(?:all|none|any|both|either|neither)\b(?: \w+)? of (?:the )?(?:above|these|following|options)"
    r"|\b(?:of|from|among) the (?:following|options|choices)\b"
    r"|\boptions? [a-e]\b"
    r"|^(?:both )?[a-e](?:,| and| &) [a-e]\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open question."""

    question: str
    gold: str
    """The right option's text."""
    answers: tuple[Answer, ...]
    """What led to it: the call that wrote it, and the judge's where one was needed."""


async def open_question(job: Job, item: Item, slots: Sequence[Slot]) -> Opened | None:
    """Ask for the open form of ``item``; None when there is none (``slots`` are then settled)."""
    payload: dict[str, Any] = {"question": item.question, "options": dict(item.options), "answer": item.answer}

    def reject(reason: str, detail: str, **more: Any) -> None:
        job.slots.reject(job.slots.open(*slots), "open_question", reason, detail, payload | more)

    problem = _closed(item)
    if problem is not None:
        reject(*problem)
        return None
    gold = item.options[item.answer].strip()
    asked = await job.asker.ask(
        "open_question", OpenedItem, question=_asked(item), options=list(item.options.values()), gold=gold
    )
    opened: OpenedItem = asked.value
    shown = opened.model_dump()
    question = f"{item.context}\n\n{opened.question}" if item.context else opened.question
    if opened.convertible == "no":
        reject("not_open", opened.reason, opened=shown)
        return None
    if not opened.question or not opened.answer or _ABOUT_OPTIONS.search(opened.question):
        reject("not_open", "the open question or its answer is empty, or still speaks of options", opened=shown)
        return None
    if _leaks(gold, opened.question, item.question):
        reject("answer_leaks", "the open question holds the answer", opened=shown)
        return None
    if matches(opened.answer, gold) or holds(opened.answer, gold) or holds(gold, opened.answer):
        return Opened(question, gold, (asked,))
    check = await check_answer(job, "opened", question, gold, opened.answer)
    if check.right is not True:
        reject("answer_changed", "its short answer is not the right option", opened=shown)
        return None
    return Opened(question, gold, (asked, *check.asked))


def _closed(item: Item) -> tuple[str, str] | None:
    """The reason and detail why an item plainly cannot be asked without its options; None when it may."""
    if len(item.answer) > 1:
        return "not_open", f"several options are right: {item.answer}"
    if _NEGATED.search(item.question):
        return "not_open", "it asks for what does not hold, which only its options bound"
    if _ABOUT_OPTIONS.search(item.options[item.answer]):
        return "not_open", "the right option speaks of other options"
    return None


def _asked(item: Item) -> str:
    """What the item asks, with what is to be read before."""
    return f"{item.context}\n\n{item.question}" if item.context else item.question


def _leaks(gold: str, opened: str, original: str) -> bool:
    """Whether the answer's words stand in the open question and did not in the item's; short ones may by chance."""
    words = normalise(gold)
    return len(words) > 5 and words in normalise(opened) and words not in normalise(original)
