"""A process that dies at every step between intent and manifest: nothing is lost, what it cost is named."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synth.failpoints import POINTS, VARIABLE
from synth.fault_server import FaultOptions, FaultServer, serving
from synth.journal import Journal, Totals
from tests.runs import ROOT, asked, data_files, generate, hits, write_spec

IN_FLIGHT = 64
ASKING = ("intent", "reply", "commit", "batch")
"""Points on the way of a request (that of batches is tested with them); the others come once a shard or an export."""


def served() -> FaultOptions:
    return FaultOptions(latency_ms=15, jitter=0.5)


def write(folder: Path, server: FaultServer) -> Path:
    return write_spec(folder, server.url, limit=6, shard_size=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to its end. Do not write into it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with serving(served()) as server:
        assert generate("--spec", write(folder, server), "--out", folder / "run").code == 0
    return folder / "run"


def dies(point: str, spec: Path, run: Path) -> str:
    """Run with a failpoint; return what the process said before it died."""
    ended = subprocess.run(
        [sys.executable, "-m", "synth.generate", "--spec", str(spec), "--out", str(run)],
        cwd=ROOT, env={**os.environ, VARIABLE: point}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended
    return ended.stderr


def totals(run: Path) -> list[Totals]:
    async def read() -> list[Totals]:
        found = []
        for path in sorted((run / "journal").glob("*.sqlite")):
            journal = Journal(path)
            found.append(journal.totals())
            await journal.close()
        return found

    return asyncio.run(read())


@pytest.mark.parametrize("point", ["intent:1", "intent:30", "reply:1", "reply:30", "commit:1", "commit:40"])
def test_a_death_between_intent_and_commit_is_named_and_nothing_is_lost(
    undisturbed: Path, tmp_path: Path, point: str
) -> None:
    with serving(served()) as server:
        spec, run = write(tmp_path, server), tmp_path / "run"
        dies(point, spec, run)
        died = sum((sums.uncertain for sums in totals(run)), 0)
        assert died <= IN_FLIGHT
        resumed = generate("--spec", spec, "--out", run)
        assert resumed.code == 0, resumed
        stats = server.stats()
    ledger = totals(run)
    answered, uncertain = sum(one.answered for one in ledger), sum(one.uncertain for one in ledger)
    assert uncertain == died, "what the next process sends has ends that are known"
    if not point.startswith("commit"):
        assert died > 0
    if died:
        assert f"{died} requests were in flight when the last run ended" in resumed.err.replace("\n", " ") or (
            resumed.err.count("requests were in flight when the last run ended") > 1  # one line a shard
        )
        assert "and may have been billed (at most " in resumed.err
    assert answered == len(asked(run)) == stats["distinct"]
    assert answered <= stats["hits"] <= answered + uncertain
    assert sum(one.requests for one in ledger) == answered + uncertain
    assert asked(run) == asked(undisturbed)
    assert data_files(run) == data_files(undisturbed)


@pytest.mark.parametrize("point", [name for name in POINTS if name not in ASKING])
def test_a_death_while_files_are_written_leaves_whole_ones(undisturbed: Path, tmp_path: Path, point: str) -> None:
    with serving(served()) as server:
        spec, run = write(tmp_path, server), tmp_path / "run"
        if point == "rename":  # an old folder is moved away only where there is one
            assert generate("--spec", spec, "--out", run).code == 0
        dies(point, spec, run)
        if (run / "export" / "manifest.json").exists():
            assert set(data_files(run)) >= {name for name in data_files(undisturbed) if name.startswith("export/")}
        paid = hits(server)
        assert generate("--spec", spec, "--out", run).code == 0
        again = hits(server) - paid
        assert server.stats()["distinct"] == len(asked(run))
        assert again <= IN_FLIGHT + len(asked(run)) - paid
    assert data_files(run) == data_files(undisturbed)
    assert not [path.name for path in run.rglob("*") if ".tmp-" in path.name or ".old-" in path.name]
