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
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from evaluation.answers import Answers, read_answers
from evaluation.models import is_endpoint, load, run_name, weights_id
from evaluation.runner import Ask, Settings, Watch, ask_endpoint, ask_weights
from evaluation.tasks import PLACES, Task, load_task
from synth.errors import ClinsynthError, UserError

if TYPE_CHECKING:
    from evaluation.ttt_answers import Bench

Tasks = dict[str, dict[int, Task]]
"""Name to seed to task."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    from training.run import QUIET

    arguments = _parser().parse_args(argv)
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    try:
        from synth.guard import check_packages

        check_packages()
        _run(arguments)
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the answers on disk", file=sys.stderr)
        return 130
    return 0


def _run(arguments: argparse.Namespace) -> None:
    from evaluation.questions import write_questions
    from evaluation.report import write_report

    settings = _settings(arguments)
    tasks = _tasks(arguments)
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
    if base:
        _answer(base, arguments.base, tasks, settings, out)
        runs = [base, name]
    if bench:
        runs += _answer_adapted(bench, arguments, tasks)
    else:
        _answer(name, arguments.model, tasks, settings, out)
    for run in dict.fromkeys(runs):
        for task in tasks:
            _say(_line(out, run, task))
    _say(f"report: {write_report(out, base)}")


def _search(trained_on: Sequence[Path], tasks: Tasks, out: Path) -> None:
    """Note which items stand in the training data; the report shows every score without them as well."""
    from evaluation.contamination import contaminated_ids, training_texts, write_contamination

    for path in trained_on:
        for task, of_seed in tasks.items():
            items = next(iter(of_seed.values())).items
            found = contaminated_ids(items, training_texts([path]))
            ids = [item.id for item in items]
            write_contamination(out, task, f"training data {path.resolve().name}", found, ids)
            _say(f"{task}: {len(found)} of {len(items)} items stand in {path}")


def _answer(run: str, given: str, tasks: Tasks, settings: Settings, out: Path) -> None:
    """Ask one model whatever of the tasks it has not answered."""
    about = _about(given, settings)
    loaded = None
    for task, of_seed in tasks.items():
        with Answers(out, run, task, about) as answers:
            asks = _asks(of_seed)
            pending = [ask for ask in asks if (ask.question.id, ask.seed) not in answers.done]
            if not pending:
                _say(f"{run}: {task}: all {len(asks)} answers are on disk")
                continue
            watch = _watch(run, task, len(asks) - len(pending), len(asks))
            if is_endpoint(given):
                from evaluation.asking import read_model

                model = read_model(given)
                work = ask_endpoint(model, run, task, pending, answers, settings, watch, out / "logs")
                asyncio.run(work)
                continue
            loaded = loaded or load(given)
            ask_weights(loaded, run, task, pending, answers, settings, watch)


def _bench(arguments: argparse.Namespace, name: str, settings: Settings) -> Bench | None:
    """What test-time training needs, checked before anything is asked; None where none is wanted."""
    if not arguments.ttt:
        return None
    from evaluation.ttt_answers import open_bench
    from training.config import load_config
    from training.ttt_config import TttConfig

    overrides = [*arguments.overrides, f"model.name={arguments.model}"]
    config = load_config(TttConfig, arguments.ttt, overrides)
    return open_bench(config, arguments.out, name, name, settings)


def _answer_adapted(bench: Bench, arguments: argparse.Namespace, tasks: Tasks) -> list[str]:
    """Ask the model without test-time training, with it, and by the controls; returns the runs' names."""
    from evaluation.ttt_answers import answer_task, run_of

    about = _about(arguments.model, bench.settings)
    controls = list(dict.fromkeys(["none", *arguments.controls]))
    for task, of_seed in tasks.items():
        asks = _asks(of_seed)
        for control in controls:
            answer_task(bench, task, asks, control, about, _watch(run_of(bench.name, control), task, 0, None))
    return [run_of(bench.name, control) for control in controls]


def _about(given: str, settings: Settings) -> dict[str, object]:
    return {"model": given, "weights": weights_id(given), "control": "none"} | settings.about()


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
    for option in ("model", "base"):
        given = getattr(arguments, option)
        if given and is_endpoint(given) and arguments.method == "loglik":
            raise UserError(f"--method loglik: {given} is an endpoint, which gives no likelihoods: name the weights")
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


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, as all of ours are."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with exit code 2."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}; --help lists the options\n")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "whole number from 1 on"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m evaluation.benchmark",
        description="Ask a model multiple-choice questions, score it, hold it against a base.",
        epilog="exit codes: 0 done · 2 bad arguments, data or model · 4 an endpoint refuses · 130 interrupted; the "
        "same command goes on from the answers on disk",
    )
    data = os.environ.get("CLINSYNTH_DATA")
    add = parser.add_argument
    add("--model", required=True, help="a folder, a Hub repository, `packaged`, or a YAML file with a model")
    add("--tasks", required=True, nargs="+", metavar="TASK", help=", ".join(PLACES))
    add("--data", type=Path, default=Path(data) if data else None, help="benchmarks (default: CLINSYNTH_DATA)")
    add("--out", type=Path, required=True, help="evaluation folder; several runs may share one")
    add("--base", help="a model to hold it against, named as --model; asked as well, unless it has answered")
    add("--name", help="the run's name (default: from --model)")
    add("--trained-on", type=Path, nargs="+", default=[], metavar="PATH", help="training rows to search for the items")
    add("--ttt", help="configuration of test-time training: adds its runs and their controls")
    add(
        "--controls",
        nargs="+",
        choices=("ttt", "random", "rag", "ttt+rag"),
        default=["ttt", "random"],
        help="with --ttt: how to answer beside the model alone (default: ttt random)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="a.b=c",
        dest="overrides",
        help="with --ttt: override a key of it",
    )
    add("--method", choices=("generate", "loglik"), default="generate", help="loglik is for base models")
    add("--limit", type=_positive, help="items a task, the same for every model and seed")
    add("--seeds", type=int, nargs="+", default=[0], help="orders of the options, and sampling (default: 0)")
    add("--temperature", type=float, default=0.0, help="0: greedy (default)")
    add("--top-p", type=float, default=1.0)
    add("--max-new-tokens", type=_positive, default=2048, help="of a reply, reasoning included (default: 2048)")
    add("--batch-size", type=_positive, default=8, help="of a model in this process (default: 8)")
    add("--language", default="English", help="that the model is asked to write in")
    return parser


if __name__ == "__main__":
    sys.exit(main())
