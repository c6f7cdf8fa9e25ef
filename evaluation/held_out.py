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
report shows them (:func:`compare_held_out`). Nothing is generated here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.command import carry_out
from evaluation.shape import HeldOut
from synth.arguments import Parser
from synth.errors import UserError

if TYPE_CHECKING:
    from evaluation.ttt_neighbours import Near
    from training.config import Loaded
    from training.ttt_config import TttConfig
    from training.ttt_setup import Ready

FOLDER = "held-out"
CONTROLS = ("ttt", "random")

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


def compare_held_out(folder: Path, base: str | None) -> list[HeldOut]:
    """Return every run of an evaluation folder with its differences, paired by row; [] where nothing was measured.

    A run is held against ``base``, ``x+ttt`` against ``x`` and ``x+random`` as well.

    Raises:
        UserError: a file cannot be read.
    """
    from evaluation.compare_runs import as_range
    from evaluation.statistics import paired_bootstrap

    runs = {path.stem: _read(path) for path in sorted((folder / FOLDER).glob("*.json"))}
    found = []
    for run, facts in runs.items():
        values = {row["id"]: row["nats"] / row["bytes"] for row in facts["rows"]}
        stem, _, control = run.rpartition("+")
        partners = [base, *([stem, f"{stem}+random"] if control == "ttt" else [stem] if control == "random" else [])]
        differences = {}
        for partner in dict.fromkeys(partners):
            if partner is None or partner == run or partner not in runs:
                continue
            before = {row["id"]: row["nats"] / row["bytes"] for row in runs[partner]["rows"]}
            both = sorted(values.keys() & before.keys())
            if both:
                differences[partner] = as_range(paired_bootstrap([values[name] - before[name] for name in both]))
        mean = as_range(paired_bootstrap(list(values.values())))
        found.append(HeldOut(run=run, kind=facts["about"]["kind"], rows=len(values), nll_per_byte=mean,
                             differences=differences, seconds=facts["seconds"]))  # fmt: skip
    return sorted(found, key=lambda one: (one.run != base, one.run))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = Parser(
        prog="python -m evaluation.held_out",
        description="Negative log-likelihood a byte of a run's validation rows, by several models.",
        epilog="exit codes: 0 done · 2 bad arguments, data or model · 130 interrupted; the same command goes on",
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
    from training.run import check_extra

    check_extra()
    models = {}
    for given in arguments.model:
        name, equals, model = given.partition("=")
        if not (name and equals and model):
            raise UserError(f"--model: {given}: write NAME=MODEL, such as sft=out/sft/merged")
        models[name] = model
    for name in arguments.adapt or ():
        if name not in models:
            raise UserError(f"--adapt: {name}: no such model; there are {', '.join(models)}")
    for name, model in models.items():
        _measure(arguments, name, model)
    return f"held-out rows: {arguments.out / FOLDER}"


def _measure(arguments: argparse.Namespace, name: str, model: str) -> None:
    """One model, and by its controls; the weights are loaded when something of them is not on disk."""
    from evaluation.models import load, weights_id
    from training.config import Model, load_config
    from training.models import default_max_length, load_shape, locate
    from training.ttt_config import TttConfig
    from training.ttt_setup import preflight

    changes = [*arguments.overrides, f"model.name={model}", f"data.path={arguments.data}"]
    if not arguments.ttt:  # the built-in configuration serves for its data and template alone
        named = Model(name=model)
        changes.append(f"trl.max_length={default_max_length(load_shape(named, locate(named)))}")
    loaded = load_config(TttConfig, arguments.ttt or "ttt", changes)
    ready = preflight(loaded)
    rows = _rows(loaded, ready, arguments.kind)
    about = {
        "kind": arguments.kind, "model": weights_id(ready.name), "template": ready.template.name,
        "rows": hashlib.sha256(json.dumps([[row["input_ids"], row["labels"]] for row in rows]).encode()).hexdigest(),
    }  # fmt: skip
    with_one: dict[str, Any] = {}

    def plain(row: Mapping[str, Any]) -> float:
        with_one["model"] = with_one.get("model") or load(model).model
        return nats(with_one["model"], row)

    _keep(arguments.out, name, about, rows, plain)
    with_one.clear()
    if arguments.ttt and name in (arguments.adapt or [name]):
        config = loaded.config.model_dump(mode="json", exclude={"output"})
        more = about | {"pool": ready.pool.hash, "config": config}
        _adapted(arguments.out, name, more, loaded, ready, rows)


def _adapted(
    out: Path, name: str, about: Mapping[str, Any], loaded: Loaded[TttConfig], ready: Ready, rows: Rows
) -> None:
    from evaluation.ttt_neighbours import find_neighbours
    from training.adapt import Learner

    learner: Learner | None = None
    for control in CONTROLS:
        asked = [_question(row) for row in rows]
        near = find_neighbours(loaded.config, ready.pool, "held-out", asked, at_random=control == "random")

        def measured(row: Mapping[str, Any], near: Mapping[str, Near] = near) -> float:
            nonlocal learner
            learner = learner or Learner(loaded, ready)
            if ids := near[row["id"]].ids:
                learner.adapt(ids)
            else:
                learner.reset()
            return nats(learner.model, row)

        _keep(out, f"{name}+{control}", {**about, "control": control}, rows, measured)


def _keep(
    out: Path, run: str, about: Mapping[str, Any], rows: Rows, measure: Callable[[Mapping[str, Any]], float]
) -> None:
    """Measure a run and write its file, unless it is there."""
    from synth.staging import disk_errors, replace_text

    path = out / FOLDER / f"{run}.json"
    about = json.loads(json.dumps(about))
    if path.is_file():
        if _read(path)["about"] != about:
            raise UserError(f"{path}: of another model, other rows or settings: remove it, or name another run")
        print(f"{run}: all {len(rows)} rows are on disk", flush=True)
        return
    began = time.perf_counter()
    found = [{"id": row["id"], "nats": measure(row), "bytes": size(row)} for row in rows]
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
    rows = load_rows(config.data.model_copy(update={"validation": True, "kinds": [kind]}), [kind])
    prepared = prepare(rows, ready.tokenizer, ready.template, ready.arguments.max_length, config.over_length)
    if kind not in prepared.validation:
        raise UserError(f"{config.data.path[0]}: the validation split has no {kind} rows: raise export.validation")
    table = prepared.validation[kind].table.select(["id", "messages", "input_ids", "labels"])
    found: Rows = table.to_pylist()
    return found


def _question(row: Mapping[str, Any]) -> Any:
    """The row as a benchmark's item, so that neighbours that hold its question are left out."""
    from evaluation.tasks import Question

    said = [
        next(part["content"] for part in row["messages"] if part["role"] == role) for role in ("user", "assistant")
    ]
    return Question(id=row["id"], cluster=row["id"], question=said[0], context="", options={"A": said[1]}, gold="A",
                    order=["A"], subject="")  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if not facts["rows"] or not all(row["bytes"] > 0 for row in facts["rows"]):
            raise ValueError("holds no rows")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read, delete it to measure again: {str(error)[:120]}") from None
    return dict(facts)


if __name__ == "__main__":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.exit(main())
