"""The hit log, outages, and what survives a kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from synth.fault_server import FaultOptions, FaultServer, serving
from synth.fault_stats import body_hash
from tests.synth.fault_client import all_of, asking, send


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# The hit log


async def test_hit_log_has_every_request_twice(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    path.write_text('{"kept": "from before"}\n')
    options = FaultOptions(hit_log=path, script=(None, "503-html", None, "nul", "reset"))
    bodies = [asking("a"), asking("b"), b"{", asking("a"), asking("c")]
    seen = await all_of(options, bodies)
    log = lines(path)
    assert log[0] == {"kept": "from before"}
    ids = [body_hash(body if isinstance(body, bytes) else json.dumps(body).encode()) for body in bodies]
    assert json.loads(seen[0][1])["id"] == f"chatcmpl-{ids[0]}"
    assert [line for line in log[1:] if line["event"] == "arrived"] == [
        {"n": n, "body": body, "event": "arrived"} for n, body in enumerate(ids, 1)
    ]
    ended = [(line["n"], line["body"], line["status"], line["fault"]) for line in log[1:] if line["event"] == "ended"]
    outcomes = [("200", None), ("503", "503-html"), ("400", None), ("200", "nul"), ("reset", "reset")]
    assert ended == [(n, body, *end) for n, (body, end) in enumerate(zip(ids, outcomes, strict=True), 1)]


async def test_requests_in_flight_at_the_end_are_logged_as_cut(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    options = FaultOptions(hit_log=path, latency_ms=60_000, script=("429",))
    async with FaultServer(options) as server, aiohttp.ClientSession() as session:
        waiting = asyncio.create_task(send(session, server, asking("stays")))
        with pytest.raises(TimeoutError):  # this one hangs up, which does not stop its request
            await asyncio.wait_for(send(session, server, asking("leaves")), 0.2)
        await server.stop()
        assert (await waiting)[0] == "broken"
    ended = [(line["status"], line["fault"]) for line in lines(path) if line["event"] == "ended"]
    assert sorted(ended, key=str) == [("cut", "429"), ("cut", None)]
    assert server.stats()["by_status"] == {"cut": 2}


@contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    line = [sys.executable, "-m", "synth.fault_server", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def test_the_hit_log_survives_a_kill_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    answered: list[str] = []
    with command("--hit-log", str(path), "--latency-ms", "30", "--jitter", "0.5") as (process, url):

        def ask(worker: int) -> None:
            for i in range(1000):
                data = json.dumps(asking(f"{worker} {i}")).encode()
                try:
                    with urllib.request.urlopen(f"{url}/chat/completions", data, timeout=10) as response:
                        answered.append(json.load(response)["id"].removeprefix("chatcmpl-"))
                except (OSError, ValueError):
                    return

        workers = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        while len(answered) < 40:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        for worker in workers:
            worker.join()
    log = lines(path)
    arrived = {line["n"]: line["body"] for line in log if line["event"] == "arrived"}
    ended = {line["n"]: line["body"] for line in log if line["event"] == "ended"}
    assert len(log) == len(arrived) + len(ended)
    assert set(answered) <= set(ended.values())
    assert ended.items() <= arrived.items()
    assert len(arrived) - len(ended) <= 4
    assert sorted(arrived) == list(range(1, len(arrived) + 1))


def test_the_command_takes_every_new_option(tmp_path: Path) -> None:
    script, log = tmp_path / "script.jsonl", tmp_path / "hits.jsonl"
    script.write_text('"quota"\nnull\n')
    more = ["--content-faults", "wrong-model,same-id", "--content-fault-rate", "1", "--outage", "3600:1"]
    with command("--script", str(script), "--hit-log", str(log), *more) as (_, url):
        data = json.dumps(asking("case")).encode()
        with pytest.raises(urllib.error.HTTPError, match="429") as caught:
            urllib.request.urlopen(f"{url}/chat/completions", data, timeout=10)
        caught.value.close()
        with urllib.request.urlopen(f"{url}/chat/completions", data, timeout=10) as response:
            reply = json.load(response)
    assert (reply["model"] == "another-model") != (reply["id"] == "chatcmpl-0")
    assert [line.get("status") for line in lines(log)] == [None, "429", None, "200"]


# Outages


async def test_an_outage_refuses_connections_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    options = FaultOptions(outage=(0.3, 0.6), latency_ms=100, hit_log=path)
    seen: list[str] = []
    async with FaultServer(options) as server, aiohttp.ClientSession() as session:
        begin = server.url

        async def until(status: str) -> None:
            async with asyncio.timeout(10):
                while not seen or seen[-1] != status:
                    seen.append((await send(session, server, asking(f"{len(seen)}")))[0])
                    await asyncio.sleep(0.01)

        await asyncio.sleep(0.4)  # the clock starts with the first request, not with the server
        await until("200")
        await until("refused")
        for path_of in ("/v1/models", "/health", "/stats"):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(begin.removesuffix("/v1") + path_of)
        assert server.stats()["in_flight"] <= 1
        await until("200")
        assert server.url == begin
        async with session.get(f"{server.url}/models") as response:
            assert response.status == 200
        stats = server.stats()
    kinds = [status for i, status in enumerate(seen) if i == 0 or seen[i - 1] != status]
    assert kinds in (["200", "broken", "refused", "200"], ["200", "refused", "200"])
    arrived = {line["n"] for line in lines(path) if line["event"] == "arrived"}
    ended = {line["n"]: line["status"] for line in lines(path) if line["event"] == "ended"}
    assert arrived == set(ended)
    assert stats["hits"] == len(arrived) == sum(stats["by_status"].values())
    assert stats["by_status"] == Counter(ended.values())
    assert stats["by_status"]["200"] == seen.count("200")
    assert stats["by_status"].get("outage", 0) <= seen.count("broken")


async def test_stopping_within_an_outage_works() -> None:
    async with FaultServer(FaultOptions(outage=(0, 60))) as server, aiohttp.ClientSession() as session:
        async with asyncio.timeout(10):
            while (await send(session, server, asking("case")))[0] != "refused":
                await asyncio.sleep(0.01)


def test_an_outage_breaks_what_is_in_flight() -> None:
    with serving(FaultOptions(outage=(0.2, 0.2), latency_ms=1000)) as server, pytest.raises(OSError):
        urllib.request.urlopen(f"{server.url}/chat/completions", json.dumps(asking("x")).encode(), timeout=10)
    assert server.stats()["by_status"] == {"outage": 1}
    assert server.stats()["distinct"] == 0
