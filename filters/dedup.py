"""The command ``python -m filters.dedup``: near-duplicates out of Parquet, JSONL and CSV files.

    python -m filters.dedup IN… --out DIR [--text-column text] [--ngram word:5] [--threshold 0.8]

writes ``DIR/kept.parquet`` (the rows that stay, as they were), ``DIR/dropped.parquet`` (the others, with ``reason``,
``duplicate_of``, ``similarity`` and ``cluster`` beside their columns), ``DIR/summary.json``, and the index of the kept
texts for a later ``--against DIR``. Both tables are in the order of the input. Texts are held in memory, other columns
are not: the input is read twice. What the words mean: :mod:`filters.duplicates`.

``duplicate_of`` is the kept row's ``id``; a row without one is called ``FILE:N`` there and in the index, the file as
it was named and the number of the row in it, from 1. So what ``--against`` an index finds says which run's file it
means.

Exit codes: 0 done; 2 a mistake in the arguments or the input, one line on the error stream, nothing written.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filters.presets import PRESETS

if TYPE_CHECKING:
    import pyarrow as pa

    from filters.dedup_index import DedupIndex
    from filters.duplicates import Duplicates
    from filters.tables import Table

SUMMARY = "summary.json"
_ADDED = ("reason", "duplicate_of", "similarity", "cluster")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    ngram, threshold = PRESETS[options.preset]
    options.ngram = ngram if options.ngram is None else options.ngram
    options.threshold = threshold if options.threshold is None else options.threshold
    try:
        _run(options)
    except (ValueError, OSError) as error:
        print(f"filters.dedup: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("filters.dedup: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m filters.dedup", description="Drop near-duplicate rows; the best of each family stays."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="IN", help=".parquet, .jsonl, .ndjson, .csv or .tsv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--text-column", metavar="C", help="texts, or messages with a content (text, else messages)")
    parser.add_argument(
        "--preset", choices=PRESETS, default="long", help="n-gram and threshold for a kind of text (long)"
    )
    parser.add_argument("--ngram", help="word:N or char:N (word:5)")
    parser.add_argument("--threshold", type=float, help="Jaccard similarity of duplicates (0.8)")
    parser.add_argument("--against", type=Path, metavar="DIR", help="drop what is similar to the rows kept there")
    parser.add_argument("--components", action="store_true", help="keep one row of each connected component")
    parser.add_argument("--score-column", metavar="C", help="of duplicates keep the row with the highest number")
    return parser


def _run(options: argparse.Namespace) -> None:
    from filters.dedup_index import DedupIndex
    from filters.duplicates import dedup
    from filters.shingles import parse_ngram
    from filters.tables import Table

    parse_ngram(options.ngram)
    against = DedupIndex(options.against) if options.against else None
    table = Table(options.files)
    texts, ids, scores = _columns(table, options)
    found = dedup(
        texts,
        threshold=options.threshold,
        ngram=options.ngram,
        scores=scores,
        ids=ids,
        connected=options.components,
        against=against,
    )
    del texts
    _write(options, table, ids, found, against)


def _columns(table: Table, options: argparse.Namespace) -> tuple[pa.ChunkedArray, pa.ChunkedArray, Any]:
    """The texts, the ids and the scores."""
    import pyarrow as pa

    from filters.tables import TableError, texts

    text = table.text_column(options.text_column)
    score = options.score_column and table.column(options.score_column)
    for added in _ADDED:
        if added in table.schema.names:
            raise TableError(f'{table.named()}: column "{added}" is one that this command writes: rename it')
    wanted = list(dict.fromkeys([text, *(["id"] if "id" in table.schema.names else []), *([score] if score else [])]))
    columns: dict[str, list[pa.Array]] = {name: [] for name in ("text", "id", "score")}
    for path, first, batch in table.placed(wanted):
        columns["text"].append(texts(batch, text))
        columns["id"].append(_ids(batch, path, first))
        if score:
            columns["score"].append(_numbers(batch, score, path))
    ids = pa.chunked_array(columns["id"], pa.string())
    return (
        pa.chunked_array(columns["text"], pa.large_string()),
        ids,
        pa.chunked_array(columns["score"], pa.float64()) if score else None,
    )


def _ids(batch: pa.RecordBatch, path: Path, first: int) -> pa.StringArray:
    """The column ``id`` as text; where there is none ``FILE:N``, for rows of other files have numbers, too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = batch.column("id") if "id" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
    try:
        named = ids.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise ValueError(f'{path}: column "id" holds {ids.type}: rename it') from None
    if not named.null_count:
        return named
    return pc.coalesce(named, pa.array([f"{path}:{number}" for number in range(first, first + batch.num_rows)]))


def _numbers(batch: pa.RecordBatch, column: str, path: Path) -> pa.DoubleArray:
    import pyarrow as pa

    try:
        return batch.column(column).cast(pa.float64())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise ValueError(
            f'{path}: column "{column}" holds what is no number: name another in --score-column'
        ) from None


def _write(
    options: argparse.Namespace, table: Table, ids: pa.ChunkedArray, found: Duplicates, against: DedupIndex | None
) -> None:
    import json
    from dataclasses import asdict

    import numpy as np

    from filters.dedup_index import write_index
    from filters.outputs import all_or_none

    keep = np.array(found.verdicts.keep, dtype=bool)
    summary = {
        "files": [str(path) for path in options.files],
        "against": str(options.against) if options.against else None,
        "rows": len(keep),
        "kept": int(keep.sum()),
        "dropped": found.verdicts.counts(),
        "components": options.components,
        "score_column": options.score_column,
        "made": asdict(found.making),
    }
    with all_or_none(options.out, SUMMARY) as folder:
        _write_rows(folder, table, found, keep)
        write_index(folder, found.making, against, ids, found.sketches, np.flatnonzero(keep))
        (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    dropped = ", ".join(f"{count} {reason}" for reason, count in found.verdicts.counts().items())
    print(f"{len(keep)} rows, {summary['kept']} kept; dropped: {dropped or 'none'}. {options.out}")


def _write_rows(folder: Path, table: Table, found: Duplicates, keep: Any) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    from filters.outputs import ParquetRows

    columns = {
        "reason": pa.array(found.verdicts.reasons, pa.string()),
        "duplicate_of": found.duplicate_of,
        "similarity": found.similarity,
        "cluster": found.cluster,
    }
    wider = table.schema
    for name in _ADDED:
        wider = wider.append(pa.field(name, columns[name].type))
    start = 0
    with (
        ParquetRows(folder / "kept.parquet", table.schema) as kept,
        ParquetRows(folder / "dropped.parquet", wider) as dropped,
    ):
        for batch in table.batches():
            stays = pa.array(keep[start : start + batch.num_rows])
            kept.write(batch.filter(stays))
            added = [columns[name].slice(start, batch.num_rows) for name in _ADDED]
            whole = pa.RecordBatch.from_arrays([*batch.columns, *added], schema=wider)
            dropped.write(whole.filter(pc.invert(stays)))
            start += batch.num_rows


if __name__ == "__main__":
    gc.disable()  # many small lists and no cycles: the collector would pass over all of them again and again
    sys.exit(main())
