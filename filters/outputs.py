"""What a command writes: all files of a folder appear together when it is done, or none.

Files are written under a hidden name inside the folder and moved to their names at the end, the one called ``last``
(a summary) after all others; an older one of that name is removed before the first is moved. So a folder in which
``last`` stands is complete, whenever the power fails. Files of other names in the folder are left alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from filters.table_lines import TableError, one_line

_GROUP_BYTES = 1 << 26
_GROUP_ROWS = 1 << 16


@contextmanager
def all_or_none(folder: Path, last: str) -> Iterator[Path]:
    """A folder to write into; when the block ends without an error its files are moved to ``folder``.

    Raises:
        TableError: ``folder`` cannot be made or written to.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    except OSError as error:
        raise TableError(f"{folder}: cannot be written to: {one_line(error)}; name another folder") from None
    try:
        yield hidden
        files = sorted(hidden.iterdir(), key=lambda file: (file.name == last, file.name))
        for file in files:
            _to_disk(file)
        (folder / last).unlink(missing_ok=True)
        for file in files:
            os.replace(file, folder / file.name)
        _to_disk(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if made and not any(folder.iterdir()):
            folder.rmdir()


class ParquetRows:
    """A Parquet file written batch by batch, in row groups of 65,536 rows or 64 MB; closed at the end of ``with``."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        try:
            self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        except pa.ArrowNotImplementedError as error:
            raise TableError(f"{path.name}: Parquet cannot hold these columns: {one_line(error)}") from None
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; memory holds them until a row group is full."""
        if batch.num_rows:
            self._waiting.append(batch)
            self._bytes += batch.nbytes
            self._rows += batch.num_rows
        if self._bytes >= _GROUP_BYTES or self._rows >= _GROUP_ROWS:
            self._flush()

    def __enter__(self) -> ParquetRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._bytes, self._rows = [], 0, 0


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
