"""Training data of any usual shape, from files or folders, read as conversations: who said what, turn by turn.

Shapes, told by the columns of the files (the first that fits, capital letters or not):

=================================  ==========================================================================
``messages``                       a list of ``role`` and ``content``
``conversations``                  a list of ``from`` and ``value``, or of ``role`` and ``content``
``Question, Complex_CoT, Response``  the reasoning stands before the answer
``instruction (input) output``     or ``response`` in the place of ``output``
``prompt, completion``             texts, or lists of ``role`` and ``content``
=================================  ==========================================================================

A folder stands for all its Parquet, JSONL and CSV files and those below it. Rows without a turn of the assistant are
passed over and counted. System messages are read as turns of their own. Nothing is fetched: data sets of the Hub are
downloaded first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filters.table_lines import CELLS, LINES, endings
from filters.tables import Table, TableError
from synth.errors import UserError

_ROLES = {
    "human": "user", "user": "user", "patient": "user", "prompter": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "doctor": "assistant", "system": "system",
}  # fmt: skip
_SHAPES: tuple[tuple[str, ...], ...] = (
    ("messages",),
    ("conversations",),
    ("question", "complex_cot", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
)
_BESIDE = ("input", "turns", "case")
"""Columns that are read where they stand beside those of a shape."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a conversation."""

    number: int
    """Place among all rows of the data set, from 0."""
    turns: tuple[tuple[str, str], ...]
    """(role, text): user, assistant, system, or what the source calls others."""
    consultation: tuple[Mapping[str, Any], ...] = ()
    """The column ``turns`` of our dialogues, with actions and arguments."""
    case: str = ""
    """The column ``case`` of our dialogues, as JSON."""

    @property
    def text(self) -> str:
        """All turns, a line break between."""
        return "\n".join(text for _, text in self.turns)

    @property
    def replies(self) -> str:
        """What the assistant says."""
        return "\n".join(text for role, text in self.turns if role == "assistant")


class Dataset:
    """Files of one data set; reads them as often as it is asked for its examples.

    Raises:
        UserError: no such file, no rows, a damaged file, or columns of no known shape.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._table = Table(_files(path))
        except TableError as error:
            raise UserError(str(error)) from None
        there = {name.lower(): name for name in self._table.schema.names}
        shape = next((shape for shape in _SHAPES if all(name in there for name in shape)), None)
        if shape is None:
            known = "; ".join(" + ".join(names) for names in _SHAPES)
            raise UserError(
                f"{path}: no known shape of training data: it has the columns {', '.join(there.values()) or 'none'}; "
                f"known are {known}"
            )
        self.shape = shape
        """Names of the columns in lower case."""
        self._columns = {name: there[name] for name in (*shape, *_BESIDE) if name in there}
        self.passed_over = 0
        """Rows of the last reading that hold no turn of the assistant."""

    def examples(self) -> Iterator[Example]:
        """Every row that is one, in order."""
        self.passed_over = number = 0
        try:
            for batch in self._table.batches(list(self._columns.values())):
                for row in batch.to_pylist():
                    example = self._example(number, {name: row[column] for name, column in self._columns.items()})
                    number += 1
                    if any(role == "assistant" for role, _ in example.turns):
                        yield example
                    else:
                        self.passed_over += 1
        except TableError as error:
            raise UserError(str(error)) from None

    def _example(self, number: int, row: Mapping[str, Any]) -> Example:
        turns = tuple((role, text.strip()) for role, text in _turns(self.shape, row) if text and text.strip())
        own = row.get("turns")
        spoken = tuple(own) if isinstance(own, list) and all(isinstance(turn, dict) for turn in own) else ()
        case = row.get("case")
        return Example(number, turns, spoken, case if isinstance(case, str) else "")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    found = [file for file in inside if endings(file)[0] in (".parquet", *LINES, *CELLS)]
    if not found:
        raise UserError(f"{path}: the folder holds no .parquet, .jsonl, .ndjson, .csv or .tsv file")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _turns(shape: tuple[str, ...], row: Mapping[str, Any]) -> list[tuple[str, str]]:
    if shape in (("messages",), ("conversations",)):
        return _chat(row[shape[0]])
    if shape[0] == "prompt":
        return [*_side("user", row["prompt"]), *_side("assistant", row["completion"])]
    asked = [_text(row[shape[0]]), _text(row.get("input")) if shape[0] == "instruction" else ""]
    answered = [_text(row[name]) for name in shape[1:]]
    return [("user", "\n\n".join(filter(None, asked))), ("assistant", "\n\n".join(filter(None, answered)))]


def _side(role: str, value: Any) -> list[tuple[str, str]]:
    return _chat(value) if isinstance(value, list) else [(role, _text(value))]


def _chat(value: Any) -> list[tuple[str, str]]:
    """Turns of a list of mappings; what is none gives no turn."""
    found = []
    for turn in value if isinstance(value, list) else ():
        if isinstance(turn, Mapping):
            role = _text(turn.get("role") or turn.get("from")).lower()
            text = turn.get("content") if turn.get("content") is not None else turn.get("value")
            found.append((_ROLES.get(role, role or "user"), _text(text)))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
