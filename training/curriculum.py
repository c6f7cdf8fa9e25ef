"""Supervised stages from wide to narrow, each with its own departments, options and replay of what came before.

    python -m training.curriculum --config curriculum --set data.path=datasets_out/cardiology --preflight
    python -m training.curriculum --config curriculum --set data.path=datasets_out/cardiology

Every stage is a run of :mod:`training.sft` in a folder of its own (``stages/1-all``, …) that begins with the weights
of the one before. So no row of a later stage is seen in an earlier one, packed or not; a killed run goes on within
its stage; and a stage that is finished is not done again. Before the first and after each, the loss on every
department is measured (:mod:`training.forgetting`). All rows are tokenised and proved once, before weights are loaded.

The result is a whole model in ``model/``: with LoRA each stage's adapter is merged before the next begins.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from synth.errors import UserError
from synth.failpoints import failpoint
from training.config import Loaded, Names, RunConfig, Strict
from training.run import carry_out, command, is_main, say

if TYPE_CHECKING:
    from training.phases import Phase
    from training.sft import Ready
    from training.stages import StageRows

DESCRIPTION = "Fine-tune a model in stages from wide to narrow; the same command again resumes it."

_INHERITED = (
    *("assistant_only_loss", "max_length", "eos_token", "eval_packing", "eval_steps", "save_strategy", "save_steps"),
    *("logging_steps", "load_best_model_at_end", "metric_for_best_model", "greater_is_better"),
)
"""Options that a stage has from the whole, where it does not say otherwise."""


class Stage(Strict):
    """One stage."""

    departments: Names = Field(default=["all"])
    """Departments or ``department/subdepartment`` whose rows are trained on; ``all``: every row."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """At most so many of them, drawn by the seed; null: all."""
    replay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the stage's rows that come from earlier stages, against forgetting."""
    trl: dict[str, Any] = Field(default_factory=dict)
    """Options of this stage alone, over those of the whole: learning_rate, num_train_epochs, …"""


class CurriculumConfig(RunConfig):
    """Stages of supervised fine-tuning on ``messages``."""

    stages: Annotated[dict[str, Stage], Field(min_length=1)]
    """Stages by name, in the order in which they are trained."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before weights are loaded."""

    ready: Ready
    """All rows, tokenised; its validation rows by path."""
    stages: list[StageRows]
    arguments: list[Any]
    """TRL's SFTConfig of each stage."""
    lines: list[str]

    @property
    def held_out(self) -> dict[str, int]:
        """Validation rows of each path."""
        return {path: part.table.num_rows for path, part in self.ready.prepared.validation.items()}


def preflight(loaded: Loaded[CurriculumConfig]) -> Plan:
    """Check all stages; loads a tokenizer and no weights. Raises UserError for the first thing that is wrong."""
    from training import forgetting, sft
    from training.phases import phase
    from training.preflight import joined, report
    from training.stages import Wanted, count_paths, plan_stages

    config = loaded.config
    _check_stages(loaded)
    ready = sft.preflight(phase(loaded, (), Path(config.output), data=config.data, trl=config.trl))
    table = joined(ready.prepared.train)
    if "department" not in table.column_names:
        raise UserError(f"{', '.join(config.data.path)}: the rows have no column 'department': use training.sft")
    places = forgetting.places_of(table)
    wanted = [Wanted(name, one.departments, one.rows, one.replay) for name, one in config.stages.items()]
    try:
        stages = plan_stages(wanted, places, config.seed)
    except UserError as error:
        raise loaded.error(("stages",), str(error)) from None
    lines = report(ready.prepared, ready.tokenizer, ready.template)
    held_out = forgetting.by_path(ready.prepared.validation)
    ready = dataclasses.replace(ready, prepared=dataclasses.replace(ready.prepared, validation=held_out))
    arguments = [_arguments(_phase(loaded, at), ready) for at in range(len(stages))]
    counts = ", ".join(f"{name} {count:,}" for name, count in count_paths(places).items() if "/" not in name)
    lines += ["", f"departments {counts}"]
    for at, (rows, options) in enumerate(zip(stages, arguments, strict=True), start=1):
        lines.append(f"stage {at}     {rows}; {options.num_train_epochs:g} epochs at {options.learning_rate:g}")
    if not held_out:
        lines.append("no validation rows: what a stage makes the model forget will not be seen")
    return Plan(ready, stages, arguments, lines)


def train(loaded: Loaded[CurriculumConfig], plan: Plan) -> Path:
    """Train stage after stage, resuming where it can, and return the model's folder. Raises as training.sft does."""
    from training import forgetting, sft
    from training.curriculum_outputs import Weights, facts, write_metrics
    from training.identity import identity, tokens_hash
    from training.options import model_arguments
    from training.outputs import finished, save
    from training.phases import whole_weights

    config, output = loaded.config, Path(loaded.config.output)
    parts = [*plan.ready.prepared.train.values(), *plan.ready.prepared.validation.values()]
    this = identity(config, plan.ready.template.text, tokens_hash(part.table for part in parts), "curriculum")
    this["stages"] = [[name, stage.model_dump()] for name, stage in config.stages.items()]
    if done := finished(output, this):
        say(f"{output}: this run is finished")
        return output / str(done["result"])
    dtype = model_arguments(config)["dtype"]
    losses: dict[str, forgetting.Losses] = {}

    def look(weights: str, title: str, folder: Path) -> None:
        if plan.held_out:
            measured = folder / "departments.json"
            losses[title] = forgetting.measure(*_evaluation(loaded, plan, weights, folder), measured)

    look(plan.ready.name, "before", output / "stages" / "0-before")
    weights, folders = plan.ready.name, list[Path]()
    for at, rows in enumerate(plan.stages):
        say(f"stage {at + 1}: {rows.name}")
        one = _phase(loaded, at, weights)
        weights = whole_weights(sft.train(one, _stage(plan, at, weights)), dtype)
        folders.append(Path(one.config.output))
        look(weights, f"after {rows.name}", folders[-1])
        failpoint("stage-end")
    table = ["", *forgetting.table_lines(losses, plan.held_out), ""] if losses else []
    say("\n".join(table))
    known = facts(loaded, plan, folders, losses)
    if is_main():
        write_metrics(output / "metrics.jsonl", known.history, losses, plan.held_out)
    return save(Weights(Path(weights), plan.ready.tokenizer), known, output, this, [*plan.lines, *table])


def _phase(loaded: Loaded[CurriculumConfig], at: int, weights: str | None = None) -> Phase:
    """The configuration of stage ``at``, from 0; the first begins with the configured model, others with weights."""
    from training.phases import phase

    config = loaded.config
    name, stage = list(config.stages.items())[at]
    output = Path(config.output) / "stages" / f"{at + 1}-{name}"
    options, model = {**config.trl, **stage.trl}, weights if at else None
    return phase(loaded, ("stages", name), output, data=config.data, trl=options, model=model)


def _stage(plan: Plan, at: int, weights: str) -> Ready:
    """What training.sft is given of a stage: its rows, its options, the weights that it begins with."""
    from training.preflight import joined

    prepared, rows = plan.ready.prepared, plan.stages[at]
    table = joined(prepared.train)
    any_part = next(iter(prepared.train.values()))
    chosen = {"own": rows.own, "replayed": rows.replayed}
    train = {
        kind: dataclasses.replace(
            any_part, kind=kind, table=table.take(list(which)), untrainable=0, dropped=0, truncated=0
        )
        for kind, which in chosen.items()
        if which
    }
    prepared = dataclasses.replace(prepared, train=train)
    return dataclasses.replace(plan.ready, name=weights, prepared=prepared, arguments=plan.arguments[at])


def _evaluation(loaded: Loaded[CurriculumConfig], plan: Plan, weights: str, folder: Path) -> tuple[Phase, Ready]:
    from training.phases import phase

    model = None if weights == plan.ready.name else weights
    arguments = copy.copy(plan.ready.arguments)
    arguments.packing = False
    one = phase(loaded, (), folder, data=loaded.config.data, trl=loaded.config.trl, model=model)
    # A fresh adapter changes nothing, and 4-bit weights are only taken with one.
    return one, dataclasses.replace(plan.ready, name=weights, arguments=arguments)


def _arguments(one: Phase, ready: Ready) -> Any:
    from trl import SFTConfig

    from training.options import trl_arguments

    defaults = {name: getattr(ready.arguments, name) for name in _INHERITED}
    # Departments are evaluated between stages; within one only where its best weights are looked for.
    early = one.config.early_stop is not None and bool(ready.prepared.validation)
    return trl_arguments(one, SFTConfig, {**defaults, "eval_strategy": "steps" if early else "no"})


def _check_stages(loaded: Loaded[CurriculumConfig]) -> None:
    for name, stage in loaded.config.stages.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise loaded.error(("stages", name), "names a folder: use letters, digits, '.', '_' and '-'")
        for option in ("max_length", "eos_token"):
            if option in stage.trl:
                raise loaded.error(
                    ("stages", name, "trl", option), f"rows are tokenised once for all stages: set trl.{option}"
                )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    return command(
        "curriculum",
        DESCRIPTION,
        CurriculumConfig,
        lambda loaded, arguments: _execute(loaded, arguments, given),
        given,
    )


def _execute(loaded: Loaded[CurriculumConfig], arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    plan = preflight(loaded)
    return carry_out(loaded, arguments, argv, "training.curriculum", plan.lines, lambda: train(loaded, plan))


if __name__ == "__main__":
    sys.exit(main())
