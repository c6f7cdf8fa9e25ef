"""What a filter says about the rows of a table: keep or drop, with a reason and what shows it.

Every filter of this package returns one :class:`Verdicts` for a table, in the order of its rows; who calls it decides
what becomes of dropped rows, and writes each of them somewhere with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One verdict a row."""

    reasons: Sequence[str]
    """Why a row is dropped, as a short name (``near_duplicate``); empty where it is kept."""
    evidence: Sequence[str]
    """What shows it, for people: the matched words, the other row, the score. May stand beside kept rows as well."""
    of: Sequence[str] | None = None
    """Of a filter that drops rows for others: the kept row that each repeats, by key; empty where there is none."""

    def __len__(self) -> int:
        """Rows."""
        return len(self.reasons)

    @property
    def keep(self) -> list[bool]:
        """Whether each row is kept."""
        return [not reason for reason in self.reasons]

    def counts(self) -> Mapping[str, int]:
        """Dropped rows by reason, the most frequent first."""
        return dict(Counter(reason for reason in self.reasons if reason).most_common())
