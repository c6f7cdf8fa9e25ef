"""Rubrics: criteria with points, a judge's verdict on each, and the score that follows, as in HealthBench.

HealthBench (arXiv 2505.08775): a criterion is worth -10 to 10 points, never 0; a judge says for each of them alone
whether a conversation meets it; the score is the points of all criteria that are met over the sum of the positive
points. Criteria with negative points describe faults: they cost points when they are met, and never add to what is
possible. HealthBench clips the mean over conversations to [0, 1]; here each conversation's score is clipped, and
``earned`` and ``possible`` remain visible for who wants the mean first.

HealthBench asks again until a verdict parses. Here the asker bounds that, and a criterion without a verdict is
**ungraded**: ``met`` is None, never a guess. The score is taken over the graded criteria alone, and says how many of
how many these are; it is None where no graded criterion has positive points.

This module knows no model and no template: asking is a callable. A recipe and an evaluation grade by the same code.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.ask import together
from synth.recipes.forms import CriterionVerdict

MOST_POINTS = 10

Turns = Sequence[Mapping[str, str]]
"""A conversation, each turn with ``speaker`` and ``text``."""

Ask = Callable[[int, Turns, str], Awaitable[CriterionVerdict | None]]
"""Puts one criterion to a judge: (its place, the conversation, its text). None after the last try without a verdict.
What it raises ends the grading."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a conversation is checked for. ValueError for an empty text or points that are none."""

    text: str
    points: int
    """-10 to 10, not 0."""
    tags: tuple[str, ...] = ()
    """What it is about (``axis:accuracy``), for means by tag."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a criterion needs a text")
        if isinstance(self.points, bool) or not isinstance(self.points, int):
            raise ValueError("points of a criterion must be a whole number")
        if self.points == 0 or abs(self.points) > MOST_POINTS:
            raise ValueError(f"points of a criterion must be from -{MOST_POINTS} to {MOST_POINTS}, and not 0")


@dataclass(frozen=True, slots=True)
class Graded:
    """A criterion and what the judge said of it."""

    criterion: Criterion
    met: bool | None
    """None: ungraded."""
    explanation: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As a struct of the column ``rubric``."""
        return {"criterion": self.criterion.text, "points": self.criterion.points, "met": self.met}


@dataclass(frozen=True, slots=True)
class RubricScore:
    """What the verdicts on one conversation come to."""

    value: float | None
    """Earned over possible, clipped to [0, 1]; None where nothing is possible."""
    graded: int
    of: int
    """So many criteria have a verdict, of so many."""
    earned: int
    """Points of the criteria that are met."""
    possible: int
    """Sum of the positive points of the graded criteria."""


async def grade(ask: Ask, criteria: Sequence[Criterion], turns: Turns) -> list[Graded]:
    """Put every criterion to the judge, one question each, all at once; the verdicts in the order of the criteria."""
    verdicts = await together(*(ask(at, turns, one.text) for at, one in enumerate(criteria)))
    return [
        Graded(one, None) if said is None else Graded(one, said.criteria_met, said.explanation)
        for one, said in zip(criteria, verdicts, strict=True)
    ]


def score(graded: Iterable[Graded]) -> RubricScore:
    """The score of one conversation, by the rule at the top of this module; the order does not matter."""
    everything = list(graded)
    known = [one for one in everything if one.met is not None]
    earned = sum(one.criterion.points for one in known if one.met)
    possible = sum(max(one.criterion.points, 0) for one in known)
    value = min(1.0, max(0.0, earned / possible)) if possible else None
    return RubricScore(value, len(known), len(everything), earned, possible)


def score_of(rubric: Iterable[Mapping[str, Any]]) -> RubricScore:
    """The score of a row's ``rubric`` column (``criterion``, ``points``, ``met``)."""
    return score(Graded(Criterion(one["criterion"], one["points"]), one["met"]) for one in rubric)
