"""The command: data sets against each other, by a judge who does not know which is which, and by rules.

    python -m evaluation.compare_datasets datasets_out/ours/export/sft other.jsonl --judge judge.yaml --out compared
    python -m evaluation.compare_datasets A B C --judge packaged --sample 100 --out compared

writes ``comparison.json``, ``scores.parquet`` (a row an example) and ``pairs.parquet`` (a row a pair). The same
command again asks nothing twice. What a score means depends on the judge, which is named in the result with the hashes
of its prompts: compare data sets within one result, never across two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.command import carry_out, write_results
from synth.arguments import Parser, whole
from synth.errors import UserError

if TYPE_CHECKING:
    from evaluation.blind import Compared, Scored
    from evaluation.dataset_readers import Example
    from synth.spec import Spec

SUMMARY, SCORES, PAIRS = "comparison.json", "scores.parquet", "pairs.parquet"
RULED = 2000
"""Rows of each data set that the rules look at."""


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(prog="python -m evaluation.compare_datasets", description="Data sets against each other, blind.")
    parser.add_argument("datasets", nargs="+", type=Path, metavar="DATASET", help="a file, or a folder of files")
    parser.add_argument(
        "--judge", required=True, metavar="M", help="a YAML file with one model as in a spec, inline, or packaged"
    )
    parser.add_argument(
        "--sample", type=whole(1, RULED), default=100, metavar="N", help="examples of each data set (100)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the samples (0)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the results")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = make_parser().parse_args(argv)
    return carry_out(lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> str:
    from evaluation.asking import load_templates, model_id, read_model
    from evaluation.blind import STEPS
    from evaluation.compare_sums import summarise, table
    from evaluation.dataset_facts import facts, read_through
    from evaluation.dataset_readers import Dataset
    from synth.run_lock import RunLock

    names = _names(arguments.datasets)
    spec = _spec(read_model(arguments.judge), arguments.seed)
    read = [Dataset(path) for path in arguments.datasets]
    through = [read_through(dataset, RULED, arguments.seed) for dataset in read]
    size = min(len(sample) for sample, _ in through)
    samples = [_drawn(sample, arguments.sample, arguments.seed, at) for at, (sample, _) in enumerate(through)]
    templates = load_templates(STEPS)
    with RunLock(arguments.out):
        scored, compared = _ask(spec, templates, arguments.out, samples)
        summary: dict[str, Any] = {
            "judge": model_id(spec.models.generator),
            "prompts": {name: template.sha256[:16] for name, template in templates.items()},
            "seed": arguments.seed,
            **summarise(names, samples, scored, compared),
        }
        for name, dataset, (sample, texts) in zip(names, read, through, strict=True):
            about = {"path": str(dataset.path), "columns": list(dataset.shape), "passed_over": dataset.passed_over}
            summary["datasets"][name] |= about | facts(sample, texts, size, arguments.seed)
        _write(arguments.out, names, samples, scored, compared, summary)
    return table(summary) + f"\n\n{arguments.out / SUMMARY}, {arguments.out / SCORES}, {arguments.out / PAIRS}"


def _names(paths: Sequence[Path]) -> list[str]:
    """What the data sets are called in the result; the judge never sees it."""
    names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise UserError(f"{next(n for n in names if names.count(n) > 1)}: named twice; name each data set once")
    short = [path.name or str(path) for path in paths]
    return short if len(set(short)) == len(short) else names


def _spec(judge: Any, seed: int) -> Spec:
    from synth.spec import Models, Produce, SeedsSpec, Spec

    models = Models.model_validate({"generator": judge})
    return Spec(name="compare", seed=seed, seeds=SeedsSpec(source="none"), models=models, produce=Produce())


def _drawn(sample: Sequence[Example], count: int, seed: int, place: int) -> list[Example]:
    """Some of a sample in random order: pairs are of equal places in two of these lists."""
    from synth.ask import seeded

    chosen = seeded(seed, "sample", place).sample(list(sample), min(count, len(sample)))
    return list(chosen)


_Scores = list[list["Scored"]]
_Pairs = dict[tuple[int, int], list["Compared"]]


def _ask(spec: Spec, templates: Any, folder: Path, samples: list[list[Example]]) -> tuple[_Scores, _Pairs]:
    """Scores of every sample, and verdicts on every two of them."""
    import asyncio
    from itertools import combinations

    from evaluation.asking import Work, ask_all
    from evaluation.blind import STEPS, compare_work, score_work
    from synth.progress import Progress

    both = list(combinations(range(len(samples)), 2))
    work: list[Work[Any]] = [score_work(example) for sample in samples for example in sample]
    for one, two in both:
        work += [compare_work(*pair) for pair in zip(samples[one], samples[two], strict=False)]
    with Progress() as progress:
        found = iter(asyncio.run(ask_all(spec, STEPS, templates, folder, work, progress, requests=len(work))))
    scored = [[next(found) for _ in sample] for sample in samples]
    compared = {(one, two): [next(found) for _ in zip(samples[one], samples[two], strict=False)] for one, two in both}
    return scored, compared


def _write(
    folder: Path, names: Sequence[str], samples: list[list[Example]], scored: _Scores, compared: _Pairs,
    summary: dict[str, Any],
) -> None:  # fmt: skip
    import pyarrow as pa

    from synth.rows import clean_row

    scores = [
        {"dataset": name, "row": one.number, "quality": said.quality, "complexity": said.complexity,
         "relevance": said.relevance, "text": one.text}
        for name, sample, verdicts in zip(names, samples, scored, strict=True)
        for one, said in zip(sample, verdicts, strict=True)
    ]  # fmt: skip
    pairs = [
        {"first": names[one], "second": names[two], "first_row": ours.number, "second_row": theirs.number,
         "as_given": said.ours_first, "swapped": said.theirs_first, "points": said.points, "flipped": said.flipped}
        for (one, two), verdicts in compared.items()
        for ours, theirs, said in zip(samples[one], samples[two], verdicts, strict=False)
    ]  # fmt: skip
    text, whole = pa.string(), pa.int64()
    of_scores = pa.schema(
        [("dataset", text), ("row", whole), ("quality", whole), ("complexity", whole), ("relevance", whole),
         ("text", text)]
    )  # fmt: skip
    of_pairs = pa.schema(
        [("first", text), ("second", text), ("first_row", whole), ("second_row", whole), ("as_given", text),
         ("swapped", text), ("points", pa.float64()), ("flipped", pa.bool_())]
    )  # fmt: skip
    tables = {
        name: pa.Table.from_pylist([clean_row(row) for row in rows], schema=schema)
        for name, rows, schema in ((SCORES, scores, of_scores), (PAIRS, pairs, of_pairs))
    }
    write_results(folder, tables, SUMMARY, summary)


if __name__ == "__main__":
    sys.exit(main())
