"""The file of a journal: its tables and statements, opening and checking it, what to do about an error.

A file that is there is looked at before anything is written to it: another program's database, a newer journal and a
damaged file are refused with one line that says how to go on. Whole pages are not checked when opening.

What this module does not do: it knows neither what a row means (see :mod:`synth.journal_rows`) nor transactions (see
:mod:`synth.journal`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from synth.errors import UserError


class Many(NamedTuple):
    """A statement that takes any number of rows at once."""

    head: str
    row: str
    tail: str = ""

    def sql(self, rows: int) -> str:
        """The statement for so many rows."""
        return f"{self.head} {', '.join([self.row] * rows)}{self.tail}"


APPLICATION_ID = 0x636C696E  # "clin": tells a journal from any other SQLite file
VERSION = 2
"""2 added the table of attempts; a journal of version 1 gets it when it is opened."""
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
CREATE TABLE IF NOT EXISTS attempts (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, seed_id TEXT NOT NULL, step TEXT NOT NULL, sample INTEGER NOT NULL,
  reask INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL,
  outcome TEXT NOT NULL DEFAULT '', arrived INTEGER, settled INTEGER NOT NULL DEFAULT 0
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""
INSERT = Many(f"INSERT OR REPLACE INTO entries ({HEADER}, checksum, body, request) VALUES", f"({', '.join('?' * 15)})")
SET_ASIDE = Many(
    "INSERT INTO replaced SELECT key, outcome, requests, tokens_in, tokens_out, usd, body FROM entries WHERE key IN (",
    "?",
    ")",
)
INTEND = Many(
    "INSERT INTO attempts (id, key, seed_id, step, sample, reask, tokens, usd) VALUES", "(?, ?, ?, ?, ?, ?, ?, ?)"
)
FORGET = Many("DELETE FROM attempts WHERE id IN (", "?", ")")
SET_DAMAGED_ASIDE = f"{SET_ASIDE.head.removesuffix('key IN (')}rowid = ?"
END = "UPDATE attempts SET outcome = ?, arrived = ?, tokens = ?, usd = ? WHERE id = ?"
SETTLE = "UPDATE attempts SET settled = 1 WHERE id = ?"
LOST = "SELECT id, key, seed_id, step, sample, reask, tokens, usd FROM attempts WHERE outcome = '' ORDER BY id"
NAMED = "SELECT key, id FROM attempts WHERE outcome = 'lost'"
# An attempt that is settled is counted in the requests of its entry.
TOTALS = """
SELECT TOTAL(requests), TOTAL(answered), TOTAL(ok), TOTAL(failed), TOTAL(tokens_in), TOTAL(tokens_out),
  TOTAL(uncertain), TOTAL(lost_tokens), TOTAL(usd), TOTAL(lost_usd)
FROM (
  SELECT requests, outcome = 'ok' AS answered, outcome = 'ok' AS ok, outcome <> 'ok' AS failed, tokens_in, tokens_out,
    usd, 0 AS uncertain, 0 AS lost_tokens, 0 AS lost_usd FROM entries
  UNION ALL SELECT requests, outcome = 'ok', 0, 0, tokens_in, tokens_out, usd, 0, 0, 0 FROM replaced
  UNION ALL SELECT NOT settled AND arrived IS NOT 0, 0, 0, 0, 0, 0, 0, arrived IS NULL, tokens, usd FROM attempts)
"""


def open_journal(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Return the writer's and the reader's connection to the journal at ``path``, creating it if need be.

    Raises:
        UserError: the file cannot be opened, is not a journal, is damaged, or is of a newer version.
    """
    try:
        with contextlib.ExitStack() as on_error:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            on_error.callback(writer.close)
            _check_kind(path, writer)
            if writer.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise UserError(f"{path}: this disk has no shared memory for SQLite; choose --out on a local disk")
            writer.execute("PRAGMA synchronous = FULL")
            if writer.execute("PRAGMA user_version").fetchone()[0] < VERSION:
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
        raise UserError(f"{path}: cannot open the journal: {reason}; {cure(path, error)}") from error


def _check_kind(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file that holds something else, or a newer journal. Nothing is written before this."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if application_id != APPLICATION_ID and (application_id or tables):
        raise UserError(f"{path}: not a journal but another program's database; move it away or choose another --out")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id and version > VERSION:
        raise UserError(f"{path}: journal of version {version}, known is {VERSION}; install a newer clinsynth")


def cure(path: Path, error: Exception) -> str:
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
