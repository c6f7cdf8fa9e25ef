"""Runs one server for another process and never leaves it behind: a script of its own, standard library only.

    python -I -S vllm_supervisor.py GRACE OWNER COMMAND...

Standard input is a pipe whose other end the owner holds. When it closes, because the owner asked or because it is gone
in whatever way, or on SIGTERM, the server gets SIGTERM, after ``GRACE`` seconds SIGKILL, and so do all its
descendants. ``OWNER`` is the owner's process id: a child that it forked may hold the pipe open after its death. When
the server ends by itself, what it left is ended the same way. The exit code is the server's, 128 plus the number for
one ended by a signal, 0 when the owner wanted the end.

On Linux nothing escapes: orphans come to this process (child subreaper), also those that left the process group, and
the server dies with this process (parent death signal). Elsewhere only the server's process group is ended. The
script waits; it does not restart, and it knows nothing about HTTP. It is run isolated, since its own folder, which
would come first on the import path, has modules called like some of the standard library.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_TERM_REST = 2.0
"""Seconds between SIGTERM and SIGKILL for processes that outlive the server itself."""
_KILL_REST = 10.0
"""Seconds to wait for killed processes: one that waits for a driver cannot die at once."""
_LOOK_UP = 1.0
"""Seconds between looks whether the owner still lives."""
_STEP = 0.02


class Family:
    """The server and every process that comes from it."""

    def __init__(self, command: list[str]) -> None:
        self._prctl: Callable[..., int] | None = None
        if sys.platform == "linux":
            self._prctl = ctypes.CDLL(None, use_errno=True).prctl
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        owner = os.getpid()

        def die_with_owner() -> None:
            if self._prctl is not None:
                self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                if os.getppid() != owner:  # it died before the line above
                    os._exit(1)

        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=die_with_owner
        )  # fmt: skip
        self.server = self._process.pid
        self.status: int | None = None
        """The server's exit code, as Popen has it; None while it runs."""

    def reap(self) -> bool:
        """Collect those who have ended; returns whether anybody is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False if self._prctl is not None else self._group_exists()
            if pid == 0:
                return True
            if pid == self.server:
                self.status = os.waitstatus_to_exitcode(status)

    def _group_exists(self) -> bool:
        try:
            os.killpg(self.server, 0)
        except OSError:
            return False
        return True

    def signal_server(self, number: int) -> None:
        """Send a signal to the server alone: it ends its own processes in the order it likes."""
        if self.status is None:
            with contextlib.suppress(OSError):
                os.kill(self.server, number)

    def signal_all(self, number: int) -> None:
        """Send a signal to everybody."""
        if self._prctl is None:
            with contextlib.suppress(OSError):
                os.killpg(self.server, number)
            return
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    def end(self, grace: float) -> None:
        """End the server within ``grace`` seconds, then everybody else, by force where it must be."""
        self.signal_server(signal.SIGTERM)
        if self._wait(grace, lambda: self.status is not None):
            return
        self.signal_all(signal.SIGTERM if self.status is not None else signal.SIGKILL)
        if self._wait(min(_TERM_REST, grace)):
            return
        until = time.monotonic() + _KILL_REST
        while time.monotonic() < until:  # again and again: somebody may have forked in between
            self.signal_all(signal.SIGKILL)
            if self._wait(0.2):
                return

    def _wait(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Wait until nobody is left (True) or ``enough`` holds or the time is over (False)."""
        until = time.monotonic() + seconds
        while self.reap():
            if enough() or time.monotonic() > until:
                return False
            time.sleep(_STEP)
        return True


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                # pid (name) state parent ...; the name may hold spaces and brackets
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, open_ = [], [root]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


def _wakeups() -> int:
    """Turn signals into bytes of a pipe; returns its reading end.

    Handlers that do nothing, not SIG_IGN: the server would inherit that.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _until_end(family: Family, wakeups: int, owner: int) -> bool:
    """Wait for the end of the server (True) or of the owner's interest in it (False)."""
    pipe = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([pipe, wakeups], [], [], _LOOK_UP)
        if os.getppid() != owner or (pipe in ready and not os.read(pipe, 1024)):
            return False
        if wakeups in ready and signal.SIGTERM in os.read(wakeups, 1024):
            return False
        family.reap()
        if family.status is not None:
            return True


def main(argv: list[str]) -> int:
    """Run a server; see the module's docstring for the arguments and the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("grace", type=float, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("owner", type=int, help="process without which the server must not live")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(argv)
    grace, owner, command = given.grace, given.owner, given.command
    wakeups = _wakeups()
    try:
        family = Family(command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror or error}", file=sys.stderr)
        return 127
    by_itself = _until_end(family, wakeups, owner)
    family.end(grace)
    status = family.status if by_itself and family.status is not None else 0
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
