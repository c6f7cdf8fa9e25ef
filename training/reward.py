"""A reward model from the pairs of a run: one number for a conversation, higher where its last answer is better.

    python -m training.reward --config reward --set data.path=datasets_out/cardiology --preflight
    python -m training.reward --config reward --set data.path=datasets_out/cardiology

The result is a whole model with one output and its chat template, which :class:`filters.reward.RewardModel` loads; an
adapter is merged, so LoRA with 4-bit weights is refused. A conversation longer than ``trl.max_length`` is cut at the
front when ``over_length.action`` is ``truncate``, as that class does it, for the end holds the answer that is judged.

At the end the model judges the validation pairs: the share it orders right, with an interval. Beside it stands the
share that "the longer answer is better" orders right: a model that is no better than that has learnt lengths. The
pairs' ``margin`` is not used: it is in units of whatever made the pair.

The training itself is TRL's RewardTrainer.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from training.config import Loaded, RunConfig
from training.run import carry_out, command, say

if TYPE_CHECKING:
    from training.pairs import PairPart
    from training.preference import Ready

DESCRIPTION = "Train a reward model on preference pairs; the same command again resumes it."
Z = 1.959964
"""Normal quantile of a 95 % interval."""


class RewardRunConfig(RunConfig):
    """A reward model on ``prompt``, ``chosen``, ``rejected``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of pairs whose chosen answer gets the higher number; a tie counts as wrong."""

    pairs: int
    seeds: int
    """Seeds that the pairs come from."""
    share: float
    low: float
    """Ends of the 95 % interval; ``high`` is the other."""
    high: float
    longer: float
    """Share that "the longer answer is better" orders right."""

    def line(self) -> str:
        """One sentence for people."""
        return (
            f"held out: {self.share:.1%} of {self.pairs:,} pairs ordered right (95 % interval {self.low:.1%} to "
            f"{self.high:.1%}, for {self.seeds:,} seeds); the longer answer is the better one in {self.longer:.1%}"
        )


def preflight(loaded: Loaded[RewardRunConfig]) -> Ready:
    """Check configuration, pairs and template; loads a tokenizer and no weights. Raises UserError."""
    from training import preference

    if loaded.config.quantize is not None:
        raise loaded.error(("quantize",), "a reward model is left as whole weights: remove the line, and keep lora")
    return preference.preflight(loaded, lambda longest, held_out: _arguments(loaded, longest, held_out), "SEQ_CLS")


def train(loaded: Loaded[RewardRunConfig], ready: Ready) -> Path:
    """Train, resuming where it can, judge the validation pairs, and return the model's folder.

    Raises:
        NotFinite: a loss is no number.
        UserError: the output holds another run.
    """
    from training import preference
    from training.identity import identity
    from training.outputs import finished, save
    from training.trainer import fit

    config, output = loaded.config, Path(loaded.config.output)
    this = identity(config, ready.template.text, preference.pairs_hash(ready), "reward")
    if done := finished(output, this):
        say(f"{output}: this run is finished")
        return output / str(done["result"])
    trainer = make_trainer(loaded, ready)
    fitted = fit(trainer, output, this, ready.arguments.save_total_limit or 2, say)
    known = preference.facts(loaded, ready, fitted, "reward", adapter=False)
    if ready.prepared.validation is not None:
        found = judge(trainer, ready.prepared.validation)
        say(found.line())
        known.notes.append(found.line())
        known.metrics |= {f"held_out_{name}": value for name, value in dataclasses.asdict(found).items()}
    if ready.lora is not None:
        trainer.model = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload(safe_merge=True)
    return save(trainer, known, output, this, ready.lines)


def make_trainer(loaded: Loaded[RewardRunConfig], ready: Ready) -> Any:
    """Load the weights with a new head of one output, and return the watched RewardTrainer."""
    from datasets import Dataset
    from trl import RewardTrainer

    from training.options import model_arguments
    from training.trainer import watched

    config, arguments, held_out = loaded.config, ready.arguments, ready.prepared.validation
    arguments.model_init_kwargs = model_arguments(config)
    longest = arguments.max_length
    return watched(RewardTrainer, Path(config.output), config.early_stop)(
        model=ready.name,
        args=arguments,
        train_dataset=Dataset(whole_sides(ready.prepared.train, longest)),
        eval_dataset=Dataset(whole_sides(held_out, longest)) if held_out else None,
        processing_class=ready.tokenizer,
        peft_config=ready.lora,
    )


def whole_sides(part: PairPart, longest: int) -> pa.Table:
    """Return ``chosen_ids`` and ``rejected_ids`` with the prompt before each, cut at the front to ``longest``."""
    rows = part.table.select(["prompt_ids", "chosen_ids", "rejected_ids"]).to_pylist()
    sides = {
        side: pa.array([(row["prompt_ids"] + row[side])[-longest:] for row in rows], pa.list_(pa.int32()))
        for side in ("chosen_ids", "rejected_ids")
    }
    return pa.table(sides)


def judge(trainer: Any, part: PairPart) -> Accuracy:
    """Return how many pairs the trained model orders right. Every process of a run must call this.

    The interval is Wilson's score interval (1927) for as many draws as there are seeds, not pairs: the pairs of one
    seed share their question, so this is the safe side.
    """
    import torch

    trainer.model.eval()
    right: list[float] = []
    for batch in trainer.get_eval_dataloader():
        batch = trainer._prepare_inputs(batch)
        with torch.inference_mode(), trainer.compute_loss_context_manager():
            rewards = trainer.model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
            ).logits.squeeze(-1)
        chosen, rejected = rewards.float().chunk(2)
        right += trainer.accelerator.gather_for_metrics((chosen > rejected).float()).tolist()
    ids = part.table.column("seed_id").to_pylist() if "seed_id" in part.table.column_names else range(len(right))
    seeds = len(set(ids))
    share = sum(right) / len(right)
    low, high = wilson(share, seeds)
    return Accuracy(len(right), seeds, share, low, high, part.chosen_longer)


def wilson(share: float, draws: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % score interval for a share of at least one draw."""
    middle = (share + Z**2 / (2 * draws)) / (1 + Z**2 / draws)
    half = Z / (1 + Z**2 / draws) * math.sqrt(share * (1 - share) / draws + Z**2 / (4 * draws**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    return command(
        "reward", DESCRIPTION, RewardRunConfig, lambda loaded, arguments: _execute(loaded, arguments, given), given
    )


def _execute(loaded: Loaded[RewardRunConfig], arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    ready = preflight(loaded)
    return carry_out(loaded, arguments, argv, "training.reward", ready.lines, lambda: train(loaded, ready))


def _arguments(loaded: Loaded[RewardRunConfig], max_length: int | None, validation: bool) -> Any:
    from trl import RewardConfig

    from training.options import trl_arguments
    from training.preference import schedule

    return trl_arguments(loaded, RewardConfig, {**schedule(loaded, validation), "max_length": max_length})


if __name__ == "__main__":
    sys.exit(main())
