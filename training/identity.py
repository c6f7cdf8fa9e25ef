"""What makes two runs the same run, so that one may go on from the other's checkpoint.

Everything that changes the arithmetic: model, template, token ids, seed, options. Left out is what only changes when
something is written, evaluated, shown or loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from training.config import RunConfig

HARMLESS = (
    "logging_",
    "save_",
    "eval_",
    "report_to",
    "run_name",
    "log_",
    "disable_tqdm",
    "dataloader_num_workers",
    "dataloader_prefetch_factor",
    "dataloader_persistent_workers",
    "dataloader_pin_memory",
    "per_device_eval_batch_size",
    "dataset_num_proc",
    "include_num_input_tokens_seen",
    "skip_memory_metrics",
    "hub_",
    "push_to_hub",
    "project",
    "trackio_",
)
"""Beginnings of the names of TRL's options that may change between a run and its resumption."""


def identity(config: RunConfig, template: str, data: str, command: str) -> dict[str, Any]:
    """Return the identity of a run; ``template`` is the template's text, ``data`` a hash of what is trained on."""
    trl = {name: value for name, value in config.trl.items() if not name.startswith(HARMLESS)}
    return {
        "command": command,
        "model": config.model.model_dump(include={"name", "revision", "dtype", "attention"}),
        "template": hashlib.sha256(template.encode()).hexdigest(),
        "data": data,
        "seed": config.seed,
        "lora": config.lora,
        "quantize": config.quantize,
        "early_stop": config.early_stop.model_dump() if config.early_stop else None,
        "trl": trl,
    }


def tokens_hash(tables: Iterable[pa.Table]) -> str:
    """Return the SHA-256 over ``input_ids`` and ``labels`` of all rows in their order."""
    total = hashlib.sha256()
    for table in tables:
        for name in ("input_ids", "labels"):
            column = table.column(name).combine_chunks()
            for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                total.update(np.diff(array.offsets.to_numpy()).astype("<i4").tobytes())
                total.update(array.flatten().to_numpy().astype("<i4").tobytes())
    return total.hexdigest()
