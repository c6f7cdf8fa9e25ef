"""The command ``python -m synth.ray_curation``: near-duplicates out of Parquet files, on a Ray cluster.

    python -m synth.ray_curation IN… --out DIR [--address auto] [--text-column text] [--ngram word:5] [--threshold 0.8]

writes ``DIR/kept/NNNNN.parquet`` and ``DIR/dropped/NNNNN.parquet`` (with ``reason``, ``duplicate_of``, ``similarity``
and ``cluster`` beside their columns), a file each for a row group with such rows, and ``DIR/summary.json`` last. The
rows are those of ``python -m filters.dedup`` over the same files, whatever the number of nodes. ``duplicate_of`` is
the kept row's ``id``; without that column its number through all files, from 0.

All nodes must see the files and the folder under these paths. A lost driver begins anew.

What it does not do: other filters, an index of earlier rows, JSONL and CSV.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.bands import choose_bands
from filters.dedup_index import Making
from filters.duplicates import RECALL
from filters.presets import PRESETS
from filters.shingles import parse_ngram
from filters.tables import Table
from filters.word_hashes import Places
from synth.errors import ClinsynthError, UserError
from synth.ray_dedup import Dropped, inside, ray_dedup
from synth.ray_dedup_steps import Block, Columns, blocks_of, read


def write_block(block: Block, number: int, out: str, added: pa.Table) -> None:
    """Write the rows of a block that stay, and those that go with ``added`` beside them."""
    batch = pa.Table.from_batches([read(block)])
    goes = np.zeros(block.rows, dtype=bool)
    goes[added["row"].to_numpy() - block.first] = True
    dropped = batch.filter(pa.array(goes))
    for name in added.column_names[1:]:
        dropped = dropped.append_column(name, added[name])
    for name, table in (("kept", batch.filter(pa.array(~goes))), ("dropped", dropped)):
        if table.num_rows:
            pq.write_table(table, Path(out) / name / f"{number:05d}.parquet", compression="zstd")


def ids_of(block: Block, column: str, rows: Places) -> list[str | None]:
    """The ids of some rows of a block, as text."""
    found: list[str | None] = (
        read(block, [column]).column(column).cast(pa.string()).take(pa.array(rows - block.first)).to_pylist()
    )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m synth.ray_curation", description="Drop near-duplicate rows of Parquet files on a Ray cluster."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="IN", help=".parquet, where every node sees it")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--address", default="auto", help="of the Ray cluster: auto, local or host:port (auto)")
    parser.add_argument("--text-column", metavar="C", help="texts, or messages with a content (text, else messages)")
    parser.add_argument("--ngram", default=PRESETS["long"][0], help="word:N or char:N (word:5)")
    parser.add_argument("--threshold", type=float, default=PRESETS["long"][1], help="Jaccard similarity (0.8)")
    parser.add_argument("--components", action="store_true", help="keep one row of each connected component")
    parser.add_argument("--score-column", metavar="C", help="of duplicates keep the row with the highest number")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except ClinsynthError as error:
        print(f"synth.ray_curation: {error}", file=sys.stderr)
        return error.exit_code
    except (ValueError, OSError) as error:
        print(f"synth.ray_curation: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from synth.ray_cluster import connect

    for path in options.files:
        if path.suffix != ".parquet":
            raise UserError(f"{path}: no .parquet file; convert it, or use python -m filters.dedup on one machine")
    parse_ngram(options.ngram)
    making = Making(options.ngram, 128, 1, choose_bands(options.threshold, 128, RECALL), options.threshold)
    table = Table(options.files)
    columns = Columns(
        table.text_column(options.text_column),
        "id" if "id" in table.schema.names else None,
        options.score_column and table.column(options.score_column),
    )
    blocks = blocks_of([path.absolute() for path in options.files])
    ray = connect(options.address)
    try:
        dropped = ray_dedup(ray, blocks, columns, making, connected=options.components)
        _write(ray, options.out.absolute(), blocks, columns, dropped)
    finally:
        ray.shutdown()
    reasons = dropped.table()["reason"].to_numpy().tolist()
    summary = {
        "files": list(map(str, options.files)),
        "rows": dropped.kept + len(dropped.rows),
        "kept": dropped.kept,
        "dropped": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "made": asdict(making),
    }
    (options.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(f"{summary['rows']} rows, {dropped.kept} kept; dropped: {summary['dropped'] or 'none'}. {options.out}")


def _write(ray: Any, out: Path, blocks: Sequence[Block], columns: Columns, dropped: Dropped) -> None:
    """Have each node write its blocks; what an earlier run left there goes first."""
    (out / "summary.json").unlink(missing_ok=True)
    for name in ("kept", "dropped"):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir(parents=True)
    names: list[str | None] | None = None
    if columns.id is not None:
        kept = np.unique(dropped.of[dropped.of >= 0])
        asked = [(own, block) for block in blocks if len(own := inside(kept, block))]
        answers = ray.get([ray.remote(ids_of).remote(block, columns.id, own) for own, block in asked])
        called = {r: n for (own, _), ns in zip(asked, answers, strict=True) for r, n in zip(own, ns, strict=True)}
        names = [called.get(row) for row in dropped.of.tolist()]
    added = dropped.table(names)
    writing, tasks = ray.remote(write_block), []
    for number, block in enumerate(blocks):
        low, high = np.searchsorted(dropped.rows, [block.first, block.first + block.rows])
        tasks.append(writing.remote(block, number, str(out), added.slice(low, high - low)))
    ray.get(tasks)


if __name__ == "__main__":
    sys.exit(main())
