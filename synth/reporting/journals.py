"""Sums over the journals of a run, read without writing a byte to them.

A journal without a write-ahead log beside it is opened as one that nobody changes: otherwise SQLite would leave files
of its own there, or need the right to. One that is in use is read as it is at that moment. A damaged one becomes a
note.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from synth.journal_file import APPLICATION_ID, TOTALS
from synth.reporting.read import RunFolder
from synth.reporting.shape import ModelCost, StepCost, Times
from synth.reporting.times import times
from synth.steps import STEPS

_NAME = "substr(step, 1, instr(step || '/', '/') - 1)"
_BY_STEP = f"""
SELECT {_NAME} AS name, role, model, COUNT(*), SUM(reask > 0),
  SUM(outcome <> 'ok'), SUM(requests), SUM(tokens_in), SUM(tokens_out), SUM(usd)
FROM entries GROUP BY name, role, model ORDER BY name, role, model
"""
# Bodies are JSON stored as bytes; a damaged one counts as empty. Seconds have three places, so that groups are few.
_SECONDS = f"""
SELECT {_NAME} AS name, model, json_extract(one.value, '$.seconds') AS seconds, COUNT(*)
FROM entries, json_each(iif(json_valid(CAST(body AS TEXT)), CAST(body AS TEXT), '{{}}'), '$.attempts') AS one
WHERE typeof(seconds) IN ('integer', 'real') AND json_extract(one.value, '$.arrived') IS NOT 0
GROUP BY name, model, seconds
"""
_KEYS = 500  # in one statement
_SUMMED = ("questions", "requests", "tokens_in", "tokens_out", "usd")


class _Group(NamedTuple):
    """The entries of one step that one model in one role answered."""

    step: str
    role: str
    model: str
    questions: int
    reasked: int
    failed: int
    requests: int
    tokens_in: int
    tokens_out: int
    usd: float


@dataclass(slots=True)
class Spent:
    """What all processes of a run have asked and paid for."""

    steps: list[StepCost] = field(default_factory=list)
    models: list[ModelCost] = field(default_factory=list)
    times: Times | None = None
    journals: int = 0
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    lost_tokens: int = 0
    lost_usd: float = 0.0


def spent(run: RunFolder) -> Spent:
    """Sums over all journals that can be read."""
    sums = Spent()
    groups: list[_Group] = []
    seconds: defaultdict[tuple[str, str], Counter[float]] = defaultdict(Counter)
    for path in _paths(run):
        read = _query(run, path, [(_BY_STEP, ()), (TOTALS, ())])
        if read is None:
            continue
        by_step, [(requests, _, _, _, tokens_in, tokens_out, _, lost_tokens, usd, lost_usd)] = read
        sums.journals += 1
        sums.requests += int(requests)
        sums.tokens_in += int(tokens_in)
        sums.tokens_out += int(tokens_out)
        sums.usd += float(usd)
        sums.lost_tokens += int(lost_tokens)
        sums.lost_usd += float(lost_usd)
        groups += map(_group, by_step)
        [by_seconds] = _query(run, path, [(_SECONDS, ())], "seconds") or [[]]
        for step, model, took, count in by_seconds:
            seconds[str(step), str(model)][float(took)] += int(count)
    if not sums.journals:
        run.note("No journal can be read: requests, tokens, time and money are not known.")
    tokens = sum(one.tokens_in + one.tokens_out for one in groups)
    order = {step: at for at, step in enumerate(STEPS)}
    names = sorted({one.step for one in groups}, key=lambda name: (order.get(name, len(order)), name))
    sums.steps = [_step([one for one in groups if one.step == name], seconds, tokens) for name in names]
    models = sorted({one.model for one in groups})
    sums.models = [_model([one for one in groups if one.model == name], seconds, tokens) for name in models]
    sums.times = times(seconds.values())
    return sums


def _group(row: tuple[str, ...]) -> _Group:
    step, role, model, questions, reasked, failed, requests, tokens_in, tokens_out, usd = row
    return _Group(
        str(step), str(role), str(model), int(questions), int(reasked), int(failed), int(requests), int(tokens_in),
        int(tokens_out), float(usd),
    )  # fmt: skip


def costs(run: RunFolder, keys: Collection[str]) -> dict[str, float]:
    """Dollars of each named call that a journal knows."""
    wanted = sorted(set(keys))
    found: dict[str, float] = {}
    for path in _paths(run) if wanted else ():
        parts = [wanted[at : at + _KEYS] for at in range(0, len(wanted), _KEYS)]
        sql = "SELECT key, usd FROM entries WHERE key IN ({})"
        read = _query(run, path, [(sql.format(", ".join("?" * len(part))), part) for part in parts])
        found |= {str(key): float(usd) for rows in read or () for key, usd in rows}
    return found


_Seconds = Mapping[tuple[str, str], Counter[float]]
"""Requests by their seconds, by (step, model)."""


def _step(groups: Sequence[_Group], seconds: _Seconds, tokens: int) -> StepCost:
    step = groups[0].step
    return StepCost(
        step=step,
        model=_joined(one.model for one in groups),
        reasked=sum(one.reasked for one in groups),
        failed=sum(one.failed for one in groups),
        times=times(counted for (name, _), counted in seconds.items() if name == step),
        **_sums(groups, tokens),
    )


def _model(groups: Sequence[_Group], seconds: _Seconds, tokens: int) -> ModelCost:
    model = groups[0].model
    return ModelCost(
        model=model,
        times=times(counted for (_, name), counted in seconds.items() if name == model),
        **_sums(groups, tokens),
    )


def _sums(groups: Sequence[_Group], tokens: int) -> dict[str, Any]:
    """What is told of a step and of a model alike; ``tokens`` are those of the run."""
    sums = {name: sum(getattr(one, name) for one in groups) for name in _SUMMED}
    share = (sums["tokens_in"] + sums["tokens_out"]) / tokens if tokens else 0.0
    return {"role": _joined(one.role for one in groups), **sums, "share": share}


def _joined(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


def _paths(run: RunFolder) -> Iterator[Path]:
    yield from sorted((run.folder / "journal").glob("*.sqlite"))


def _query(
    run: RunFolder, path: Path, statements: Sequence[tuple[str, Sequence[str]]], what: str = "requests and money"
) -> list[list[tuple[str, ...]]] | None:
    """The rows of each statement; None, and a note, where the journal cannot be read."""
    in_use = path.with_name(f"{path.name}-wal").exists()
    uri = f"file:{quote(str(path.resolve()))}?{'mode=ro' if in_use else 'immutable=1'}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise sqlite3.DatabaseError("not a journal")
            return [connection.execute(sql, list(values)).fetchall() for sql, values in statements]
    except (sqlite3.Error, ValueError) as error:
        run.note(f"The journal {path.name} cannot be read ({error}): its {what} are not counted.")
        return None
