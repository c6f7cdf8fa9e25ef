"""The command: neighbours and adapters for a file of questions, refused mistakes, kills in either pass."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.runs import Ran
from tests.training.conftest import needs_trl, run
from training import ttt
from training.config import BUILT_IN, load_config
from training.retrieval import NEIGHBOURS
from training.ttt_config import TttConfig

pytestmark = [pytest.mark.train, needs_trl]

CONFIG = """\
model: {{name: {model}}}
data:
  path: {export}
questions: questions.jsonl
output: {output}
lora: {{r: 4, lora_dropout: 0.1}}
trl: {{max_length: 1024, learning_rate: 1.0e-2}}
"""


@pytest.fixture
def config(tmp_path: Path, tiny: Path, export: Path) -> Path:
    """A configuration of LoRA and a file of six questions beside it; the output is ``ttt``."""
    rows = [
        {"question": f"Case {at}: chest pain {'at rest' if at % 2 else 'on effort'}; what is the next step?",
         "options": {"A": "Nitrates", "B": "An ECG"}, "answer_idx": "B"}
        for at in range(6)
    ]  # fmt: skip
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = tmp_path / "ttt.yaml"
    path.write_text(CONFIG.format(model=tiny, export=export, output=tmp_path / "ttt"), encoding="utf-8")
    return path


def run_ttt(config: Path, *changes: str) -> Ran:
    return run(ttt.main, "--config", config, *(part for change in changes for part in ("--set", change)))


def adapters(output: Path) -> dict[str, bytes]:
    """The bytes of each adapter's weights by its key."""
    return {file.parent.name: file.read_bytes() for file in output.glob("adapters/*/adapter_model.safetensors")}


@pytest.mark.parametrize("name", ["ttt", "finemed-ttt"])
def test_the_built_in_configurations_are_valid(name: str) -> None:
    config = load_config(TttConfig, name).config
    assert (BUILT_IN / f"{name}.yaml").is_file()
    assert config.retrieval.k == 1
    paper = name == "finemed-ttt"
    assert (config.lora is None) is paper
    assert config.trl["learning_rate"] == (1e-5 if paper else 1e-3)
    assert (config.retrieval.encoder, config.steps == 1) == (("BAAI/bge-large-en-v1.5" if paper else "minilm"), paper)


def test_neighbours_and_an_adapter_for_each_set(config: Path, tmp_path: Path) -> None:
    ran = run_ttt(config)
    assert ran.code == 0, ran
    table = pq.read_table(tmp_path / "ttt" / NEIGHBOURS).to_pylist()
    sets = {tuple(row["neighbours"]) for row in table}
    made = adapters(tmp_path / "ttt")
    assert len(table) == 6
    assert len(made) == len(sets) < 6  # questions that share their neighbours share an adapter
    lines = [json.loads(line) for line in (tmp_path / "ttt" / "adapted.jsonl").read_text().splitlines()]
    assert {line["key"] for line in lines} == made.keys()
    assert f"{len(sets)} made, 0 were there" in ran.out
    again = run_ttt(config)
    assert f"0 made, {len(sets)} were there" in again.out
    assert adapters(tmp_path / "ttt") == made


def test_a_killed_command_goes_on(config: Path, tmp_path: Path) -> None:
    """A real process, killed as soon as its first adapter is on disk."""
    whole = tmp_path / "whole"
    changes = ("retrieval.k=3", "retrieval.select=random")
    assert run_ttt(config, *changes, f"output={whole}").code == 0
    arguments = [part for change in changes for part in ("--set", change)]
    command = [sys.executable, "-m", "training.ttt", "--config", str(config), *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        deadline = time.monotonic() + 200
        while not adapters(tmp_path / "ttt") and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert adapters(tmp_path / "ttt")
    ran = run_ttt(config, *changes)
    assert ran.code == 0, ran
    assert adapters(tmp_path / "ttt") == adapters(whole)
    assert len(adapters(whole)) == 6
    assert not [path for path in (tmp_path / "ttt" / "adapters").iterdir() if ".tmp-" in path.name]


def test_full_weights_leave_no_adapters(config: Path, tmp_path: Path) -> None:
    ran = run_ttt(config, "lora=null")
    assert ran.code == 0, ran
    assert (tmp_path / "ttt" / NEIGHBOURS).is_file()
    assert not (tmp_path / "ttt" / "adapters").exists()
    assert "adapts in memory" in ran.out


def test_the_preflight_shows_the_pool_and_writes_nothing(config: Path, tmp_path: Path) -> None:
    ran = run(ttt.main, "--config", config, "--preflight")
    assert ran.code == 0, ran
    assert "pool        " in ran.out
    assert "proved in every row" in ran.out
    assert not (tmp_path / "ttt").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("stepz=2", "stepz: unknown key; did you mean 'steps'?"),
        ("retrieval.encodr=x", "retrieval.encodr: unknown key; did you mean 'encoder'?"),
        ("retrieval.k=0", "retrieval.k: must be"),
        ("retrieval.select=closest", "retrieval.select: must be"),
        ("retrieval.floor=2", "retrieval.floor: must be"),
        ("steps=0", "steps: must be"),
        ("trl.packing=true", "trl.packing: one step is one row"),
        ("trl.max_steps=3", "trl.max_steps: set steps instead"),
        ("trl.warmup_steps=3", "trl.warmup_steps: the few steps of a question have one constant rate"),
        ("trl.learning_rat=3", "SFTConfig has no such option; did you mean 'learning_rate'?"),
        ("lora.rank=3", "LoraConfig has no such option"),
        ("data.kinds=[dialogue]", "'dialogue' rows cannot be neighbours"),
        ("accelerate=fsdp2", "one process adapts"),
        ("early_stop={}", "nothing is evaluated between the steps"),
        ("questions=null", "questions: is missing"),
        ("questions=none.jsonl", "none.jsonl"),
        ("retrieval.encoder=no/encoder/here", "retrieval.encoder: no/encoder/here"),
    ],
)
def test_mistakes_are_one_line(config: Path, change: str, said: str) -> None:
    ran = run_ttt(config, change)
    assert ran.code == 2, ran
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_there_is_nothing_to_push(config: Path) -> None:
    ran = run(ttt.main, "--config", config, "--push", "me/mine")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "nothing is left to push" in ran.err
