"""A real run with vLLM started by it: killed with no warning, it leaves no process; the same command goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.runs import SEEDS, asked, finish, funnel, rows_on_disk, start, wait_until
from tests.vllm.conftest import ARGS, ENV, descendants, running

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]
SPEC = """\
name: small
license: cc-by-4.0
seeds: {{source: {source}, limit: 6}}
models:
  generator:
    engine: vllm
    model: {model}
    python: {python}
    args: {args}
    env: {env}
    max_in_flight: 16
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  preferences: {{from: [reward]}}
reasks: 3
sampling:
  questions: {{temperature: 0.4, max_tokens: 240}}
  score: {{temperature: 0.3}}
  answers: {{temperature: 0.4, max_tokens: 400}}
"""


def test_a_killed_run_leaves_no_process_and_goes_on(vllm_python: Path, weights: Path, tmp_path: Path) -> None:
    spec, run = tmp_path / "spec.yaml", tmp_path / "run"
    args = {**ARGS, "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True}}
    where = {"source": SEEDS, "model": weights, "python": vllm_python}
    spec.write_text(SPEC.format(**where, args=json.dumps(args), env=json.dumps(ENV)))
    process = start("--spec", spec, "--out", run)
    try:
        assert wait_until(lambda: entries(run) >= 5, process, seconds=600), process.communicate()[1]
        started = descendants(process.pid)
        assert len(started) >= 3  # the supervisor, the server, its engine
    finally:
        process.kill()
        process.communicate()
    gone(started, 60)

    before = asked(run)
    began = time.monotonic()
    process = start("--spec", spec, "--out", run)
    done = finish(process, timeout=900)
    print(f"\n{time.monotonic() - began:.0f} s\n{done.out}\n{done.err}")
    assert done.code == 0, done.err
    assert before.keys() < asked(run).keys()
    table = {kind: row for kind, row in funnel(done.out).items() if row["planned"]}
    assert {kind: row["planned"] for kind, row in table.items()} == {"sft": 6, "preference": 6}
    assert all(row["failed"] == row["pending"] == 0 for row in table.values())
    on_disk = rows_on_disk(run)
    assert {kind: row["kept"] for kind, row in table.items()} == {kind: on_disk[kind] for kind in table}
    assert (run / "logs" / "vllm-generator-1.log").is_file()


def entries(run: Path) -> int:
    with contextlib.suppress(Exception):  # no journal yet, or one that is being made
        return len(asked(run))
    return 0


def gone(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until none of them runs."""
    until = time.monotonic() + seconds
    while left := running(processes):
        if time.monotonic() > until:
            for one in left:
                os.kill(one.pid, signal.SIGKILL)
            pytest.fail(f"still running: {left}")
        time.sleep(0.1)
