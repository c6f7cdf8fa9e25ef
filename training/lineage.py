"""What is known of a run when it ends, for its card, its report and ``training.json``."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.config import RunConfig
from training.data_files import Lineage

_NO_RESULT = ("step", "epoch", "total_flos", "_runtime", "_per_second", "num_tokens", "learning_rate", "grad_norm")
"""Endings of what a trainer logs that is no result."""

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "bitsandbytes")


@dataclass(slots=True)
class Facts:
    """Everything a reader of the result should be able to learn."""

    command: str
    """``sft``, ``dpo``, ``reward`` or ``curriculum``."""
    title: str
    """Name of the output folder."""
    base: str
    """The model that was trained, as the configuration names it."""
    template: str
    """Name of the chat template."""
    config: dict[str, Any]
    """The configuration as it was used, see :func:`shown_config`."""
    lineage: Lineage
    rows: dict[str, dict[str, int]]
    """Rows used by kind: ``train`` and ``validation``."""
    notes: list[str]
    """What was dropped or cut, one sentence each."""
    metrics: dict[str, float]
    """Figures at the end, the last or best of each name."""
    history: list[dict[str, Any]]
    """The trainer's log."""
    adapter: bool
    """Whether the result is an adapter rather than a whole model."""
    seconds: float
    peak_memory: int
    """Bytes."""
    versions: dict[str, str] = field(default_factory=lambda: versions())
    machine: str = field(default_factory=lambda: machine())


def versions() -> dict[str, str]:
    """Return the versions of what the result depends on, ours included."""
    found = {"python": platform.python_version()}
    for name in ("clinsynth", *LIBRARIES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def shown_config(config: RunConfig) -> dict[str, Any]:
    """Return the configuration for cards and reports: folders of this machine by their last names alone."""
    values = config.model_dump()
    values["output"] = Path(config.output).name
    values["data"]["path"] = ["/".join(Path(path).parts[-2:]) for path in config.data.path]
    values["model"]["name"] = shown_name(config.model.name)
    values["model"]["template"] = shown_name(config.model.template)
    return values


def shown_name(name: str) -> str:
    """Return a model's name, or the last name of its folder."""
    return Path(name).name if Path(name).is_absolute() else name


def machine() -> str:
    """Return what it was trained on, in words."""
    import torch

    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        return f"{count} x {torch.cuda.get_device_name(0)}" if count > 1 else str(torch.cuda.get_device_name(0))
    return f"CPU ({platform.machine()})"


def last_metrics(history: list[dict[str, Any]]) -> dict[str, float]:
    """Return the last value of every number that a trainer logged."""
    found: dict[str, float] = {}
    for entry in history:
        found |= {name: value for name, value in entry.items() if isinstance(value, (int, float))}
    return {name: value for name, value in found.items() if not name.endswith(_NO_RESULT)}
