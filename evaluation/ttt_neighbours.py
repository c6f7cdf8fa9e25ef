"""The neighbours of a benchmark's questions, and which of the questions stand in the pool themselves.

Neighbours are found by the questions' texts, whatever order their options are shown in.

Questions and settings of each retrieval make a folder of their own under the configuration's output, so that another
limit or control stands beside what was found before. Answers are made in :mod:`evaluation.ttt_answers`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from evaluation.contamination import contaminated_ids, write_contamination
from evaluation.tasks import Question
from filters.readers import Item
from training.neighbours import COPY_COSINE
from training.retrieval import Pool, identity_of, retrieve
from training.ttt_config import TttConfig


class Near(NamedTuple):
    """A question's neighbours, nearest first, and the cosine of the first; None where there is none."""

    ids: tuple[str, ...]
    similarity: float | None
    nearest: float = -1.0
    """Highest cosine of any row, near-copies that were left out included."""


def find_neighbours(
    config: TttConfig, pool: Pool, task: str, questions: Sequence[Question], *, at_random: bool = False
) -> dict[str, Near]:
    """Return each question's neighbours, from the configuration's output folder where they were found before.

    ``at_random`` draws as many rows from the whole pool instead. Raises UserError.
    """
    want = config.retrieval.model_copy(update={"select": "random"}) if at_random else config.retrieval
    found = {question.id: _as_item(question, task) for question in questions}
    items = [found[name] for name in sorted(found)]
    identity = json.dumps(identity_of(pool, items, want, config.seed), sort_keys=True)
    output = Path(config.output)
    folder = output / task / hashlib.sha256(identity.encode()).hexdigest()[:16]
    table = retrieve(pool, items, want, config.seed, folder, output)
    return {
        row["question"]: Near(tuple(row["neighbours"]), max(row["similarities"], default=None), row["nearest"])
        for row in table.to_pylist()
    }


def search_pool(config: TttConfig, pool: Pool, task: str, questions: Sequence[Question], out: Path) -> int:
    """Note in the evaluation folder ``out`` which items of a task stand in the pool, and return how many.

    An item does whose words stand in a row (:mod:`evaluation.contamination`), or whose question is that of a row by
    its vector. Retrieval leaves such rows out, one question at a time; the report shows every score without the items.

    Raises:
        UserError: a file of the retrieval or of an earlier search cannot be read.
        ClinsynthError: the disk refuses.
    """
    rows = ("\n".join(part["content"] for part in pool.messages(name)) for name in pool.ids)
    found = contaminated_ids(questions, rows)
    for name, one in find_neighbours(config, pool, task, questions).items():
        if one.nearest >= COPY_COSINE:
            found.setdefault(name, f"cosine {one.nearest:.3f} to a row's question")
    write_contamination(out, task, f"TTT pool ({pool.hash[:6]})", found, [question.id for question in questions])
    return len(found)


def with_examples(pool: Pool, question: Question, near: Near) -> Question:
    """Return the question with its neighbours' conversations before it, as something to be read first."""
    texts = ["\n\n".join(part["content"] for part in pool.messages(name)) for name in near.ids]
    return replace(question, context="\n\n".join([*texts, *([question.context] if question.context else [])]))


def _as_item(question: Question, task: str) -> Item:
    """The question with its options as the source has them, whatever order they are shown in."""
    source = dict(zip(question.order, question.options.values(), strict=True))
    gold = question.order[list(question.options).index(question.gold)]
    return Item(
        question.id, question.question, dict(sorted(source.items())), gold, question.context, "test", "unknown", task
    )
