"""The extractor against real replies of the packaged model, each labelled before the extractor had read it.

The labels are those of a large language model that read each reply whole and kept to the rule below; no second reader
has checked them. Three were mended afterwards, because they broke the rule.

``real_replies.jsonl`` has an object a reply: the question's ``task`` and ``id``, the ``form`` of the prompt, the
``order`` in which the benchmark's options were shown, the ``text``, and the ``answer`` that it gives, or null. The
options themselves are read from the folder of data. SmolLM2-135M-Instruct wrote the replies at temperatures from 0
to 1. Forms ``prefix_…`` and ``why`` begin with words given to the model; the forms ``think_…`` had their
reasoning closed for them.

The rule for a label: what would a careful person, who sees the options and the whole reply and nothing else, call
its final answer?

* A statement ("Answer: X", "the answer is X", "I choose X", a box, a JSON value) names an answer; the last clear one
  counts unless the text takes it back.
* So does an option called the right or most likely one, a sentence that completes the question with an option, and an
  option that is the whole reply, its last line, or its first line with no other taken up.
* A letter with the text of another option names nothing; a letter with invented words is its letter where it is
  stated as the answer, and nothing elsewhere.
* A list of options, a walk through them, a description of one, a question and a reply that calls several right name
  nothing. Nor does what stands in reasoning, or in reasoning that was never closed.
* Where a reader would be torn, there is no answer.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.extract import extract
from evaluation.tasks import PLACES
from filters.readers import read_items
from tests.data import DATA, needs_data

pytestmark = needs_data
FILE = Path(__file__).parent / "real_replies.jsonl"
OWN_PROMPT = "benchmark"


@functools.cache
def rows() -> list[dict[str, Any]]:
    """The replies, with the ``options`` as shown."""
    replies = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    items = {}
    for place in {reply["task"]: PLACES[reply["task"]] for reply in replies}.values():
        path = next(DATA / part for part in place.paths if (DATA / part).exists())
        items |= {item.id: list(item.options.values()) for item in read_items(path) if item.split in place.splits}
    for reply in replies:
        options = items[reply["id"]]
        reply["options"] = {chr(ord("A") + at): options[source] for at, source in enumerate(reply["order"])}
    return replies


def wrong(some: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in some if extract(row["text"], row["options"]).letter != row["answer"]]


def test_the_file_holds_enough_of_both_kinds() -> None:
    labelled = rows()
    assert len(labelled) >= 320
    assert sum(row["answer"] is not None for row in labelled) >= 160
    assert sum(row["answer"] is None for row in labelled) >= 100
    assert len({row["id"] for row in labelled}) == len(labelled)
    assert all(row["answer"] is None or row["answer"] in row["options"] for row in labelled)


def test_replies_to_our_own_prompt_are_read_as_a_person_reads_them() -> None:
    own = [row for row in rows() if row["form"] == OWN_PROMPT]
    assert len(own) >= 190
    assert len(wrong(own)) <= 0.01 * len(own), wrong(own)


def test_replies_to_all_forms_of_prompts_are_mostly_read_so() -> None:
    labelled = rows()
    assert len(wrong(labelled)) <= 0.03 * len(labelled), wrong(labelled)


def test_where_a_person_sees_an_answer_another_letter_is_never_read() -> None:
    for row in rows():
        found = extract(row["text"], row["options"]).letter
        assert row["answer"] is None or found in (None, row["answer"]), row["text"]


def test_a_letter_is_rarely_read_where_a_person_sees_none() -> None:
    without = [row for row in rows() if row["answer"] is None]
    assert len(wrong(without)) <= 0.03 * len(without), wrong(without)


@pytest.mark.parametrize("ending", ["\n", "  \n\n", " \r\n"])
def test_white_space_at_the_end_changes_nothing(ending: str) -> None:
    for row in rows():
        assert extract(row["text"].rstrip() + ending, row["options"]) == extract(row["text"].rstrip(), row["options"])
