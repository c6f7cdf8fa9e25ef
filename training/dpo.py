"""Direct preference optimisation on the pairs of a run, after a warm start on its reasoning rows if asked for.

    python -m training.dpo --config dpo --set data.path=datasets_out/cardiology --preflight
    python -m training.dpo --config dpo --set data.path=datasets_out/cardiology --set trl.loss_type=[ipo]

The reference is the model as DPO finds it: the one of the configuration, or what the warm start made of it. Its
log-probabilities are computed once and kept (:mod:`training.reference`); ``trl: {precompute_ref_log_probs: false}``
computes them in every step instead. With LoRA the reference is the model with its adapter switched off, so a warm
start with LoRA is merged into the weights before DPO begins. To start from a checkpoint of one's own, name it as the
model.

The training itself is TRL's DPOTrainer, the warm start is :mod:`training.sft`'s.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from synth.spec_errors import unknown
from training.config import Loaded, Names, RunConfig, Strict
from training.run import carry_out, command, say

if TYPE_CHECKING:
    from training.preference import Ready
    from training.sft import Ready as SftReady

DESCRIPTION = "Train a model on preference pairs (DPO); the same command again resumes it."

LOSSES = (
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
)
"""Values of ``trl.loss_type`` that TRL 1.16 knows; it checks them at the first step only."""


class WarmStart(Strict):
    """A supervised phase before DPO, on rows of the same export."""

    kinds: Names = Field(default=["reasoning"])
    """Kinds of rows: sft, reasoning, dialogue."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """At most this many rows of each kind, from the start; null: all."""
    trl: dict[str, Any] = Field(default_factory=dict)
    """Options of TRL's SFTConfig. Nothing is taken over from those of DPO but ``max_length``."""


class DpoConfig(RunConfig):
    """DPO on ``prompt``, ``chosen``, ``rejected``."""

    warm_start: WarmStart | None = None
    """null: none."""

    @field_validator("trl")
    @classmethod
    def _one_loss_is_a_list_of_one(cls, trl: dict[str, Any]) -> dict[str, Any]:
        loss = trl.get("loss_type")
        return trl | {"loss_type": [loss]} if isinstance(loss, str) else trl


def preflight(loaded: Loaded[DpoConfig]) -> tuple[Ready, SftReady | None]:
    """Check both phases; loads a tokenizer and no weights. Raises UserError for the first thing that is wrong."""
    from training import preference, sft

    _check_losses(loaded)
    ready = preference.preflight(loaded, lambda longest, held_out: _arguments(loaded, longest, held_out), "CAUSAL_LM")
    warm = sft.preflight(_warm_start(loaded)) if loaded.config.warm_start else None
    return ready, warm


def train(loaded: Loaded[DpoConfig], ready: Ready, warm: SftReady | None) -> Path:
    """Train, resuming where it can, and return the folder of the model or adapter.

    Raises:
        NotFinite: a loss is no number.
        UserError: the output holds another run, or TRL refuses the options.
    """
    from training import preference, sft
    from training.convert import cache_folder
    from training.identity import identity
    from training.options import model_arguments
    from training.outputs import finished, save
    from training.phases import whole_weights
    from training.reference import ReferenceCache
    from training.trainer import fit

    config, output = loaded.config, Path(loaded.config.output)
    this = identity(config, ready.template.text, preference.pairs_hash(ready), "dpo")
    this["warm_start"] = config.warm_start.model_dump() if config.warm_start else None
    if done := finished(output, this):
        say(f"{output}: this run is finished")
        return output / str(done["result"])
    if warm is not None:
        say("warm start")
        result = sft.train(_warm_start(loaded), warm)
        ready = dataclasses.replace(ready, name=whole_weights(result, model_arguments(config)["dtype"]))
    cache = ReferenceCache(cache_folder().parent / "reference")
    trainer = make_trainer(loaded, ready, cache)
    if ready.arguments.precompute_ref_log_probs:
        say(f"reference: {cache.found:,} pairs found in {cache.folder}, {cache.computed:,} computed")
    fitted = fit(trainer, output, this, ready.arguments.save_total_limit or 2, say)
    known = preference.facts(loaded, ready, fitted, "dpo", adapter=ready.lora is not None)
    return save(trainer, known, output, this, [*(warm.lines if warm else []), *ready.lines])


def make_trainer(loaded: Loaded[DpoConfig], ready: Ready, cache: Any) -> Any:
    """Load the weights, compute or find the reference, and return the watched DPOTrainer."""
    from datasets import Dataset

    from training.options import model_arguments, quantization
    from training.reference import caching_trainer
    from training.trainer import watched

    config, arguments, held_out = loaded.config, ready.arguments, ready.prepared.validation
    arguments.model_init_kwargs = model_arguments(config)
    kind = watched(caching_trainer(cache), Path(config.output), config.early_stop)
    try:
        return kind(
            model=ready.name,
            args=arguments,
            train_dataset=Dataset(ready.prepared.train.table),
            eval_dataset=Dataset(held_out.table) if held_out else None,
            processing_class=ready.tokenizer,
            peft_config=ready.lora,
            quantization_config=quantization(loaded),
        )
    except (ValueError, NotImplementedError) as error:  # how TRL refuses options that do not go together
        raise loaded.error(("trl",), " ".join(str(error).split())[:300]) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    return command("dpo", DESCRIPTION, DpoConfig, lambda loaded, arguments: _execute(loaded, arguments, given), given)


def _execute(loaded: Loaded[DpoConfig], arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    ready, warm = preflight(loaded)
    lines = [*(["warm start", *warm.lines, ""] if warm is not None else []), *ready.lines]
    return carry_out(loaded, arguments, argv, "training.dpo", lines, lambda: train(loaded, ready, warm))


def _arguments(loaded: Loaded[DpoConfig], max_length: int | None, validation: bool) -> Any:
    from trl import DPOConfig

    from training.options import trl_arguments
    from training.preference import schedule

    moving = bool(loaded.config.trl.get("sync_ref_model"))  # a reference that moves cannot be computed beforehand
    defaults = {**schedule(loaded, validation), "max_length": max_length, "precompute_ref_log_probs": not moving}
    return trl_arguments(loaded, DPOConfig, defaults)


def _warm_start(loaded: Loaded[DpoConfig]) -> Any:
    from training.phases import phase

    config, warm = loaded.config, loaded.config.warm_start
    assert warm is not None
    data = config.data.model_copy(update={"kinds": warm.kinds, "limit": warm.limit})
    longest = {"max_length": config.trl["max_length"]} if "max_length" in config.trl else {}
    return phase(loaded, ("warm_start",), Path(config.output) / "warm-start", data=data, trl={**longest, **warm.trl})


def _check_losses(loaded: Loaded[DpoConfig]) -> None:
    trl = loaded.config.trl
    given = trl.get("loss_type", [])
    if not isinstance(given, list):
        return  # whose type is complained about with all others
    if wrong := [loss for loss in given if loss not in LOSSES]:
        raise loaded.error(("trl", "loss_type"), f"no such loss; {unknown(str(wrong[0]), LOSSES)}")
    if "exo_pair" in given and not trl.get("label_smoothing"):
        raise loaded.error(("trl", "loss_type"), "exo_pair needs trl.label_smoothing above 0, such as 0.001")


if __name__ == "__main__":
    sys.exit(main())
