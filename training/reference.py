"""The reference's log-probabilities of a DPO run: computed once, kept on disk, found again by what they depend on.

DPO compares the model with itself as it was at the start. That model never changes, so its log-probability of each
answer is a number a row: computed before the first step, stored, and read again by every run on the same model and the
same tokens (another beta, another loss, another learning rate, a resumed run). Neither a second model in memory nor a
second forward pass a step is needed then.

A file's name is a hash over the reference's weights, the token ids of every pair in their order, the chat template,
and the settings that change the numbers (see :func:`reference_key`). Anything else found under that name than finite
numbers for all rows, with intact page checksums, is computed anew and replaced.

Which model the reference is, is for :class:`trl.DPOTrainer` to say: with LoRA it is the model with its adapter
switched off, otherwise the model as it was loaded. This module computes no log-probability itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")
"""Columns that DPOTrainer reads the reference from; sums over the tokens of an answer, in nats."""

IDS = ("prompt_ids", "chosen_ids", "rejected_ids")
"""Columns of a pair's token ids, as DPOTrainer names them."""

SETTINGS = ("max_length", "truncation_mode", "ld_alpha", "bf16", "fp16", "tf32")
"""Fields of ``trl.DPOConfig`` that change a reference's log-probabilities."""


def reference_key(model: str, rows: str, template: str, settings: dict[str, Any]) -> str:
    """32 hex digits over the hashes of weights, token ids and chat template, and the settings as JSON."""
    parts = [model, rows, template, json.dumps(settings, sort_keys=True, default=str)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def rows_hash(table: pa.Table) -> str:
    """Hash of the token ids of pairs, in their order; ``table`` has ``prompt_ids, chosen_ids, rejected_ids``."""
    total = hashlib.sha256()
    whole = table.select(list(IDS)).combine_chunks()
    for name in IDS:
        for array in whole.column(name).chunks:
            total.update(np.diff(array.offsets.to_numpy()).astype("<i8").tobytes())
            total.update(array.flatten().to_numpy().astype("<i4").tobytes())
    return total.hexdigest()


def weights_hash(model: Any) -> str:
    """Hash over names, types and values of a model's tensors, those of an adapter that is being trained left out.

    Equal for a model and for the same model under a fresh LoRA adapter, whatever the adapter's seed.
    """
    import torch

    total = hashlib.sha256()
    tensors = {_base_name(name): value for name, value in model.state_dict().items() if ".default." not in name}
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def _base_name(name: str) -> str:
    # What peft calls a weight that it has wrapped, by the name that it has without peft.
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".").replace(".original_module.", ".")


@dataclass(slots=True)
class ReferenceCache:
    """A folder of log-probabilities; ``found`` and ``computed`` count the pairs since it was opened."""

    folder: Path
    found: int = 0
    computed: int = 0

    def load(self, key: str, rows: int) -> dict[str, list[float]] | None:
        """The columns under ``key``, or None where there is no sound file with so many rows."""
        try:
            table = pq.read_table(self._path(key), page_checksum_verification=True)
        except (OSError, pa.ArrowInvalid):
            return None
        if table.column_names != list(COLUMNS) or table.num_rows != rows:
            return None
        columns = {name: table.column(name).to_pylist() for name in COLUMNS}
        return columns if _all_finite(columns) else None

    def store(self, key: str, columns: dict[str, list[float]]) -> None:
        """Write the columns under ``key`` in one step, so that a kill leaves no half file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        table = pa.table({name: pa.array(columns[name], pa.float32()) for name in COLUMNS})
        beside = self._path(key).with_suffix(f".{os.getpid()}.part")
        pq.write_table(table, beside, write_page_checksum=True)
        beside.replace(self._path(key))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"


def _all_finite(columns: dict[str, list[float]]) -> bool:
    return all(bool(np.isfinite(np.asarray(values, dtype=float)).all()) for values in columns.values())


def caching_trainer(cache: ReferenceCache) -> type:
    """``trl.DPOTrainer`` that looks into ``cache`` before it computes a reference, and leaves there what it computed.

    For use with ``precompute_ref_log_probs=True``, on rows that are tokenised already: they are taken as they are. It
    logs the mean lengths of both sides beside their implicit rewards. With several processes the first one reads and
    writes the folder and tells the others, so that a folder of one node is enough.
    """
    from accelerate.utils import broadcast_object_list
    from trl import DPOTrainer

    class CachingDPOTrainer(DPOTrainer):  # type: ignore[misc]
        """See :func:`caching_trainer`."""

        _reference_weights: str | None = None

        def _prepare_dataset(self, dataset: Any, *rest: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
            if self._reference_weights is None:
                self._reference_weights = weights_hash(self.ref_model or self.model)
            key = self._key(dataset)
            known = [cache.load(key, len(dataset)) if self.accelerator.is_main_process else None]
            broadcast_object_list(known, from_process=0)
            if known[0] is not None:
                cache.found += len(dataset)
                for column in COLUMNS:
                    dataset = dataset.add_column(column, np.asarray(known[0][column], dtype=np.float32))
                return dataset
            dataset = super()._precompute_ref_logps(dataset, name, batch_size)
            columns = {column: list(dataset[column]) for column in COLUMNS}
            cache.computed += len(dataset)
            # What is not finite is no reference to keep; the first loss that is computed from it stops the run.
            if self.accelerator.is_main_process and _all_finite(columns):
                cache.store(key, columns)
            return dataset

        def _key(self, dataset: Any) -> str:
            import transformers
            import trl

            settings = {name: getattr(self.args, name, None) for name in SETTINGS}
            settings["attention"] = self.model.config._attn_implementation
            settings["versions"] = [trl.__version__, transformers.__version__]
            template = hashlib.sha256((self.processing_class.chat_template or "").encode()).hexdigest()
            rows = rows_hash(dataset.select_columns(list(IDS)).with_format("arrow")[:])
            return reference_key(self._reference_weights or "", rows, template, settings)

        def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
            """Return the loss; the mean number of trained tokens of each side goes into the log."""
            log = self._metrics["train" if self.model.training else "eval"]
            lengths = self.accelerator.gather_for_metrics(
                inputs["completion_mask"].sum(dim=1).float().reshape(2, -1).T
            )
            for side, length in zip(("chosen", "rejected"), lengths.mean(dim=0).tolist(), strict=True):
                log[f"lengths/{side}"].append(length)
            return super().compute_loss(model, inputs, *rest, **named)

    return CachingDPOTrainer
