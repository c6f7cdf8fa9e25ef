"""The loss on every department, before and after each stage: what a stage taught, and what it made the model forget.

Measured on the validation rows with the weights that the next stage begins with. Losses are the trainer's: nats a
trained token, averaged over batches. They compare between columns, not between departments, whose texts differ; with
few rows they say little, so the number of rows stands beside them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from training.stages import Place

if TYPE_CHECKING:
    from training.phases import Phase
    from training.preflight import Part
    from training.sft import Ready

Losses = dict[str, float]
"""Loss by path (``department/subdepartment``)."""


def places_of(table: pa.Table) -> list[Place]:
    """Return id and department of every row; a row without an id is named by its position."""

    def column(name: str) -> list[Any]:
        return table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows

    names = zip(column("id"), column("department"), column("subdepartment"), strict=True)
    return [Place(i or str(at), top or "unknown", sub or "unknown") for at, (i, top, sub) in enumerate(names)]


def by_path(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return validation rows as one part for each path, in alphabetical order."""
    from training.preflight import joined

    if not parts:
        return {}
    table = joined(dict(parts))
    paths = pa.array([place.path for place in places_of(table)])
    model = next(iter(parts.values()))
    return {
        path: dataclasses.replace(
            model, kind=path, table=table.filter(pc.equal(paths, path)), dropped=0, truncated=0, untrainable=0
        )
        for path in sorted(set(paths.to_pylist()))
    }


def measure(phase: Phase, ready: Ready, file: Path) -> Losses:
    """Return the loss on every path of ``ready``'s validation parts; read from ``file`` where it was measured before.

    ``phase`` names the weights. Every process of a run must call this.
    """
    from transformers.trainer_callback import PrinterCallback

    from training.run import is_main
    from training.sft import make_trainer

    if file.is_file():
        losses: Losses = json.loads(file.read_text(encoding="utf-8"))
        return losses
    first = next(iter(ready.prepared.train.values()))
    one = dataclasses.replace(first, table=first.table.slice(0, 1))  # a trainer wants rows to train on
    prepared = dataclasses.replace(ready.prepared, train={first.kind: one})
    trainer = make_trainer(phase, dataclasses.replace(ready, prepared=prepared))
    trainer.remove_callback(PrinterCallback)
    found = trainer.evaluate()
    losses = {path: found[f"eval_{path}_loss"] for path in prepared.validation}
    if is_main():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(losses, indent=2), encoding="utf-8")
        unfinished.rename(file)
    trainer.accelerator.wait_for_everyone()
    return losses


def with_departments(losses: Losses, rows: Mapping[str, int]) -> Losses:
    """Return the losses with those of whole departments beside them: the mean of their paths, weighted by rows."""
    whole: dict[str, list[tuple[float, int]]] = {}
    for path, loss in losses.items():
        whole.setdefault(path.partition("/")[0], []).append((loss, rows[path]))
    means = {
        top: sum(loss * count for loss, count in parts) / sum(count for _, count in parts)
        for top, parts in whole.items()
    }
    return dict(sorted((losses | means).items()))


def table_lines(columns: Mapping[str, Losses], rows: Mapping[str, int]) -> list[str]:
    """Return the table for the terminal and the report; ``columns`` are named losses in the order of the stages."""
    counts = _counts(rows)
    tables = {name: with_departments(losses, rows) for name, losses in columns.items()}
    names = list(next(iter(tables.values())))
    width = max(map(len, ["department", *names]))
    head = "  ".join([f"{'department':<{width}}", f"{'rows':>6}", *(f"{name:>10}" for name in tables)])
    lines = ["loss on validation rows", head]
    for name in names:
        shown = [f"{losses[name]:>{max(10, len(title))}.4f}" for title, losses in tables.items()]
        lines.append("  ".join([f"{name:<{width}}", f"{counts[name]:>6,}", *shown]))
    return lines


def sentences(columns: Mapping[str, Losses], rows: Mapping[str, int]) -> list[str]:
    """Return one sentence for each department, for the card."""
    counts = _counts(rows)
    tables = {name: with_departments(losses, rows) for name, losses in columns.items()}
    tops = [name for name in next(iter(tables.values())) if "/" not in name]
    return [
        f"{top}: loss on {counts[top]:,} validation rows "
        + ", ".join(f"{losses[top]:.4f} {title}" for title, losses in tables.items())
        for top in tops
    ]


def _counts(rows: Mapping[str, int]) -> dict[str, int]:
    counts = dict(rows)
    for path, count in rows.items():
        top = path.partition("/")[0]
        counts[top] = counts.get(top, 0) + count
    return counts


def metric_lines(columns: Mapping[str, Losses], rows: Mapping[str, int]) -> Sequence[dict[str, Any]]:
    """Return one entry for each column, for ``metrics.jsonl``."""
    return [
        {"departments": title, "loss": with_departments(losses, rows), "rows": _counts(rows)}
        for title, losses in columns.items()
    ]
