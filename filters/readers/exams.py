"""From one record of a multiple-choice benchmark to an item, a function for each format.

Each takes the record and its origin and raises ValueError for a record of another shape. Formats: MedQA with lettered
options; MedMCQA; PubMedQA as published and as on the Hub; MMLU, also as conversations; MMLU-Pro; MedXpertQA.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from filters.readers.fields import as_text, need, number, optional, table, text, texts
from filters.readers.items import Item, Origin, letter_at, lettered, make_item

Record = Mapping[str, Any]


def medqa(record: Record, origin: Origin) -> Item:
    """``question, options {letter: text}, answer_idx``: a letter."""
    options = letter_table(record)
    return make_item("medqa", origin, record.get("id"), text(record, "question"), options, text(record, "answer_idx"))


def medmcqa(record: Record, origin: Origin, first: int = 1) -> Item:
    """``question, opa … opd, cop``: the number of the right option, counted from ``first``; none or -1: hidden."""
    options = lettered([text(record, f"op{letter}") for letter in "abcd"])
    right = record.get("cop")
    answer = None if right is None or right == -1 else letter_at(number(record, "cop") - first, options)
    subject = optional(record, "subject_name")
    return make_item("medmcqa", origin, record.get("id"), text(record, "question"), options, answer, subject=subject)


def pubmedqa(record: Record, origin: Origin) -> Item:
    """``QUESTION, CONTEXTS, final_decision`` under a PubMed id, or ``pubid, question, context {contexts}``."""
    if "QUESTION" in record:
        source_id, question, contexts = origin.key, text(record, "QUESTION"), texts(record, "CONTEXTS")
    else:
        source_id, question = text(record, "pubid"), text(record, "question")
        contexts = texts(table(record, "context"), "contexts")
    options = lettered(["yes", "no", "maybe"])
    decision = text(record, "final_decision").lower()
    letters = [letter for letter, option in options.items() if option == decision]
    if not letters:
        raise ValueError(f'final_decision: "{decision[:40]}" is not one of yes, no, maybe')
    return make_item("pubmedqa", origin, source_id, question, options, letters[0], context="\n".join(contexts))


def mmlu(record: Record, origin: Origin) -> Item:
    """``question, choices, answer``: the place of the right choice, counted from 0."""
    options = lettered(texts(record, "choices"))
    answer = letter_at(number(record, "answer"), options)
    subject = optional(record, "subject")
    return make_item("mmlu", origin, record.get("id"), text(record, "question"), options, answer, subject=subject)


def mmlu_pro(record: Record, origin: Origin) -> Item:
    """``question_id, question, options, answer, answer_index, category``; letter and index have to agree."""
    options = lettered(texts(record, "options"))
    answer = letter_at(number(record, "answer_index"), options)
    if (told := optional(record, "answer")) not in ("", answer):
        raise ValueError(f'answer: is "{told[:40]}", but answer_index says "{answer}"')
    source_id, subject = record.get("question_id"), optional(record, "category")
    return make_item("mmlu_pro", origin, source_id, text(record, "question"), options, answer, subject=subject)


def medxpertqa(record: Record, origin: Origin) -> Item:
    """``id, question, options [{letter, content}], label``: a letter or a list of letters.

    The published questions repeat the options after "Answer Choices:"; that part is cut off.
    """
    options = letter_list(record, "letter", "content")
    label = need(record, "label")
    letters = texts(record, "label") if isinstance(label, list) else [as_text(label, "label")]
    question = re.split(r"\s*Answer Choices:\s*\(A\)", text(record, "question"))[0]
    subject = optional(record, "body_system")
    return make_item("medxpertqa", origin, record.get("id"), question, options, "".join(letters), subject=subject)


def conversation(record: Record, origin: Origin) -> Item:
    """``id, conversations [{value}], eval {answer, type}``: the options are the last lines "A. …" of the message.

    The benchmark is what the id begins with (``mmlu_17``).
    """
    messages = need(record, "conversations")
    if not isinstance(messages, list) or not messages or not isinstance(messages[0], Mapping):
        raise ValueError("conversations: a list with one message is needed")
    question, options = split_options(text(messages[0], "value"))
    judged = table(record, "eval")
    benchmark, _, source_id = text(record, "id").rpartition("_")
    return make_item(
        benchmark or "unknown",
        origin,
        source_id,
        question,
        options,
        text(judged, "answer"),
        subject=optional(judged, "type"),
    )


def split_options(message: str) -> tuple[str, dict[str, str]]:
    """A message that ends in lines ``A. …``, ``B. …``, in order, as its question and its options.

    An option goes on until the line of the next letter; of several lines ``A. …`` the last begins the options.

    Raises:
        ValueError: there is no line ``A. …``.
    """
    begin = ("\n" + message).rfind("\nA. ")
    if begin < 0:
        raise ValueError('options: no line begins with "A. "')
    question, rest, found = message[:begin], "\n" + message[begin:], []
    for letter in "BCDEFGHIJKLMNOPQRSTUVWXYZ":
        option, line, after = rest.partition(f"\n{letter}. ")
        if not line:
            break
        found.append(option)
        rest = f"\n{letter}. {after}"
    return question.strip(), lettered([option[4:].strip() for option in [*found, rest]])


def letter_table(record: Record) -> dict[str, str]:
    """Options as an object of letters, or as a list of ``{key, value}``; without the nulls of Parquet."""
    if isinstance(record.get("options"), list):
        return letter_list(record, "key", "value")
    options = table(record, "options")
    return {letter: as_text(options[letter], "options") for letter in sorted(options) if options[letter] is not None}


def letter_list(record: Record, letter: str, content: str) -> dict[str, str]:
    """Options as a list of objects with a letter and a text."""
    options = need(record, "options")
    if not isinstance(options, list) or not all(isinstance(option, Mapping) for option in options):
        raise ValueError(f"options: a list of {{{letter}, {content}}} is needed")
    found = {text(option, letter): text(option, content) for option in options}
    if len(found) < len(options):
        raise ValueError("options: a letter stands twice")
    return dict(sorted(found.items()))
