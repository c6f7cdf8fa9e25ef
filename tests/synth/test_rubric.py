"""Rubric scores by their rule, verdicts by a judge of any kind, and what the module refuses."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.endpoints.base import Reply
from synth.recipes.forms import CriterionVerdict
from synth.replies import BadReply, parse
from synth.rubric import Criterion, Graded, RubricScore, Turns, grade, score, score_of

TURNS = [{"speaker": "Patient", "text": "My chest hurts."}, {"speaker": "Doctor", "text": "Since when?"}]


def graded(*verdicts: tuple[int, bool | None]) -> list[Graded]:
    return [Graded(Criterion(f"criterion {n}", points), met) for n, (points, met) in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([(5, True)], (1.0, 1, 1, 5, 5)),
        ([(5, False)], (0.0, 1, 1, 0, 5)),
        ([(7, True), (3, False)], (0.7, 2, 2, 7, 10)),
        ([(8, True), (2, True), (-5, True)], (0.5, 3, 3, 5, 10)),  # a fault costs, and is no part of what is possible
        ([(8, True), (-5, False)], (1.0, 2, 2, 8, 8)),
        ([(4, True), (-10, True)], (0.0, 2, 2, -6, 4)),  # below 0 is 0
        ([(6, True), (4, None)], (1.0, 1, 2, 6, 6)),  # what is ungraded is neither met nor missed
        ([(6, False), (4, None), (-3, None)], (0.0, 1, 3, 0, 6)),
        ([(6, True), (4, True), (-5, None)], (1.0, 2, 3, 10, 10)),
        ([(6, None), (4, None)], (None, 0, 2, 0, 0)),
        ([(6, None), (-4, False)], (None, 1, 2, 0, 0)),
        ([(-4, True), (-3, False)], (None, 2, 2, -4, 0)),  # nothing to gain: no score
        ([], (None, 0, 0, 0, 0)),
    ],
)
def test_score(verdicts: list[tuple[int, bool | None]], expected: tuple[Any, ...]) -> None:
    found = score(graded(*verdicts))
    assert found == RubricScore(*expected)
    assert score_of([one.as_dict() for one in graded(*verdicts)]) == found


POINTS = st.integers(-10, 10).filter(bool)
VERDICTS = st.lists(st.tuples(POINTS, st.sampled_from([True, False, None])), max_size=12)


@given(VERDICTS, st.randoms(use_true_random=False))
def test_a_score_is_in_bounds_and_knows_no_order(verdicts: list[tuple[int, bool | None]], rng: random.Random) -> None:
    before = score(graded(*verdicts))
    assert (before.value is None) == (not any(points > 0 and met is not None for points, met in verdicts))
    assert before.value is None or 0 <= before.value <= 1
    assert before.graded == sum(met is not None for _, met in verdicts) <= before.of == len(verdicts)
    shuffled = rng.sample(verdicts, len(verdicts))
    assert score(graded(*shuffled)) == before


@given(VERDICTS, st.integers(1, 10))
def test_more_good_is_never_worse_and_more_harm_never_better(
    verdicts: list[tuple[int, bool | None]], points: int
) -> None:
    missed, met = (score(graded(*verdicts, (points, said))).value for said in (False, True))
    assert missed is not None
    assert met is not None
    assert met >= missed
    spared, harmed = (score(graded(*verdicts, (-points, said))).value for said in (False, True))
    assert (spared is None) == (harmed is None)
    assert spared is None or harmed is None or harmed <= spared


@pytest.mark.parametrize("points", [0, 11, -11, 2.0, True, None, "5"])
def test_points_that_are_none(points: Any) -> None:
    with pytest.raises(ValueError, match="points of a criterion"):
        Criterion("Asks about onset.", points)


def test_a_criterion_without_a_text() -> None:
    with pytest.raises(ValueError, match="needs a text"):
        Criterion(" \n", 5)


async def test_each_criterion_is_asked_once_with_the_whole_conversation() -> None:
    asked: dict[int, tuple[Turns, str]] = {}

    async def ask(at: int, turns: Turns, criterion: str) -> CriterionVerdict | None:
        asked[at] = (turns, criterion)
        return None if at == 1 else CriterionVerdict(explanation="Seen.", criteria_met=at == 0)

    criteria = [Criterion("Asks since when.", 5), Criterion("Is kind.", 2), Criterion("Invents a fever.", -6)]
    found = await grade(ask, criteria, TURNS)
    assert [one.criterion for one in found] == criteria
    assert [one.met for one in found] == [True, None, False]
    assert [one.explanation for one in found] == ["Seen.", "", "Seen."]
    assert asked == {at: (TURNS, one.text) for at, one in enumerate(criteria)}


async def test_what_the_asker_raises_ends_the_grading() -> None:
    async def ask(at: int, turns: Turns, criterion: str) -> CriterionVerdict | None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await grade(ask, [Criterion("Asks since when.", 5)], TURNS)
    assert await grade(ask, [], TURNS) == []


@pytest.mark.parametrize("met", ["true", "yes", 1, 0, None, "maybe", [True]])
def test_a_verdict_is_true_or_false_and_nothing_like_it(met: Any) -> None:
    with pytest.raises(ValidationError):
        CriterionVerdict(explanation="It says so.", criteria_met=met)


@pytest.mark.parametrize(
    "text",
    [
        "criteria_met: true",
        '{"explanation": "It says so."}',
        '{"criteria_met": true}',
        '{"explanation": "It says so.", "criteria_met": true, "points": 5}',
        '{"explanation": "It says so.", "criteria_met": tr',
        "Yes.",
        "",
    ],
)
def test_a_reply_that_is_no_verdict_is_none(text: str) -> None:
    reply = Reply(text=text, reasoning=None, refusal=None, finish_reason="stop", model="m", tokens_in=1, tokens_out=1)
    with pytest.raises(BadReply):
        parse(reply, CriterionVerdict)
