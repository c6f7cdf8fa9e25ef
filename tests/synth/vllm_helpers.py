"""Servers that pretend to be vLLM, and who of them still lives."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from synth.spec_models import VllmModel

ROOT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).parent / "fake_vllm"
MODEL = "some/model"


def fake_env(folder: Path, faults: str = "") -> dict[str, str]:
    """Variables that make ``python -m vllm.…`` the pretender; ``folder`` gets a record of each start."""
    folder.mkdir(exist_ok=True)
    return {"PYTHONPATH": f"{FAKE}{os.pathsep}{ROOT}", "FAKE_VLLM": str(folder), "FAKE_VLLM_FAULTS": faults}


def fake_model(folder: Path, faults: str = "", **fields: Any) -> VllmModel:
    """A spec's model that runs the pretender."""
    return VllmModel(engine="vllm", model=MODEL, env=fake_env(folder, faults), **({"retries": 3} | fields))


def starts(folder: Path) -> list[dict[str, Any]]:
    """What each start was handed, in order."""
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text()) for path in files]


def processes(folder: Path) -> list[int]:
    """Process ids of all servers that were started and of their children."""
    return [pid for start in starts(folder) for pid in (start["pid"], *start["children"])]


def living(pids: Iterable[int]) -> list[int]:
    """Those that run; a zombie that nobody has collected yet is dead."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until ``condition`` is true; returns its value."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.02)
    return value
