"""What ``evaluation.consult`` leaves in its folder: a row a consultation, and the summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation import command
from evaluation.consult_sums import COSTS, ROLES
from evaluation.consultations import SCHEMA
from synth.errors import UserError
from synth.rows import clean_row

TABLE, SUMMARY = "consultations.parquet", "consult.json"


def write_results(folder: Path, rows: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Write both files, each whole or not at all, the summary last."""
    costs = [pa.field(f"{role}_{name}", pa.float64()) for role in ROLES for name in COSTS]
    data = pa.Table.from_pylist([clean_row(row) for row in rows], schema=pa.schema([*SCHEMA, *costs]))
    command.write_results(folder, {TABLE: data}, SUMMARY, summary)


def read_results(folder: Path, option: str = "") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Summary and rows of a folder that this command has written; ``option`` begins what is said of another one.

    Raises:
        UserError: they are not there, or cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{option}{folder}: no such folder; name the --out of another evaluation.consult")
    for name in (SUMMARY, TABLE):
        if not (folder / name).is_file():
            raise UserError(f"{option}{folder}: holds no results of evaluation.consult: {name} is not there")
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        rows = pq.read_table(folder / TABLE).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{option}{folder}: holds no results of evaluation.consult: {reason}") from None
    if not isinstance(summary, dict) or not {"doctor", "fixed"} <= summary.keys():
        raise UserError(f"{option}{folder / SUMMARY}: is no summary of evaluation.consult")
    return summary, rows
