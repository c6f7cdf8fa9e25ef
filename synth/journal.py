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
import math
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from synth.errors import ClinsynthError, UserError

APPLICATION_ID = 0x636C696E  # "clin": tells a journal from any other SQLite file
VERSION = 1
HEADER = "key, seed_id, step, sample, reask, role, model, outcome, requests, tokens_in, tokens_out, usd"
# The request comes last so that reading a reply need not walk over it; the index alone answers slots() and totals().
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries (
  key TEXT PRIMARY KEY NOT NULL, seed_id TEXT NOT NULL, step TEXT NOT NULL, sample INTEGER NOT NULL,
  reask INTEGER NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL, requests INTEGER NOT NULL,
  tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, usd REAL NOT NULL,
  checksum INTEGER NOT NULL, body BLOB NOT NULL, request BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS slots
  ON entries (seed_id, step, sample, reask, key, outcome, requests, tokens_in, tokens_out, usd);
CREATE TABLE IF NOT EXISTS replaced (key, outcome, requests, tokens_in, tokens_out, usd, body);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""
INSERT = f"INSERT OR REPLACE INTO entries ({HEADER}, checksum, body, request) VALUES ({', '.join('?' * 15)})"
SET_ASIDE = "INSERT INTO replaced SELECT key, outcome, requests, tokens_in, tokens_out, usd, body FROM entries WHERE "
TOTALS = """
SELECT TOTAL(requests), TOTAL(ok), TOTAL(failed), TOTAL(tokens_in), TOTAL(tokens_out), TOTAL(usd) FROM (
  SELECT requests, outcome = 'ok' AS ok, outcome <> 'ok' AS failed, tokens_in, tokens_out, usd FROM entries
  UNION ALL SELECT requests, 0, 0, tokens_in, tokens_out, usd FROM replaced)
"""

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
log = logging.getLogger(__name__)


class JournalWriteError(ClinsynthError):
    """The journal cannot be written: disk full, I/O error. What :meth:`Journal.put` acknowledged before is safe."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One question and its final outcome."""

    key: str
    """SHA-256, hex, of what was asked."""
    seed_id: str
    step: str
    sample: int
    """Which of several answers to the same question."""
    reask: int
    """How often the question had been asked again with the error of a bad reply."""
    role: str
    model: str
    """The model as declared in the spec; the one that served stands in ``reply``."""
    request: dict[str, Any]
    """Messages, sampling, schema. Kept compressed for provenance; empty in what :meth:`Journal.get` returns."""
    outcome: str
    """``ok`` or the kind of the final failure."""
    reply: dict[str, Any] | None
    """Text, reasoning, finish reason, model as served, …"""
    tokens_in: int
    tokens_out: int
    usd: float
    attempts: list[dict[str, Any]]
    """Every request that was sent for it, the last one included: outcome, HTTP status, detail."""


class Slot(NamedTuple):
    """One question that has been asked. A place in a recipe has several when its template or model was changed."""

    seed_id: str
    step: str
    sample: int
    reask: int
    key: str
    tokens_in: int
    tokens_out: int
    usd: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a journal. Tokens, dollars and requests include rows that a retry replaced; the counts do not."""

    requests: int
    """Attempts that were sent."""
    replies: int
    failures: int
    tokens_in: int
    tokens_out: int
    usd: float


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
        self._writer, self._reader = _open(path)
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
        rowid, *header, checksum, body = rows[0]
        if not isinstance(body, bytes) or checksum != _checksum(header, body):
            self._remove_damaged(rowid)
            return None
        _, seed_id, step, sample, reask, role, model, outcome, _, tokens_in, tokens_out, usd = header
        content = json.loads(body)
        return Entry(
            key, seed_id, step, sample, reask, role, model, {}, outcome,
            content["reply"], tokens_in, tokens_out, usd, content["attempts"],
        )  # fmt: skip

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

        Lone surrogates become U+FFFD. Cancelling the call does not take the row back.

        Raises:
            JournalWriteError: the disk refused; from then on every put fails at once.
            ValueError: a number is not finite or exceeds 64 bits (this row only).
        """
        if self._closed:
            raise RuntimeError(f"{self.path}: the journal is closed")
        if self._failure is not None:
            raise JournalWriteError(self._failure)
        done = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(_encode(entry), _json(entry.request), done))
        await done

    def slots(self, seed_ids: Collection[str]) -> Iterator[Slot]:
        """Yield what has been asked about the given seeds, seed by seed, ordered by step, sample and re-ask."""
        columns = ", ".join(Slot._fields)
        sql = f"SELECT {columns} FROM entries WHERE seed_id = ? ORDER BY step, sample, reask, key"
        for seed_id in seed_ids:
            yield from (Slot(*row) for row in self._read(sql, (_clean(seed_id),)))

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
            raise UserError(f"{self.path}: cannot read the journal: {error}; {_cure(self.path, error)}") from error

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
            reason = f"{self.path}: cannot write the journal: {error}; {_cure(self.path, error)}"
            self._failure = f"{reason} (every reply acknowledged so far is safe)"
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")


def _open(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Return the writer's and the reader's connection to the journal at ``path``, creating it if need be."""
    try:
        with contextlib.ExitStack() as on_error:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            on_error.callback(writer.close)
            _check_kind(path, writer)
            if writer.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise UserError(f"{path}: this disk has no shared memory for SQLite; choose --out on a local disk")
            writer.execute("PRAGMA synchronous = FULL")
            if not writer.execute("PRAGMA application_id").fetchone()[0]:
                writer.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            on_error.callback(reader.close)
            # A damaged row may hold broken UTF-8: it must reach its checksum rather than raise.
            reader.text_factory = lambda raw: raw.decode("utf-8", "replace")
            # One row finds a missing table or column; checking every page would take seconds a gigabyte.
            reader.execute(f"SELECT {HEADER}, checksum, body, request FROM entries LIMIT 1").fetchall()
            on_error.pop_all()
            return writer, reader
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot open the journal: {reason}; {_cure(path, error)}") from error


def _check_kind(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file that holds something else, or a newer journal. Nothing is written before this."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if application_id != APPLICATION_ID and (application_id or tables):
        raise UserError(f"{path}: not a journal but another program's database; move it away or choose another --out")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id and version > VERSION:
        raise UserError(f"{path}: journal of version {version}, known is {VERSION}; install a newer clinsynth")


def _cure(path: Path, error: Exception) -> str:
    """Say what to do about ``error``."""
    ask_again = f"move {path.name}* into another folder and run again: its replies will be asked for again"
    cures = {
        "not a database": "move the file away or choose another --out",
        "malformed": ask_again,
        "no such": ask_again,
        "locked": "end the other process that uses it and run the same command again",
        "full": "free space on the disk and run the same command again",
        "I/O": "free space or mend the disk and run the same command again",
    }
    known = (cure for word, cure in cures.items() if word in str(error))
    return next(known, "check the path, its permissions and the disk, then run the same command again")


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


def _encode(entry: Entry) -> tuple[Any, ...]:
    """Return the row of ``entry`` up to its request."""
    numbers = (entry.sample, entry.reask, entry.tokens_in, entry.tokens_out)
    if not math.isfinite(entry.usd) or any(abs(number) >= 2**63 for number in numbers):
        raise ValueError(f"{entry.key}: a number is not finite or exceeds 64 bits: {(*numbers, entry.usd)}")
    header = (
        entry.key, _clean(entry.seed_id), _clean(entry.step), int(entry.sample), int(entry.reask),
        _clean(entry.role), _clean(entry.model), _clean(entry.outcome), len(entry.attempts),
        int(entry.tokens_in), int(entry.tokens_out), entry.usd + 0.0,  # + 0.0: SQLite does not keep -0.0
    )  # fmt: skip
    body = _json({"reply": entry.reply, "attempts": entry.attempts})
    return (*header, _checksum(header, body), body)


def _checksum(header: Collection[object], body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(json.dumps(list(header), default=repr).encode()))


def _json(value: object) -> bytes:
    text = _COMPACT.encode(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _clean(text).encode()


def _clean(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates by U+FFFD: UTF-8 cannot hold them."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
