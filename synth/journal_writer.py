"""The writer of a journal: a thread that commits what comes within a few milliseconds as one transaction.

No cancelled task can stop it, and one fsync serves all rows of a group. After the first error of the disk nothing more
is written, and everybody who waits or comes hears of it.

What this module does not do: it does not know what its statements mean (see :mod:`synth.journal`).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from synth.errors import ClinsynthError
from synth.journal_file import Many, cure

Statement = tuple[str | Many, tuple[Any, ...]]
"""What to do with which values; of one :class:`Many` a group's rows go into few statements."""
_AT_ONCE = (64, 16, 4, 1)
"""Rows of one statement: few different texts, so that SQLite need not read a new one each time."""


class JournalWriteError(ClinsynthError):
    """The journal cannot be written: disk full, I/O error. What :meth:`Journal.put` acknowledged before is safe."""


class _Job(NamedTuple):
    """Statements of one transaction, and who waits for their commit."""

    statements: list[Statement]
    request: bytes | None
    """Goes, compressed, behind the values of the last statement."""
    done: asyncio.Future[None] | None


class JournalWriter:
    """Writes through ``connection``, which it closes in the end; ``commits`` counts transactions."""

    def __init__(self, path: Path, connection: sqlite3.Connection, group_wait: float) -> None:
        """``group_wait``: seconds that the first job of a group waits for others."""
        self.path = path
        self.commits = 0
        self._connection = connection
        self._group_wait = group_wait
        self._failure: str | None = None
        self._closed = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # None: the end
        # A daemon: a command that dies before close() must not hang; what it awaited is committed already.
        self._thread = threading.Thread(target=self._write_groups, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    def write(self, statements: list[Statement]) -> None:
        """Write with the next commit; nobody waits."""
        self._jobs.put(_Job(statements, None, None))

    async def commit(self, statements: list[Statement], request: bytes | None = None) -> None:
        """Write, and return when it is on disk. Cancelling the call does not take it back.

        Raises:
            JournalWriteError: the disk refused, now or before.
        """
        if self._closed:
            raise RuntimeError(f"{self.path}: the journal is closed")
        if self._failure is not None:
            raise JournalWriteError(self._failure)
        done = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(statements, request, done))
        await done

    async def close(self) -> None:
        """Commit what waits and fold the write-ahead log into the file."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

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
            work = [job for job in jobs if job is not None]
            if work and self._failure is None:
                self._commit(work)
            _settle([job.done for job in work if job.done is not None], self._failure)
        with contextlib.suppress(sqlite3.Error):  # on a full disk the rows stay safe in the log
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _commit(self, jobs: list[_Job]) -> None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            self._execute(jobs)
            execute("COMMIT")
            self.commits += 1
        except Exception as error:  # whatever it is, those who wait must hear of it
            reason = f"{self.path}: cannot write the journal: {error}; {cure(self.path, error)}"
            self._failure = f"{reason} (every reply acknowledged so far is safe)"
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")

    def _execute(self, jobs: list[_Job]) -> None:
        """Run the statements of a group in their order, but rows of one kind together.

        Each statement takes the interpreter from the event loop and gives it back; with four of them a row, the loop
        and this thread would wait for each other most of the time.
        """
        held: dict[Many, list[tuple[Any, ...]]] = {}
        keys: set[Any] = set()
        for job in jobs:
            for at, (what, values) in enumerate(job.statements):
                if job.request is not None and at == len(job.statements) - 1:
                    values = (*values, zlib.compress(job.request, 1))
                if isinstance(what, str):
                    self._flush(held)
                    self._connection.execute(what, values)
                    continue
                if (what, values[0]) in keys:  # a second row of the same key comes after the first
                    self._flush(held)
                    keys.clear()
                keys.add((what, values[0]))
                held.setdefault(what, []).append(values)
        self._flush(held)

    def _flush(self, held: dict[Many, list[tuple[Any, ...]]]) -> None:
        for what, rows in held.items():
            done = 0
            while done < len(rows):
                size = next(size for size in _AT_ONCE if size <= len(rows) - done)
                values = [value for row in rows[done : done + size] for value in row]
                self._connection.execute(what.sql(size), values)
                done += size
        held.clear()


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
