"""What the commands of this package share: how they end, and how tables and their summary come to lie in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.arguments import exit_code

if TYPE_CHECKING:
    import pyarrow as pa


def carry_out(work: Callable[[], str]) -> int:
    """Print what ``work`` returns; a mistake, a full disk and Ctrl-C are a line each. Returns the exit code."""
    from synth.guard import check_packages
    from training.run import QUIET

    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)

    def told() -> int:
        check_packages()
        print(work(), flush=True)
        return 0

    return exit_code(told)


def setting(key: str, value: object) -> str:
    """Return a ``--set`` of a text or path as it stands, whatever YAML would make of ``a: b``, ``x #1`` or ``123``."""
    return f"{key}={json.dumps(str(value), ensure_ascii=False)}"


def write_results(folder: Path, tables: Mapping[str, pa.Table], name: str, summary: Mapping[str, Any]) -> None:
    """Write tables by their file names, then the summary as JSON: each whole or not at all.

    Raises:
        ClinsynthError: the disk refuses.
    """
    from evaluation.answers import write_table
    from synth.staging import disk_errors, replace_text

    with disk_errors(folder):
        for file, table in tables.items():
            write_table(table, folder / file)
        replace_text(folder / name, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
