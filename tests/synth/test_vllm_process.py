from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from synth.endpoints.vllm_args import command
from synth.endpoints.vllm_process import ReservedPort, ServerEnded, ServerProcess, describe
from tests.synth.vllm_helpers import ROOT, fake_env, fake_model, living, processes, starts, wait_for

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to the supervisor")
Make = Callable[..., ServerProcess]
Own = Callable[[str], tuple[subprocess.Popen[str], int]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes servers, launched; ends them and everything they started."""
    servers: list[ServerProcess] = []

    def launched(faults: str = "", grace: float = 1.0) -> ServerProcess:
        port = ReservedPort()
        argv = command(sys.executable, fake_model(tmp_path, faults), port.number, "judge")
        env = {**os.environ, **fake_env(tmp_path, faults), "VLLM_API_KEY": "the-very-secret-key"}
        server = ServerProcess(argv, env, port, tmp_path / "logs" / "log", grace=grace)
        servers.append(server)
        server.launch()
        return server

    yield launched
    for server in servers:
        await server.stop()
        server.port.release()
    kill(processes(tmp_path))


def kill(pids: list[int]) -> None:
    for pid in living(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_a_server_becomes_healthy_and_stops(make: Make, tmp_path: Path) -> None:
    server = make("child")
    await server.healthy(30)
    assert server.poll() is None
    (start,) = starts(tmp_path)
    assert psutil.Process(server.supervisor).ppid() == os.getpid()
    assert os.getsid(start["pid"]) == server.supervisor != os.getsid(0)
    assert start["env"]["VLLM_API_KEY"] not in " ".join(start["argv"]) + server.log.read_text()
    await server.stop()
    assert living(processes(tmp_path)) == []
    assert not psutil.pid_exists(server.supervisor)
    server.port.release()
    with socket.socket() as free:
        free.bind(("127.0.0.1", server.port.number))
    await server.stop()


async def test_a_server_that_ends_while_starting(make: Make) -> None:
    server = make("crash")
    with pytest.raises(ServerEnded, match="exit code 3"):
        await server.healthy(30)
    assert server.last_lines("the-very-secret-key") == ["key is ***", "RuntimeError: no memory left"]


async def test_only_the_last_start_is_shown(make: Make, tmp_path: Path) -> None:
    server = make("crash-again")
    await server.healthy(30)
    await server.stop()
    server.launch()
    with pytest.raises(ServerEnded):
        await server.healthy(30)
    assert len(starts(tmp_path)) == 2
    assert server.last_lines("nothing") == ["key is the-very-secret-key", "RuntimeError: no memory left"]
    assert "listening on" in server.log.read_text()


def test_the_first_error_is_shown_before_a_long_traceback(tmp_path: Path) -> None:
    server = ServerProcess([], {}, ReservedPort(), tmp_path / "log")
    traceback = "".join(f"(APIServer)   File core.py, line {n}\n" for n in range(100))
    cause = "(Worker-0) ERROR [executor.py:9] ValueError: too little memory"
    server.log.write_text(f"loading\n{cause}\n{traceback}RuntimeError: the engine failed\n", encoding="utf-8")
    first, *rest = server.last_lines("nothing")
    assert (first, rest[-1], len(rest)) == (cause, "RuntimeError: the engine failed", 19)
    server.port.release()


async def test_a_server_that_never_gets_ready(make: Make, tmp_path: Path) -> None:
    server = make("hang")
    wait_for(lambda: starts(tmp_path))
    with pytest.raises(TimeoutError):
        await server.healthy(0.5)
    assert server.poll() is None


@linux
async def test_one_that_does_not_want_to_stop_is_killed_with_all_it_has_started(make: Make, tmp_path: Path) -> None:
    server = make("deaf child runaway", grace=0.5)
    wait_for(lambda: starts(tmp_path))
    assert len(living(processes(tmp_path))) == 3
    await server.stop()
    assert living(processes(tmp_path)) == []


@linux
async def test_a_killed_server_leaves_nothing(make: Make, tmp_path: Path) -> None:
    server = make("child runaway")
    await server.healthy(30)
    os.kill(starts(tmp_path)[0]["pid"], signal.SIGKILL)
    assert describe(await server.ended()) == "killed by SIGKILL, perhaps for want of memory"
    assert living(processes(tmp_path)) == []


@linux
async def test_nor_does_a_killed_supervisor(make: Make, tmp_path: Path) -> None:
    server = make("child")
    await server.healthy(30)
    os.kill(server.supervisor, signal.SIGKILL)
    assert describe(await server.ended()) == "killed by SIGKILL"
    wait_for(lambda: not living(processes(tmp_path)))


async def test_the_supervisor_can_be_asked_to_end(make: Make, tmp_path: Path) -> None:
    server = make("child")
    await server.healthy(30)
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(server.supervisor, number)
    await server.healthy(30)
    os.kill(server.supervisor, signal.SIGTERM)
    assert await server.ended() == 0
    assert living(processes(tmp_path)) == []


async def test_it_can_be_started_again_on_its_port(make: Make, tmp_path: Path) -> None:
    server = make()
    await server.healthy(30)
    os.kill(starts(tmp_path)[0]["pid"], signal.SIGKILL)
    await server.ended()
    server.launch()
    await server.healthy(30)
    first, second = starts(tmp_path)
    assert first["argv"] == second["argv"]
    assert first["pid"] != second["pid"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    """Starts processes that own a server; returns each with the id of its supervisor."""
    owners: list[subprocess.Popen[str]] = []

    def start(faults: str) -> tuple[subprocess.Popen[str], int]:
        argv = [sys.executable, "-m", "tests.synth.vllm_owner", str(tmp_path), faults, "0.5"]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        owners.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    kill([int(path.read_text()) for path in tmp_path.glob("forked")])
    for process in owners:
        process.kill()
        process.communicate()
    kill(processes(tmp_path))


@linux
@pytest.mark.parametrize(
    ("delay", "faults"),
    [(0.0, "child"), (0.05, "child runaway"), (0.2, "deaf child runaway"), (1.0, "child runaway"), (0.2, "forked")],
)
def test_nothing_is_left_when_the_owner_is_killed(own: Own, faults: str, delay: float, tmp_path: Path) -> None:
    process, supervisor = own(faults)
    time.sleep(delay)
    process.kill()
    process.wait()
    wait_for(lambda: not living([supervisor]))
    assert living(processes(tmp_path)) == []
    assert [one for one in psutil.process_iter() if marked(one, str(tmp_path))] == []


@linux
def test_a_server_does_not_outlive_its_supervisor(own: Own, tmp_path: Path) -> None:
    """Nobody else would end it: this owner does not look."""
    _, supervisor = own("")
    wait_for(lambda: starts(tmp_path))
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not living(processes(tmp_path)))


def marked(process: psutil.Process, folder: str) -> bool:
    """Whether a process carries this test's folder in its environment: also one that left no record yet."""
    try:
        return process.environ().get("FAKE_VLLM") == folder and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(own: Own, tmp_path: Path) -> None:
    process, supervisor = own("")
    wait_for(lambda: starts(tmp_path))
    (server,) = processes(tmp_path)
    assert os.getpgid(server) not in (os.getpgid(process.pid), os.getpgid(supervisor))
    assert os.getsid(server) != os.getsid(process.pid)


def test_reserved_ports_differ_and_can_be_served() -> None:
    ports = [ReservedPort() for _ in range(20)]
    assert len({port.number for port in ports}) == 20
    ports[0].open_to_server()
    with socket.create_server(("127.0.0.1", ports[0].number)) as server:  # sets SO_REUSEADDR
        socket.create_connection(server.getsockname()).close()
    for port in ports:
        port.release()
        port.release()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (143, "killed by SIGTERM"),
        (-9, "killed by SIGKILL"),
        (255, "exit code 255"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe(code) == words
