"""What our whole path costs a request: against a bare aiohttp loop, the OpenAI SDK and two peers.

    python -m benchmarks.overhead                        # about two minutes
    python -m benchmarks.overhead --peers /tmp/peers     # also two peers, each in an environment of its own

A server in a process of its own answers 2,000 short chats at once, 64 in flight. Ours has everything on: template,
budget, intent and reply committed to the journal, the reply checked against its model. The loop posts the same bodies
with aiohttp and reads the replies with ``json.loads``; the SDK sends them with ``AsyncOpenAI``. Each measure runs in a
fresh process, three rounds in turn, medians are given. CPU is that of the client's process between the first request
and the last reply; of the peers, which start and end inside of one call, that call's with its child processes.

``--peers DIR`` makes ``DIR/curator`` and ``DIR/distilabel`` with pip where they are missing. What could not be
installed or did not run stands in the result with its last line of complaint.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.common import HERE, asking, bodies, fault_server, in_fresh_process, many, save

LIMIT = 64
ROUNDS = 3
TARGET_SPEED, TARGET_CPU = 0.5, 4.0
PEERS = {"curator": ["bespokelabs-curator==0.1.31"], "distilabel": ["distilabel[openai]==1.5.3", "requests"]}
"""What pip installs; distilabel does not import without requests, which it does not ask for."""
PEER_TIMEOUT = 900


async def timed(work: Callable[[int], Awaitable[None]], count: int, workers: int) -> dict[str, float]:
    """Seconds and CPU seconds of this process for ``count`` requests."""
    began, cpu = time.perf_counter(), time.process_time()
    await many(work, count, workers)
    return figures(time.perf_counter() - began, time.process_time() - cpu, count)


def figures(seconds: float, cpu: float, count: int) -> dict[str, float]:
    """As they are compared."""
    return {"requests_per_s": count / seconds, "cpu_ms_per_request": 1000 * cpu / count}


def ours(folder: Path, url: str, count: int) -> dict[str, float]:
    """Everything on. More questions are at work than may be in flight: while one is written another is sent."""

    async def run() -> dict[str, float]:
        async with asking(folder, url, limit=LIMIT) as ask:
            await ask(count)  # opens the connections

            async def one(n: int) -> None:
                assert (await ask(n)).value.quality

            return await timed(one, count, 2 * LIMIT)

    return asyncio.run(run())


def bare_loop(url: str, asked: list[dict[str, Any]]) -> dict[str, float]:
    """The floor."""

    async def run() -> dict[str, float]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=LIMIT)) as session:

            async def one(n: int) -> None:
                async with session.post(f"{url}/chat/completions", json=asked[n]) as response:
                    assert json.loads(await response.read())["choices"]

            await one(0)
            return await timed(one, len(asked), LIMIT)

    return asyncio.run(run())


def openai_sdk(url: str, asked: list[dict[str, Any]]) -> dict[str, float]:
    """The SDK as it comes."""
    from openai import AsyncOpenAI

    async def run() -> dict[str, float]:
        async with AsyncOpenAI(base_url=url, api_key="none") as client:

            async def one(n: int) -> None:
                assert (await client.chat.completions.create(**asked[n])).choices

            await one(0)
            return await timed(one, len(asked), LIMIT)

    return asyncio.run(run())


def peer(name: str, folder: Path, url: str, asked: Path) -> dict[str, Any]:
    """One peer's figures, or why there are none."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", *PEERS[name]]
    script = [str(python), str(HERE / "peers" / f"{name}_chats.py"), url, str(asked), str(LIMIT)]
    for command, what in ((install, "not installed"), (script, "did not run")):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PEER_TIMEOUT, cwd=folder)
        except subprocess.TimeoutExpired:
            return {"failed": f"{what}: no end after {PEER_TIMEOUT} s"}
        if done.returncode != 0:
            return {"failed": f"{what}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"}
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    count = len(json.loads(asked.read_text(encoding="utf-8")))
    return {**figures(said["seconds"], said["cpu_s"], count), "answered": said["answered"]}


def medians(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """The median of each figure, and the rounds."""
    return {**{name: median(one[name] for one in rounds) for name in rounds[0]}, "rounds": rounds}


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--peers", type=Path, metavar="DIR", help="folder of the peers' environments")
    arguments = parser.parse_args()
    count = arguments.requests
    found: dict[str, list[dict[str, float]]] = {"ours": [], "bare_loop": [], "openai_sdk": []}
    peers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, fault_server("--latency-ms", "0") as url:
        folder = Path(name)
        for n in range(ROUNDS):
            found["ours"].append(in_fresh_process(ours, folder / str(n), url, count))
            asked = bodies(folder / str(n) / "run")[1:]  # without the one that opened the connections
            found["bare_loop"].append(in_fresh_process(bare_loop, url, asked))
            found["openai_sdk"].append(in_fresh_process(openai_sdk, url, asked))
        if arguments.peers:
            (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
            arguments.peers.mkdir(parents=True, exist_ok=True)
            for which in PEERS:
                print(f"{which} …", file=sys.stderr)
                peers[which] = peer(which, arguments.peers.resolve(), url, folder / "asked.json")
    result = {name: medians(rounds) for name, rounds in found.items()}
    mine, floor = result["ours"], result["bare_loop"]
    speed = mine["requests_per_s"] / floor["requests_per_s"]
    cpu = mine["cpu_ms_per_request"] / floor["cpu_ms_per_request"]
    save(
        "overhead",
        {
            "requests": count,
            "in_flight": LIMIT,
            **result,
            "peers": peers or "not asked for: --peers DIR",
            "speed_to_bare_loop": speed,
            "cpu_to_bare_loop": cpu,
            "targets": {"speed_at_least": TARGET_SPEED, "cpu_at_most": TARGET_CPU},
            "met": speed >= TARGET_SPEED and cpu <= TARGET_CPU,
        },
    )


if __name__ == "__main__":
    main()
