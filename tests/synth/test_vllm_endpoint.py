from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from synth.endpoints.base import Outcome
from synth.endpoints.vllm import MOST_RESTARTS, VllmEndpoint
from synth.errors import EndpointRefused, UserError
from tests.synth.helpers import request
from tests.synth.vllm_helpers import MODEL, fake_model, living, processes, starts

Make = Callable[..., VllmEndpoint]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes endpoints and closes them; records of starts are in ``tmp_path / "r"``, logs in ``tmp_path / "logs"``."""
    endpoints: list[VllmEndpoint] = []

    def made(faults: str = "", **fields: Any) -> VllmEndpoint:
        said: list[str] = []
        endpoint = VllmEndpoint(
            fake_model(tmp_path / "r", faults, **fields), "judge", tmp_path / "logs", say=said.append
        )
        endpoint.said = said  # type: ignore[attr-defined]
        endpoints.append(endpoint)
        return endpoint

    yield made
    for endpoint in endpoints:
        await endpoint.close()
    assert living(processes(tmp_path / "r")) == []


async def replies(endpoint: VllmEndpoint, count: int) -> list[Outcome]:
    return await asyncio.gather(*(endpoint.complete(request(f"Question {n}")) for n in range(count)))


async def ask_on(endpoint: VllmEndpoint) -> None:
    while True:
        await endpoint.complete(request())


def servers(folder: Path) -> list[int]:
    return [start["pid"] for start in starts(folder / "r")]


async def test_it_starts_answers_and_stops(make: Make, tmp_path: Path) -> None:
    endpoint = make(max_in_flight=3)
    assert endpoint.slots == 3
    await endpoint.start()
    outcomes = await replies(endpoint, 5)
    assert all(outcome.reply is not None and outcome.reply.model == MODEL for outcome in outcomes)
    assert (tmp_path / "logs" / "vllm-judge-1.log").is_file()
    (pid,) = servers(tmp_path)
    await endpoint.close()
    await endpoint.close()
    assert living([pid]) == []
    (line,) = endpoint.said  # type: ignore[attr-defined]
    assert line.startswith("models.judge: starting vLLM, which may take minutes; its log: ")
    with pytest.raises(RuntimeError, match="start"):
        await endpoint.complete(request())


async def test_replicas_share_the_work(make: Make, tmp_path: Path) -> None:
    endpoint = make(replicas=2, max_in_flight=4)
    await endpoint.start()
    assert endpoint.slots == 8
    assert all(outcome.reply is not None for outcome in await replies(endpoint, 16))
    assert endpoint._http is not None
    hits = []
    async with aiohttp.ClientSession() as session:
        for server in endpoint._http.servers:
            async with session.get(f"{server.url.removesuffix('/v1')}/stats") as response:
                hits.append((await response.json())["hits"])
    assert sum(hits) == 16
    assert min(hits) > 0
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["vllm-judge-1.log", "vllm-judge-2.log"]


async def test_nobody_else_on_the_machine_can_use_it(make: Make) -> None:
    endpoint = make()
    await endpoint.start()
    assert endpoint._http is not None
    (server,) = endpoint._http.servers
    assert server.url.startswith("http://127.0.0.1:")
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/models") as response:
        assert response.status == 401


@pytest.mark.parametrize(("said", "expected"), [(None, False), (True, True), (False, False)])
async def test_seeds_are_not_sent_to_a_cpu(
    said: bool | None, expected: bool, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    endpoint = make(send_seed=said)
    await endpoint.start()
    assert endpoint._http is not None
    assert endpoint._http.send_seed is expected


async def test_seeds_are_sent_where_there_are_gpus(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    endpoint = make(replicas=2)
    await endpoint.start()
    assert endpoint._http is not None
    assert endpoint._http.send_seed is True
    assert {start["env"]["CUDA_VISIBLE_DEVICES"] for start in starts(tmp_path / "r")} == {"0", "1"}


async def test_a_server_that_ends_while_starting_shows_its_log(make: Make, tmp_path: Path) -> None:
    endpoint = make("crash")
    with pytest.raises(UserError) as caught:
        await endpoint.start()
    first, *log = str(caught.value).splitlines()
    path = tmp_path / "logs" / "vllm-judge-1.log"
    assert first == f"models.judge: vLLM's server ended while starting (exit code 3); its log: {path}"
    assert log == ["    key is ***", "    RuntimeError: no memory left"]


async def test_one_bad_replica_ends_them_all(make: Make, tmp_path: Path) -> None:
    endpoint = make("crash-again", replicas=2)
    with pytest.raises(UserError, match="ended while starting"):
        await endpoint.start()
    assert living(processes(tmp_path / "r")) == []


async def test_a_start_that_takes_too_long(make: Make, tmp_path: Path) -> None:
    endpoint = make("hang", start_timeout=1.5)
    with pytest.raises(UserError) as caught:
        await endpoint.start()
    first, *log = str(caught.value).splitlines()
    assert "was not ready within 1.5 s (start_timeout); its log: " in first
    assert log == ["    loading weights"]
    assert living(processes(tmp_path / "r")) == []


async def test_a_start_that_is_cancelled_leaves_nothing(make: Make, tmp_path: Path) -> None:
    starting = asyncio.create_task(make("hang").start())
    while not starts(tmp_path / "r"):
        await asyncio.sleep(0.02)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert living(processes(tmp_path / "r")) == []


async def test_mistakes_show_before_anything_is_started(make: Make, tmp_path: Path) -> None:
    for fields in ({"args": {"port": 1}}, {"python": tmp_path / "none"}):
        with pytest.raises(UserError, match=r"^models\.judge\.(args: port is set|python: no such file)"):
            await make(**fields).start()
    assert starts(tmp_path / "r") == []


async def test_logs_that_cannot_be_written(make: Make, tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(UserError, match=r"^models\.judge: cannot write .*/logs/vllm-judge-1\.log: "):
        await make().start()


async def test_without_a_folder_for_logs_a_failure_still_leaves_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for faults in ("crash", ""):
        endpoint = VllmEndpoint(fake_model(tmp_path / "r", faults), "judge")
        try:
            await endpoint.start()
            assert endpoint._temporary is not None
            log = endpoint._temporary / "vllm-judge-1.log"
            assert log.is_file()
        except UserError as error:
            failed = Path(str(error).splitlines()[0].partition("its log: ")[2])
        finally:
            await endpoint.close()
    assert "no memory left" in failed.read_text()
    assert not log.exists()


async def test_a_killed_server_comes_back_and_no_question_is_lost(make: Make, tmp_path: Path) -> None:
    endpoint = make(max_in_flight=4)
    await endpoint.start()
    asking = asyncio.create_task(replies(endpoint, 80))
    await asyncio.sleep(0.1)
    (first,) = servers(tmp_path)
    os.kill(first, signal.SIGKILL)
    outcomes = await asking
    assert all(outcome.reply is not None for outcome in outcomes)
    assert {a.outcome for o in outcomes for a in o.attempts} == {"ok", "connection"}
    assert len(servers(tmp_path)) == 2
    (_, line, *_) = endpoint.said  # type: ignore[attr-defined]
    assert "judge: vLLM's server ended (killed by SIGKILL, perhaps for want of memory); starting it again" in line


async def test_a_server_that_does_not_come_back_ends_the_run(make: Make, tmp_path: Path) -> None:
    endpoint = make("crash-again")
    await endpoint.start()
    asking = asyncio.create_task(replies(endpoint, 200))
    await asyncio.sleep(0.1)
    os.kill(servers(tmp_path)[0], signal.SIGKILL)
    with pytest.raises(EndpointRefused, match=rf"ended while starting \(exit code 3\) after {MOST_RESTARTS} restarts"):
        await asking
    with pytest.raises(EndpointRefused, match="restarts; its log: "):
        await endpoint.complete(request())
    assert len(servers(tmp_path)) == 1 + MOST_RESTARTS


async def test_restarts_are_counted_while_it_serves(make: Make, tmp_path: Path) -> None:
    endpoint = make()
    await endpoint.start()
    for number in range(MOST_RESTARTS + 1):
        while len(servers(tmp_path)) <= number:
            await asyncio.sleep(0.02)
        os.kill(servers(tmp_path)[-1], signal.SIGKILL)
    with pytest.raises(EndpointRefused, match=f"SIGKILL.*after {MOST_RESTARTS} restarts"):
        await ask_on(endpoint)
    assert len(servers(tmp_path)) == 1 + MOST_RESTARTS


async def test_a_question_that_is_given_up_is_taken_back(make: Make) -> None:
    endpoint = make()
    await endpoint.start()
    asking = asyncio.create_task(endpoint.complete(request()))
    await asyncio.sleep(0.005)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert endpoint._http is not None
    assert endpoint._http.servers[0].health.in_flight == 0


async def test_close_may_come_first(make: Make) -> None:
    await make().close()
