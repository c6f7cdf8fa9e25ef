"""Supervised fine-tuning on the rows of a run: full, LoRA or QLoRA.

    python -m training.sft --config sft --set model.name=packaged --set data.path=datasets_out/cardiology --preflight
    python -m training.sft --config sft --set model.name=packaged --set data.path=datasets_out/cardiology

Every run begins with the pre-flight, before any weights are loaded, and ends with a model or adapter, its card,
``metrics.jsonl`` and ``training_report.html``. The same command resumes from the last good checkpoint, and does
nothing when the run is finished. The training itself is TRL's SFTTrainer; rows reach it as ids and labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import Loaded, SftConfig
from training.run import carry_out, command, say

if TYPE_CHECKING:
    from training.data import Rows
    from training.preflight import Prepared
    from training.templates import Template

DESCRIPTION = "Fine-tune a model on conversations; the same command again resumes it."


@dataclass(frozen=True, slots=True)
class Ready:
    """All that is known and checked before weights are loaded."""

    name: str
    """Folder or Hub repository of the model."""
    tokenizer: Any
    """With the template that is trained, and the end of turn as its end-of-sequence token."""
    template: Template
    rows: Rows
    prepared: Prepared
    arguments: Any
    """TRL's SFTConfig."""
    lora: Any
    """PEFT's LoraConfig, or None."""
    lines: list[str]
    """What the pre-flight prints."""


def preflight(loaded: Loaded[SftConfig]) -> Ready:
    """Check configuration, data and template against each other; loads a tokenizer and no weights.

    Raises:
        UserError: the first thing that is wrong, in one line.
    """
    from training import estimate
    from training.data import SFT_KINDS, load_rows
    from training.lineage import shown_name
    from training.models import default_max_length, load_shape, load_tokenizer, locate
    from training.options import lora_config, model_arguments, quantization
    from training.preflight import prepare, report
    from training.templates import choose_template

    config = loaded.config
    lora = lora_config(loaded)
    quantized = quantization(loaded)
    arguments = _arguments(loaded, max_length=None, stop=None, validation=False)
    rows = load_rows(config.data, SFT_KINDS)
    name = locate(config.model)
    tokenizer = load_tokenizer(config.model, name)
    template = choose_template(tokenizer, config.model.template)
    shape = load_shape(config.model, name)
    max_length = config.trl.get("max_length") or default_max_length(shape)
    if max_length > shape.context:
        raise loaded.error(("trl", "max_length"), f"the model was made for {shape.context:,} tokens at most")
    prepared = prepare(rows, tokenizer, template, max_length, config.over_length)
    if config.early_stop is not None and not prepared.validation:
        raise loaded.error(("early_stop",), "there are no validation rows to tell by: remove the key")
    stop = tokenizer.decode([prepared.stop])
    if arguments.eos_token not in (None, stop):
        raise loaded.error(("trl", "eos_token"), f"the template ends turns with {stop!r}: remove the line")
    arguments = _arguments(loaded, max_length=max_length, stop=stop, validation=bool(prepared.validation))
    tokenizer.chat_template = template.text
    expected = estimate.estimate(
        shape, prepared.lengths(), arguments, dtype=model_arguments(config)["dtype"], lora=lora,
        four_bit=quantized is not None,
    )  # fmt: skip
    lines = [
        f"model       {shown_name(config.model.name)}",
        *report(prepared, tokenizer, template),
        "",
        *estimate.lines(expected),
    ]
    return Ready(name, tokenizer, template, rows, prepared, arguments, lora, lines)


def train(loaded: Loaded[SftConfig], ready: Ready) -> Path:
    """Train, resuming where it can, and return the folder of the model or adapter.

    Raises:
        NotFinite: a loss is no number.
        UserError: the output holds another run, or packing cannot be trusted with this model.
    """
    from training.identity import identity, tokens_hash
    from training.outputs import finished, save
    from training.packing import check_packing
    from training.trainer import fit

    config, output = loaded.config, Path(loaded.config.output)
    tables = [part.table for part in [*ready.prepared.train.values(), *ready.prepared.validation.values()]]
    this = identity(config, ready.template.text, tokens_hash(tables), "sft")
    if done := finished(output, this):
        say(f"{output}: this run is finished")
        return output / str(done["result"])
    trainer = make_trainer(loaded, ready)
    if ready.arguments.packing:
        check_packing(trainer)
    keep = ready.arguments.save_total_limit or 2
    fitted = fit(trainer, output, this, keep, say)
    return save(trainer, _facts(loaded, ready, fitted), output, this, ready.lines)


def make_trainer(loaded: Loaded[SftConfig], ready: Ready) -> Any:
    """Load the weights and return the watched SFTTrainer."""
    from datasets import Dataset
    from trl import SFTTrainer

    from training.options import model_arguments, quantization
    from training.preflight import joined
    from training.trainer import watched

    config, arguments = loaded.config, ready.arguments
    arguments.model_init_kwargs = model_arguments(config)
    kind = watched(SFTTrainer, Path(config.output), config.early_stop)
    validation = {name: Dataset(part.table) for name, part in ready.prepared.validation.items()}
    return kind(
        model=ready.name,
        args=arguments,
        train_dataset=Dataset(joined(ready.prepared.train)),
        eval_dataset=validation or None,
        processing_class=ready.tokenizer,
        peft_config=ready.lora,
        quantization_config=quantization(loaded),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    return command("sft", DESCRIPTION, SftConfig, lambda loaded, arguments: _execute(loaded, arguments, given), given)


def _execute(loaded: Loaded[SftConfig], arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    ready = preflight(loaded)
    return carry_out(loaded, arguments, argv, "training.sft", ready.lines, lambda: train(loaded, ready))


def _arguments(loaded: Loaded[SftConfig], *, max_length: int | None, stop: str | None, validation: bool) -> Any:
    from trl import SFTConfig

    from training.options import trl_arguments

    defaults: dict[str, Any] = {
        "assistant_only_loss": True,
        "max_length": max_length,
        "eos_token": stop,
        "eval_strategy": "steps" if validation else "no",
        "eval_steps": 0.1,
        "save_strategy": "steps",
        "save_steps": 0.1,
        "logging_steps": 1 if 0 < loaded.config.trl.get("max_steps", 0) <= 100 else 10,
        "eval_packing": False,
    }
    if loaded.config.early_stop is not None and validation:
        defaults |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    return trl_arguments(loaded, SFTConfig, defaults)


def _facts(loaded: Loaded[SftConfig], ready: Ready, fitted: Any) -> Any:
    from training.lineage import Facts, last_metrics, shown_config, shown_name

    parts = [*ready.prepared.train.values(), *ready.prepared.validation.values()]
    rows = {part.kind: {"train": 0, "validation": 0} for part in parts}
    notes = []
    for part in parts:
        rows[part.kind][part.split] = part.table.num_rows
        for count, what in (
            (part.dropped, "longer than max_length were dropped"),
            (part.truncated, "longer than max_length were cut"),
            (part.untrainable, "without anything to train on were dropped"),
        ):
            if count:
                notes.append(f"{part.kind} ({part.split}): {count:,} rows {what}")
    return Facts(
        command="sft",
        title=Path(loaded.config.output).name,
        base=shown_name(loaded.config.model.name),
        template=ready.template.name,
        config=shown_config(loaded.config),
        lineage=ready.rows.lineage,
        rows=rows,
        notes=notes,
        metrics=last_metrics(fitted.history),
        history=fitted.history,
        adapter=ready.lora is not None,
        seconds=fitted.seconds,
        peak_memory=fitted.peak_memory,
    )


if __name__ == "__main__":
    sys.exit(main())
