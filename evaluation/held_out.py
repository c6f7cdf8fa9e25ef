"""Held-out rows: how well models foresee answers of the validation split, in nats a byte, also after adapting to each.

    python -m evaluation.held_out --model base=packaged sft=out/sft/merged --data datasets_out/cardiology --out results
    python -m evaluation.held_out --model dpo=out/dpo/merged --data datasets_out/cardiology --out results --ttt ttt

A row's figure is the negative log-likelihood of what is trained in it (the assistant's turns with their ends, as for
SFT) over the UTF-8 bytes of the assistant's turns, so that models with other tokenizers can be held against each other
as far as their templates go. Rows longer than ``trl.max_length`` of the configuration are left out; without one, those
longer than the model takes. With ``--ttt`` each model (or each of ``--adapt``) is measured again as ``<name>+ttt``
and ``<name>+random``: adapted to the row's neighbours in the training split, and to as many rows drawn at random. Rows
without a neighbour above the floor are measured without adapting.

Each run is a file ``held-out/<run>.json`` in the evaluation folder; what is there is not measured again. The folder's
report shows them (:mod:`evaluation.held_out_sums`). Nothing is generated here.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.command import carry_out, setting
from evaluation.held_out_sums import FOLDER, read_measured
from synth.arguments import Parser
from synth.errors import UserError

if TYPE_CHECKING:
    from evaluation.ttt_neighbours import Near
    from training.adapt import Learner
    from training.config import Loaded
    from training.ttt_config import TttConfig
    from training.ttt_setup import Ready

CONTROLS = ("ttt", "random")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Of a model: a run's name without the plus sign, which stands before a control."""

Rows = list[dict[str, Any]]
"""Of the validation split: ``id``, ``messages``, ``input_ids``, ``labels``."""


def nats(model: Any, row: Mapping[str, Any]) -> float:
    """Return the negative log-likelihood of a row's trained tokens, in nats."""
    import torch

    ids = torch.tensor([row["input_ids"]], device=model.device)
    labels = torch.tensor(row["labels"][1:], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(logits.float(), labels, ignore_index=-100, reduction="none")
    return float(loss.double().sum())


def size(row: Mapping[str, Any]) -> int:
    """Return the bytes of the assistant's turns."""
    return sum(len(part["content"].encode()) for part in row["messages"] if part["role"] == "assistant")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = Parser(
        prog="python -m evaluation.held_out",
        description="Negative log-likelihood a byte of a run's validation rows, by several models.",
        epilog="exit codes: 0 done · 1 disk full, or a loss that is no number · 2 bad arguments, data or model · "
        "130 interrupted; the same command goes on",
    )
    add = parser.add_argument
    add("--model", required=True, nargs="+", metavar="NAME=MODEL", help="as evaluation.benchmark takes them")
    add("--data", required=True, help="a run folder, or its export")
    add("--out", type=Path, required=True, help="evaluation folder")
    add("--kind", choices=("sft", "reasoning"), default="reasoning", help="kind of rows (default: reasoning)")
    add("--ttt", help="configuration of test-time training: adds its run and random neighbours")
    add("--adapt", nargs="+", metavar="NAME", help="with --ttt: the models that are adapted (default: all)")
    add("--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a key of it")
    arguments = parser.parse_args(argv)
    return carry_out(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> str:
    from synth.run_lock import RunLock
    from training.run import check_extra

    check_extra()
    models = _models(arguments)
    with RunLock(arguments.out):
        for name, model in models.items():
            _measure(arguments, name, model)
    return f"held-out rows: {arguments.out / FOLDER}"


def _models(arguments: argparse.Namespace) -> dict[str, str]:
    """Models by the names of their runs; every mistake in the arguments shows here."""
    for option, value in (("--adapt", arguments.adapt), ("--set", arguments.overrides)):
        if value and not arguments.ttt:
            raise UserError(f"{option} goes with --ttt: name a configuration of test-time training, or leave it out")
    models: dict[str, str] = {}
    for given in arguments.model:
        name, equals, model = given.partition("=")
        if not (name and equals and model):
            raise UserError(f"--model: {given}: write NAME=MODEL, such as sft=out/sft/merged")
        if not _NAME.fullmatch(name):
            raise UserError(f"--model: {name!r} cannot be a name: letters, digits and . _ - only, 100 at most")
        if name in models:
            raise UserError(f"--model: {name} is named twice: give each model a name of its own")
        models[name] = model
    for name in arguments.adapt or ():
        if name not in models:
            raise UserError(f"--adapt: {name}: no such model; there are {', '.join(models)}")
    return models


def _measure(arguments: argparse.Namespace, name: str, model: str) -> None:
    """One model, and by its controls; the weights are loaded when something of them is not on disk."""
    from evaluation.models import arithmetic, load, weights_id
    from evaluation.ttt_answers import numbers
    from training.adapt import Learner
    from training.config import Model, load_config
    from training.models import default_max_length, load_shape, locate
    from training.ttt_config import TttConfig
    from training.ttt_setup import preflight

    changes = [*arguments.overrides, setting("model.name", model), setting("data.path", arguments.data)]
    if not arguments.ttt:  # the built-in configuration serves for its data and template alone
        named = Model(name=model)
        changes.append(f"trl.max_length={default_max_length(load_shape(named, locate(named)))}")
    loaded = load_config(TttConfig, arguments.ttt or "ttt", changes)
    ready = preflight(loaded)
    rows = _rows(loaded, ready, arguments.kind)
    adapted = bool(arguments.ttt) and name in (arguments.adapt or [name])
    about = {
        "kind": arguments.kind, "model": weights_id(ready.name) or ready.name, "template": ready.template.name,
        **(numbers(loaded, ready) if adapted else {"dtype": arithmetic(model, "cloze")["dtype"]}),
        "rows": hashlib.sha256(json.dumps([[row["input_ids"], row["labels"]] for row in rows]).encode()).hexdigest(),
    }  # fmt: skip
    # What is adapted is measured by itself in the same types, so that its runs differ in the control alone.
    learner = functools.cache(lambda: Learner(loaded, ready))
    weights = functools.cache(lambda: load(model).model)

    def plain(row: Mapping[str, Any]) -> float:
        if not adapted:
            return nats(weights(), row)
        learner().reset()
        return nats(learner().model, row)

    _keep(arguments.out, name, about, rows, plain)
    if adapted:
        config = loaded.config.model_dump(mode="json", exclude={"output"})
        more = about | {"pool": ready.pool.hash, "config": config}
        _adapted(arguments.out, name, more, loaded, ready, learner, rows)


def _adapted(
    out: Path, name: str, about: Mapping[str, Any], loaded: Loaded[TttConfig], ready: Ready,
    learner: Callable[[], Learner], rows: Rows,
) -> None:  # fmt: skip
    from evaluation.ttt_neighbours import find_neighbours

    for control in CONTROLS:
        asked = [_question(row) for row in rows]
        near = find_neighbours(loaded.config, ready.pool, "held-out", asked, at_random=control == "random")

        def measured(row: Mapping[str, Any], near: Mapping[str, Near] = near) -> float:
            if ids := near[row["id"]].ids:
                learner().adapt(ids)
            else:
                learner().reset()
            return nats(learner().model, row)

        _keep(out, f"{name}+{control}", {**about, "control": control}, rows, measured)


def _keep(
    out: Path, run: str, about: Mapping[str, Any], rows: Rows, measure: Callable[[Mapping[str, Any]], float]
) -> None:
    """Measure a run and write its file, unless it is there."""
    from synth.staging import disk_errors, replace_text

    path = out / FOLDER / f"{run}.json"
    about = json.loads(json.dumps(about))
    if path.is_file():
        if read_measured(path)["about"] != about:
            raise UserError(f"{path}: of another model, other rows or settings: remove it, or name another run")
        print(f"{run}: all {len(rows)} rows are on disk", flush=True)
        return
    began = time.perf_counter()
    found = []
    for row in rows:
        lost = measure(row)
        if not math.isfinite(lost):
            raise UserError(f"--model: {run}: row {row['id']}: its likelihood is no number: the weights are damaged, "
                            "or overflow in their type")  # fmt: skip
        found.append({"id": row["id"], "seed_id": row.get("seed_id"), "nats": lost, "bytes": size(row)})
    facts = {"about": about, "rows": found, "seconds": time.perf_counter() - began}
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(facts, indent=1, allow_nan=False) + "\n")
    mean = sum(row["nats"] / row["bytes"] for row in found) / len(found)
    print(f"{run}: {mean:.4f} nats a byte over {len(found)} rows", flush=True)


def _rows(loaded: Loaded[TttConfig], ready: Ready, kind: str) -> Rows:
    """The validation rows, tokenised and proved as for training."""
    from training.data import load_rows
    from training.preflight import prepare

    config = loaded.config
    # A row cut short would lose nats and keep its bytes.
    dropped = config.over_length.model_copy(update={"action": "drop"})
    rows = load_rows(config.data.model_copy(update={"validation": True, "kinds": [kind]}), [kind])
    prepared = prepare(rows, ready.tokenizer, ready.template, ready.arguments.max_length, dropped)
    if kind not in prepared.validation:
        raise UserError(f"{config.data.path[0]}: the validation split has no {kind} rows: raise export.validation")
    table = prepared.validation[kind].table
    wanted = ["id", "seed_id", "messages", "input_ids", "labels"]
    found: Rows = table.select([name for name in wanted if name in table.column_names]).to_pylist()
    return found


def _question(row: Mapping[str, Any]) -> Any:
    """The row as a benchmark's item, so that neighbours that hold its question are left out."""
    from evaluation.tasks import Question

    said = [
        next(part["content"] for part in row["messages"] if part["role"] == role) for role in ("user", "assistant")
    ]
    return Question(id=row["id"], cluster=row["id"], question=said[0], context="", options={"A": said[1]}, gold="A",
                    order=["A"], subject="")  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.exit(main())
