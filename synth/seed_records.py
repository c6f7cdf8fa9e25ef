"""Exam questions and patient cases as rows of a seed source, through :mod:`filters.readers`.

A row holds the fields of a seed by fixed names: ``id``, ``text``, ``license``, ``source`` and the ``record`` itself.
The text of an exam question is what is read before it, the question and its lettered options; that of a case is
all that is known of the patient but the diagnosis. The number of a row counts the records of the source from 1.

No exam question or case of a test or validation split becomes a training row: the first one that the reader finds
there ends the reading. A file whose name names no split is believed to be what the spec declares it to be.

What this module does not do: it reads no data set from the Hub, and it keeps nothing of a record that cannot be read
(the reader stops at it, with its place).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from filters.readers import BenchmarkError, Case, Item, OtherKind, read_cases, read_items
from filters.text import storable
from synth.errors import UserError
from synth.seed_files import source_name
from synth.seed_lines import BadRow, Row
from synth.spec import SeedsSpec

_Value = TypeVar("_Value")
_HELD_OUT = ("test", "validation")

RECORD_FIELDS = {"text": "text", "id": "id", "license": "license", "origin": "source"}
"""Keys of a seeds spec and the fields under which :func:`record_rows` gives what they stand for."""


def record_rows(spec: SeedsSpec) -> Iterator[Row | BadRow]:
    """Stream the records of ``spec.source`` (a file or a folder), of the kind that ``spec.kind`` names.

    A question without a published answer comes as a bad row, ``no_answer``.

    Raises:
        UserError: the source cannot be read, holds no such records, or holds one of a test or validation split.
    """
    found: Iterator[Item | Case] = read_cases(spec.source) if spec.kind == "cases" else read_items(spec.source)
    try:
        for number, raw in enumerate(found, 1):
            record = _storable(raw)
            if record.split in _HELD_OUT:
                raise UserError(_held_out(spec, record))
            text = text_of(record)
            if isinstance(record, Item) and not record.answer:
                yield BadRow(number, "no_answer", "the source publishes no answer", text)
            else:
                origin = f"{record.benchmark}/{source_name(spec.source)}"
                fields = {"id": record.id, "text": text, "license": record.licence, "source": origin}
                yield Row(number, {**fields, "record": record})
    except OtherKind as error:
        other = "items" if spec.kind == "cases" else "cases"
        raise UserError(f"seeds.source: {error}: set `kind: {other}` under seeds, or name another file") from None
    except BenchmarkError as error:
        raise UserError(f"seeds.source: {error}") from None


def text_of(record: Item | Case) -> str:
    """The text of a seed: what models and people read of the record before its answer or diagnosis."""
    if isinstance(record, Item):
        options = (f"{letter}. {option}" for letter, option in record.options.items())
        return "\n".join(filter(None, [record.context, record.question, *options]))
    return record.text if record.item else "\n".join(filter(None, [record.demographics, record.text]))


def _storable(value: _Value) -> _Value:
    """The value with every text in it made storable, as the texts of passages are."""
    changed: Any = value
    if isinstance(value, str):
        changed = storable(value)
    elif isinstance(value, dict):
        changed = {storable(key): _storable(inner) for key, inner in value.items()}
    elif isinstance(value, tuple):
        changed = tuple(map(_storable, value))
    elif isinstance(value, Item | Case):
        changed = replace(value, **{name: _storable(getattr(value, name)) for name in value.__dataclass_fields__})
    result: _Value = changed
    return result


def _held_out(spec: SeedsSpec, record: Item | Case) -> str:
    return (
        f"seeds.source: {spec.source}: {record.id} is of the {record.split} split, and no exam item of a test or"
        " validation split becomes a training row: name a file of training questions or cases"
    )
