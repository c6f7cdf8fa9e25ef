"""The journal of a shard: every question that was asked and its final outcome, in one SQLite file.

A row that :meth:`Journal.put` has acknowledged survives ``kill -9`` and power loss (write-ahead log,
``synchronous=FULL``). Rows that arrive within ``group_wait`` seconds share one transaction and one fsync, made by a
thread that no cancelled task can stop. Reads use a second connection on the caller's thread and see what has been
acknowledged.

Each row carries a checksum; one that does not fit counts as absent, so that its question is asked again. Rows that a
retry replaced or that were damaged are set aside: their requests, tokens and dollars still count in the totals.

What it does not do: decide what to ask, hash questions, check what it does not read, keep two processes off one shard
(see :mod:`synth.run_lock`), or work on disks without shared memory (some network disks), where opening is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filters.text import storable
from synth.errors import ClinsynthError, UserError
from synth.journal_file import HEADER, INSERT, SET_ASIDE, TOTALS, cure, open_journal
from synth.journal_rows import Entry, Slot, Totals, checksum, decode, encode, json_bytes

__all__ = ["Entry", "Journal", "JournalWriteError", "Slot", "Totals"]

log = logging.getLogger(__name__)


class JournalWriteError(ClinsynthError):
    """The journal cannot be written: disk full, I/O error. What :meth:`Journal.put` acknowledged before is safe."""


class _Job(NamedTuple):
    """Work for the writer: a row to insert, its request still to be compressed, and who waits for it."""

    row: tuple[Any, ...]
    request: bytes
    done: asyncio.Future[None]


class Journal:
    """A shard's journal; opens the file or creates it, with its folder.

    Use from one event loop and one thread. ``commits`` counts transactions.

    Raises:
        UserError: the file cannot be opened, is not a journal, is damaged, or is of a newer version.
    """

    def __init__(self, path: Path, *, group_wait: float = 0.002) -> None:
        """Open ``path``. ``group_wait``: seconds that the first row of a group waits for others."""
        self.path = path
        self.commits = 0
        self._group_wait = group_wait
        self._damaged_rows: set[int] = set()
        self._failure: str | None = None
        self._closed = False
        # A new row, the number of a damaged row to remove, or None: the end.
        self._jobs: queue.SimpleQueue[_Job | int | None] = queue.SimpleQueue()
        self._writer, self._reader = open_journal(path)
        # A daemon: a command that dies before close() must not hang; what it awaited is committed already.
        self._thread = threading.Thread(target=self._write_groups, name=f"journal {path.name}", daemon=True)
        self._thread.start()

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

    async def put(self, entry: Entry) -> None:
        """Write ``entry`` in place of any row of its key; return when it is on disk.

        Texts are made storable: lone surrogates become U+FFFD. Cancelling the call does not take the row back.

        Raises:
            JournalWriteError: the disk refused; from then on every put fails at once.
            ValueError: a number is not finite or exceeds 64 bits (this row only).
        """
        if self._closed:
            raise RuntimeError(f"{self.path}: the journal is closed")
        if self._failure is not None:
            raise JournalWriteError(self._failure)
        done = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(encode(entry), json_bytes(entry.request), done))
        await done

    def slots(self, seed_ids: Collection[str]) -> Iterator[Slot]:
        """Yield what has been asked about the given seeds, seed by seed, ordered by step, sample and re-ask."""
        columns = ", ".join(Slot._fields)
        sql = f"SELECT {columns} FROM entries WHERE seed_id = ? ORDER BY step, sample, reask, key"
        for seed_id in seed_ids:
            yield from (Slot(*row) for row in self._read(sql, (storable(seed_id),)))

    def totals(self) -> Totals:
        """Return sums over all rows."""
        requests, replies, failures, tokens_in, tokens_out, usd = self._read(TOTALS)[0]
        return Totals(int(requests), int(replies), int(failures), int(tokens_in), int(tokens_out), usd)

    def count(self) -> int:
        """Return the number of entries."""
        return int(self._read("SELECT COUNT(*) FROM entries")[0][0])

    async def close(self) -> None:
        """Commit what waits, fold the write-ahead log into the file and close. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._reader.close()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

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
            self._jobs.put(rowid)

    def _write_groups(self) -> None:
        """Commit groups of jobs until the None that close() sends; runs in the writer's thread."""
        closing = False
        while not closing:
            jobs = [self._jobs.get()]
            if jobs[0] is not None:
                time.sleep(self._group_wait)
            while not self._jobs.empty():
                jobs.append(self._jobs.get())
            closing = None in jobs
            if jobs != [None] and self._failure is None:
                self._commit(jobs)
            _settle([job.done for job in jobs if isinstance(job, _Job)], self._failure)
        with contextlib.suppress(sqlite3.Error):  # on a full disk the rows stay safe in the log
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()

    def _commit(self, jobs: list[_Job | int | None]) -> None:
        execute = self._writer.execute
        try:
            execute("BEGIN IMMEDIATE")
            for job in jobs:
                if isinstance(job, _Job):
                    execute(SET_ASIDE + "key = ?", job.row[:1])
                    execute(INSERT, (*job.row, zlib.compress(job.request, 1)))
                elif job is not None:
                    execute(SET_ASIDE + "rowid = ?", (job,))
                    execute("DELETE FROM entries WHERE rowid = ?", (job,))
            execute("COMMIT")
            self.commits += 1
        except Exception as error:  # whatever it is, those who wait must hear of it
            reason = f"{self.path}: cannot write the journal: {error}; {cure(self.path, error)}"
            self._failure = f"{reason} (every reply acknowledged so far is safe)"
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")


def _settle(waiting: list[asyncio.Future[None]], failure: str | None) -> None:
    """Wake those who wait; called in the writer's thread."""

    def wake() -> None:
        for done in waiting:
            if done.done():  # its put() was cancelled
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(JournalWriteError(failure))

    if waiting:
        with contextlib.suppress(RuntimeError):  # the loop is closed already; the rows are committed all the same
            waiting[0].get_loop().call_soon_threadsafe(wake)
