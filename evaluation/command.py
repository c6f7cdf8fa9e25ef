"""What the commands of this package share: how they end, and how tables and their summary come to lie in a folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.errors import ClinsynthError

if TYPE_CHECKING:
    import pyarrow as pa


def carry_out(work: Callable[[], str]) -> int:
    """Print what ``work`` returns; a mistake, a full disk and Ctrl-C are a line each. Returns the exit code."""
    from synth.guard import check_packages
    from training.run import QUIET

    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    try:
        check_packages()
        print(work(), flush=True)
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


def setting(key: str, value: object) -> str:
    """Return a ``--set`` of a text or path as it stands, whatever YAML would make of ``a: b``, ``x #1`` or ``123``."""
    return f"{key}={json.dumps(str(value), ensure_ascii=False)}"


def write_results(folder: Path, tables: Mapping[str, pa.Table], name: str, summary: Mapping[str, Any]) -> None:
    """Write tables by their file names, then the summary as JSON: each whole or not at all.

    Raises:
        ClinsynthError: the disk refuses.
    """
    import pyarrow.parquet as pq

    from synth.staging import disk_errors, replace_text

    with disk_errors(folder):
        for file, table in tables.items():
            work = folder / f".{file}.tmp-{os.getpid()}"
            try:
                pq.write_table(table, work)
                work.replace(folder / file)
            finally:
                work.unlink(missing_ok=True)
        replace_text(folder / name, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
