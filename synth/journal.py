"""The journal of a shard: every question that was asked and its final outcome, in one SQLite file.

A row that :meth:`Journal.put` has acknowledged survives ``kill -9`` and power loss (write-ahead log,
``synchronous=FULL``). Rows that arrive within ``group_wait`` seconds share one transaction and one fsync, made by a
thread that no cancelled task can stop. Reads use a second connection on the caller's thread and see what has been
acknowledged.

Before a request is sent its :class:`Intent` is committed, together with others; the commit of the reply takes it away.
An intent without an end is a request that was in flight when the process died: :meth:`Journal.lost` names it.

Each row carries a checksum; one that does not fit counts as absent, so that its question is asked again. Rows that a
retry replaced or that were damaged are set aside: their requests, tokens and dollars still count in the totals.

What it does not do: decide what to ask, hash questions, check what it does not read, keep two processes off one shard
(see :mod:`synth.run_lock`), or work on disks without shared memory (some network disks), where opening is refused.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from filters.text import storable
from synth.errors import UserError
from synth.journal_file import (
    END,
    FORGET,
    HEADER,
    INSERT,
    INTEND,
    LOST,
    NAMED,
    SET_ASIDE,
    SET_DAMAGED_ASIDE,
    SETTLE,
    TOTALS,
    cure,
    open_journal,
)
from synth.journal_rows import NOTHING, Ended, Entry, Intent, Slot, Totals, checksum, decode, encode, json_bytes
from synth.journal_writer import JournalWriteError, JournalWriter, Statement

__all__ = ["NOTHING", "Ended", "Entry", "Intent", "Journal", "JournalWriteError", "Slot", "Totals"]

log = logging.getLogger(__name__)


class Journal:
    """A shard's journal; opens the file or creates it, with its folder.

    Use from one event loop and one thread. ``commits`` counts transactions.

    Raises:
        UserError: the file cannot be opened, is not a journal, is damaged, or is of a newer version.
    """

    def __init__(self, path: Path, *, group_wait: float = 0.002) -> None:
        """Open ``path``. ``group_wait``: seconds that the first row of a group waits for others."""
        self.path = path
        self._damaged_rows: set[int] = set()
        self._lost: dict[str, list[int]] = {}
        """Numbers of lost attempts by key."""
        self._closed = False
        connection, self._reader = open_journal(path)
        self._writer = JournalWriter(path, connection, group_wait)
        self._attempts = int(self._read("SELECT TOTAL(id) FROM (SELECT MAX(id) AS id FROM attempts)")[0][0])

    @property
    def commits(self) -> int:
        """Transactions so far."""
        return self._writer.commits

    def get(self, key: str) -> Entry | None:
        """Return the entry of ``key`` without its request, or None when it was never asked or its row is damaged.

        Raises:
            UserError: the file itself is damaged.
        """
        rows = self._read(f"SELECT rowid, {HEADER}, checksum, body FROM entries WHERE key = ?", (key,))
        if not rows:
            return None
        rowid, *header, found, body = rows[0]
        if not isinstance(body, bytes) or found != checksum(header, body):
            self._remove_damaged(rowid)
            return None
        return decode(header, body)

    @property
    def damaged(self) -> int:
        """Rows found damaged, and therefore removed, since the journal was opened."""
        return len(self._damaged_rows)

    def request_of(self, key: str) -> dict[str, Any] | None:
        """Return the request of ``key`` (messages, sampling, schema), or None when it is absent or unreadable.

        An unreadable request does not spoil the reply: it is kept for provenance only, so the row stays.
        """
        rows = self._read("SELECT request FROM entries WHERE key = ?", (key,))
        try:
            request: dict[str, Any] | None = json.loads(zlib.decompress(rows[0][0])) if rows else None
        except (zlib.error, TypeError):
            log.warning("%s: the request of %s is damaged; its reply is not", self.path, key)
            return None
        return request

    async def intend(self, intent: Intent) -> int:
        """Write that a request is about to be sent; return its number when that is on disk.

        Raises:
            JournalWriteError: the disk refused: it must not be sent.
        """
        self._attempts += 1
        number = self._attempts
        values = (number, intent.key, storable(intent.seed_id), storable(intent.step), *intent[4:])
        await self._writer.commit([(INTEND, values)])
        return number

    def end(self, ended: Ended) -> None:
        """Write how an attempt ended; it is on disk with the next commit."""
        self._writer.write([_ending(ended)])

    async def put(self, entry: Entry, ended: Sequence[Ended] = (), request: str | None = None) -> None:
        """Write ``entry`` in place of any row of its key; return when it is on disk.

        ``request`` is the entry's request as JSON, for a caller that has it. ``ended`` are the attempts made for it;
        a reply without any was asked for by an earlier process, whose intents of that key are then no longer lost.
        Texts are made storable: lone surrogates become U+FFFD. Cancelling the call does not take the row back.

        Raises:
            JournalWriteError: the disk refused; from then on every put fails at once.
            ValueError: a number is not finite or exceeds 64 bits (this row only).
        """
        row = encode(entry)
        known = self._lost.pop(entry.key, []) if entry.reply is not None and not ended else []
        statements: list[Statement] = [(FORGET, (number,)) for number in known]
        for attempt in ended:
            kept: list[Statement] = [_ending(attempt), (SETTLE, (attempt.id,))]
            statements += kept if attempt.kept else [(FORGET, (attempt.id,))]
        statements += [(SET_ASIDE, row[:1]), (INSERT, row)]
        await self._writer.commit(
            statements, json_bytes(entry.request) if request is None else storable(request).encode()
        )

    def lost(self) -> list[Intent]:
        """Return the requests that were in flight when a run ended, and mark them: the next call has others.

        For the one process that works on the shard; another's requests in flight would count as lost.
        """
        lost = [Intent(*row) for row in self._read(LOST)]
        for key, number in [(one.key, one.id) for one in lost] + self._read(NAMED):
            self._lost.setdefault(key, []).append(number)
        if lost:
            self._writer.write([_ending(Ended(one.id, "lost", None, one.tokens, one.usd)) for one in lost])
        return lost

    def slots(self, seed_ids: Collection[str]) -> Iterator[Slot]:
        """Yield what has been asked about the given seeds, seed by seed, ordered by step, sample and re-ask."""
        columns = ", ".join(Slot._fields)
        sql = f"SELECT {columns} FROM entries WHERE seed_id = ? ORDER BY step, sample, reask, key"
        for seed_id in seed_ids:
            yield from (Slot(*row) for row in self._read(sql, (storable(seed_id),)))

    def totals(self) -> Totals:
        """Return sums over all rows."""
        *counts, usd, lost_usd = self._read(TOTALS)[0]
        requests, answered, replies, failures, tokens_in, tokens_out, uncertain, lost_tokens = map(int, counts)
        return Totals(
            requests, answered, replies, failures, tokens_in, tokens_out, usd, uncertain, lost_tokens, lost_usd
        )

    def count(self) -> int:
        """Return the number of entries."""
        return int(self._read("SELECT COUNT(*) FROM entries")[0][0])

    async def close(self) -> None:
        """Commit what waits, fold the write-ahead log into the file and close. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._reader.close()
        await self._writer.close()

    def _read(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(sql, values).fetchall()
        except sqlite3.ProgrammingError:  # used after close()
            raise
        except sqlite3.DatabaseError as error:
            raise UserError(f"{self.path}: cannot read the journal: {error}; {cure(self.path, error)}") from error

    def _remove_damaged(self, rowid: int) -> None:
        if not self._damaged_rows:
            log.warning("%s: a row does not fit its checksum; it counts as never asked", self.path)
        if rowid not in self._damaged_rows:
            self._damaged_rows.add(rowid)
            # By its number, not its key: a put() of the same key may be on its way to the disk.
            gone: list[Statement] = [(SET_DAMAGED_ASIDE, (rowid,)), ("DELETE FROM entries WHERE rowid = ?", (rowid,))]
            self._writer.write(gone)


def _ending(ended: Ended) -> Statement:
    return END, (ended.outcome, ended.arrived, ended.tokens, ended.usd, ended.id)
