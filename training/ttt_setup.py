"""Everything about a test-time training that is checked before weights are loaded: options, pool, template, tokens.

The pool goes through the same pre-flight as rows for SFT: each row tokenised, measured against ``max_length`` and
proved to train the assistant's turns, whole, with their ends. Loads a tokenizer and no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.config import Loaded
from training.retrieval import Pool, pool_of
from training.templates import Template
from training.ttt_config import FULL_RATE, LORA_RATE, POOL_KINDS, TttConfig, check_options


@dataclass(frozen=True, slots=True)
class Ready:
    """All that is known and checked before weights are loaded."""

    name: str
    """Folder or Hub repository of the model."""
    tokenizer: Any
    """With the template that is trained."""
    template: Template
    pool: Pool
    arguments: Any
    """TRL's SFTConfig."""
    lora: Any
    """PEFT's LoraConfig, or None."""
    lines: list[str]
    """What the pre-flight prints."""


def preflight(loaded: Loaded[TttConfig]) -> Ready:
    """Check configuration, pool and template against each other.

    Raises:
        UserError: what is wrong, a line for each.
    """
    from training.data import load_rows
    from training.lineage import shown_name
    from training.models import default_max_length, load_shape, load_tokenizer, locate
    from training.options import lora_config, quantization
    from training.preflight import prepare, report
    from training.templates import choose_template

    config = loaded.config
    check_options(loaded)
    lora = lora_config(loaded)
    quantization(loaded)
    _arguments(loaded, None, None)
    rows = load_rows(config.data.model_copy(update={"validation": False}), POOL_KINDS)
    name = locate(config.model)
    tokenizer = load_tokenizer(config.model, name)
    template = choose_template(tokenizer, config.model.template)
    shape = load_shape(config.model, name)
    max_length = config.trl.get("max_length") or default_max_length(shape)
    if max_length > shape.context:
        raise loaded.error(("trl", "max_length"), f"the model was made for {shape.context:,} tokens at most")
    prepared = prepare(rows, tokenizer, template, max_length, config.over_length)
    tokenizer.chat_template = template.text
    arguments = _arguments(loaded, max_length, tokenizer.decode([prepared.stop]))
    pool = pool_of(prepared)
    want = config.retrieval
    what = "adapters (LoRA)" if lora is not None else "all weights"
    lines = [
        f"model       {shown_name(config.model.name)}: {what}, {config.steps} steps at {arguments.learning_rate:g}",
        f"pool        {len(pool.ids):,} rows; {want.k} by {want.select}, encoder {want.encoder}",
        *report(prepared, tokenizer, template),
    ]
    return Ready(name, tokenizer, template, pool, arguments, lora, lines)


def _arguments(loaded: Loaded[TttConfig], max_length: int | None, stop: str | None) -> Any:
    from trl import SFTConfig

    from training.options import trl_arguments

    defaults: dict[str, Any] = {
        "assistant_only_loss": True,
        "max_length": max_length,
        "eos_token": stop,
        "learning_rate": FULL_RATE if loaded.config.lora is None else LORA_RATE,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "lr_scheduler_type": "constant",
        "activation_checkpointing": False,
        "save_strategy": "no",
        "eval_strategy": "no",
    }
    return trl_arguments(loaded, SFTConfig, defaults)
