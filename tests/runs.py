"""Whole runs for tests: a small spec, the command in this process or in one of its own, and what a run left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from synth.fault_server import FaultServer
from synth.generate import main

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "synth" / "specs" / "seeds" / "cardiology.jsonl"
KINDS = ("sft", "reasoning", "dialogue", "preference")
PER_SEED = {"sft": 1, "reasoning": 1, "dialogue": 1, "preference": 3}
"""Rows that the spec below plans for each seed."""

SPEC = """\
name: trial
seed: 7
license: cc-by-4.0
shard_size: {shard_size}
seeds:
  source: {source}
  limit: {limit}
models:
  generator:
    engine: openai
    base_url: {url}
    model: fault-model
    max_in_flight: 64
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  reasoning: {{hardest: 0.5, trace: sections, verify: true}}
  dialogues: {{per_seed: 1, max_turns: 4}}
  preferences: {{from: [reasoning_over_answer, reward, dialogue_outcome]}}
filters: {{dedup: {{ngram: "word:1", questions: 0.15, rows: 0.4}}}}
export: {{validation: 0.3}}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """Lines on standard error."""
        return self.err.splitlines()


def write_spec(folder: Path, url: str, *, limit: int = 8, shard_size: int = 4, source: Path = SEEDS) -> Path:
    """Write ``spec.yaml`` with every recipe at work."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spec.yaml"
    path.write_text(SPEC.format(url=url, limit=limit, shard_size=shard_size, source=source), encoding="utf-8")
    return path


def generate(*arguments: object) -> Ran:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code if isinstance(end.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue())


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the command as a process of its own."""
    command = [sys.executable, "-m", "synth.generate", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], timeout: float = 60) -> Ran:
    """Wait for the end of a started command."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ran(process.returncode, out, err)


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60) -> bool:
    """Wait for ``condition``; False when the process ends first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the process neither ended nor did what was waited for"
        time.sleep(0.002)
    return True


def hits(server: FaultServer) -> int:
    """Chat requests that the server has received."""
    count: int = server.stats()["hits"]
    return count


def data_files(run: Path) -> dict[str, str]:
    """SHA-256 of every file of ``export/`` and ``rejected/`` by its path."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("export", "rejected")
        for path in sorted((run / folder).rglob("*"))
        if path.is_file()
    }


def asked(run: Path) -> dict[str, str]:
    """Step of every journalled question by its key."""
    found: dict[str, str] = {}
    for path in sorted((run / "journal").glob("*.sqlite")):
        with contextlib.closing(sqlite3.connect(path)) as journal:
            found |= dict(journal.execute("SELECT key, step FROM entries"))
    return found


def steps(run: Path) -> Counter[str]:
    """How many questions of each step (``score/1`` counts as ``score``) are in the journals."""
    return Counter(step.partition("/")[0] for step in asked(run).values())


_FUNNEL = re.compile(r"(\w+) +([\d,]+) = +([\d,]+) \+ +([\d,]+) \+ +([\d,]+) \+ +([\d,]+)")


def funnel(out: str) -> dict[str, dict[str, int]]:
    """The closing table by kind: planned, kept, rejected, failed, pending."""
    names = ("planned", "kept", "rejected", "failed", "pending")
    table: dict[str, dict[str, int]] = {}
    for line in out.splitlines():
        if match := _FUNNEL.fullmatch(line.strip()):
            table[match[1]] = dict(zip(names, (int(n.replace(",", "")) for n in match.groups()[1:]), strict=True))
    return table


def rows_on_disk(run: Path) -> dict[str, int]:
    """Rows of ``export/`` by kind, as the Parquet files have them."""
    import pyarrow.parquet as pq

    def rows(kind: str) -> int:
        return sum(pq.read_metadata(path).num_rows for path in (run / "export" / kind).glob("*.parquet"))

    return {kind: rows(kind) for kind in KINDS}
