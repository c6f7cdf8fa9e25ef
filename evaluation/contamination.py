"""Which benchmark items stand in what a model was trained on, or was shown: the ids to leave out for a clean subset.

What counts as standing in a text is decided by :mod:`filters.contamination` (word n-grams of the item in the text).
Two sources matter: the rows of the training data, and the pool that test-time training retrieves from, where a near
copy of the question with its answer is training on the test set. Paraphrases and translations are not found, and
nothing is known of what the base model read before.

What was searched is kept in ``DIR/contamination/<task>.json`` of an evaluation folder, items without a find included:
"none found" and "not searched" are different things.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synth.errors import UserError
from synth.staging import disk_errors, replace_text

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluation.tasks import Question
    from filters.readers import Item

FOLDER = "contamination"
_BATCH = 4096
_TRAINED = (
    ("messages",),
    ("prompt", "chosen", "rejected"),
    ("instruction", "response"),
    ("question", "answer"),
    ("text",),
)
"""Columns that hold what a model is trained on: the first of these groups of which a table has any."""


def contaminated_ids(items: Sequence[Question], texts: Iterable[str]) -> dict[str, str]:
    """The ids of the items that stand in one of the texts, each with the words that were found, in the items' order.

    The texts are streamed; of several texts the one that holds the largest share of an item is the evidence.
    """
    import pyarrow as pa

    from filters.contamination import Match, find_matches
    from filters.item_index import ItemIndex

    index, best = ItemIndex.from_items(map(_item, items)), dict[str, Match]()
    for batch in _batches(texts):
        for match in find_matches(pa.array(batch, pa.large_string()), index):
            if match.item not in best or match.containment > best[match.item].containment:
                best[match.item] = match
    evidence = {name: match.evidence.removeprefix(f"{name}, ") for name, match in best.items()}
    return {item.id: evidence[item.id] for item in items if item.id in evidence}


def training_texts(paths: Sequence[Path]) -> Iterator[str]:
    """The texts of training rows: of run folders, exports, folders of tables, or single tables.

    Of each row all that a model is trained on is read as one text.

    Raises:
        UserError: a path holds no rows, or no column with texts.
    """
    from filters.tables import Table, TableError

    for file in (file for path in paths for file in _tables(path)):
        try:
            table = Table([file])
            there = ([name for name in group if name in table.schema.names] for group in _TRAINED)
            columns = [table.text_column(name) for name in next(filter(None, there), [])]
            if not columns:
                raise UserError(f"{file}: no column of texts; known are {', '.join(sum(_TRAINED, ()))}")
            for batch in table.batches(columns):
                yield from _rows(batch, columns)
        except TableError as error:
            raise UserError(str(error)) from None


def write_contamination(
    folder: Path, task: str, source: str, found: Mapping[str, str], searched: Iterable[str]
) -> None:
    """Note in an evaluation folder what was found of a task in a source.

    Other sources stay, and so do items that were searched for in this one earlier and are not among ``searched``.

    Args:
        folder: the evaluation folder.
        task: name of the task.
        source: where was searched, as people know it (``training data cardiology``).
        found: as :func:`contaminated_ids` gives it, empty for none.
        searched: the ids of all items that were looked for.
    """
    path = folder / FOLDER / f"{task}.json"
    known = read_contamination(folder, task)
    known[source] = known.get(source, {}) | {name: found.get(name, "") for name in searched}
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def read_contamination(folder: Path, task: str) -> dict[str, dict[str, str]]:
    """Source to id to evidence of a task, an empty text for what was not found; empty where nothing was searched.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FOLDER / f"{task}.json"
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {str(source): {str(key): str(value) for key, value in ids.items()} for source, ids in known.items()}
    except (OSError, ValueError, AttributeError):
        raise UserError(f"{path}: cannot be read, delete it and run the search again") from None


def _item(question: Question) -> Item:
    from filters.readers import Item

    benchmark = question.id.partition(":")[0]
    asked, context, gold = question.question, question.context, question.gold
    return Item(question.id, asked, question.options, gold, context, "unknown", "unknown", benchmark)


def _tables(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    is_run = (path / "spec.lock.yaml").is_file()
    files = sorted((path / "export" if is_run else path).rglob("*.parquet"))
    if not files and is_run:
        raise UserError(f"{path}: this run has no finished export: give its spec to synth.generate again")
    if not files:
        raise UserError(f"{path}: no Parquet file in this folder: name a run folder, an export or files of rows")
    return files


def _rows(batch: pa.RecordBatch, columns: Sequence[str]) -> Iterator[str]:
    from filters.tables import texts

    for row in zip(*(texts(batch, column).to_pylist() for column in columns), strict=True):
        yield "\n".join(text for text in row if text)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
