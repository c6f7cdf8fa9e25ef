"""Sums over the journals of a run, read without writing a byte to them.

A journal without a write-ahead log beside it is opened as one that nobody changes: otherwise SQLite would leave files
of its own there, or need the right to. One that is in use is read as it is at that moment. A damaged one becomes a
note.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from synth.journal_file import APPLICATION_ID, TOTALS
from synth.reporting.read import RunFolder
from synth.reporting.shape import StepCost
from synth.steps import STEPS

_BY_STEP = """
SELECT substr(step, 1, instr(step || '/', '/') - 1) AS name, role, model, COUNT(*), SUM(reask > 0),
  SUM(outcome <> 'ok'), SUM(requests), SUM(tokens_in), SUM(tokens_out), SUM(usd)
FROM entries GROUP BY name, role, model ORDER BY name, role, model
"""
_KEYS = 500  # in one statement


@dataclass(slots=True)
class Spent:
    """What all processes of a run have asked and paid for."""

    steps: list[StepCost] = field(default_factory=list)
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
    groups: dict[str, list[tuple[object, ...]]] = {}
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
        for name, *rest in by_step:
            groups.setdefault(str(name), []).append(tuple(rest))
    if not sums.journals:
        run.note("No journal can be read: requests, tokens and money are not known.")
    tokens = sum(int(str(row[6])) + int(str(row[7])) for rows in groups.values() for row in rows)
    order = {step: at for at, step in enumerate(STEPS)}
    names = sorted(groups, key=lambda name: (order.get(name, len(order)), name))
    sums.steps = [_step(name, groups[name], tokens) for name in names]
    return sums


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


def _step(name: str, rows: Sequence[tuple[object, ...]], tokens: int) -> StepCost:
    numbers = [[float(str(row[at])) for row in rows] for at in range(2, 9)]
    questions, reasked, failed, requests, tokens_in, tokens_out, usd = map(sum, numbers)
    return StepCost(
        step=name,
        role=", ".join(sorted({str(row[0]) for row in rows})),
        model=", ".join(sorted({str(row[1]) for row in rows})),
        questions=int(questions),
        reasked=int(reasked),
        failed=int(failed),
        requests=int(requests),
        tokens_in=int(tokens_in),
        tokens_out=int(tokens_out),
        usd=usd,
        share=(tokens_in + tokens_out) / tokens if tokens else 0.0,
    )


def _paths(run: RunFolder) -> Iterator[Path]:
    yield from sorted((run.folder / "journal").glob("*.sqlite"))


def _query(
    run: RunFolder, path: Path, statements: Sequence[tuple[str, Sequence[str]]]
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
        run.note(f"The journal {path.name} cannot be read ({error}): its requests and money are not counted.")
        return None
