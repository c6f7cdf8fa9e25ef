"""Benchmarks: a model's answers to multiple-choice questions, scored, held against a base, in a report.

    python -m evaluation.benchmark --model out/sft --base packaged --tasks medqa medmcqa --data DATA --out results
    python -m evaluation.benchmark --model model.yaml --tasks pubmedqa --limit 100 --seeds 0 1 2 --out results

``--model`` and ``--base`` are a folder, a Hub repository, ``packaged``, or a YAML file with a model as under
``models.generator`` in a spec. What was answered is on disk and not asked again: the same command goes on, and one
with other models adds its runs to the same report. Seed 0 shows the options as published, others shuffle them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.answers import Answers, list_tasks, read_answers
from evaluation.asking import model_id, read_model
from evaluation.benchmark_args import DEFAULT_CONTROLS, make_parser
from evaluation.command import carry_out, setting
from evaluation.models import arithmetic, is_endpoint, load, run_name, weights_id
from evaluation.runner import Ask, Settings, Unanswered, Watch, ask_endpoint, ask_weights
from evaluation.tasks import Task, load_task
from synth.errors import UserError

if TYPE_CHECKING:
    from evaluation.ttt_answers import Bench

Tasks = dict[str, dict[int, Task]]
"""Name to seed to task."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    return carry_out(lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> str:
    from synth.run_lock import RunLock

    settings = _settings(arguments)
    tasks = _tasks(arguments)
    with RunLock(arguments.out):
        return f"report: {_run(arguments, settings, tasks)}"


def _run(arguments: argparse.Namespace, settings: Settings, tasks: Tasks) -> Path:
    """Answer everything and return the report's page."""
    from evaluation.questions import write_questions
    from evaluation.report import write_report

    out: Path = arguments.out
    name = arguments.name or run_name(arguments.model)
    base = run_name(arguments.base) if arguments.base else None
    if base == name:
        raise UserError(f"--name: {name!r} is the base's name too: give this model another")
    for of_seed in tasks.values():
        write_questions(out, next(iter(of_seed.values())))
    _search(arguments.trained_on, tasks, out)
    bench = _bench(arguments, name, settings)
    runs = [name]
    lost = []
    if base:
        lost = _answer(base, arguments.base, tasks, settings, out)
        runs = [base, name]
    if bench:
        runs += _answer_adapted(bench, arguments, tasks)
    else:
        lost += _answer(name, arguments.model, tasks, settings, out)
    for run in dict.fromkeys(runs):
        for task in tasks if not lost else list_tasks(out, run):
            _say(_line(out, run, task))
    if not lost:
        return write_report(out, base)
    if all(list_tasks(out, run) for run in runs):
        _say(f"report, without the questions that have no reply: {write_report(out, base)}")
    raise lost[0]


def _search(trained_on: Sequence[Path], tasks: Tasks, out: Path) -> None:
    """Note which items stand in the training data; the report shows every score without them as well."""
    from evaluation.contamination import contaminated_ids, training_texts, write_contamination

    for path in trained_on:
        for task, of_seed in tasks.items():
            items = next(iter(of_seed.values())).items
            found = contaminated_ids(items, training_texts([path]))
            ids = [item.id for item in items]
            # many exports have the same last name
            place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:6]
            write_contamination(out, task, f"training data {path.resolve().name} ({place})", found, ids)
            _say(f"{task}: {len(found)} of {len(items)} items stand in {path}")


def _answer(run: str, given: str, tasks: Tasks, settings: Settings, out: Path) -> list[Unanswered]:
    """Ask one model whatever of the tasks it has not answered; returns what went without a reply, by task."""
    about = _about(given, settings) | ({} if is_endpoint(given) else arithmetic(given, settings.method))
    loaded = None
    lost = []
    for task, of_seed in tasks.items():
        with Answers(out, run, task, about) as answers:
            asks = _asks(of_seed)
            pending = [ask for ask in asks if (ask.question.id, ask.seed) not in answers.done]
            if not pending:
                _say(f"{run}: {task}: all {len(asks)} answers are on disk")
                continue
            watch = _watch(run, task, len(asks) - len(pending), len(asks))
            if is_endpoint(given):
                model = read_model(given)
                work = ask_endpoint(model, run, task, pending, answers, settings, watch, out / "logs")
                try:
                    asyncio.run(work)
                except Unanswered as error:  # one question must not keep the other tasks from being asked
                    lost.append(error)
                continue
            loaded = loaded or load(given)
            ask_weights(loaded, run, task, pending, answers, settings, watch)
    return lost


def _bench(arguments: argparse.Namespace, name: str, settings: Settings) -> Bench | None:
    """What test-time training needs, checked before anything is asked; None where none is wanted."""
    if not arguments.ttt:
        return None
    from evaluation.ttt_answers import open_bench
    from training.config import load_config
    from training.ttt_config import TttConfig

    overrides = [*arguments.overrides, setting("model.name", arguments.model)]
    config = load_config(TttConfig, arguments.ttt, overrides)
    return open_bench(config, arguments.out, name, name, settings)


def _answer_adapted(bench: Bench, arguments: argparse.Namespace, tasks: Tasks) -> list[str]:
    """Ask the model without test-time training, with it, and by the controls; returns the runs' names."""
    from evaluation.ttt_answers import answer_task, run_of
    from evaluation.ttt_neighbours import search_pool

    about = _about(arguments.model, bench.settings)
    controls = list(dict.fromkeys(["none", *(arguments.controls or DEFAULT_CONTROLS)]))
    for task, of_seed in tasks.items():
        items = next(iter(of_seed.values())).items
        found = search_pool(bench.loaded.config, bench.ready.pool, task, items, bench.out)
        _say(f"{task}: {found} of {len(items)} items stand in the TTT pool")
        asks = _asks(of_seed)
        for control in controls:
            answer_task(bench, task, asks, control, about, _watch(run_of(bench.name, control), task, 0, None))
    return [run_of(bench.name, control) for control in controls]


def _about(given: str, settings: Settings) -> dict[str, object]:
    return {"model": given, "weights": _identity(given), "control": "none"} | settings.about()


def _identity(given: str) -> str | None:
    """What tells one model from another under the same name: its weights, or what is declared of an endpoint's model.

    URL and key are no part of it: the same model may move.
    """
    if not is_endpoint(given):
        return weights_id(given)
    model = read_model(given)
    declared = {"name": model_id(model), "extra_body": dict(model.extra_body)}
    return hashlib.sha256(json.dumps(declared, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _asks(of_seed: dict[int, Task]) -> list[Ask]:
    return [Ask(seed, item) for seed, task in of_seed.items() for item in task.items]


def _watch(run: str, task: str, done: int, total: int | None) -> Watch:
    """Says after each batch how far a run is; ``total`` is None where only the new answers are counted."""

    def watch(more: int) -> None:
        nonlocal done
        done += more
        _say(f"{run}: {task}: {done} of {total}" if total is not None else f"{run}: {task}: {done} new answers")

    return watch


def _tasks(arguments: argparse.Namespace) -> Tasks:
    """All tasks with all seeds; every mistake in them shows before a model is loaded."""
    if arguments.data is None:
        raise UserError("--data: name the folder with the benchmarks, or set CLINSYNTH_DATA")
    return {
        name: {seed: load_task(name, arguments.data, limit=arguments.limit, seed=seed) for seed in arguments.seeds}
        for name in dict.fromkeys(arguments.tasks)
    }


def _settings(arguments: argparse.Namespace) -> Settings:
    for option, given in (("--controls", arguments.controls), ("--set", arguments.overrides)):
        if given and not arguments.ttt:
            raise UserError(f"{option} goes with --ttt: name a configuration of test-time training, or leave it out")
    for option in ("model", "base"):
        given = getattr(arguments, option)
        if given and is_endpoint(given) and arguments.method != "generate":
            raise UserError(
                f"--method {arguments.method}: {given} is an endpoint, which gives no likelihoods: name the weights"
            )
        if given and is_endpoint(given) and arguments.ttt:
            raise UserError(f"--ttt: {given} is an endpoint, which cannot be adapted: name the weights")
    return Settings(
        method=arguments.method,
        language=arguments.language,
        max_new_tokens=arguments.max_new_tokens,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        batch_size=arguments.batch_size,
    )


def _line(out: Path, run: str, task: str) -> str:
    """One run's result on one task, of all that is on disk."""
    rows = read_answers(out, run, task).select(["correct", "parsed", "truncated"]).to_pylist()
    right, unparsed, cut = (
        sum(row["correct"] for row in rows),
        sum(not row["parsed"] for row in rows),
        sum(row["truncated"] for row in rows),
    )
    total = len(rows)
    return (
        f"{run}: {task}: {100 * right / total:.1f} % right of {total} "
        f"({100 * unparsed / total:.1f} % without a letter, {100 * cut / total:.1f} % cut)"
    )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
