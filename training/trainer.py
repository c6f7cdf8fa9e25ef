"""A TRL trainer that is watched: a loss that is no number stops it, evaluations of several kinds give one loss.

``watched`` adds a few lines around methods of the trainer class it is given and changes no arithmetic. ``fit`` resumes
it from the last good checkpoint and trains it. Which trainer, model and data: the commands' affair.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import ClinsynthError
from synth.failpoints import failpoint
from training.checkpoints import Identity, checkpoint_callback, last_good
from training.config import EarlyStop
from training.metrics import metrics_callback

BATCH_FOLDER = "not-finite"
"""Folder in the output that holds the batch whose loss was no number."""


class NotFinite(ClinsynthError):
    """The loss of a batch is NaN or infinite. The weights are those from before that batch; it is on disk."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a finished training looked like."""

    steps: int
    resumed_from: str | None
    seconds: float
    tokens: int
    """Tokens seen in this process's part of the run, padding left out; 0 where the trainer does not count them."""
    peak_memory: int
    """Bytes: of the GPU where there is one, else of the process."""
    history: list[dict[str, Any]]
    """The trainer's log."""


def watched(kind: type[Any], output: Path, early_stop: EarlyStop | None = None) -> type[Any]:
    """Return a subclass of the trainer ``kind`` that stops at a loss that is no number, and stops early if asked."""
    import torch

    class Watched(kind):  # type: ignore[misc]
        """See :func:`watched`."""

        def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
            """Train on one batch; the optimizer has not moved yet when this returns."""
            failpoint("step")
            loss = super().training_step(model, inputs, *rest, **named)
            if not bool(torch.isfinite(loss).all()):
                raise _not_finite(self, inputs, float(loss), output)
            return loss

        def evaluate(self, eval_dataset: Any = None, *rest: Any, **named: Any) -> dict[str, float]:
            """Evaluate; for several data sets add ``eval_loss``, the mean of their losses."""
            many = self.eval_dataset if eval_dataset is None else eval_dataset
            metrics: dict[str, float] = super().evaluate(eval_dataset, *rest, **named)
            if isinstance(many, dict):
                metrics["eval_loss"] = sum(metrics[f"eval_{name}_loss"] for name in many) / len(many)
                self.log({"eval_loss": metrics["eval_loss"]})
                if early_stop and _no_better(self.state.log_history, early_stop):
                    self.control.should_training_stop = True
            return metrics

        def create_model_card(self, *rest: Any, **named: Any) -> None:
            """Write none: ours is written at the end, with the lineage."""

        def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
            failpoint("weights")
            super()._save_optimizer_and_scheduler(output_dir)

    return Watched


def fit(
    trainer: Any, output: Path, identity: Identity, keep: int, say: Callable[[str], None] = print, *, total: str = ""
) -> Fitted:
    """Train to the end, from the last good checkpoint of this run if there is one.

    ``keep`` checkpoints are kept, the last ones. ``total`` is put before each line said. Raises NotFinite, and
    UserError when the checkpoints in ``output`` are another run's.
    """
    import torch
    from transformers.trainer_callback import PrinterCallback

    start = last_good(output, identity, say)
    trainer.args.save_total_limit = None  # the trainer would remove the last good one before the next is marked
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(checkpoint_callback(output, identity, keep))
    trainer.add_callback(metrics_callback(output / "metrics.jsonl", say, total))
    if start is not None:
        say(f"goes on from {start.name}")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=str(start) if start else None)
    return Fitted(
        steps=trainer.state.global_step,
        resumed_from=start.name if start else None,
        seconds=time.monotonic() - began,
        tokens=_tokens(trainer.state.log_history, start is not None),
        peak_memory=_peak_memory(),
        history=trainer.state.log_history,
    )


def best_so_far(history: list[dict[str, Any]]) -> float | None:
    """Return the lowest ``eval_loss`` of a log, or None without one."""
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return min(losses) if losses else None


def _no_better(history: list[dict[str, Any]], rule: EarlyStop) -> bool:
    # from the log, which a checkpoint holds, so that a resumed run stops where an undisturbed one does
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    if len(losses) <= rule.patience:
        return False
    return bool(min(losses[-rule.patience :]) >= min(losses[: -rule.patience]) - rule.threshold)


def _not_finite(trainer: Any, inputs: Mapping[str, Any], loss: float, output: Path) -> NotFinite:
    """Save the batch and return the error that names it."""
    import torch
    from safetensors.torch import save_file

    folder = output / BATCH_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in inputs.items() if torch.is_tensor(value)}
    save_file(tensors, folder / "batch.safetensors")
    ids = next((tensors[name] for name in ("input_ids", "chosen_input_ids") if name in tensors), None)
    tokenizer = trainer.processing_class
    facts = {
        "step": trainer.state.global_step + 1,
        "loss": str(loss),
        "texts": [tokenizer.decode(row) for row in ids] if ids is not None else [],
    }
    (folder / "batch.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2), encoding="utf-8")
    what = "not a number" if math.isnan(loss) else "infinite"
    return NotFinite(
        f"step {facts['step']}: the loss is {what}: the batch is in {folder}; lower trl.learning_rate, use "
        "model.dtype: float32, or look for the row, then run the same command again to go on from the last checkpoint"
    )


def _tokens(history: list[dict[str, Any]], resumed: bool) -> int:
    counts = [int(entry["num_tokens"]) for entry in history if "num_tokens" in entry]
    return 0 if resumed or not counts else max(counts)


def _peak_memory() -> int:
    import resource
    import sys

    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
