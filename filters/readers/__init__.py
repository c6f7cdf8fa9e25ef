"""Readers of exam questions and clinical cases, for recipes, filters and evaluation alike.

The format is recognised by the fields of the first record of each file, never by a name:

=============  ==================================================================  =====
MedQA          ``question, options {A: …}, answer_idx``                            items
MedMCQA        ``question, opa … opd, cop``                                        items
PubMedQA       ``QUESTION, CONTEXTS, final_decision``, or as on the Hub            items
MMLU           ``question, choices, answer``                                       items
MMLU-Pro       ``question, options [ ], answer_index``                             items
MedXpertQA     ``question, options [{letter, content}], label``                    items
conversations  ``conversations [{value: "… A. …"}], eval {answer}``                items
MEDIQ          MedQA's fields, with the vignette as ``context [ ]`` and ``facts``  both
AgentClinic    ``OSCE_Examination {…}``                                            cases
=============  ==================================================================  =====

Splits come from file names ("dev" is ``validation``). PubMedQA's are told by ``test_ground_truth.json`` beside it: its
ids are the test split, all others training; that file alone holds no questions and is passed over in a folder.
MedMCQA's answers count from 1 in the authors' JSON and from 0 in the Hub's Parquet, unless the numbers of the file
prove otherwise. All benchmarks, answers and subjects are read; which to ask is not decided here.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from filters.readers import cases, exams
from filters.readers.files import Record, benchmark_files, licence_of, records, split_of
from filters.readers.items import BenchmarkError, Case, Item, Origin, OtherKind

__all__ = ["BenchmarkError", "Case", "Item", "OtherKind", "read_benchmark", "read_cases", "read_items"]

_Found = TypeVar("_Found", Item, Case)
_Convert = Callable[[exams.Record, Origin], Item | Case]

# Looked at in this order: MEDIQ has all fields of MedQA, MMLU-Pro some of others.
_FORMATS: tuple[tuple[frozenset[str], _Convert, str], ...] = (
    (frozenset({"OSCE_Examination"}), cases.agentclinic, "mit"),
    (frozenset({"context", "options", "answer_idx"}), cases.mediq, "cc-by-4.0"),
    (frozenset({"opa", "opb"}), exams.medmcqa, "mit"),
    (frozenset({"QUESTION", "CONTEXTS"}), exams.pubmedqa, "mit"),
    (frozenset({"pubid", "question"}), exams.pubmedqa, "mit"),
    (frozenset({"question", "choices"}), exams.mmlu, "mit"),
    (frozenset({"question", "options", "answer_index"}), exams.mmlu_pro, "apache-2.0"),
    (frozenset({"question", "options", "label"}), exams.medxpertqa, "mit"),
    (frozenset({"conversations", "eval"}), exams.conversation, ""),
    (frozenset({"question", "options", "answer_idx"}), exams.medqa, "mit"),
)
_DECISIONS = {"yes", "no", "maybe"}
_LONGEST_REASON = 300
"""Characters of what a record is refused for; it may quote the record."""
_ANSWER_KEY = "test_ground_truth.json"


def read_benchmark(path: str | Path) -> Iterator[Item | Case]:
    """The items and cases of a file, or of every file of a folder and those below it, in the order of their paths.

    A record that is both (MEDIQ) comes as a case with its item. Reading is lazy: errors come up with their record.

    Raises:
        BenchmarkError: one line with the place: no such file, no known format, a field missing, an answer that is not
            among the options.
    """
    taken: dict[str, int] = {}
    files = benchmark_files(Path(path))
    for file in files:
        for found in _read_file(file, passes_keys=len(files) > 1):
            name = found.id
            while name in taken:  # a record of the source may be called as one that was renamed here
                taken[found.id] += 1
                name = f"{found.id}#{taken[found.id]}"
            taken[name] = 1
            yield found if name == found.id else _renamed(found, name)


def read_items(path: str | Path) -> Iterator[Item]:
    """The questions among :func:`read_benchmark`, those of MEDIQ's cases included; cases without one are left out.

    Raises:
        BenchmarkError: as there, or there is no question at all.
    """
    found = (record if isinstance(record, Item) else record.item for record in read_benchmark(path))
    yield from _some(found, path, "questions", "patient cases")


def read_cases(path: str | Path) -> Iterator[Case]:
    """The cases among :func:`read_benchmark`; questions about no patient are left out.

    Raises:
        BenchmarkError: as there, or there is no case at all.
    """
    found = (record if isinstance(record, Case) else None for record in read_benchmark(path))
    yield from _some(found, path, "patient cases", "questions")


def _some(found: Iterator[_Found | None], path: str | Path, wanted: str, others: str) -> Iterator[_Found]:
    """Those that are of the kind that is wanted; there must be one."""
    left_out = given = False
    for record in found:
        if record is None:
            left_out = True
            continue
        given = True
        yield record
    if left_out and not given:
        raise OtherKind(f"{path}: holds no {wanted}, but {others}")
    if not given:
        raise BenchmarkError(f"{path}: holds no {wanted}: the file is empty")


def _read_file(path: Path, passes_keys: bool) -> Iterator[Item | Case]:
    rest = records(path)
    first = next(rest, None)
    if first is None or (passes_keys and _is_answer_key(first)):
        return
    convert, known = _format(first)
    if convert is exams.medmcqa:
        convert = functools.partial(exams.medmcqa, first=_first_number(path))
    licence, test_ids = licence_of(path.parent, known), None
    if convert is exams.pubmedqa:
        test_ids = _test_ids(path.parent)
    for record in itertools.chain([first], rest):
        split = split_of(path)
        if test_ids is not None:
            split = "test" if (record.key or str(record.fields.get("pubid"))) in test_ids else split
            split = "train" if split == "unknown" else split
        try:
            found = convert(record.fields, Origin(record.key, split, licence))
        except RecursionError:
            raise BenchmarkError(
                f"{record.where}: is nested too deeply: remove this record, or write it flat"
            ) from None
        except ValueError as error:
            raise BenchmarkError(f"{record.where}: {' '.join(str(error).split())[:_LONGEST_REASON]}") from None
        yield found


def _format(record: Record) -> tuple[_Convert, str]:
    """The converter and the licence under which the benchmark was published."""
    if _is_answer_key(record):
        raise BenchmarkError(f"{record.where}: holds answers only, name the file with the questions")
    for fields, convert, licence in _FORMATS:
        if fields <= record.fields.keys():
            return convert, licence
    there = ", ".join(" ".join(name.split())[:40] for name in itertools.islice(record.fields, 8)) or "none"
    raise BenchmarkError(f"{record.where}: no known benchmark has these fields: {there}")


def _is_answer_key(record: Record) -> bool:
    values = record.fields.values()
    return bool(values) and all(isinstance(value, str) and value in _DECISIONS for value in values)


def _test_ids(folder: Path) -> set[str] | None:
    """The ids of PubMedQA's test split, if its answer key lies in the folder."""
    key = folder / _ANSWER_KEY
    return {test_id for record in records(key) for test_id in record.fields} if key.is_file() else None


def _first_number(path: Path) -> int:
    """Whether MedMCQA's answers in this file count from 0 or 1."""
    numbers: Iterable[object] = (record.fields.get("cop") for record in records(path))
    telling = next((number for number in numbers if number in (0, 4)), None)
    if telling is None:
        return 0 if path.suffix == ".parquet" else 1
    return 0 if telling == 0 else 1


def _renamed(found: Item | Case, name: str) -> Item | Case:
    if isinstance(found, Item):
        return replace(found, id=name)
    return replace(found, id=name, item=replace(found.item, id=name) if found.item else None)
