"""The paper's choices: each rule decides where those before it do not, in its order, and ties fall by the seed."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.recipes.choice import choose_best, choose_question
from synth.recipes.forms import Score


def score(quality: int, difficulty: int, relevance: int, details: bool = False) -> Score:
    return Score.model_validate(
        {
            "quality": quality,
            "difficulty": difficulty,
            "relevance_to_medicine": relevance,
            "mention_specific_details": details,
        }
    )


WORST, BEST = score(1, 1, 1), score(10, 10, 6)
LEANING, LEANING_BEST = score(1, 1, 1, details=True), score(10, 10, 6, details=True)


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        pytest.param([LEANING_BEST, WORST], 1, id="a: details of one case lose to anything"),
        pytest.param([WORST, LEANING_BEST], 0, id="a: in either place"),
        pytest.param([LEANING, LEANING_BEST], "case_specific", id="a: both lean on details"),
        pytest.param([None, WORST], 1, id="b: no score loses to anything"),
        pytest.param([BEST, None], 0, id="b: in either place"),
        pytest.param([None, None], "unscored", id="b: neither has a score"),
        pytest.param([LEANING_BEST, None], "unscored", id="a goes before b: what is left has no score"),
        pytest.param([None, LEANING_BEST], "unscored", id="a goes before b, in either place"),
        pytest.param([score(5, 5, 3), score(5, 5, 4)], 1, id="c: relevance counts in the sum of three"),
        pytest.param([score(9, 1, 1), score(1, 7, 4)], 1, id="c goes before e: 12 against 11, though quality is 1"),
        pytest.param([score(7, 4, 1), score(2, 5, 6)], 1, id="c goes before d: 13 against 12, though d says 11 to 7"),
        pytest.param([score(3, 4, 6), score(5, 5, 3)], 1, id="d: 13 both, quality + difficulty 7 against 10"),
        pytest.param([score(6, 3, 4), score(1, 9, 3)], 1, id="d goes before e: 13 both, 9 against 10, quality 6 to 1"),
        pytest.param([score(4, 6, 3), score(6, 4, 3)], 1, id="e: 13 and 10 both, quality 4 against 6"),
        pytest.param([score(6, 4, 3), score(4, 6, 3)], 0, id="e: in either place"),
        pytest.param([WORST], 0, id="a single question"),
        pytest.param([LEANING], "case_specific", id="a single question that leans on details"),
        pytest.param([None], "unscored", id="a single question without a score"),
        pytest.param([LEANING_BEST, None, WORST, score(1, 2, 1), BEST], 4, id="more than two"),
    ],
)
def test_each_rule_decides_in_its_place(scores: list[Score | None], chosen: int | str) -> None:
    for seed in range(20):
        assert choose_question(scores, random.Random(seed)) == chosen


def oracle(scores: list[Score | None]) -> set[int] | str:
    """Every question that may win, by knocking out one question after the other, two at a time."""
    standing = set(range(len(scores)))
    for place, found in enumerate(scores):
        if found is not None and found.mention_specific_details:
            standing.discard(place)
    if not standing:
        return "case_specific"
    standing = {place for place in standing if scores[place] is not None}
    if not standing:
        return "unscored"
    return {one for one in standing if not any(_beats(scores[other], scores[one]) for other in standing)}


def _beats(one: Score | None, other: Score | None) -> bool:
    assert one is not None
    assert other is not None
    a, b = one.quality + one.difficulty, other.quality + other.difficulty
    if a + one.relevance_to_medicine != b + other.relevance_to_medicine:
        return a + one.relevance_to_medicine > b + other.relevance_to_medicine
    if a != b:
        return a > b
    return one.quality > other.quality


# Few numbers, so that ties at every rule are common.
SCORES = st.lists(
    st.none()
    | st.builds(
        score, st.integers(1, 10), st.integers(1, 10), st.integers(1, 6), st.sampled_from([False, False, True])
    )
    | st.builds(score, st.sampled_from([4, 5, 6]), st.sampled_from([4, 5, 6]), st.sampled_from([3, 4, 5])),
    min_size=1,
    max_size=6,
)


@given(SCORES, st.integers(0, 2**32))
def test_the_choice_is_one_that_no_other_beats(scores: list[Score | None], seed: int) -> None:
    allowed, chosen = oracle(scores), choose_question(scores, random.Random(seed))
    assert chosen == allowed if isinstance(allowed, str) else chosen in allowed
    assert choose_question(scores, random.Random(seed)) == chosen


@pytest.mark.parametrize("equal", [2, 3])
def test_full_ties_are_drawn_evenly_from_the_seed(equal: int) -> None:
    tied: list[Score | None] = [LEANING_BEST, *[score(5, 5, 5)] * equal, WORST, None]
    drawn = Counter(choose_question(tied, random.Random(seed)) for seed in range(3000))
    assert set(drawn) == set(range(1, equal + 1))
    assert min(drawn.values()) > 0.9 * 3000 / equal


@pytest.mark.parametrize(
    ("rewards", "best"),
    [
        ([1, 2], 1),
        ([2, 1], 0),
        ([None, 1], 1),
        ([1, None], 0),
        ([None, None], None),
        ([], None),
        ([3, 9, None, 8], 1),
        ([-2.5, -1.5], 1),
    ],
)
def test_the_highest_reward_wins(rewards: list[float | None], best: int | None) -> None:
    for seed in range(20):
        assert choose_best(rewards, random.Random(seed)) == best


@given(st.lists(st.none() | st.integers(1, 10), max_size=6), st.integers(0, 2**32))
def test_no_reward_is_higher_than_the_chosen_one(rewards: list[float | None], seed: int) -> None:
    best = choose_best(rewards, random.Random(seed))
    assert best == choose_best(rewards, random.Random(seed))
    if best is None:
        assert all(reward is None for reward in rewards)
    else:
        chosen = rewards[best]
        assert chosen is not None
        assert all(reward is None or reward <= chosen for reward in rewards)


def test_equal_rewards_are_drawn_evenly_from_the_seed() -> None:
    drawn = Counter(choose_best([7, None, 3, 7], random.Random(seed)) for seed in range(2000))
    assert set(drawn) == {0, 3}
    assert min(drawn.values()) > 900
