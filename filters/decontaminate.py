"""The command: split rows into those that hold no item of a benchmark and those that do.

    python -m filters.decontaminate IN... --against FILE... --out DIR [--text-column C]... [--threshold 0.2]
                                    [--paraphrases 0.9 [--encoder minilm|NAME]]

IN are Parquet, JSONL or CSV files (:mod:`filters.tables`), FILE benchmark files or folders (:mod:`filters.readers`).
In DIR stand afterwards, all or none of them:

- ``kept.parquet``: rows without an item, all columns, in their order;
- ``flagged.parquet``: the others, with the columns ``benchmark``, ``item`` (its id), ``containment`` and ``span`` of
  the item of which they hold the largest share, and ``paraphrase``: whether the item was found by its meaning, in
  which case ``containment`` is the cosine and ``span`` the item's own text;
- ``summary.json``: rows, and for each benchmark its items, how many of them were found and in how many rows (by
  meaning: ``rows_paraphrased``), with the matched words of some.

Memory holds the items and one batch of rows. Without ``--paraphrases`` it needs no model; with it, rows that hold no
item's words are compared with all items by sentence embeddings, read to 256 tokens (the extra ``train``). What a
cosine means depends on the encoder and on the texts: look at what is flagged before trusting a number.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from filters.contamination import Match, Paraphrases
    from filters.item_index import ItemIndex

COLUMNS = ("benchmark", "item", "containment", "span", "paraphrase")
"""What a flagged row says beside its own columns."""

_EXAMPLES = 5


def decontaminate(
    inputs: Sequence[str | Path],
    against: Sequence[str | Path],
    out: str | Path,
    text_columns: Sequence[str] = (),
    threshold: float = 0.2,
    exclude_splits: Sequence[str] = (),
    paraphrases: float | None = None,
    encoder: str = "minilm",
) -> dict[str, Any]:
    """Write the three files and return the summary.

    Args:
        inputs: files of rows.
        against: benchmark files and folders.
        out: folder to write into.
        text_columns: texts or messages that are searched as one text; without any, ``text`` or ``messages``.
        threshold: share of an item from which on a row is flagged.
        exclude_splits: items of these splits are not looked for (``train``).
        paraphrases: cosine to an item from which on a row without its words is flagged, too; None: no model is asked.
        encoder: the model for that, see :func:`filters.semantic.named_encoder`.

    Raises:
        ValueError: one line: an input, a column, a benchmark, a threshold, the encoder or the folder cannot be used.
    """
    from filters.contamination import best_matches, find_matches
    from filters.item_index import ItemIndex
    from filters.outputs import ParquetRows, all_or_none
    from filters.tables import Table

    table = Table(inputs)
    columns = [table.text_column(name) for name in text_columns] or [table.text_column()]
    if taken := [name for name in COLUMNS if name in table.schema.names]:
        raise ValueError(f'{table.named()}: there is a column "{taken[0]}", which this command adds: rename it')
    index = ItemIndex.from_files(against, exclude_splits)
    if not index.targets:
        raise ValueError(f"{against[0]}: no item is left to look for; are all of an excluded split?")
    by_meaning = _by_meaning(index, paraphrases, encoder)
    report = _Report(index, threshold, paraphrases, encoder)
    with (
        all_or_none(Path(out), "summary.json") as folder,
        ParquetRows(folder / "kept.parquet", table.schema) as kept,
        ParquetRows(folder / "flagged.parquet", _with_matches(table.schema)) as flagged,
    ):
        for batch in table.batches():
            searched = _texts(batch, columns)
            matches = find_matches(searched, index, threshold)
            if by_meaning is not None:
                matches += by_meaning.find(searched, skip={match.row for match in matches})
            report.add(batch.num_rows, matches)
            _split(batch, best_matches(matches), kept, flagged)
        summary = report.summary()
        (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return summary


def _by_meaning(index: ItemIndex, cosine: float | None, encoder: str) -> Paraphrases | None:
    from filters.contamination import Paraphrases
    from filters.semantic import named_encoder

    if cosine is None:
        return None
    if not 0 < cosine <= 1:
        raise ValueError(f"--paraphrases must be above 0 and at most 1, got {cosine}")
    return Paraphrases(index, named_encoder(encoder), cosine)


class _Report:
    """Counts by benchmark while rows go by."""

    def __init__(self, index: ItemIndex, threshold: float, cosine: float | None, encoder: str) -> None:
        self._said: dict[str, Any] = {"threshold": threshold}
        if cosine is not None:
            self._said |= {"paraphrases": cosine, "encoder": encoder}
        self._by_meaning = cosine is not None
        self._rows = self._flagged = 0
        self._benchmarks: dict[str, dict[str, Any]] = {}
        for target in index.targets:
            of = self._benchmarks.setdefault(target.benchmark, _nothing_found())
            of["items"] += 1

    def add(self, rows: int, matches: Sequence[Match]) -> None:
        """The matches of the next batch."""
        self._rows += rows
        self._flagged += len({match.row for match in matches})
        for benchmark, row in {(match.benchmark, match.row) for match in matches}:
            self._benchmarks[benchmark]["rows"] += row >= 0
        for match in matches:
            self._benchmarks[match.benchmark]["paraphrased"] += match.paraphrase
        for match in matches:
            of = self._benchmarks[match.benchmark]
            if match.item not in of["found"] and len(of["examples"]) < _EXAMPLES:
                shown = {"item": match.item, "containment": round(match.containment, 4), "span": match.span}
                of["examples"].append(shown)
            of["found"].add(match.item)

    def summary(self) -> dict[str, Any]:
        """As it is written."""
        benchmarks = {
            name: {
                "items": of["items"],
                "items_found": len(of["found"]),
                "rows_flagged": of["rows"],
                **({"rows_paraphrased": of["paraphrased"]} if self._by_meaning else {}),
                "examples": of["examples"],
            }
            for name, of in sorted(self._benchmarks.items())
        }
        counts = {"rows": self._rows, "kept": self._rows - self._flagged, "flagged": self._flagged}
        return {**counts, **self._said, "benchmarks": benchmarks}


def _nothing_found() -> dict[str, Any]:
    return {"items": 0, "found": set(), "rows": 0, "paraphrased": 0, "examples": []}


def _texts(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    from filters.tables import texts

    line_break = pa.scalar("\n", pa.large_string())
    return pc.binary_join_element_wise(*(texts(batch, column) for column in columns), line_break, null_handling="skip")


def _with_matches(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    kinds = (pa.string(), pa.string(), pa.float64(), pa.string(), pa.bool_())
    return pa.schema([*schema, *(pa.field(name, kind) for name, kind in zip(COLUMNS, kinds, strict=True))])


def _split(batch: pa.RecordBatch, best: dict[int, Match], kept: Any, flagged: Any) -> None:
    import pyarrow as pa

    rows = sorted(best)
    kept.write(batch.filter(pa.array([row not in best for row in range(batch.num_rows)], pa.bool_())))
    if rows:
        some = batch.take(pa.array(rows, pa.int64()))
        added = [pa.array([getattr(best[row], name) for row in rows]) for name in COLUMNS]
        flagged.write(pa.RecordBatch.from_arrays([*some.columns, *added], schema=_with_matches(batch.schema)))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code, 2 for what the user has to mend."""
    parser = argparse.ArgumentParser(
        prog="python -m filters.decontaminate",
        description="Split rows into those without and those with an item of a benchmark in them.",
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="rows: .parquet, .jsonl, .csv")
    parser.add_argument("--against", nargs="+", required=True, metavar="FILE", help="benchmark files or folders")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for kept, flagged and summary")
    parser.add_argument(
        "--text-column",
        action="append",
        default=[],
        metavar="C",
        help="texts or messages to search; several are searched as one text (default: text, else messages)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.2,
        metavar="T",
        help="share of an item's n-grams from which on a row is flagged (default: %(default)s)",
    )
    parser.add_argument(
        "--exclude-split",
        action="append",
        default=[],
        choices=("train", "validation", "test", "unknown"),
        help="items of this split are not looked for; may be given several times",
    )
    parser.add_argument(
        "--paraphrases", type=float, metavar="COSINE", help="also flag rows that say the same as an item (0.9)"
    )
    parser.add_argument(
        "--encoder",
        default="minilm",
        metavar="NAME",
        help="model for --paraphrases: minilm, or one of the Hub, or a folder",
    )
    given = parser.parse_args(arguments)
    try:
        summary = decontaminate(
            given.inputs,
            given.against,
            given.out,
            given.text_column,
            given.threshold,
            given.exclude_split,
            given.paraphrases,
            given.encoder,
        )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"{summary['rows']:,} rows: {summary['kept']:,} kept, {summary['flagged']:,} flagged in {given.out}")
    for name, of in summary["benchmarks"].items():
        print(f"{name:12} {of['items_found']:,} of {of['items']:,} items found in {of['rows_flagged']:,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
