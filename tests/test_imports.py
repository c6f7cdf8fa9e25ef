"""What importing costs and touches: ``--help`` is light and quick, no module of ours reaches for the network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "vllm", "transformers", "datasets", "ray", "trl", "pandas", "openai", "datasketch", "matplotlib")
NOT_FOR_HELP = (*HEAVY, "pyarrow", "pydantic", "numpy", "aiohttp", "jinja2", "ruamel", "rich")
HELP_SECONDS = 0.4

IMPORT_ALL = """
import json, pkgutil, socket, sys
from importlib import import_module

def refuse(*arguments, **named):
    raise AssertionError(f"the network was touched: {arguments}")

class NoSocket(socket.socket):
    connect = connect_ex = bind = sendto = refuse

socket.socket = NoSocket
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = refuse
ours = []
for name in json.loads(sys.argv[1]):
    package = import_module(name)
    ours += [found.name for found in pkgutil.walk_packages(package.__path__, f"{name}.")]
for name in ours:
    if not name.endswith("__main__"):
        import_module(name)
print(json.dumps([ours, sorted(sys.modules)]))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def found(modules: list[str], names: tuple[str, ...]) -> list[str]:
    return [module for module in modules if module.partition(".")[0] in names]


def commands() -> list[str]:
    """Modules that are commands: those that end in a call of their ``main``."""
    paths = [p for package in ("synth", "filters", "training", "evaluation") for p in (ROOT / package).rglob("*.py")]
    mains = [path for path in paths if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in mains)


@pytest.mark.parametrize("command", commands())
def test_help_imports_nothing_heavy(command: str) -> None:
    done = python("-X", "importtime", "-m", command, "--help")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = [line.rpartition("|")[2].strip() for line in lines]
    assert "argparse" in imported or command == "synth.__main__"
    assert "usage" in (done.stdout + done.stderr)
    assert found(imported, NOT_FOR_HELP if command == "synth.generate" else HEAVY) == []


def test_help_comes_at_once() -> None:
    """Best of five, because other work on the machine can only make it slower."""

    def seconds() -> float:
        start = time.perf_counter()
        python("-m", "synth.generate", "--help")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < HELP_SECONDS


@pytest.mark.parametrize("packages", [["prompts"], ["prompts", "filters"], ["prompts", "filters", "synth"]])
def test_importing_everything_touches_no_network_and_nothing_heavy(packages: list[str]) -> None:
    ours, modules = json.loads(python("-c", IMPORT_ALL, json.dumps(packages)).stdout)
    assert set(packages) <= set(modules)
    assert len(ours) > 20 or "synth" not in packages
    assert found(modules, HEAVY) == []
    later = {"prompts", "filters", "synth", "training", "evaluation"} - set(packages)
    assert found(modules, tuple(later)) == []
