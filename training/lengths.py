"""How long the rows are: counts, a histogram for the terminal, and what is done with those that are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.errors import UserError
from training.config import OverLength

BAR = 30


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths in tokens of the rows of one kind and split."""

    rows: int
    tokens: int
    shortest: int
    median: int
    p95: int
    longest: int
    over: int
    """Rows longer than ``max_length``."""
    max_length: int

    @property
    def share_over(self) -> float:
        """Share of rows longer than ``max_length``; 0 when there are none."""
        return self.over / self.rows if self.rows else 0.0


def measure(lengths: Sequence[int], max_length: int) -> Lengths:
    """Return the figures of at least one row."""
    values = np.asarray(lengths)
    return Lengths(
        rows=len(values),
        tokens=int(values.sum()),
        shortest=int(values.min()),
        median=int(np.median(values)),
        p95=int(np.quantile(values, 0.95)),
        longest=int(values.max()),
        over=int((values > max_length).sum()),
        max_length=max_length,
    )


def check_share(found: Lengths, policy: OverLength, where: str) -> None:
    """Raise a UserError when more rows are too long than the policy lets pass."""
    if policy.action == "refuse" and found.share_over > policy.share:
        raise UserError(
            f"{where}: {found.over:,} of {found.rows:,} rows ({found.share_over:.1%}) are longer than trl.max_length "
            f"({found.max_length:,}; the longest has {found.longest:,} tokens), more than over_length.share: raise "
            "trl.max_length, or set over_length.action to drop or truncate"
        )


def histogram(lengths: Sequence[int], max_length: int) -> list[str]:
    """Return lines of a histogram by powers of two, the row that holds ``max_length`` marked."""
    values = np.asarray(lengths)
    top = max(16, int(values.max()))
    edges = [0, *(2**power for power in range(4, int(np.ceil(np.log2(top + 1))) + 1))]
    counts, _ = np.histogram(values, edges)
    first = int(np.argmax(counts > 0))
    lines = []
    for low, high, count in list(zip(edges, edges[1:], counts, strict=False))[first:]:
        bar = "█" * round(BAR * count / counts.max())
        mark = "  ← max_length" if low < max_length <= high else ""
        lines.append(f"{low:>7,} … {high - 1:<7,} {count:>9,}  {bar}{mark}")
    return lines
