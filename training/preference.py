"""What training on preference pairs has in common, whichever trainer it is: pre-flight, schedule, facts at the end."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import Loaded

if TYPE_CHECKING:
    from training.data import Rows
    from training.lineage import Facts
    from training.models import Shape
    from training.pairs import PairPart, PreparedPairs
    from training.templates import Template
    from training.trainer import Fitted

KINDS = ("preference",)

Arguments = Callable[[int | None, bool], Any]
"""Makes the trainer's arguments from ``max_length`` and whether there are validation pairs."""


@dataclass(frozen=True, slots=True)
class Ready:
    """All that is known and checked before weights are loaded."""

    name: str
    """Folder or Hub repository of the model."""
    tokenizer: Any
    template: Template
    rows: Rows
    prepared: PreparedPairs
    arguments: Any
    """TRL's arguments of the trainer."""
    lora: Any
    """PEFT's LoraConfig, or None."""
    lines: list[str]
    """What the pre-flight prints."""


def preflight(loaded: Loaded[Any], arguments: Arguments, task: str) -> Ready:
    """Check configuration, pairs and template against each other; loads a tokenizer and no weights.

    ``task`` is PEFT's name of the task. Raises UserError for the first thing that is wrong.
    """
    from training.data import load_rows
    from training.lineage import shown_name
    from training.models import default_max_length, load_shape, load_tokenizer, locate
    from training.options import lora_config, quantization
    from training.pairs import prepare_pairs, report_pairs
    from training.templates import choose_template

    config = loaded.config
    lora = lora_config(loaded, task)
    quantization(loaded)
    arguments(None, False)
    rows = load_rows(config.data, KINDS, plain="preference")
    name = locate(config.model)
    tokenizer = load_tokenizer(config.model, name)
    template = choose_template(tokenizer, config.model.template)
    shape = load_shape(config.model, name)
    max_length = config.trl.get("max_length") or default_max_length(shape)
    if max_length > shape.context:
        raise loaded.error(("trl", "max_length"), f"the model was made for {shape.context:,} tokens at most")
    prepared = prepare_pairs(rows, tokenizer, template, max_length, config.over_length)
    tokenizer.chat_template = template.text
    tokenizer.eos_token = tokenizer.decode([prepared.stop])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    trl = arguments(max_length, prepared.validation is not None)
    trl.max_length = max_length  # where the configuration says null
    lines = [f"model       {shown_name(config.model.name)}", *report_pairs(prepared, tokenizer, template), ""]
    lines += _expected(loaded, shape, prepared.train, trl, lora)
    return Ready(name, tokenizer, template, rows, prepared, trl, lora, lines)


def schedule(loaded: Loaded[Any], validation: bool) -> dict[str, Any]:
    """Return the trainer's options that say when it evaluates, saves and logs, unless the user says otherwise."""
    values: dict[str, Any] = {
        "eval_strategy": "steps" if validation else "no",
        "eval_steps": 0.1,
        "save_strategy": "steps",
        "save_steps": 0.1,
        "logging_steps": 1 if 0 < loaded.config.trl.get("max_steps", 0) <= 100 else 10,
    }
    if loaded.config.early_stop is not None and validation:
        values |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    return values


def facts(loaded: Loaded[Any], ready: Ready, fitted: Fitted, command: str, *, adapter: bool) -> Facts:
    """Return what is known of the run when it ends."""
    from training.lineage import Facts, last_metrics, shown_config, shown_name

    counts = {"train": ready.prepared.train.table.num_rows, "validation": 0}
    if ready.prepared.validation is not None:
        counts["validation"] = ready.prepared.validation.table.num_rows
    return Facts(
        command=command,
        title=Path(loaded.config.output).name,
        base=shown_name(loaded.config.model.name),
        template=ready.template.name,
        config=shown_config(loaded.config),
        lineage=ready.rows.lineage,
        rows={"preference": counts},
        notes=[note for part in _parts(ready) for note in _notes(part)],
        metrics=last_metrics(fitted.history),
        history=fitted.history,
        adapter=adapter,
        seconds=fitted.seconds,
        peak_memory=fitted.peak_memory,
    )


def pairs_hash(ready: Ready) -> str:
    """Return a hash over the token ids of all pairs, in their order."""
    from training.reference import rows_hash

    return " ".join(rows_hash(part.table) for part in _parts(ready))


def _parts(ready: Ready) -> list[PairPart]:
    return [part for part in (ready.prepared.train, ready.prepared.validation) if part is not None]


def _notes(part: PairPart) -> list[str]:
    notes = [
        f"preference ({part.split}): {count:,} pairs dropped: {why}" for why, count in sorted(part.dropped.items())
    ]
    if part.truncated:
        notes.append(f"preference ({part.split}): {part.truncated:,} pairs longer than max_length were cut")
    notes.append(
        f"preference ({part.split}): {part.chosen:,.0f} trained tokens in a chosen answer, {part.rejected:,.0f} in a "
        f"rejected one on average; the chosen one is longer in {part.chosen_longer:.0%} of pairs"
    )
    return notes


def _expected(loaded: Loaded[Any], shape: Shape, part: PairPart, arguments: Any, lora: Any) -> list[str]:
    import pyarrow.compute as pc

    from training.estimate import estimate, lines
    from training.options import model_arguments

    sides = {side: pc.list_value_length(part.table.column(f"{side}_ids")).to_pylist() for side in SIDES}
    pairs = [2 * p + c + r for p, c, r in zip(*(sides[side] for side in SIDES), strict=True)]
    both = copy.copy(arguments)
    both.max_length = 2 * arguments.max_length  # a pair is two sequences in one batch
    return lines(
        estimate(shape, pairs, both, dtype=model_arguments(loaded.config)["dtype"], lora=lora,
                 four_bit=loaded.config.quantize is not None)
    )  # fmt: skip


SIDES = ("prompt", "chosen", "rejected")
