"""The arguments of ``python -m evaluation.benchmark``. What they mean together is checked there."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from evaluation.tasks import PLACES
from synth.arguments import Parser

DEFAULT_CONTROLS = ("ttt", "random")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "whole number from 1 on"


def make_parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    parser = Parser(
        prog="python -m evaluation.benchmark",
        description="Ask a model multiple-choice questions, score it, hold it against a base.",
        epilog="exit codes: 0 done · 1 disk full · 2 bad arguments, data or model · 4 an endpoint refuses · "
        "130 interrupted; the same command goes on from the answers on disk",
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
        help=f"with --ttt: how to answer beside the model alone (default: {' '.join(DEFAULT_CONTROLS)})",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="a.b=c",
        dest="overrides",
        help="with --ttt: override a key of it",
    )
    add("--method", choices=("generate", "loglik", "cloze"), default="generate",
        help="for base models: loglik of the options' letters, cloze of their texts")  # fmt: skip
    add("--limit", type=_positive, help="items a task, the same for every model and seed")
    add("--seeds", type=int, nargs="+", default=[0], help="orders of the options, and sampling (default: 0)")
    add("--temperature", type=float, default=0.0, help="0: greedy (default)")
    add("--top-p", type=float, default=1.0)
    add("--max-new-tokens", type=_positive, default=2048, help="of a reply, reasoning included (default: 2048)")
    add("--batch-size", type=_positive, default=8, help="questions a batch, of a model in this process (default: 8)")
    add("--language", default="English", help="that the model is asked to write in")
    return parser
