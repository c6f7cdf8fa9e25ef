"""Test-time training for a file of questions: neighbours of each, and an adapter for each set of neighbours.

    python -m training.ttt --config ttt --set questions=DIR/medqa --set data.path=datasets_out/cardiology --preflight
    python -m training.ttt --config ttt --set questions=DIR/medqa --set data.path=datasets_out/cardiology

Two passes, each resumable: ``retrieve`` writes ``neighbours.parquet`` (:mod:`training.retrieval`), ``adapt`` writes
``adapters/<key>/`` in PEFT's form, once for each distinct set of neighbours, and ``adapted.jsonl`` with a line for
each: losses, tokens, seconds. A folder is written aside and renamed, so what is there is whole. When all weights are
trained there is no adapter to keep: the first pass is all, and evaluation adapts in memory.

Answers and scores are evaluation's: ``python -m evaluation.benchmark --ttt C``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.errors import UserError
from training.config import Loaded
from training.run import command, say
from training.ttt_config import TttConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from training.adapt import Learner

DESCRIPTION = "Find each question's neighbours and adapt to them; the same command again goes on."


def neighbour_sets(table: pa.Table) -> dict[tuple[str, ...], list[str]]:
    """Return the questions of each distinct set of neighbours, nearest first; those without any under ``()``."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in table.to_pylist():
        found.setdefault(tuple(row["neighbours"]), []).append(row["question"])
    return found


def adapt_all(learner: Learner, sets: Sequence[Sequence[str]], folder: Path) -> Iterator[tuple[str, bool]]:
    """Write the adapter of each set under ``folder/adapters``; yield its key and whether it was made now.

    Those on disk are left as they are. The model is reset at the end.
    """
    from synth.staging import recover_folder

    for neighbours in sets:
        key = learner.key(neighbours)
        target = folder / "adapters" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(target)
        if target.is_dir():
            yield key, False
            continue
        done = learner.adapt(neighbours)
        learner.save(target)
        line = {"key": key, "neighbours": list(neighbours), "losses": done.losses, "tokens": done.tokens}
        with (folder / "adapted.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "seconds": done.seconds}) + "\n")
        yield key, True
    learner.reset()


def summary(table: pa.Table) -> list[str]:
    """Return lines on what was retrieved."""
    import numpy as np

    rows = table.to_pylist()
    first = [row["similarities"][0] for row in rows if row["similarities"]]
    sets = neighbour_sets(table)
    sets.pop((), None)
    lines = [
        f"neighbours  for {len(first):,} of {len(rows):,} questions; {len(sets):,} distinct sets",
        f"near-copies {sum(row['excluded'] for row in rows):,} left out, of "
        f"{sum(row['excluded'] > 0 for row in rows):,} questions",
    ]
    if first:
        low, middle, high = np.quantile(first, [0.05, 0.5, 0.95])
        lines.append(f"cosine      of the first: median {middle:.2f}, 5 % below {low:.2f}, 5 % above {high:.2f}")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return command("ttt", DESCRIPTION, TttConfig, _execute, argv)


def _execute(loaded: Loaded[TttConfig], arguments: argparse.Namespace) -> int:
    from filters.readers import BenchmarkError, read_items
    from training.retrieval import retrieve
    from training.ttt_setup import preflight

    if arguments.push:
        raise UserError("--push: nothing is left to push: each question's adapter is its own")
    config = loaded.config
    if config.questions is None:
        raise loaded.error(("questions",), "is missing: name a benchmark's file or folder")
    try:
        items = list(read_items(config.questions))
    except BenchmarkError as error:
        raise loaded.error(("questions",), str(error)) from None
    ready = preflight(loaded)
    say("\n".join(ready.lines))
    if arguments.preflight:
        return 0
    output = Path(config.output)
    table = retrieve(ready.pool, items, config.retrieval, config.seed, output, output)
    say("\n".join(summary(table)))
    if config.lora is None:
        say("all weights are trained: evaluation adapts in memory, there are no adapters to write")
        return 0
    return _adapt(loaded, ready, table, output)


def _adapt(loaded: Loaded[TttConfig], ready: Any, table: pa.Table, output: Path) -> int:
    from training.adapt import Learner

    sets = [neighbours for neighbours in neighbour_sets(table) if neighbours]
    learner = Learner(loaded, ready)
    made = sum(new for _, new in adapt_all(learner, sets, output))
    say(f"adapters    {made:,} made, {len(sets) - made:,} were there, in {output / 'adapters'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
