"""Whole runs over the Batch API, killed at every moment: what was paid for is never paid for again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synth.failpoints import VARIABLE
from tests.runs import ROOT, SEEDS, asked, data_files, finish, generate, rows_on_disk, wait_until
from tests.servers.batch_faults import BatchFaults
from tests.servers.batch_server import BatchServer, batch_serving
from tests.synth.batch_command import shorten

SPEC = """\
name: trial
seed: 7
shard_size: 4
seeds: {{source: {source}, limit: 8}}
models:
  generator: {{engine: openai-batch, base_url: "{url}", model: fault-model, poll: 0.05, api_key_env: null}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  preferences: {{from: [reward]}}
"""


def write_batch_spec(folder: Path, url: str) -> Path:
    """A small spec over the Batch API."""
    path = folder / "spec.yaml"
    path.write_text(SPEC.format(url=url, source=SEEDS), encoding="utf-8")
    return path


def start(spec: Path, out: Path, failpoint: str = "") -> subprocess.Popen[str]:
    """The command as a process of its own, which dies at ``failpoint``."""
    command = [sys.executable, "-m", "tests.synth.batch_command", "--spec", str(spec), "--out", str(out)]
    environment = {**os.environ, VARIABLE: failpoint}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def whole(spec: Path, out: Path) -> None:
    """Run the command in this process to its end."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch.setattr)
        ran = generate("--spec", spec, "--out", out)
    assert ran.code == 0, ran.err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], set[str], int]:
    """What a run that nothing happened to has left: files by hash, questions, batches."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with batch_serving() as server:
        whole(write_batch_spec(folder, server.url), folder / "run")
        assert set(server.paid.values()) == {1}
        assert rows_on_disk(folder / "run")["sft"] > 0
        return data_files(folder / "run"), set(server.paid), server.created


def test_a_run_goes_in_a_few_rounds(undisturbed: tuple[dict[str, str], set[str], int]) -> None:
    _, questions, batches = undisturbed
    assert len(questions) > 30
    assert batches < len(questions) / 3


def paid_once(server: BatchServer, run: Path) -> bool:
    """Every question in the journals was worked on once, and none besides."""
    return dict(server.paid) == dict.fromkeys(asked(run), 1)


@pytest.mark.parametrize("failpoint", ["intent:2", "batch:1", "reply:4"])
def test_a_kill_costs_nothing(
    tmp_path: Path, undisturbed: tuple[dict[str, str], set[str], int], failpoint: str
) -> None:
    run = tmp_path / "run"
    with batch_serving(BatchFaults(shuffle=True)) as server:
        spec = write_batch_spec(tmp_path, server.url)
        killed = finish(start(spec, run, failpoint), 120)
        assert killed.code == -signal.SIGKILL, killed.err
        whole(spec, run)
        assert paid_once(server, run)
    assert data_files(run) == undisturbed[0]


def test_a_kill_while_a_creation_has_no_answer_costs_nothing(
    tmp_path: Path, undisturbed: tuple[dict[str, str], set[str], int]
) -> None:
    run = tmp_path / "run"
    with batch_serving(BatchFaults(hang="create")) as server:
        spec = write_batch_spec(tmp_path, server.url)
        process = start(spec, run)
        assert wait_until(lambda: server.created, process), finish(process).err
        process.kill()
        finish(process)
        server.faults.hang = ""
        whole(spec, run)
        assert paid_once(server, run)
    assert data_files(run) == undisturbed[0]


def test_ctrl_c_twice_leaves_a_batch_to_the_next_run(
    tmp_path: Path, undisturbed: tuple[dict[str, str], set[str], int]
) -> None:
    run = tmp_path / "run"
    with batch_serving(BatchFaults(delay=1000.0)) as server:
        spec = write_batch_spec(tmp_path, server.url)
        process = start(spec, run)
        assert wait_until(lambda: server.calls["look"] > 1, process), finish(process).err
        process.send_signal(signal.SIGINT)
        assert wait_until(lambda: server.calls["look"] > 3, process) or process.poll() is not None
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        stopped = finish(process)
        assert stopped.code == 130, stopped.err
        assert "the same command takes up their replies" in stopped.out + stopped.err
        server.faults.delay = 0.0
        whole(spec, run)
        assert paid_once(server, run)
    assert data_files(run) == undisturbed[0]


def test_a_run_through_all_faults_at_once_comes_out_the_same(
    tmp_path: Path, undisturbed: tuple[dict[str, str], set[str], int]
) -> None:
    faults = BatchFaults(
        shuffle=True,
        lag=1,
        create_resets=1,
        create_errors=1,
        upload_errors=2,
        get_errors=6,
        cut_downloads=2,
        expire=[2, 100],
        doubled=2,
        foreign=2,
        broken=2,
        refuse=lambda number, line: (500, "oops", "") if number % 3 == 1 and line["custom_id"] < "4" else None,
        per_look=10,
    )
    with batch_serving(faults) as server:
        spec = write_batch_spec(tmp_path, server.url)
        whole(spec, tmp_path / "run")
        assert paid_once(server, tmp_path / "run")
    assert data_files(tmp_path / "run") == undisturbed[0]
