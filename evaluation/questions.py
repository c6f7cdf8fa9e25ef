"""The texts of the questions that were asked, kept in an evaluation folder so that its report can show them.

``DIR/questions/<task>.jsonl`` has an object an item with the options under the letters of the source, whatever order
they were shown in. The texts belong to whoever wrote the benchmark: the folder is no more public than its source. A
report can be written without them; it then names items by their ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synth.errors import UserError
from synth.staging import disk_errors, replace_text

if TYPE_CHECKING:
    from evaluation.tasks import Task

FOLDER = "questions"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the letters of its source."""

    question: str
    context: str
    options: Mapping[str, str]
    gold: str


def write_questions(folder: Path, task: Task) -> None:
    """Keep the texts of a task's items; those that are there from other runs stay.

    Raises:
        UserError: the file that is there is damaged.
        ClinsynthError: the disk refuses.
    """
    known = read_questions(folder, task.name)
    for item in task.items:
        source = dict(zip(item.options, item.order, strict=True))
        options = {source[letter]: text for letter, text in item.options.items()}
        known[item.id] = Asked(item.question, item.context, dict(sorted(options.items())), source[item.gold])
    path = _path(folder, task.name)
    lines = []
    for name, asked in sorted(known.items()):
        row = {
            "id": name,
            "question": asked.question,
            "context": asked.context,
            "options": dict(asked.options),
            "gold": asked.gold,
        }
        lines.append(json.dumps(row, ensure_ascii=True) + "\n")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, "".join(lines))


def read_questions(folder: Path, task: str) -> dict[str, Asked]:
    """Id to question; empty where none were kept.

    Raises:
        UserError: the file is damaged.
    """
    path = _path(folder, task)
    if not path.exists():
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {row["id"]: Asked(row["question"], row["context"], row["options"], row["gold"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: cannot be read, delete it and run evaluation.benchmark again") from None


def _path(folder: Path, task: str) -> Path:
    return folder / FOLDER / f"{task}.jsonl"
