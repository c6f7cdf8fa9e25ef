"""The second pass of test-time training: a few optimizer steps on a question's neighbours, and back again.

A step is a step of TRL's SFTTrainer on a batch of that one row: its collator (which then pads nothing), its loss, its
gradient clipping and its optimizer, on ids and labels that went through the same proof as for SFT. Loss and weights
are therefore those that SFTTrainer leaves after the same step, and what is trained ends with the end of turn.

Every set of neighbours starts from the same weights, a fresh optimizer and a seed of its own, so that neither the
order of the questions nor what was adapted before changes anything, and questions with the same neighbours share one
adaptation exactly. Only what is trained is kept a copy of: under LoRA the adapter, else all weights once.

Does not retrieve, answer or score.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.staging import replace_folder, temporary
from training.config import Loaded
from training.encode import Encoded
from training.trainer import NotFinite
from training.ttt_config import TttConfig

if TYPE_CHECKING:
    from torch import Tensor

    from training.ttt_setup import Ready

Weights = dict[str, "Tensor"]
"""Tensors that are trained, by the model's names for them."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What adapting to one set of neighbours was like."""

    losses: list[float]
    """Before each step, on its row: mean over its trained tokens, in nats."""
    tokens: int
    """Tokens that went through the model, summed over the steps."""
    seconds: float


class Learner:
    """The model, and how it is adapted and reset. One question at a time; not to be used by several threads."""

    def __init__(self, loaded: Loaded[TttConfig], ready: Ready) -> None:
        """Load the weights; ``ready`` is :func:`training.ttt_setup.preflight`'s."""
        self.config = loaded.config
        self.ready = ready
        self._trainer = _make_trainer(loaded, ready)
        # Mixed precision is put around the model's forward by this call, as at the beginning of a training.
        self._wrapped = self._trainer.accelerator.prepare(self._trainer.model)
        self._trainer.model_wrapped = self._wrapped
        self.model: Any = self._trainer.model
        self.tokenizer = ready.tokenizer
        self._parameters = {name: part for name, part in self.model.named_parameters() if part.requires_grad}
        self._start = {name: part.detach().clone() for name, part in self._parameters.items()}
        self._recipe = _recipe(self.config, ready)
        self.reset()

    @property
    def trained(self) -> int:
        """Number of weights that are trained."""
        return sum(part.numel() for part in self._parameters.values())

    def in_turn(self, neighbours: Sequence[str]) -> list[str]:
        """Return neighbours, nearest first, in the order in which they are trained."""
        return list(neighbours) if self.config.order == "near_first" else list(reversed(neighbours))

    def key(self, neighbours: Sequence[str]) -> str:
        """Return 32 hex digits for an adaptation: model, recipe, and the neighbours' tokens in their order."""
        rows = [self.ready.pool.row(name) for name in self.in_turn(neighbours)]
        written = json.dumps([self._recipe, [[row.input_ids, row.labels] for row in rows]])
        return hashlib.sha256(written.encode()).hexdigest()[:32]

    def adapt(self, neighbours: Sequence[str]) -> Adapted:
        """Reset, then train on the neighbours (ids of the pool, nearest first); the model is left adapted.

        Raises:
            NotFinite: a loss or a weight is no number; the model has been reset.
        """
        import torch

        began = time.perf_counter()
        self.reset()
        torch.manual_seed(int(self.key(neighbours)[:15], 16))  # what is random in a step is dropout
        self._trainer.optimizer = None
        self._trainer.create_optimizer()
        rows = [self.ready.pool.row(name) for name in self.in_turn(neighbours)]
        turns = [rows[step % len(rows)] for step in range(self.config.steps)]
        losses = [self._step(row) for row in turns]
        self.model.eval()
        if not all(map(math.isfinite, losses)) or not self._finite():
            self.reset()
            raise NotFinite(
                f"training on {', '.join(neighbours)}: the loss is no number; lower trl.learning_rate, or use "
                "model.dtype: float32"
            )
        return Adapted(losses, sum(len(row.input_ids) for row in turns), time.perf_counter() - began)

    def reset(self) -> None:
        """Put back the weights of the beginning, bit by bit."""
        self.load(self._start)
        self.model.eval()

    def weights(self) -> Weights:
        """Return a copy of what is trained as it is now."""
        return {name: part.detach().clone() for name, part in self._parameters.items()}

    def load(self, weights: Weights) -> None:
        """Make these the weights that are trained; names and shapes are those of :meth:`weights`."""
        import torch

        with torch.no_grad():
            torch._foreach_copy_(list(self._parameters.values()), [weights[name] for name in self._parameters])

    def save(self, folder: Path) -> None:
        """Write the adapter as it is now in PEFT's form, which vLLM reads too. LoRA only."""
        with temporary(folder) as work:
            self.model.save_pretrained(work)
            (work / "README.md").unlink(missing_ok=True)  # PEFT's form to fill in
            replace_folder(work, folder)

    def _step(self, row: Encoded) -> float:
        trainer = self._trainer
        inputs = trainer.data_collator([{"input_ids": row.input_ids, "labels": row.labels}])
        count = (inputs["labels"][..., 1:] != -100).sum()
        loss = trainer.training_step(self._wrapped, inputs, count)
        if trainer.args.max_grad_norm:
            trainer.accelerator.clip_grad_norm_(self._parameters.values(), trainer.args.max_grad_norm)
        trainer.optimizer.step()
        self.model.zero_grad(set_to_none=True)
        return float(loss)

    def _finite(self) -> bool:
        import torch

        norms = torch._foreach_norm(list(self._parameters.values()))
        return bool(torch.isfinite(torch.stack(norms)).all())


def _make_trainer(loaded: Loaded[TttConfig], ready: Ready) -> Any:
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTTrainer

    from training.options import model_arguments, quantization

    set_seed(loaded.config.seed)  # of a new adapter's weights
    ready.arguments.model_init_kwargs = model_arguments(loaded.config)
    first = ready.pool.ids[0]
    row = ready.pool.row(first)
    example = {"messages": ready.pool.messages(first), "input_ids": row.input_ids, "labels": row.labels}
    return SFTTrainer(
        model=ready.name,
        args=ready.arguments,
        train_dataset=Dataset.from_list([example]),
        processing_class=ready.tokenizer,
        peft_config=ready.lora,
        quantization_config=quantization(loaded),
    )


def _recipe(config: TttConfig, ready: Ready) -> dict[str, Any]:
    """What makes two adaptations to the same rows the same."""
    lora = None
    if ready.lora is not None:
        targets = ready.lora.target_modules  # a set, once the model has been looked at
        lora = [ready.lora.r, ready.lora.lora_alpha, ready.lora.lora_dropout, targets if isinstance(targets, str) else
                sorted(targets), ready.lora.use_rslora, ready.lora.use_dora]  # fmt: skip
    arguments = ready.arguments
    return {
        "model": [config.model.name, config.model.revision, config.model.dtype, config.quantize],
        "lora": [lora, config.lora],
        "steps": config.steps,
        "seed": config.seed,
        "rate": arguments.learning_rate,
        "trl": config.trl,
    }
