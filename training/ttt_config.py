"""The configuration of test-time training: :class:`training.config.RunConfig` and what to retrieve, how to adapt.

    load_config(TttConfig, "ttt", ["model.name=packaged", "data.path=datasets_out/cardiology"])

``data`` is the pool that neighbours come from: training rows of its exports. ``trl`` holds options of TRL's SFTConfig
for each single step. What makes no sense for a few steps on one row (schedules, packing, epochs) is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from training.config import Loaded, RunConfig, Strict

POOL_KINDS = ("sft", "reasoning")
"""Kinds of rows that can be neighbours: one question, one answer."""

LORA_RATE, FULL_RATE = 1e-3, 1e-5
"""Learning rates where the configuration names none. An adapter begins with a zero matrix, and one step of Adam moves
each of its numbers by the rate: at the rate that suits full weights the first steps would change next to nothing."""

_PER_STEP = "one step is one row, without padding: remove it"
_CONSTANT = "the few steps of a question have one constant rate: remove it"
OWNED = {
    "max_steps": "set steps instead",
    "num_train_epochs": "set steps instead",
    "per_device_train_batch_size": _PER_STEP,
    "gradient_accumulation_steps": _PER_STEP,
    "auto_find_batch_size": _PER_STEP,
    "packing": _PER_STEP,
    "padding_free": _PER_STEP,
    "pad_to_multiple_of": _PER_STEP,
    "lr_scheduler_type": _CONSTANT,
    "lr_scheduler_kwargs": _CONSTANT,
    "warmup_steps": _CONSTANT,
    "warmup_ratio": _CONSTANT,
    "neftune_noise_alpha": "no noise is added here: remove it",
    "load_best_model_at_end": "nothing is evaluated between the steps: remove it",
}
"""Options of SFTConfig that have no meaning here, and what to do instead."""


class Retrieval(Strict):
    """Which rows of the pool a question is trained on. Questions alone are compared, not answers or options."""

    encoder: Annotated[str, Field(min_length=1)] = "minilm"
    """``minilm`` (all-MiniLM-L6-v2), or any encoder on the Hub or in a folder, such as BAAI/bge-large-en-v1.5."""
    pooling: Literal["mean", "first"] = "mean"
    """What the encoder was trained for: the mean of all tokens (MiniLM, e5, gte) or the first token (bge)."""
    max_length: Annotated[int, Field(ge=8)] = 256
    """Tokens of a question that are read."""
    k: Annotated[int, Field(ge=1)] = 1
    """Neighbours of a question."""
    select: Literal["nearest", "mmr", "random"] = "nearest"
    """``mmr``: near to the question and unlike each other. ``random``: the control, as many rows as ``nearest`` would
    take, drawn by ``seed`` and the question's id."""
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Of ``mmr``: 0 is ``nearest``, 1 looks only at how unlike the neighbours are."""
    floor: Annotated[float, Field(ge=-1, le=1)] = -1.0
    """Least cosine of a neighbour. A question that has none above it is answered without training."""
    near_copies: Literal["exclude", "keep"] = "exclude"
    """Rows that hold the question itself. ``keep`` is for a control alone: what is measured then is memory."""


class TttConfig(RunConfig):
    """Train on a question's neighbours, answer it, forget them."""

    output: Annotated[str, Field(min_length=1)] = "runs/ttt"
    """Folder of vectors, neighbours and adapters."""
    questions: str | None = None
    """A benchmark's file or folder; needed by ``python -m training.ttt`` alone, for evaluation brings its own."""
    retrieval: Retrieval = Retrieval()
    steps: Annotated[int, Field(ge=1)] = 1
    """Optimizer steps for each question, each on one neighbour, in turn."""
    order: Literal["near_first", "far_first"] = "near_first"
    """Which neighbour comes first; with ``far_first`` the nearest is the last that the model sees."""

    @model_validator(mode="after")
    def _fits(self) -> TttConfig:
        if self.early_stop is not None:
            raise ValueError("early_stop: nothing is evaluated between the steps: remove it")
        if self.accelerate is not None:
            raise ValueError("accelerate: one process adapts: remove it")
        return self


def check_options(loaded: Loaded[TttConfig]) -> None:
    """Refuse options of ``trl:`` and kinds of rows that have no meaning here; UserError with a line for each."""
    config = loaded.config
    problems: list[tuple[Any, str]] = [(("trl", name), OWNED[name]) for name in config.trl if name in OWNED]
    for kind in config.data.kinds or ():
        if kind not in POOL_KINDS:
            problems.append((("data", "kinds"), f"{kind!r} rows cannot be neighbours; there are sft, reasoning"))
    if problems:
        raise loaded.errors(problems)
