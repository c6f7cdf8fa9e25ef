"""What is asked of a finished row beside its scores: form, benchmark items, what may identify a person.

The rules live in :mod:`filters`; here they meet rows. Of a dialogue the doctor's side is held to the rules of form, of
a preference the chosen answer. Benchmark items are looked for in everything that a model would read, people in that
and in the case and the thoughts as well.

Nothing is written here, and no model is asked.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from filters.contamination import Paraphrases, contaminated
from filters.item_index import ItemIndex
from filters.phi import Span, find, mask
from filters.quality import Rules, judge
from filters.readers import BenchmarkError
from filters.semantic import Encoder
from synth.errors import UserError
from synth.spec_filters import Decontaminate, Filters, TextRules

Row = dict[str, Any]

FLAG = "phi"
SCREENED = {
    "sft": ("messages", "instruction", "response"),
    "reasoning": ("messages", "question", "reasoning", "answer"),
    "dialogue": ("messages", "turns", "case"),
    "preference": ("prompt", "chosen", "rejected"),
}
"""Columns whose text may tell who somebody is."""
CASE = "case"
"""Holds JSON, whose keys and numbers stay as they are."""
_PARTS = ("content", "text", "thought", "argument")
_CONVERSATIONS = {"preference": ("prompt", "chosen", "rejected")}
_JUDGED = {"sft": "messages", "reasoning": "messages", "dialogue": "messages", "preference": "chosen"}
_SHOWN = 20  # findings quoted for a row


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a row goes, with what shows it."""

    reason: str
    detail: str


class Screens:
    """The screens of a spec; the benchmarks are read once.

    Raises:
        UserError: a benchmark cannot be read, or a package for the language is missing.
    """

    def __init__(self, filters: Filters, language: str) -> None:
        self._phi = filters.phi
        self._rules = _rules(filters.rules, language)
        self._threshold = filters.decontaminate.threshold if filters.decontaminate else 0.0
        self._items = _items(filters.decontaminate)
        self.encoder = _encoder(filters.encoder)
        """Texts to vectors, where the spec names a model for it."""
        cosine = filters.decontaminate.paraphrases if filters.decontaminate else None
        self._paraphrases = None
        if self._items is not None and self.encoder is not None and cosine is not None:
            self._paraphrases = Paraphrases(self._items, self.encoder, cosine)

    @property
    def benchmarks(self) -> dict[str, int]:
        """Items that rows are compared with, by benchmark."""
        return dict(Counter(target.benchmark for target in self._items.targets)) if self._items else {}

    def drops(self, kind: str, rows: list[Row]) -> list[Finding | None]:
        """One finding a row, of the first screen that drops it."""
        found: list[Finding | None] = [None] * len(rows)
        for reasons, evidence in self._verdicts(kind, rows):
            for at, (reason, shown) in enumerate(zip(reasons, evidence, strict=True)):
                if reason and found[at] is None:
                    found[at] = Finding(reason, shown)
        return found

    def _verdicts(self, kind: str, rows: list[Row]) -> Iterator[tuple[list[str], list[str]]]:
        if self._rules is not None:
            yield self._form([_answers(row[_JUDGED[kind]]) for row in rows], self._rules)
        if self._items is not None:
            texts = pa.array([_read(kind, row) for row in rows], pa.string())
            verdicts = contaminated(texts, self._items, self._threshold, self._paraphrases)
            yield list(verdicts.reasons), list(verdicts.evidence)
        if self._phi is not None and self._phi.mode == "drop":
            spans = [list(self._found(kind, row)) for row in rows]
            yield [FLAG if one else "" for one in spans], [_quoted(one) for one in spans]

    def _form(self, answers: list[list[str]], rules: Rules) -> tuple[list[str], list[str]]:
        """The first finding among the answers of each row."""
        verdicts = judge([text for texts in answers for text in texts], rules)
        found = iter(zip(verdicts.reasons, verdicts.evidence, strict=True))
        first = [
            next((one for one in list(itertools.islice(found, len(texts))) if one[0]), ("", "")) for texts in answers
        ]
        return [reason for reason, _ in first], [shown for _, shown in first]

    def marked(self, kind: str, row: Row) -> Row:
        """The row as it is kept: flagged with what may identify a person, or with that masked."""
        if self._phi is None or not (found := list(self._found(kind, row))):
            return row
        flags = [*(row["flags"] or []), *([] if FLAG in (row["flags"] or []) else [FLAG])]
        kinds = self._phi.kinds
        if self._phi.mode == "mask":
            masked = {c: _masked(c, row[c], lambda text: mask(text, find(text, kinds))) for c in SCREENED[kind]}
            row = {**row, **masked}
            found = [(turn, span, f"[{span.kind.upper()}]") for turn, span, _ in found]
        notes = [{"flag": FLAG, "turn": turn, "text": words, "fact": span.kind} for turn, span, words in found]
        return {**row, "flags": flags, "evidence": [*(row["evidence"] or []), *notes[:_SHOWN]]}

    def _found(self, kind: str, row: Row) -> Iterator[tuple[int | None, Span, str]]:
        """Each finding once: number of the message or turn, the span, the words."""
        assert self._phi is not None
        seen: set[str] = set()
        for column in SCREENED[kind]:
            for turn, text in _texts(column, row[column]):
                for span in find(text, self._phi.kinds):
                    words = text[span.start : span.end]
                    if words not in seen:
                        seen.add(words)
                        yield turn, span, words


def _rules(rules: TextRules | None, language: str) -> Rules | None:
    if rules is None:
        return None
    given = rules.model_dump(exclude={"check_language"})
    made = Rules(**given, language=language.partition("-")[0] if rules.check_language else None)
    try:
        judge([""], made)
    except (ValueError, ModuleNotFoundError) as error:
        raise UserError(f"filters.rules: {error}") from None
    return made


def _items(wanted: Decontaminate | None) -> ItemIndex | None:
    if wanted is None:
        return None
    try:
        return ItemIndex.from_files(wanted.against, exclude_splits=wanted.exclude_splits)
    except (BenchmarkError, OSError) as error:
        raise UserError(f"filters.decontaminate.against: {error}") from None


def _encoder(model: str | None) -> Encoder | None:
    if model is None:
        return None
    try:
        return Encoder(model)
    except ImportError:
        raise UserError("filters.encoder: needs `pip install 'clinsynth[train]'`") from None
    except Exception as error:  # the loaders raise many types; each means the same to the user
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"filters.encoder: cannot load {model}: {reason}") from None


def _answers(messages: list[dict[str, str]]) -> list[str]:
    """What the model said, message by message."""
    return [message["content"] or "" for message in messages if message["role"] == "assistant"]


def _read(kind: str, row: Row) -> str:
    """Everything that a model in training would read."""
    columns = _CONVERSATIONS.get(kind, ("messages",))
    return "\n".join(message["content"] or "" for column in columns for message in row[column] or [])


def _texts(column: str, value: Any) -> Iterator[tuple[int | None, str]]:
    """The texts of a column with the number of the message or turn they stand in."""
    if column == CASE and value:
        yield from ((None, text) for text in _strings(json.loads(value)))
    elif isinstance(value, str):
        yield None, value
    elif isinstance(value, list):
        yield from ((n, part[name]) for n, part in enumerate(value) for name in _PARTS if part.get(name))


def _masked(column: str, value: Any, change: Callable[[str], str]) -> Any:
    """The column with ``change`` made to each text that :func:`_texts` gives."""
    if column == CASE and value:
        return json.dumps(_changed(json.loads(value), change), ensure_ascii=False)
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [{**part, **{name: change(part[name]) for name in _PARTS if part.get(name)}} for part in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    """All texts of a JSON value, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _changed(inner, change) for key, inner in value.items()}
    return [_changed(inner, change) for inner in value] if isinstance(value, list) else value


def _quoted(found: list[tuple[int | None, Span, str]]) -> str:
    return ", ".join(f"{span.kind}: {words}" for _, span, words in found[:_SHOWN])
