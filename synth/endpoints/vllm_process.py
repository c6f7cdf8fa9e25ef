"""One server process of ours: its port, its log, its health and its end.

Between us and the server stands :mod:`synth.endpoints.vllm_supervisor`, in a session of its own, so that Ctrl-C does
not reach the server and so that it ends with us however we end. This module starts and stops; when to start again is
decided in :mod:`synth.endpoints.vllm`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

GRACE = 15.0
"""Seconds that a server gets between SIGTERM and SIGKILL."""
_SUPERVISOR = Path(__file__).with_name("vllm_supervisor.py")
_FORCED = 15.0
"""Seconds beyond the grace period in which the supervisor must be done with killing."""
_TAIL_BYTES = 64 * 1024
_TAIL_LINES = 20
_LONGEST_LINE = 500
_CAUSE = re.compile(r"\b[A-Z]\w*(?:Error|Exception): ")
_STEP = 0.05


class ServerEnded(Exception):
    """The server ended before it was healthy."""


class ReservedPort:
    """A free loopback port, held until :meth:`release`.

    The socket is bound and never listens. On Linux a server that sets SO_REUSEADDR, as all do, can bind beside it,
    while the system gives the port to nobody as "any free one": not in the minutes that a model takes to load, nor
    between a crash and the next start. Elsewhere it is only a port that was free a moment ago.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def open_to_server(self) -> None:
        """Let a server have it."""
        if sys.platform != "linux":
            self.release()

    def release(self) -> None:
        """Give it back; may be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class ServerProcess:
    """A server that can be started again and again with the same command, port and log."""

    def __init__(
        self, command: list[str], env: dict[str, str], port: ReservedPort, log: Path, *, grace: float = GRACE
    ) -> None:
        self.command = command
        self.env = env
        self.port = port
        self.log = log
        self.grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """Without ``/v1``."""
        return f"http://127.0.0.1:{self.port.number}"

    @property
    def supervisor(self) -> int:
        """Process id of the supervisor that was started last."""
        if self._process is None:
            raise RuntimeError("launch() comes first")
        return self._process.pid

    def launch(self) -> None:
        """Start the process; returns at once.

        Raises:
            OSError: the log cannot be written.
        """
        self.port.open_to_server()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"# {time.strftime('%Y-%m-%d %H:%M:%S')} {shlex.join(self.command)}\n".encode())
            log.flush()
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SUPERVISOR), str(self.grace), str(os.getpid()), *self.command],
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """Exit code of a server that has ended and left nothing behind, else None."""
        assert self._process is not None
        code = self._process.poll()
        if code is not None and code < 0:
            _kill_session(self._process.pid)  # somebody killed the supervisor
        return code

    async def ended(self) -> int:
        """Wait for the end of the server; returns its exit code."""
        while (code := self.poll()) is None:
            await asyncio.sleep(_STEP)
        return code

    async def healthy(self, timeout: float) -> None:
        """Wait until ``/health`` answers 200.

        Raises:
            ServerEnded: the process ended first.
            TimeoutError: not within ``timeout`` seconds.
        """
        each = aiohttp.ClientTimeout(total=10)
        async with asyncio.timeout(timeout), aiohttp.ClientSession(timeout=each) as session:
            while True:
                if (code := self.poll()) is not None:
                    raise ServerEnded(describe(code))
                # A time-out in here is the session's; ours ends the block from outside.
                with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with session.get(f"{self.url}/health") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.2)

    def hang_up(self) -> None:
        """Ask for the end without waiting for it."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    async def stop(self) -> None:
        """End the server and all its processes, within the grace period and a little more."""
        if self._process is None:
            return
        self.hang_up()
        until = time.monotonic() + self.grace + _FORCED
        while self.poll() is None:
            if time.monotonic() > until:
                self._process.kill()
            await asyncio.sleep(_STEP)

    def last_lines(self, secret: str) -> list[str]:
        """The end of what the server wrote since it was last started, without ``secret`` and control characters.

        vLLM's processes hand an error up through long tracebacks, so the first one named comes first if it is not in
        the end itself.
        """
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, size - _TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return []
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.replace(secret, "***"))
        lines = ["".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in text.splitlines()]
        lines = [line[:_LONGEST_LINE] for line in lines if line]
        cause, end = next((line for line in lines if _CAUSE.search(line)), None), lines[-_TAIL_LINES:]
        return end if cause is None or cause in end else [cause, *end[1:]]


def describe(code: int) -> str:
    """An exit code of the supervisor in words."""
    number = -code if code < 0 else code - 128
    if number <= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"
    hint = ", perhaps for want of memory" if number == signal.SIGKILL and code > 0 else ""
    return f"killed by {name}{hint}"


def _kill_session(session: int) -> None:
    """Kill what is left of a supervisor's session; the server itself has died with the supervisor (Linux only)."""
    if sys.platform != "linux":
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == session and fields[0] != b"Z":
                    os.kill(int(entry.name), signal.SIGKILL)
