"""What holds when an endpoint or a person does the wrong thing: time, memory, requests; the OpenAI SDK beside it.

    python -m benchmarks.guards               # about three minutes

``deadlines``       seconds until one question with a deadline of 3 s for all its tries comes back (the SDK: time-out 3
                    and no retries), against a server that lets bytes drip, hangs, is slow with its headers or sends
                    blanks first.
``huge_reply``      growth of the client's peak memory by one reply of 200 MB, after a usual one.
``wrong_key``       chat requests that a server saw which refuses the key: our command, and a loop of the SDK.
``dry_run``         requests by ``--dry-run``.
``second_process``  seconds until a second process on a run folder in use has ended; the floor is ``--dry-run``, which
                    starts up in the same way and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.common import asking, bodies, fault_server, in_fresh_process, many, save, stats, write_seeds

TIMEOUT = 3.0
TOLERANCE = 1.0
"""Seconds by which a deadline may be missed."""
SLOW = ("drip", "hang", "slow-headers", "blank-drip")
HUGE = "huge"
GIVE_UP = 120.0
TARGET_GROWTH_MB = 50.0
TARGET_SECOND_PROCESS_S = 1.0
QUESTIONS = 100
KEY = "BENCHMARK_KEY"
SPEC = """
name: guards
license: cc-by-4.0
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model, api_key_env: {key}}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
"""


def peak_mb() -> float:
    """Peak resident memory of this process; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def ours(folder: Path, url: str, timeout: float) -> dict[str, Any]:
    """A usual question, then the one in question: how it ended, after how long, with how much more memory."""
    from synth.ask import AskFailed

    async def run() -> dict[str, Any]:
        changes = (f"models.generator.deadline={timeout}",)  # with all its tries
        async with asking(folder, url, *changes) as ask:
            await ask(0)
            before, began, ended = peak_mb(), time.monotonic(), "answered"
            try:
                await asyncio.wait_for(ask(1), GIVE_UP)
            except AskFailed as err:
                ended = err.kind
            return {"seconds": time.monotonic() - began, "ended": ended, "growth_mb": peak_mb() - before}

    return asyncio.run(run())


def openai_sdk(url: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
    """The same with the SDK."""
    from openai import AsyncOpenAI

    async def run() -> dict[str, Any]:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=timeout) as client:
            await client.chat.completions.create(**body)
            before, began, ended = peak_mb(), time.monotonic(), "answered"
            try:
                await asyncio.wait_for(client.chat.completions.create(**body), GIVE_UP)
            except Exception as err:
                ended = type(err).__name__
            return {"seconds": time.monotonic() - began, "ended": ended, "growth_mb": peak_mb() - before}

    return asyncio.run(run())


def refused_sdk(url: str, body: dict[str, Any], count: int) -> None:
    """A loop of the SDK that keeps its errors, as most do."""
    from openai import AsyncOpenAI, OpenAIError

    async def run() -> None:
        async with AsyncOpenAI(base_url=url, api_key="wrong") as client:

            async def one(n: int) -> None:
                with suppress(OpenAIError):
                    await client.chat.completions.create(**body)

            await many(one, count, 64)

    asyncio.run(run())


def usual_body(folder: Path) -> dict[str, Any]:
    """A request as ours goes out."""
    with fault_server() as url:
        in_fresh_process(ours, folder / "usual", url, GIVE_UP)
    return bodies(folder / "usual" / "run")[0]


def both(folder: Path, body: dict[str, Any], fault: str, timeout: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and the SDK, each with a server of its own that answers the first request as usual, the second so."""
    folder.mkdir()
    script = folder / "script.json"
    script.write_text(json.dumps([None, fault]), encoding="utf-8")
    with fault_server("--script", str(script)) as url:
        mine = in_fresh_process(ours, folder, url, timeout)
    with fault_server("--script", str(script)) as url:
        theirs = in_fresh_process(openai_sdk, url, body, timeout)
    return mine, theirs


def deadlines(folder: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Each slow way."""
    found = {}
    for way in SLOW:
        mine, theirs = both(folder / way, body, way, TIMEOUT)
        found[way] = {"ours": mine, "openai_sdk": theirs, "ratio": mine["seconds"] / theirs["seconds"]}
    return found


def huge_reply(folder: Path, body: dict[str, Any]) -> dict[str, Any]:
    """One huge reply."""
    mine, theirs = both(folder / HUGE, body, HUGE, GIVE_UP)
    return {"ours": mine, "openai_sdk": theirs, "ratio": mine["growth_mb"] / theirs["growth_mb"]}


def generate(spec: Path, run: Path, *options: str, key: str = "right") -> tuple[float, int, str]:
    """Run the command; seconds, exit code, what it complained of."""
    began = time.monotonic()
    done = subprocess.run(
        arguments_of(spec, run, *options), env={**os.environ, KEY: key}, capture_output=True, text=True
    )
    said = " | ".join(done.stderr.split("\n")).replace(str(run.parent), "…").strip(" |")
    return time.monotonic() - began, done.returncode, said[:300]


def arguments_of(spec: Path, run: Path, *options: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "synth.generate", "--spec", str(spec), "--out", str(run), *options]


def wrong_key(folder: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Requests that the server saw."""
    found: dict[str, Any] = {}
    with fault_server("--api-key", "right") as url:
        spec = write_spec(folder, url)
        _, code, said = generate(spec, folder / "key", key="wrong")
        found["ours"] = {"requests": stats(url)["hits"], "exit_code": code, "said": said}
    with fault_server("--api-key", "right") as url:
        in_fresh_process(refused_sdk, url, body, QUESTIONS)
        found["openai_sdk"] = {"requests": stats(url)["hits"], "questions": QUESTIONS}
    return found


def write_spec(folder: Path, url: str) -> Path:
    """A spec of as many seeds as there are questions."""
    spec, seeds = folder / "spec.yaml", folder / "seeds.jsonl"
    write_seeds(seeds, QUESTIONS)
    spec.write_text(SPEC.format(seeds=seeds, url=url, key=KEY), encoding="utf-8")
    return spec


def processes(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The dry run, then a second process beside one that waits for its replies."""
    with fault_server("--latency-ms", "600000") as url:
        spec, run = write_spec(folder, url), folder / "twice"
        seconds, code, _ = generate(spec, run, "--dry-run")
        dry = {"requests": stats(url)["hits"], "seconds": seconds, "exit_code": code, "wrote": run.exists()}
        command = arguments_of(spec, run)
        first = subprocess.Popen(command, env={**os.environ, KEY: "right"}, stderr=subprocess.DEVNULL)
        try:
            while not (hits := stats(url)["hits"]) and first.poll() is None:
                time.sleep(0.05)
            time.sleep(0.5)
            hits = stats(url)["hits"]
            seconds, code, said = generate(spec, run)
            second = {
                "seconds": seconds,
                "ratio_to_dry_run": seconds / dry["seconds"],
                "exit_code": code,
                "said": said,
                "requests": stats(url)["hits"] - hits,
                "first_goes_on": first.poll() is None,
            }
        finally:
            first.kill()
            first.wait()
    return dry, second


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        body = usual_body(folder)
        slow, huge, key = deadlines(folder, body), huge_reply(folder, body), wrong_key(folder, body)
        dry, second = processes(folder)
    save(
        "guards",
        {
            "timeout_s": TIMEOUT,
            "deadlines": slow,
            "huge_reply": huge,
            "wrong_key": key,
            "dry_run": dry,
            "second_process": second,
            "met": {
                "deadlines": all(abs(one["ours"]["seconds"] - TIMEOUT) <= TOLERANCE for one in slow.values()),
                "huge_reply": huge["ours"]["growth_mb"] <= TARGET_GROWTH_MB and huge["ours"]["ended"] != "answered",
                "wrong_key": key["ours"]["requests"] <= 1 and key["ours"]["exit_code"] == 4,
                "dry_run": dry["requests"] == 0 and dry["exit_code"] == 0,
                "second_process": second["exit_code"] != 0
                and second["requests"] == 0
                and second["first_goes_on"]
                and second["seconds"] <= TARGET_SECOND_PROCESS_S,
            },
        },
    )


if __name__ == "__main__":
    main()
