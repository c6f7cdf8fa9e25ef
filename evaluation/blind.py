"""A judge who does not know which data set an example is from: scores one by one, and preferences in both orders.

Every pair is asked about twice, with the order swapped. Its points for the one side are the mean of both verdicts: 1
for better, 0.5 for a tie, 0 for worse. Where both verdicts name the same *place* the judge went by the order: the pair
then counts as a tie by itself, and the share of such pairs is the judge's position bias. A pair without two verdicts
is unscored and stands nowhere.

The judge sees the turns and their speakers alone; examples longer than :data:`LONGEST` are cut at a sentence, and
counted. Two examples of a pair are drawn at random and are about different questions: over many pairs that is fair,
of a single pair it says little.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Literal

from evaluation.asking import Work
from evaluation.dataset_readers import Example
from synth.ask import Asker, AskFailed, AskRejected, together
from synth.recipes.forms import Form, Grade, Line
from synth.recipes.notes import unfenced
from synth.steps import Step
from synth.tokens import cut_to_tokens, estimate_tokens

LONGEST = 3000
"""Estimated tokens of an example that the judge is shown."""

STEPS = {
    "example": Step("judge", "evaluation/example", frozenset({"turns", "language"}), 0.0, 256, 30),
    "prefer": Step("judge", "evaluation/prefer", frozenset({"first", "second", "language"}), 0.0, 256, 50),
}


class Preference(Form):
    """Which of two examples is better; the reason comes first, so that it can matter."""

    reason: Line
    better: Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Scored:
    """What the judge says of one example; all None without a verdict."""

    quality: int | None
    complexity: int | None
    relevance: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Both verdicts on a pair: which place was better in the order ours, theirs, and in the order theirs, ours."""

    ours_first: str | None
    theirs_first: str | None

    @property
    def points(self) -> float | None:
        """Of our side, by the rule at the top of this module."""
        if self.ours_first is None or self.theirs_first is None:
            return None
        worth = {"first": 1.0, "tie": 0.5, "second": 0.0}
        return (worth[self.ours_first] + 1 - worth[self.theirs_first]) / 2

    @property
    def flipped(self) -> bool:
        """Whether the same place won both times, whatever stood there."""
        return self.ours_first == self.theirs_first and self.ours_first in ("first", "second")


def score_work(example: Example) -> Work[Scored]:
    """The question what an example is worth."""
    return _name("example", example), partial(_score, example=example)


def compare_work(ours: Example, theirs: Example) -> Work[Compared]:
    """The question which of two examples is better, in both orders."""
    return _name("prefer", ours, theirs), partial(_compare, ours=ours, theirs=theirs)


def is_cut(example: Example) -> bool:
    """Whether the judge sees less than the whole example."""
    return cut_to_tokens(example.text, LONGEST) != example.text


def _name(step: str, *examples: Example) -> str:
    """Depends on what is read and on nothing else, so that the journal answers whatever a data set is called."""
    whole = "\0\0".join("\0".join(f"{role}\0{text}" for role, text in one.turns) for one in examples)
    return f"{step}-{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _shown(example: Example) -> list[dict[str, str]]:
    left, shown = LONGEST, []
    for role, text in example.turns:
        if left < 1:
            break
        part = cut_to_tokens(unfenced(text), left)
        left -= max(1, estimate_tokens(part))
        shown.append({"speaker": role.capitalize(), "text": part})
    return shown


async def _score(asker: Asker, example: Example) -> Scored:
    try:
        grade: Grade = (await asker.ask("example", Grade, turns=_shown(example))).value
    except (AskRejected, AskFailed):
        return Scored(None, None, None)
    return Scored(grade.quality, grade.complexity, grade.relevance)


async def _compare(asker: Asker, ours: Example, theirs: Example) -> Compared:
    first, second = await together(
        _prefer(asker, "ours", _shown(ours), _shown(theirs)), _prefer(asker, "theirs", _shown(theirs), _shown(ours))
    )
    return Compared(first, second)


async def _prefer(asker: Asker, part: str, first: list[dict[str, str]], second: list[dict[str, str]]) -> str | None:
    try:
        said: Preference = (await asker.ask("prefer", Preference, part=part, first=first, second=second)).value
    except (AskRejected, AskFailed):
        return None
    return said.better
