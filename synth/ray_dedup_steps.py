"""Near-duplicates of a table too large for one machine: the steps that nodes do, as functions over Arrow and numpy.

They are the steps of :mod:`filters.duplicates`, with the same functions: each block of rows is sketched, keys of bands
that are equal make buckets, and who stays is decided for each connected component of buckets by
:mod:`filters.greedy`. No text is ever compared with one of another component, so it does not matter which node decides
what. A block is one row group of a Parquet file; rows are numbered through all files.

What it does not do: hand out work (:mod:`synth.ray_curation`), or compare with an index of earlier rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from filters.bands import Buckets, band_keys
from filters.dedup_index import Making
from filters.greedy import Likeness, components, greedy
from filters.minhash import Permutations
from filters.sketches import sketch
from filters.tables import texts
from filters.text import normalise
from filters.word_hashes import Hashes, Places, mixed

Shared = tuple[Places, NDArray[np.int64]]
"""Rows, and for each the number of a bucket that it shares with others."""


@dataclass(frozen=True, slots=True)
class Block:
    """One row group."""

    path: str
    group: int
    first: int
    """The number of its first row in the whole table."""
    rows: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold texts, ids and scores."""

    text: str
    id: str | None
    score: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of the rows of a block, in their order."""

    sums: Hashes
    """As of :class:`filters.sketches.Sketches`."""
    valid: NDArray[np.bool_]
    scores: NDArray[np.float64] | None


def blocks_of(paths: Sequence[Path]) -> list[Block]:
    """The row groups of Parquet files."""
    found, first = [], 0
    for path in paths:
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            found.append(Block(str(path), group, first, rows))
            first += rows
    return found


def read(block: Block, columns: Sequence[str] | None = None) -> pa.RecordBatch:
    """The rows of a block."""
    with pq.ParquetFile(block.path) as file:
        table = file.read_row_group(block.group, columns=columns).combine_chunks()
    return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], schema=table.schema)


def sketched(block: Block, columns: Columns, making: Making, parts: int) -> list[Summary | Hashes]:
    """A summary of the block, and for each part of all keys, twice as many numbers: keys, and the rows they are of."""
    batch = read(block, [columns.text, *([columns.score] if columns.score else [])])
    column = texts(batch, columns.text)
    found = sketch(column, making.ngram, Permutations(making.num_perm, making.seed))
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    scores = None
    if columns.score:
        scores = batch.column(columns.score).cast(pa.float64()).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(valid) + block.first
    signatures = found.signatures[valid]
    bands, width = making.bands
    # The number of the band goes into the key, so that keys of two bands are not taken for equal.
    keys = np.concatenate([mixed(band_keys(signatures, band, width) ^ np.uint64(band + 1)) for band in range(bands)])
    pairs = np.stack([keys, np.tile(rows.astype(np.uint64), bands)])
    part = keys % np.uint64(parts)
    order = np.argsort(part, kind="stable")
    borders = np.searchsorted(part[order], np.arange(parts + 1))
    split = [pairs[:, order[borders[n] : borders[n + 1]]] for n in range(parts)]
    return [Summary(found.sums, valid, scores), *split]


def shared(part: int, parts: int, *pairs: Hashes) -> Shared:
    """The rows that share a key of this part with another row; numbers of buckets differ from those of other parts."""
    keys, rows = np.concatenate(pairs, axis=1)
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    equal = keys[1:] == keys[:-1]
    inside = np.append(equal, False) | np.append(False, equal) if len(keys) else np.zeros(0, dtype=bool)
    first = ~np.append(False, equal)[inside] if len(keys) else inside
    return rows[inside].astype(np.int64), (np.cumsum(first) - 1) * parts + part


def digests(block: Block, column: str, rows: Places) -> list[bytes]:
    """Hashes of the normalised texts of some rows of a block: equal for exact copies."""
    found = texts(read(block, [column]), column)
    return [
        hashlib.blake2b(normalise(found[row - block.first].as_py()).encode(), digest_size=16).digest()
        for row in rows.tolist()
    ]


def chosen_texts(block: Block, column: str, rows: Places, tasks: Places, count: int) -> list[pa.Table]:
    """For each of ``count`` tasks the texts of its rows of this block; ``tasks`` are those of ``rows``."""
    found = texts(read(block, [column]), column)
    tables = []
    for task in range(count):
        own = rows[tasks == task]
        tables.append(pa.table({"row": own, "text": found.take(pa.array(own - block.first))}))
    return tables


def decided(
    making: Making, connected: bool, rows: Places, buckets: Shared, *tables: pa.Table
) -> tuple[Places, Places, NDArray[np.float64]]:
    """Of whole components who goes: rows, the row that each repeats, and how similar the two are.

    ``rows`` are those of the components, the best first; ``buckets`` are theirs; the tables hold their texts.
    """
    table = pa.concat_tables(tables)
    by_row = np.argsort(table["row"].to_numpy())
    best_first = by_row[np.searchsorted(table["row"].to_numpy()[by_row], rows)]
    column = table["text"].take(pa.array(best_first))
    found = sketch(column, making.ngram, Permutations(making.num_perm, making.seed))
    order = np.argsort(rows)
    places = order[np.searchsorted(rows[order], buckets[0])]
    by_place = np.argsort(places, kind="stable")
    there, starts = np.unique(places[by_place], return_index=True)
    _, numbers = np.unique(buckets[1], return_inverse=True)
    sharing = Buckets(there, numbers[by_place].astype(np.int64), np.append(starts, len(places)))
    likeness = Likeness(making.threshold, found.shingles.members, found.signatures)
    dropped = (components if connected else greedy)(sharing, likeness, 0)
    gone = np.fromiter(dropped, dtype=np.int64, count=len(dropped))
    of = np.array([one for one, _ in dropped.values()], dtype=np.int64)
    return rows[gone], rows[of], np.array([how for _, how in dropped.values()], dtype=np.float64)
