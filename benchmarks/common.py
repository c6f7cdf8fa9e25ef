"""What the benchmarks share: seeds, a server process, our way of asking, processes of their own, journals, results."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

HERE = Path(__file__).parent
PASSAGES = HERE.parent / "synth" / "specs" / "seeds" / "cardiology.jsonl"
QUESTION = "In case {}, which finding tells stable from unstable angina, and what follows for the treatment?"
ASKING = """
name: asking
license: cc-by-4.0
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model, max_in_flight: {limit}}}
produce:
  questions: {{per_seed: 1}}
  answers: {{styles: 1}}
budget: {{requests: 1000000000, tokens: 1000000000000}}
"""


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


def reset(url: str) -> None:
    """Let the server count from zero."""
    urllib.request.urlopen(urllib.request.Request(url.removesuffix("/v1") + "/stats/reset", method="POST")).close()


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


def in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:
    """What ``function`` returns when a process of its own runs it: no memory, caches or threads of another measure."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@asynccontextmanager
async def asking(folder: Path, url: str, *changes: str, limit: int = 64) -> AsyncIterator[Callable[[int], Any]]:
    """Yield ``ask(n)``, which puts question ``n`` the way a recipe does and returns its :class:`synth.ask.Answer`.

    Template, budget, queue, endpoint, intent and reply in the journal ``folder/run/journal``, check of the reply:
    everything is on. ``changes`` are those of ``--set``.
    """
    from synth.ask import Asker
    from synth.budget import Spending
    from synth.journal import Journal
    from synth.progress import Progress
    from synth.recipes.forms import Score
    from synth.run import Run, journal_path
    from synth.setup import prepare

    folder.mkdir(parents=True, exist_ok=True)
    write_seeds(folder / "seeds.jsonl", 1)
    (folder / "spec.yaml").write_text(ASKING.format(seeds=folder / "seeds.jsonl", url=url, limit=limit))
    setup = prepare(str(folder / "spec.yaml"), folder / "run", changes)
    run = Run(setup, Progress(quiet=True), shards=[0], retry_failed=False)
    run.desk.spending = Spending(setup.spec.budget)
    journal = Journal(journal_path(setup.run, 0))

    def ask(n: int) -> Any:
        return Asker(run.desk, journal, f"seed-{n:06d}", (0, n)).ask("score", Score, question=QUESTION.format(n))

    try:
        yield ask
    finally:
        await run.engines.close()
        await journal.close()


async def many(work: Callable[[int], Awaitable[None]], count: int, workers: int) -> None:
    """``work(0)`` … ``work(count - 1)``, so many at a time."""
    left = iter(range(count))

    async def worker() -> None:
        for n in left:
            await work(n)

    await asyncio.gather(*(worker() for _ in range(workers)))


def bodies(run: Path, model: str = "fault-model") -> list[dict[str, Any]]:
    """The request bodies of a run as they went to the server, in the order in which their replies were written."""
    from synth.endpoints.base import Request
    from synth.endpoints.bodies import request_body

    found: list[dict[str, Any]] = []
    for path in journals(run):
        with closing(sqlite3.connect(path)) as journal:
            rows = journal.execute("SELECT request FROM entries WHERE reask = 0 ORDER BY rowid").fetchall()
        found += (dict(request_body(Request(**json.loads(zlib.decompress(row[0]))), model)) for row in rows)
    return found


def journals(run: Path) -> list[Path]:
    """The journals of a run folder."""
    return sorted((run / "journal").glob("*.sqlite"))


def journalled(run: Path) -> dict[tuple[Any, ...], int]:
    """How many rows the journals hold for each question and try: (seed, step, sample, re-ask, key) → 1, or more."""
    found: Counter[tuple[Any, ...]] = Counter()
    for path in journals(run):
        with closing(sqlite3.connect(path)) as journal:
            found.update(journal.execute("SELECT seed_id, step, sample, reask, key FROM entries"))
    return dict(found)


def attempts(run: Path) -> dict[str, int]:
    """The ledger of a run: attempts that were answered, that failed, and those whose end nobody knows."""
    from synth.journal import Journal

    async def totals() -> dict[str, int]:
        found: Counter[str] = Counter(ok=0, failed=0, uncertain=0)
        for path in journals(run):
            journal = Journal(path)
            sums = journal.totals()
            await journal.close()
            failed = sums.requests - sums.answered - sums.uncertain
            found.update(ok=sums.answered, failed=failed, uncertain=sums.uncertain)
        return dict(found)

    return asyncio.run(totals())


def data_files(run: Path) -> dict[str, str]:
    """SHA-256 of every file of ``export/`` and ``rejected/`` by its path."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("export", "rejected")
        for path in sorted((run / folder).rglob("*"))
        if path.is_file()
    }


def save(name: str, result: dict[str, Any]) -> None:
    """Print the result and write it to ``results/<name>.json``."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    text = json.dumps({"benchmark": name, "on": machine, **result}, indent=2)
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
