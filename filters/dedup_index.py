"""An index of kept texts on disk, so that later texts are compared with them without reading them again.

Two files in a folder: ``index.parquet`` with a row a text (``id``, ``signature``: the permutations' values,
``shingles``: 64-bit hashes in the order of the text, both as bytes) and ``index.json``, which says how they were made.
The texts themselves are not in it. 2.5 kB a text of 1.4 kB of English under ``word:5``.

Signatures are datasketch's own (:mod:`filters.minhash`): :meth:`DedupIndex.lsh` gives an index of that library.
Opening reads ids and signatures; the shingles of a text are read when it is a candidate. An index is extended by
writing a new one, in another folder or over the old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.minhash import SCHEME, Signatures, lean
from filters.shingles import VERSION, distinct
from filters.sketches import Sketches
from filters.table_lines import TableError, one_line
from filters.word_hashes import Hashes, Places

ROWS, SIDECAR = "index.parquet", "index.json"
_GROUP = 4096  # texts in a row group: what is read to get at one text's shingles


@dataclass(frozen=True, slots=True)
class Making:
    """How an index was made. Only indexes made alike can be compared."""

    ngram: str
    num_perm: int
    seed: int
    bands: tuple[int, int]
    """Of the run that wrote it; another threshold takes other bands of the same signatures."""
    threshold: float
    scheme: str = SCHEME
    shingles: int = VERSION


class DedupIndex:
    """The texts kept by earlier runs.

    Raises:
        TableError: the folder holds no index, or a damaged one, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / ROWS
        self.making = _making(folder)
        try:
            table = pq.read_table(self._file, columns=["id", "signature"])
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{self._file}: cannot be read: {one_line(error)}; make the index anew") from None
        self.ids: pa.ChunkedArray = table["id"]
        self.signatures: Signatures = _matrix(table["signature"], self.making.num_perm)

    def __len__(self) -> int:
        """Texts."""
        return len(self.ids)

    def check(self, making: Making) -> None:
        """Raise TableError unless texts sketched like ``making`` can be compared with these."""
        for name in ("ngram", "num_perm", "seed"):
            there, wanted = getattr(self.making, name), getattr(making, name)
            if there != wanted:
                raise TableError(
                    f"{self._file.parent}: its index was made with {name} {there}, not {wanted}: use {there}"
                )

    def members(self, wanted: Places) -> dict[int, Hashes]:
        """The distinct shingles, sorted, of some texts by their numbers."""
        found: dict[int, Hashes] = {}
        for start, batch in self._batches(["shingles"]):
            column = batch.column("shingles")
            here = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
            for text in here.tolist():
                found[text] = distinct(np.frombuffer(column[text - start].as_py(), dtype="<u8"))
        return found

    def lsh(self) -> Any:
        """A ``MinHashLSH`` of datasketch over the ids, with the bands of the run that wrote the index."""
        from datasketch import MinHashLSH

        index = MinHashLSH(num_perm=self.making.num_perm, params=self.making.bands)
        for name, signature in zip(self.ids.to_pylist(), self.signatures, strict=True):
            index.insert(name, lean(signature, self.making.seed), check_duplication=False)
        return index

    def rows(self) -> Iterator[pa.RecordBatch]:
        """All that is in it, to be written again."""
        return (batch for _, batch in self._batches(None))

    def _batches(self, columns: list[str] | None) -> Iterator[tuple[int, pa.RecordBatch]]:
        start = 0
        with pq.ParquetFile(self._file, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(_GROUP, columns=columns):
                yield start, batch
                start += batch.num_rows


def write_index(
    folder: Path, making: Making, before: DedupIndex | None, ids: pa.ChunkedArray, sketches: Sketches, keep: Places
) -> None:
    """Write an index of the texts ``before`` and the rows ``keep`` of ``sketches``, which ``ids`` names."""
    schema = pa.schema(
        [("id", pa.string()), ("signature", pa.binary(4 * making.num_perm)), ("shingles", pa.large_binary())]
    )
    # Hashes look like noise: neither a dictionary nor compression makes them smaller.
    with pq.ParquetWriter(
        folder / ROWS, schema, use_dictionary=False, compression={"id": "zstd"}, write_statistics=False
    ) as file:
        for batch in before.rows() if before is not None else ():
            file.write_batch(batch)
        for start in range(0, len(keep), _GROUP):
            file.write_batch(_rows(ids, sketches, keep[start : start + _GROUP], schema))
    (folder / SIDECAR).write_text(json.dumps(asdict(making), indent=2) + "\n", encoding="utf-8")


def _rows(ids: pa.ChunkedArray, sketches: Sketches, rows: Places, schema: pa.Schema) -> pa.RecordBatch:
    offsets = sketches.shingles.offsets
    lengths = offsets[rows + 1] - offsets[rows]
    first, last = int(rows[0]), int(rows[-1]) + 1
    taken = np.zeros(last - first, dtype=bool)
    taken[rows - first] = True
    inside = np.repeat(taken, np.diff(offsets[first : last + 1]))
    hashes = sketches.shingles.hashes[offsets[first] : offsets[last]][inside]
    signatures = np.ascontiguousarray(sketches.signatures[rows])
    kind = schema.field("signature").type
    borders = 8 * np.concatenate(([0], np.cumsum(lengths)))
    columns = [
        pa.concat_arrays(ids.take(pa.array(rows)).chunks),
        pa.FixedSizeBinaryArray.from_buffers(kind, len(rows), [None, pa.py_buffer(signatures)]),
        pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(rows), [None, pa.py_buffer(borders), pa.py_buffer(hashes)]
        ),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _matrix(column: pa.ChunkedArray, num_perm: int) -> Signatures:
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype="<u4")[num_perm * chunk.offset :][: num_perm * len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    whole = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)
    return whole.reshape(-1, num_perm)


def _making(folder: Path) -> Making:
    path = folder / SIDECAR
    try:
        read: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        making = Making(**{**read, "bands": tuple(read["bands"])})
    except OSError:
        raise TableError(f"{folder}: no index in it; name the --out folder of an earlier filters.dedup") from None
    except (ValueError, TypeError, KeyError) as error:
        raise TableError(f"{path}: cannot be read: {one_line(error)}; make the index anew") from None
    if (making.scheme, making.shingles) != (SCHEME, VERSION):
        raise TableError(
            f"{path}: made by another version (scheme {making.scheme}, shingles {making.shingles}, here {SCHEME} and "
            f"{VERSION}): make the index anew"
        )
    return making
