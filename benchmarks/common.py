"""What the benchmarks share: seed files of any length, a server process, memory of a child process, results."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
PASSAGES = HERE.parent / "synth" / "specs" / "seeds" / "cardiology.jsonl"


def write_seeds(path: Path, count: int) -> None:
    """``count`` seeds from the demo's passages, each with a number so that no two texts are equal."""
    passages = [json.loads(line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            passage = passages[n % len(passages)]
            row = {"id": f"seed-{n:06d}", "text": f"Note {n}. {passage['text']}", "license": "cc-by-4.0"}
            file.write(json.dumps(row) + "\n")


@contextmanager
def fault_server(*options: str) -> Iterator[str]:
    """A fault server in a process of its own; yields its URL up to ``/v1``."""
    command = [sys.executable, "-m", "synth.fault_server", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def stats(url: str) -> dict[str, Any]:
    """The server's own count of what it was asked."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
        result: dict[str, Any] = json.load(response)
    return result


def run_and_watch(arguments: list[str]) -> dict[str, float]:
    """Run ``python -m …``; returns wall and CPU seconds and the peak resident memory in MB."""
    began = time.monotonic()
    process = psutil.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL)
    peak, cpu = 0, 0.0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
            times = process.cpu_times()
            cpu = times.user + times.system
        except psutil.Error:
            break
        time.sleep(0.05)
    if process.wait() != 0:
        sys.exit(f"{' '.join(arguments)} ended with exit code {process.returncode}")
    return {"wall_s": time.monotonic() - began, "cpu_s": cpu, "peak_rss_mb": peak / 1e6}


def save(name: str, result: dict[str, Any]) -> None:
    """Print the result and write it to ``results/<name>.json``."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    text = json.dumps({"benchmark": name, "on": machine, **result}, indent=2)
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
