"""The interpreter that has vLLM, and a real model's weights as vLLM wants them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from synth.endpoints.local import PACKAGED, model_file
from synth.spec_models import LocalModel
from tests.runs import ROOT

VARIABLE = "CLINSYNTH_VLLM_PYTHON"
ARGS: dict[str, Any] = {
    "max_model_len": 2048,
    "dtype": "bfloat16",
    "enforce_eager": True,
    "max_num_seqs": 16,
    "max_num_batched_tokens": 512,
}
"""``max_num_batched_tokens``: long prompts are processed in chunks, which a seed would turn into a crash on a CPU."""
ENV = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """The interpreter named by CLINSYNTH_VLLM_PYTHON; without one the test is skipped."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} does not name a Python interpreter with vLLM")
    if importlib.util.find_spec(PACKAGED) is None:
        pytest.skip(f"not installed: {PACKAGED}")
    return Path(named).absolute()


@pytest.fixture(scope="session")
def weights(vllm_python: Path, pytestconfig: pytest.Config) -> Path:
    """SmolLM2-135M-Instruct as safetensors, converted once from the packaged GGUF (half a minute to a minute)."""
    gguf = model_file(LocalModel(engine="local"))
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    folder = pytestconfig.cache.mkdir("weights") / digest
    if not (folder / "config.json").exists():
        command = [vllm_python, "-m", "training.convert", gguf, "--out", folder]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return folder


def descendants(pid: int) -> list[psutil.Process]:
    """All processes that come from this one and run."""
    return running(psutil.Process(pid).children(recursive=True))


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie that nobody has collected yet does not."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
