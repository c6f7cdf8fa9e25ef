"""One question of a benchmark, one clinical case: what every reader gives, whatever the file looked like.

What is checked here holds for every item: a question with text, two or more options, an answer that is one of them.
An item keeps the texts of its source as they stand, cut at both ends; it does not say how to ask the question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from filters.readers.fields import as_text


class BenchmarkError(ValueError):
    """A benchmark file that cannot be read: one line with file, place and reason."""


class OtherKind(BenchmarkError):
    """The files hold questions where cases were wanted, or the other way round."""


@dataclass(frozen=True, slots=True)
class Item:
    """A multiple-choice question."""

    id: str
    """``benchmark:id in the source``, or a hash of the content where the source has none; unique in one reading."""
    question: str
    """All that is asked. The vignette of a MEDIQ case is part of it."""
    options: Mapping[str, str]
    """Letter to text, from A on, in order."""
    answer: str
    """The right letter; several in alphabetical order (``AC``) where the source has several. Empty where the source
    does not publish it (the test split of MedMCQA)."""
    context: str
    """What is to be read before answering, given by PubMedQA alone (the abstract without its conclusion)."""
    split: str
    """``train``, ``validation``, ``test`` or ``unknown``."""
    licence: str
    """As a Hub identifier such as ``cc-by-4.0``, or ``unknown``."""
    benchmark: str
    subject: str = ""
    """As the source names it (``virology``), empty where it does not."""


@dataclass(frozen=True, slots=True)
class Case:
    """A patient for simulated consultations."""

    id: str
    """As :attr:`Item.id`."""
    opening: str
    """What the doctor is told at the start."""
    demographics: str
    """Age and sex in the words of the source."""
    facts: Sequence[str]
    """What the patient can tell, one fact each. MEDIQ's facts contain findings of examinations and tests as well."""
    examination: Mapping[str, str]
    """Examination to finding (``Vital signs: Temperature``); empty where the format has none (MEDIQ)."""
    tests: Mapping[str, str]
    """Test to result; empty where the format has none (MEDIQ)."""
    diagnosis: str
    """The right one; empty where the case asks a question instead (MEDIQ)."""
    split: str
    licence: str
    benchmark: str
    item: Item | None = None
    """The question at the end of the consultation (MEDIQ)."""

    @property
    def text(self) -> str:
        """Everything about the patient in one text: the item's question, else all there is but the diagnosis."""
        if self.item is not None:
            return self.item.question
        findings = [f"{name}: {value}" for part in (self.examination, self.tests) for name, value in part.items()]
        return "\n".join([self.opening, *self.facts, *findings])


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a record beside its fields."""

    key: str
    """The key under which it stood in a JSON object, else empty."""
    split: str
    licence: str


def make_item(
    benchmark: str,
    origin: Origin,
    source_id: object,
    question: str,
    options: Mapping[str, str],
    answer: str | None,
    *,
    context: str = "",
    subject: str = "",
) -> Item:
    """An item, checked; ``answer`` is None where the source does not publish it.

    Raises:
        ValueError: the question is empty, there are fewer than two options, or the answer is not among them.
    """
    if answer == "":
        raise ValueError("answer: is empty")
    if len(options) < 2:
        raise ValueError(f"options: {len(options)} given, a question needs two or more")
    answer = "".join(sorted(set(answer or "")))
    missing = [letter for letter in answer if letter not in options]
    if missing:
        raise ValueError(f'answer: "{missing[0][:40]}" is not among the options {", ".join(options)[:100]}')
    question = question.strip()
    if not question:
        raise ValueError("question: is empty")
    name = _id(source_id, [question, dict(options), answer, context])
    return Item(
        id=f"{benchmark}:{name}",
        question=question,
        options=dict(options),
        answer=answer,
        context=context.strip(),
        split=origin.split,
        licence=origin.licence,
        benchmark=benchmark,
        subject=subject,
    )


def make_case(
    benchmark: str,
    origin: Origin,
    source_id: object,
    *,
    opening: str,
    demographics: str,
    facts: Sequence[str],
    examination: Mapping[str, str],
    tests: Mapping[str, str],
    diagnosis: str,
    item: Item | None = None,
) -> Case:
    """A case, checked.

    Raises:
        ValueError: there are no facts, or neither a diagnosis nor a question.
    """
    if not facts:
        raise ValueError("facts: none given")
    if not diagnosis and item is None:
        raise ValueError("diagnosis: is empty")
    content = [opening, demographics, list(facts), dict(examination), dict(tests), diagnosis]
    return Case(
        id=f"{benchmark}:{_id(source_id, content)}",
        opening=opening,
        demographics=demographics,
        facts=tuple(facts),
        examination=dict(examination),
        tests=dict(tests),
        diagnosis=diagnosis,
        split=origin.split,
        licence=origin.licence,
        benchmark=benchmark,
        item=item,
    )


def lettered(texts: Sequence[str]) -> dict[str, str]:
    """Options in order as A, B, C, …

    Raises:
        ValueError: there are more than 26.
    """
    if len(texts) > len(ascii_uppercase):
        raise ValueError(f"options: {len(texts)} given, more than there are letters")
    return dict(zip(ascii_uppercase, texts, strict=False))


def letter_at(index: int, options: Mapping[str, str]) -> str:
    """The letter of the option at ``index``, counted from 0.

    Raises:
        ValueError: there is no such option.
    """
    if not 0 <= index < len(options):
        raise ValueError(f"answer: option number {index + 1} does not exist, {len(options)} are given")
    return list(options)[index]


def _id(source_id: object, content: list[Any]) -> str:
    if source_id is not None and (name := as_text(source_id, "id")):
        return name
    text = json.dumps(content, ensure_ascii=True, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
