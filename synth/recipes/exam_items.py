"""An exam question with options as an open question with one short answer that can be checked.

What cannot be asked without its options is rejected as ``not_open``: by plain signs in code, for nothing (English:
``which is NOT``, ``all of the above``; any language: several right options), else by the model that converts. Its
short answer must be the right option still: the same words, or the same answer in a judge's eyes
(``answer_changed``; ``ungraded`` where the judge gave no verdict). A question that holds the option's words, or names
its letter, where the item's did not gives it away (``answer_leaks``): long words wherever they stand, short ones
(``iron``) as words of their own, and not the shortest words of every text (``no``, ``left``). Items without a
published answer never come here: they are no seeds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from filters.readers.items import Item
from filters.text import normalise, words
from synth.ask import Answer
from synth.recipes.answer_check import UNGRADED, check_answer, holds, matches
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
    r"|\boptions? [a-j]\b"
    r"|^(?:both )?[a-j](?:,| and| &) [a-j]\b",
    re.IGNORECASE,
)
_LONG = 6
"""Characters of an answer that do not come together by chance."""
_EVERYDAY = frozenset(
    words(
        """
        a age all an and any are as at be both by day days do for from had has he her him his how if in is it its left
        less low man men more most no none not of on one or out right she so the they this to two up was what when
        which who why will with woman women year years yes
        """
    )
)
"""Short answers that stand in a question without giving anything away."""


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
    if _leaks(gold, item.answer, opened.question, f"{item.context}\n{item.question}"):
        reject("answer_leaks", "the open question holds the answer", opened=shown)
        return None
    if matches(opened.answer, gold) or holds(opened.answer, gold) or holds(gold, opened.answer):
        return Opened(question, gold, (asked,))
    check = await check_answer(job, "opened", question, gold, opened.answer)
    if check.right is None:
        reject(UNGRADED, "the judge gave no verdict on whether its short answer is the right option", opened=shown)
        return None
    if not check.right:
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


def _leaks(gold: str, letter: str, opened: str, original: str) -> bool:
    """Whether the open question holds the answer's words or names its letter, and the item's did not."""
    answer, asked, before = normalise(gold), normalise(opened), normalise(original)
    if len(answer) >= _LONG:
        told = answer in asked and answer not in before
    else:
        alone = re.compile(rf"(?<!\w){re.escape(answer)}(?:e?s)?(?!\w)")
        told = bool(answer) and answer not in _EVERYDAY and bool(alone.search(asked)) and not alone.search(before)
    named = re.compile(
        rf"\({letter}\)|(?:^|\n|[;,:.?!]\s)\s*{letter}\)|(?:^|\n)\s*{letter}\.\s"
        rf"|\b(?i:answer|option|choice|letter)(?: is)?\W{{1,3}}{letter}(?![\w'’-]| [a-z])"
    )
    return told or (bool(named.search(opened)) and not named.search(original))
