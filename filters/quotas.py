"""Quotas: how many rows of each department, difficulty or persona a data set keeps, and what came of the plan.

A row belongs to one cell in each dimension that has quotas, and is kept only while all its cells have room. Rows are
taken by score, highest first, equal scores by their order, so the choice depends on the rows alone and not on chance.
The choice is greedy: with several dimensions it keeps the best rows it can, which need not be the most rows possible
(that would be an assignment problem). A cell without a quota has no limit; nothing is invented to fill a cell up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from filters.verdicts import Verdicts

Plan = Mapping[str, Mapping[str, int]]
"""Dimension, such as ``department``, to value to the most rows."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one quota."""

    dimension: str
    value: str
    planned: int
    available: int
    kept: int

    @property
    def missing(self) -> int:
        """Rows that the plan asked for and the data set does not have."""
        return self.planned - self.kept


@dataclass(frozen=True, slots=True)
class Filled:
    """Verdicts in the order of the rows, and planned against kept, in the order of the plan."""

    verdicts: Verdicts
    cells: list[Cell]


def fill(plan: Plan, columns: Mapping[str, Sequence[str | None]], scores: Sequence[float | None]) -> Filled:
    """Choose the rows that fit into a plan.

    Args:
        plan: the most rows of each cell.
        columns: for each dimension of the plan, the value of each row; a null is in no cell.
        scores: one a row; a row without a score comes after those with one.

    Returns:
        Rows over a quota have the reason ``over_quota`` and the full cell as evidence.

    Raises:
        ValueError: a quota is negative, a dimension has no column, or columns differ in length.
    """
    _check(plan, columns, len(scores))
    kept: Counter[tuple[str, str]] = Counter()
    reasons, evidence = [""] * len(scores), [""] * len(scores)
    for row in sorted(range(len(scores)), key=lambda row: (scores[row] is None, -(scores[row] or 0.0), row)):
        cells = _cells(plan, columns, row)
        full = next((cell for cell in cells if kept[cell] >= plan[cell[0]][cell[1]]), None)
        if full is None:
            kept.update(cells)
        else:
            reasons[row] = "over_quota"
            evidence[row] = f"{full[0]} {full[1]}: {plan[full[0]][full[1]]} rows planned"
    available: Counter[tuple[str, str | None]] = Counter(
        (dimension, value) for dimension in plan for value in columns[dimension]
    )
    outcome = [
        Cell(dimension, value, planned, available[dimension, value], kept[dimension, value])
        for dimension, quotas in plan.items()
        for value, planned in quotas.items()
    ]
    return Filled(Verdicts(reasons, evidence), outcome)


def _cells(plan: Plan, columns: Mapping[str, Sequence[str | None]], row: int) -> list[tuple[str, str]]:
    """The cells with a quota to which a row belongs."""
    values = ((dimension, columns[dimension][row]) for dimension in plan)
    return [(dimension, value) for dimension, value in values if value is not None and value in plan[dimension]]


def _check(plan: Plan, columns: Mapping[str, Sequence[str | None]], rows: int) -> None:
    for dimension, quotas in plan.items():
        if dimension not in columns:
            raise ValueError(f'quota for "{dimension}": there is no such column, there are {", ".join(columns)}')
        if len(columns[dimension]) != rows:
            raise ValueError(f'column "{dimension}" has {len(columns[dimension])} rows, there are {rows} scores')
        for value, planned in quotas.items():
            if planned < 0:
                raise ValueError(f'quota for {dimension} "{value}" is {planned}: it must not be negative')
