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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from filters.contamination import Paraphrases, contaminated
from filters.item_index import ItemIndex
from filters.phi import Span, find, mask
from filters.quality import Rules, judge
from filters.readers import BenchmarkError
from filters.semantic import Encoder, encoder_model
from synth.errors import UserError
from synth.spec_filters import Decontaminate, Filters, TextRules

Row = dict[str, Any]

FLAG = "phi"
SCREENED = {
    "sft": ("messages", "instruction", "response"),
    "reasoning": ("messages", "question", "reasoning", "answer"),
    "dialogue": ("messages", "turns", "case", "diagnosis", "persona", "rubric"),
    "preference": ("prompt", "chosen", "rejected"),
}
"""Columns whose text may tell who somebody is."""
CASE = "case"
"""Holds JSON, whose keys stay as they are."""
_NO_TEXT = {"role", "speaker", "action", "flag"}
"""Keys of what only the program writes."""
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
    def independent(self) -> bool:
        """Whether what is said of a row depends on that row alone, to the last digit: a model's may on its batch."""
        return self._paraphrases is None

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
            spans = [self._found(kind, row) for row in rows]
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
        if self._phi is None or self._phi.mode == "drop":  # then a row that is kept has nothing of the kind
            return row
        masks = self._phi.mode == "mask"
        pieces = [*_pieces(kind, row, SCREENED[kind]), *(_pieces(kind, row, ("evidence",)) if masks else ())]
        spans = _spans(pieces, self._phi.kinds)
        found = _findings(pieces, spans)
        if not found:
            return row
        if masks:
            changed = {piece.path: mask(piece.text, spans[piece.label, piece.text]) for piece in pieces}
            row = {
                **row,
                **{column: _rebuilt(column, row[column], changed) for column in (*SCREENED[kind], "evidence")},
            }
            found = [(turn, kind_, f"[{kind_.upper()}]") for turn, kind_, _ in found]
        notes = [{"flag": FLAG, "turn": turn, "text": words, "fact": kind_} for turn, kind_, words in found]
        flags = [*(row["flags"] or []), *([] if FLAG in (row["flags"] or []) else [FLAG])]
        return {**row, "flags": flags, "evidence": [*(row["evidence"] or []), *notes[:_SHOWN]]}

    def _found(self, kind: str, row: Row) -> list[tuple[int | None, str, str]]:
        assert self._phi is not None
        pieces = list(_pieces(kind, row, SCREENED[kind]))
        return _findings(pieces, _spans(pieces, self._phi.kinds))


class _Piece(NamedTuple):
    """One text of a row."""

    path: tuple[str | int, ...]
    """Column, then numbers and names on the way to it."""
    text: str
    label: str
    """What stands before it for people (``name: ``); a key of the case says what its value is."""

    @property
    def turn(self) -> int | None:
        """Number of the message or turn it stands in."""
        at = self.path[1] if len(self.path) > 1 and self.path[0] not in (CASE, "rubric", "evidence") else None
        return at if isinstance(at, int) else None


def _pieces(kind: str, row: Row, columns: Sequence[str]) -> Iterator[_Piece]:
    for column in columns:
        value = row[column]
        if column == CASE and value:
            value = json.loads(value)
        yield from _walk((column,), value, column == CASE)


def _walk(path: tuple[str | int, ...], value: Any, labelled: bool, label: str = "") -> Iterator[_Piece]:
    if isinstance(value, str):
        yield _Piece(path, value, label)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NO_TEXT:
                yield from _walk((*path, key), inner, labelled, f"{key}: " if labelled else "")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _walk((*path, at), inner, labelled, label)


def _rebuilt(column: str, value: Any, changed: Mapping[tuple[str | int, ...], str]) -> Any:
    """The column with the texts of ``changed`` in their places."""

    def put(path: tuple[str | int, ...], inner: Any) -> Any:
        if isinstance(inner, str):
            return changed.get(path, inner)
        if isinstance(inner, dict):
            return {key: put((*path, key), part) for key, part in inner.items()}
        return [put((*path, at), part) for at, part in enumerate(inner)] if isinstance(inner, list) else inner

    if column == CASE and value:
        return json.dumps(put((column,), json.loads(value)), ensure_ascii=False)
    return put((column,), value)


def _spans(pieces: Iterable[_Piece], kinds: Collection[str]) -> dict[tuple[str, str], list[Span]]:
    """What may identify a person in each text, found in all of them together: a name told once is known elsewhere."""
    keys = list(dict.fromkeys((piece.label, piece.text) for piece in pieces))
    found = find("\n\n".join(label + text for label, text in keys), kinds)
    spans: dict[tuple[str, str], list[Span]] = {}
    start = 0
    for label, text in keys:
        start += len(label)
        end = start + len(text)
        spans[label, text] = [
            Span(max(span.start, start) - start, min(span.end, end) - start, span.kind)
            for span in found
            if span.start < end and span.end > start
        ]
        start = end + 2
    return spans


def _findings(
    pieces: Iterable[_Piece], spans: Mapping[tuple[str, str], list[Span]]
) -> list[tuple[int | None, str, str]]:
    """Each finding once: number of the message or turn, kind, words."""
    found: dict[str, tuple[int | None, str, str]] = {}
    for piece in pieces:
        for span in spans[piece.label, piece.text]:
            words = piece.text[span.start : span.end]
            found.setdefault(words, (piece.turn, span.kind, words))
    return list(found.values())


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
        return Encoder(encoder_model(model))
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


def _quoted(found: Iterable[tuple[int | None, str, str]]) -> str:
    return ", ".join(f"{kind}: {words}" for _, kind, words in itertools.islice(found, _SHOWN))
