"""What a model answered, one row an item and seed: the files that every later step of the evaluation reads.

An evaluation folder holds ``answers/<run>/<task>.parquet`` and ``runs/<run>.json`` (what the run was). While a run
goes on, each batch is a file of its own in ``answers/<run>/<task>.parts/``, whole or not there at all; closing puts
them together. A row on disk is not asked again. A run of the same name that was something else (another model, prompt
or method) is refused rather than mixed in; so is a file that cannot be read.

Knows nothing about models, prompts or statistics.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from synth.errors import UserError
from synth.staging import disk_errors, replace_text

SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("id", pa.string()),
        ("cluster", pa.string()),
        ("gold", pa.string()),
        ("answer", pa.string()),
        ("correct", pa.bool_()),
        ("parsed", pa.bool_()),
        ("truncated", pa.bool_()),
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("order", pa.list_(pa.string())),
        ("text", pa.string()),
        ("scores", pa.list_(pa.float64())),
        ("nll_per_byte", pa.float64()),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("seconds", pa.float64()),
        ("prompt_hash", pa.string()),
        ("model", pa.string()),
        ("control", pa.string()),
        ("neighbours", pa.list_(pa.string())),
        ("similarity", pa.float64()),
        ("failure", pa.string()),
    ]
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One item, asked once."""

    task: str
    id: str
    cluster: str
    """Items of one case share it; else the id."""
    gold: str
    """The right letter as the options were shown."""
    answer: str | None
    """The letter chosen as the options were shown; None where there is no telling, which counts as wrong."""
    method: str
    """``generate``, ``loglik`` or ``cloze``."""
    seed: int
    """Of the order of the options, and of sampling."""
    order: Sequence[str]
    """The letters of the source in the order in which the options were shown as A, B, C, …"""
    prompt_hash: str
    model: str
    truncated: bool = False
    """Generation stopped at the limit of tokens."""
    text: str | None = None
    """What the model wrote; None for ``loglik`` and ``cloze``."""
    scores: Sequence[float] | None = None
    """Log-likelihood of each option as shown, in nats, for ``cloze`` in nats a byte; None for ``generate``."""
    nll_per_byte: float | None = None
    """Negative log-likelihood of the right option a byte, in nats."""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    """The item's share of the time of its batch."""
    control: str = "none"
    """``none``, ``ttt``, ``random``, ``rag`` or ``ttt+rag``."""
    neighbours: Sequence[str] = field(default_factory=list)
    """Ids of the training rows that were retrieved for the item."""
    similarity: float | None = None
    """Of the nearest of them."""
    failure: str | None = None
    """Why there is no reply, where the endpoint refused this one item for good."""

    @property
    def correct(self) -> bool:
        """Whether the letter is the right one; no letter is wrong."""
        return self.answer is not None and self.answer == self.gold

    def as_row(self) -> dict[str, Any]:
        """As :data:`SCHEMA` has it."""
        return asdict(self) | {"correct": self.correct, "parsed": self.answer is not None}


class Answers:
    """The answers of one run to one task, for writing; a context manager whose end puts the batches together."""

    def __init__(self, folder: Path, run: str, task: str, about: Mapping[str, Any]) -> None:
        """Open them; ``about`` is what must be the same for a run to go on (model, method, prompt, sampling).

        Raises:
            UserError: the run of that name was another, a name is none, a file cannot be read.
        """
        self._target = _file(folder, run, task)
        self._parts = self._target.with_suffix(".parts")
        _same_run(folder / "runs" / f"{run}.json", run, about)
        with disk_errors(self._parts):
            self._parts.mkdir(parents=True, exist_ok=True)
        rows = _rows(self._target, self._parts)
        self.done: set[tuple[str, int]] = {(row["id"], row["seed"]) for row in rows}
        """Id and seed of what is on disk."""
        self._next = 1 + max((int(part.stem) for part in _batches(self._parts)), default=0)

    def add(self, answers: Iterable[Answer]) -> None:
        """Put a batch on disk; it is there, whole, when this returns. ClinsynthError where the disk refuses."""
        rows = [answer.as_row() for answer in answers]
        if not rows:
            return
        self._write(rows, self._parts / f"{self._next:06d}.parquet")
        self._next += 1
        self.done |= {(row["id"], row["seed"]) for row in rows}

    def close(self) -> None:
        """Put the batches together in one file, sorted by seed and id."""
        if not self.done:
            shutil.rmtree(self._parts, ignore_errors=True)
            return
        rows = sorted(_rows(self._target, self._parts), key=lambda row: (row["seed"], row["id"]))
        self._write(rows, self._target)
        # A kill before this line leaves the batches beside the whole: the same rows twice, of which one is read.
        shutil.rmtree(self._parts)

    @staticmethod
    def _write(rows: list[dict[str, Any]], path: Path) -> None:
        with disk_errors(path):
            write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def read_answers(folder: Path, run: str, task: str) -> pa.Table:
    """The answers of a run to a task as a table of :data:`SCHEMA`, batches of a run that was killed included.

    Raises:
        UserError: there are none, or a file cannot be read.
    """
    target = _file(folder, run, task)
    rows = _rows(target, target.with_suffix(".parts"))
    if not rows:
        raise UserError(f"{target}: no such answers; run python -m evaluation.benchmark for them")
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["seed"], row["id"])), schema=SCHEMA)


def list_runs(folder: Path) -> list[str]:
    """The names of the runs of an evaluation folder that have answers, sorted."""
    return sorted(path.name for path in (folder / "answers").glob("*") if list_tasks(folder, path.name))


def list_tasks(folder: Path, run: str) -> list[str]:
    """The tasks that a run has answers to, sorted."""
    inside = (folder / "answers" / run).glob("*")
    return sorted({path.stem for path in inside if path.suffix in (".parquet", ".parts")})


def read_run(folder: Path, run: str) -> dict[str, Any]:
    """What the run was, as it was told to :class:`Answers`.

    Raises:
        UserError: there is no such run, or its file cannot be read.
    """
    path = folder / "runs" / f"{run}.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {_line(error)}") from None
    if not isinstance(about, dict):
        raise UserError(f"{path}: is no description of a run")
    return about


def _file(folder: Path, run: str, task: str) -> Path:
    for name in (run, task):
        if not _NAME.fullmatch(name):
            raise UserError(f"{name!r} cannot be a name: letters, digits and . _ + - only, 100 at most")
    return folder / "answers" / run / f"{task}.parquet"


def _same_run(path: Path, run: str, about: Mapping[str, Any]) -> None:
    """Refuse to go on with what was another run; one that has no answers yet, as of a wrong setting, binds nobody."""
    now = json.loads(json.dumps(about, sort_keys=True))
    if path.exists() and any((path.parent.parent / "answers" / run).rglob("*.parquet")):
        before = read_run(path.parent.parent, run)
        changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if changed:
            key = changed[0]
            raise UserError(
                f"{path}: run {run!r} had {key} {before.get(key)!r}, this one has {now.get(key)!r}: "
                f"give this one another --name, or another --out"
            )
        return
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(now, indent=2, ensure_ascii=False) + "\n")


def _batches(parts: Path) -> list[Path]:
    return sorted(path for path in parts.glob("*.parquet") if path.stem.isdigit())


def _rows(target: Path, parts: Path) -> list[dict[str, Any]]:
    """All rows on disk, each id and seed once."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for path in ([target] if target.exists() else []) + _batches(parts):
        for row in _read(path).to_pylist():
            found.setdefault((row["id"], row["seed"]), row)
    return list(found.values())


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read, delete it to ask again: {_line(error)}") from None
    missing = [name for name in SCHEMA.names if name not in table.schema.names]
    if missing:
        raise UserError(f"{path}: holds no answers: the column {missing[0]!r} is missing")
    return table.select(SCHEMA.names)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table to Parquet, whole or not at all, and on disk when this returns.

    Raises:
        OSError: the disk refuses.
    """
    work = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with work.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
