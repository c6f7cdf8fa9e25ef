"""The lock on a run folder: one process at a time, or several that each do other shards (one lock for each of those).

``flock`` on ``<run folder>/run.lock``: the kernel frees it however its holder ends, ``kill -9`` included, so a lock
file that lies about means nothing by itself. The file holds a line ``<pid> <host>`` for each holder, for messages
only; processes that share append theirs, and lines of processes that are gone are skipped when read. A child made by
``fork`` does not keep the lock alive.

What it does not do: wait, or see other machines on network disks whose ``flock`` is local to each machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import time
from pathlib import Path
from types import TracebackType

from synth.errors import UserError

LOCK_FILE = "run.lock"

_held: dict[tuple[int, int], int] = {}
"""Locks of this process: (device, inode) of the lock file to its descriptor."""


class RunLock:
    """Context manager that holds the lock on a run folder; creates the folder.

    Args:
        folder: the run folder.
        shared: let in other processes that share too; they must work on other shards.
        name: another lock file than the run's, for a part of its work.

    Raises:
        UserError: on entering, at once, when another process holds the lock (named by pid and host), when this process
            holds it already, shared or not, or when the folder cannot be created, written or locked.
    """

    def __init__(self, folder: Path, *, shared: bool = False, name: str = LOCK_FILE) -> None:
        self.folder = folder
        self.name = name
        self._shown = folder if name == LOCK_FILE else folder / name
        self.shared = shared
        self._identity: tuple[int, int] | None = None

    def __enter__(self) -> RunLock:
        descriptor = _open_lock_file(self.folder, self.name)
        try:
            self._identity = self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Absent in a forked child that leaves the block: the lock is its parent's.
        descriptor = _held.pop(self._identity, None) if self._identity else None
        self._identity = None
        if descriptor is None:
            return
        if not self.shared:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def _take(self, descriptor: int) -> tuple[int, int]:
        """Lock the open file and write this process into it; return its identity."""
        status = os.fstat(descriptor)
        identity = (status.st_dev, status.st_ino)
        if identity in _held:
            raise UserError(f"{self._shown}: this process (pid {os.getpid()}) works in this run folder already")
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if not self.shared:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
        except BlockingIOError:
            holders = ", ".join(_holders(descriptor)) or "another process"
            raise UserError(
                f"{self._shown}: in use by {holders}; wait for its end, or stop it and run the same command again"
            ) from None
        except OSError as error:
            raise UserError(
                f"{self._shown}: cannot be locked: {error.strerror}; free space, or choose --out on a disk with flock"
            ) from error
        _held[identity] = descriptor
        return identity


def _open_lock_file(folder: Path, name: str) -> int:
    """Create the folder if need be and return a descriptor of its lock file, opened for appending."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A lock file left from better days could be opened in a folder that can no longer be written.
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(0, "no permission to write", str(folder))
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = next((path for path in (folder, *folder.parents) if os.path.isfile(path)), folder)
        raise UserError(f"{folder}: {in_the_way} is not a folder; move it away or choose another --out") from error
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write the run folder: {error.strerror} ({error.filename}); choose another --out"
        ) from error


def _holders(descriptor: int) -> list[str]:
    """Return who holds the lock; looks again for a moment, because a holder locks first and writes second."""
    host = socket.gethostname()
    for _ in range(10):
        text = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("utf-8", "replace")
        lines = dict.fromkeys(re.findall(r"^(\d{1,9}) (\S+)$", text, re.MULTILINE))
        if holders := [f"pid {pid} on {where}" for pid, where in lines if where != host or _alive(int(pid))]:
            return holders
        time.sleep(0.01)
    return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _forget_in_child() -> None:
    """Close the descriptors that a fork copied: else a child would hold the lock after its parent was killed."""
    for descriptor in _held.values():
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
