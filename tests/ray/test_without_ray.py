"""Mistakes that need no cluster: one line, exit 2, nothing sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import ROOT, generate, write_spec

NOWHERE = "http://127.0.0.1:9/v1"
WITHOUT = "import sys; sys.modules['ray'] = None; from synth.generate import main; sys.exit(main())"


def test_without_ray_one_line_says_what_to_install(tmp_path: Path) -> None:
    arguments = ["--spec", write_spec(tmp_path, NOWHERE), "--out", tmp_path / "run", "--runner", "ray"]
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == ["--runner ray: Ray is not installed; pip install 'clinsynth[ray]'"]


def test_ray_shares_out_by_itself(tmp_path: Path) -> None:
    ran = generate("--spec", write_spec(tmp_path, NOWHERE), "--runner", "ray", "--shard", "1/2")
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "--shard: a Ray cluster shares the shards out by itself" in ran.err


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        ("{engine: openai-batch, base_url: 'http://127.0.0.1:9/v1', model: m}", "openai-batch"),
        ("{engine: vllm, model: m/n}", "vllm"),
    ],
)
def test_what_belongs_to_one_process_is_refused(tmp_path: Path, model: str, engine: str) -> None:
    spec = write_spec(tmp_path, NOWHERE)
    ran = generate("--spec", spec, "--out", tmp_path / "run", "--runner", "ray", "--set", f"models.generator={model}")
    assert ran.code == 2, ran
    assert f"models.generator: --runner ray cannot share engine {engine}" in ran.err
