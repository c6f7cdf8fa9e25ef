"""The first pass of test-time training: which rows of the pool each question will be trained on, as a Parquet file.

``<folder>/neighbours.parquet`` holds a row a question: its id, its neighbours' ids, their cosines, the highest cosine
of all, and how many near-copies were left out; ``<store>/pool-<hash>.npy`` the vectors of the pool's questions, which
retrievals for several benchmarks share. Both are written once; a killed pass goes on with the first batch of questions
that is not on disk. A folder that holds another retrieval (another pool, encoder, setting or set of questions) is
refused.

The search is exact: a product of matrices, a batch of questions at a time. Answers and options are not looked at,
except to leave near-copies out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.readers import Item
from filters.semantic import Embed, Vectors
from synth.errors import UserError
from synth.staging import disk_errors
from training.encode import Encoded, Messages
from training.encoders import encoder_of
from training.identity import tokens_hash
from training.neighbours import choose, drawing, holding
from training.preflight import Prepared, joined
from training.ttt_config import Retrieval

BATCH = 256
"""Questions of one file of a pass that is going on."""

NEIGHBOURS = "neighbours.parquet"

SCHEMA = pa.schema(
    [
        ("question", pa.string()),
        ("neighbours", pa.list_(pa.string())),
        ("similarities", pa.list_(pa.float64())),
        ("nearest", pa.float64()),
        ("excluded", pa.int64()),
    ]
)
"""Columns of :data:`NEIGHBOURS`, in the order of the questions."""


@dataclass(frozen=True)
class Pool:
    """Rows to learn from, as the trainer takes them, found by their ids."""

    ids: list[str]
    questions: list[str]
    """What the user says first."""
    table: pa.Table
    """``messages``, ``input_ids`` and ``labels``, in the order of ``ids``."""
    hash: str
    """Of ids, questions, token ids and labels."""

    @cached_property
    def place(self) -> dict[str, int]:
        """Place of each row by its id."""
        return {name: at for at, name in enumerate(self.ids)}

    def row(self, name: str) -> Encoded:
        """Return the ids and labels of a row."""
        at = self.place[name]
        return Encoded(self.table["input_ids"][at].as_py(), self.table["labels"][at].as_py())

    def messages(self, name: str) -> Messages:
        """Return the conversation of a row."""
        talk: Messages = self.table["messages"][self.place[name]].as_py()
        return talk


def pool_of(prepared: Prepared) -> Pool:
    """Return the training rows that the pre-flight has proved as a pool; a repeated id gets a number behind it."""
    table = joined(prepared.train)
    given = table["id"].to_pylist() if "id" in table.column_names else [None] * table.num_rows
    ids: list[str] = []
    seen: Counter[str] = Counter()
    for at, written in enumerate(given):
        name = str(written or f"row-{at}")
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    questions = [
        next((part["content"] for part in talk if part["role"] == "user"), "")
        for talk in table["messages"].to_pylist()
    ]
    total = hashlib.sha256(json.dumps([ids, questions]).encode())
    total.update(tokens_hash([table]).encode())
    return Pool(ids, questions, table.select(["messages", "input_ids", "labels"]), total.hexdigest())


def identity_of(pool: Pool, items: Sequence[Item], want: Retrieval, seed: int) -> dict[str, Any]:
    """Return what makes two retrievals the same, as JSON can hold it."""
    asked = json.dumps([[item.id, item.question, item.context, dict(item.options)] for item in items])
    return {
        "pool": pool.hash,
        "questions": hashlib.sha256(asked.encode()).hexdigest(),
        "retrieval": want.model_dump(),
        "seed": seed,
    }


def retrieve(
    pool: Pool,
    items: Sequence[Item],
    want: Retrieval,
    seed: int,
    folder: Path,
    store: Path,
    *,
    embed: Callable[[], Embed] | None = None,
) -> pa.Table:
    """Find the neighbours of every item and return them as :data:`SCHEMA`, from disk where they are there already.

    ``folder`` is this retrieval's, ``store`` that of the pool's vectors. ``embed`` makes the encoder when there is
    something to embed; by default :func:`training.encoders.encoder_of`.

    Raises:
        UserError: the folder holds another retrieval, a file of it cannot be read, or no encoder is to be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _same(folder / "retrieval.json", identity_of(pool, items, want, seed))
    target, parts = folder / NEIGHBOURS, folder / "neighbours.parts"
    if target.is_file():
        return _read(target)
    with disk_errors(folder):
        parts.mkdir(exist_ok=True)
        starts = range(0, len(items), BATCH)
        if missing := [start for start in starts if not _part(parts, start).is_file()]:
            encoder = embed() if embed else encoder_of(want)
            vectors = _pool_vectors(pool, want, store, encoder)
            texts = ["\n".join(part["content"] for part in talk) for talk in pool.table["messages"].to_pylist()]
            held = holding(items, pa.array(texts, pa.large_string())) if want.near_copies == "exclude" else {}
            for start in missing:
                _write(_batch(pool, items[start : start + BATCH], want, seed, vectors, held, encoder), parts, start)
        found = pa.concat_tables([SCHEMA.empty_table(), *(_read(_part(parts, start)) for start in starts)])
        _replace(target, lambda work: pq.write_table(found, work))
        for path in parts.iterdir():
            path.unlink()
        parts.rmdir()
    return found


def _batch(
    pool: Pool,
    items: Sequence[Item],
    want: Retrieval,
    seed: int,
    vectors: Vectors,
    held: dict[str, set[int]],
    encoder: Embed,
) -> pa.Table:
    cosines = encoder([item.question for item in items]) @ vectors.T
    found = []
    for item, row in zip(items, cosines, strict=True):
        chosen = choose(
            row, vectors, held.get(item.id, set()), select=want.select, k=want.k, floor=want.floor,
            diversity=want.diversity, exclude=want.near_copies == "exclude", draw=drawing(seed, item.id),
        )  # fmt: skip
        found.append(
            {
                "question": item.id,
                "neighbours": [pool.ids[at] for at in chosen.rows],
                "similarities": chosen.similarities,
                "nearest": chosen.nearest,
                "excluded": chosen.excluded,
            }
        )
    return pa.Table.from_pylist(found, schema=SCHEMA)


def _pool_vectors(pool: Pool, want: Retrieval, store: Path, encoder: Embed) -> Vectors:
    made_of = json.dumps([pool.hash, want.encoder, want.pooling, want.max_length])
    path = store / f"pool-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.npy"
    store.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        stored: Vectors = np.load(path, allow_pickle=False)
        return stored
    vectors = encoder(pool.questions)

    def write(work: Path) -> None:
        with work.open("wb") as file:
            np.save(file, vectors)

    _replace(path, write)
    return vectors


def _same(path: Path, now: dict[str, Any]) -> None:
    from training.checkpoints import differences

    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError(f"{path}: cannot be read: remove its folder") from None
        if differs := differences(before, now):
            raise UserError(f"{path}: of another retrieval ({', '.join(differs)} changed): name another output")
        return
    text = json.dumps(now, indent=2, sort_keys=True) + "\n"
    _replace(path, lambda work: work.write_text(text, encoding="utf-8"))


def _part(parts: Path, start: int) -> Path:
    return parts / f"{start:09d}.parquet"


def _write(table: pa.Table, parts: Path, start: int) -> None:
    _replace(_part(parts, start), lambda work: pq.write_table(table, work))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write aside, then rename: the file is whole or not there."""
    work = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    write(work)
    work.replace(path)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, partitioning=None).select(SCHEMA.names)
    except (OSError, pa.ArrowException, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: cannot be read, delete it to retrieve again: {reason}") from None
