"""Items that one run got right and the other did not, with what both wrote, for reading.

Letters are those of the source, whatever order the options were shown in. Texts are cut; the whole stands in the
answers. Knows nothing about whether a difference means anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase
from typing import TYPE_CHECKING

from evaluation.questions import Asked
from evaluation.shape import Comparison, Flip

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
"""Items of each kind that are shown."""
_LONGEST = 4_000  # characters of a reply


def show_flips(
    comparison: Comparison, frames: tuple[pd.DataFrame, pd.DataFrame], asked: Mapping[str, Asked]
) -> list[Flip]:
    """The first of the items that were won, then of those that were lost."""
    names = comparison.won[:SHOWN] + comparison.lost[:SHOWN]
    run, against = (frame[frame["id"].isin(names)].groupby("id") for frame in frames)
    return [_flip(name, run.get_group(name), against.get_group(name), asked.get(name)) for name in names]


def _flip(name: str, run: pd.DataFrame, against: pd.DataFrame, asked: Asked | None) -> Flip:
    both = run.merge(against, on=["id", "seed"], suffixes=("", "_before")).sort_values("seed")
    first = both.iloc[0]
    for _, row in both.iterrows():  # the first seed that shows the change
        if row["correct"] != row["correct_before"]:
            first = row
            break
    return Flip(
        id=name,
        question=asked.question if asked else None,
        context=asked.context if asked else "",
        options=dict(asked.options) if asked else {},
        gold=str(_source(first["gold"], first["order"])),
        before=_source(first["answer_before"], first["order"]),
        after=_source(first["answer"], first["order"]),
        text_before=_cut(first["text_before"]),
        text_after=_cut(first["text"]),
        seeds=len(both),
    )


def _source(letter: str | None, order: list[str]) -> str | None:
    """A letter as shown, as the letter of the source."""
    if not isinstance(letter, str) or letter not in ascii_uppercase[: len(order)]:
        return None
    return str(order[ascii_uppercase.index(letter)])


def _cut(text: str | None) -> str | None:
    if not isinstance(text, str):
        return None
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … (cut)"
