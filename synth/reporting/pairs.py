"""Preference pairs by origin: margins, and whether the chosen side is simply the longer one."""

from __future__ import annotations

from synth.reporting.facts import Facts
from synth.reporting.shape import Pairs
from synth.reporting.tallies import spans


def pairs(facts: Facts) -> list[Pairs]:
    """One entry for each origin that has rows."""
    frame = facts.frame[facts.frame["kind"] == "preference"]
    found = []
    for origin, rows in frame.groupby("origin", sort=True):
        margins = [float(value) for value in rows["margin"].dropna()]
        found.append(
            Pairs(
                origin=str(origin),
                rows=len(rows),
                margin=spans("margin", "preference", margins),
                chosen_words=float(rows["chosen_words"].mean()),
                rejected_words=float(rows["rejected_words"].mean()),
                longer=float((rows["chosen_words"] > rows["rejected_words"]).mean()),
                against=sum(value < 0 for value in margins),
            )
        )
    return found
