from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.votes import agreement, score

# The example of Krippendorff (2011), section C: four observers, twelve units, values 1 to 5, some missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
UNITS = [list(votes) for votes in zip(*OBSERVERS, strict=True)]
VOTES = st.lists(st.lists(st.none() | st.integers(1, 10), max_size=5), max_size=12)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(level: str, alpha: float) -> None:
    found = agreement(UNITS, level)  # type: ignore[arg-type]
    assert found.alpha == pytest.approx(alpha, abs=0.0006)
    assert (found.rows, found.votes) == (11, 40)


def test_full_agreement_chance_and_contradiction() -> None:
    assert agreement([[1, 1], [7, 7, 7], [3, 3]]).alpha == pytest.approx(1)
    assert agreement([[1, 9], [9, 1], [1, 9]]).alpha < 0  # type: ignore[operator]
    rng = random.Random(5)
    thrown = agreement([[rng.randint(1, 10) for _ in range(3)] for _ in range(3000)])
    assert thrown.alpha == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("rows", [[], [[]], [[4], [None, 5]], [[None, None]]])
def test_nothing_to_compare(rows: list[list[int | None]]) -> None:
    found = agreement(rows)
    assert (found.alpha, found.rows, found.same, found.spread) == (None, 0, None, None)


def test_equal_votes_everywhere_leave_alpha_open() -> None:
    found = agreement([[8, 8], [8, 8, 8]])
    assert (found.alpha, found.same, found.spread) == (None, 1.0, 0.0)


@given(VOTES, st.randoms())
def test_the_order_of_votes_and_rows_does_not_matter(rows: list[list[int | None]], rng: random.Random) -> None:
    shuffled = [rng.sample(row, len(row)) for row in rng.sample(rows, len(rows))]
    one, other = agreement(rows), agreement(shuffled)
    assert one.alpha == other.alpha or one.alpha == pytest.approx(other.alpha, abs=1e-9)
    assert one.alpha is None or one.alpha <= 1 + 1e-12


@given(VOTES)
def test_grades_count_by_order_alone(rows: list[list[int | None]]) -> None:
    stretched = [[None if vote is None else vote**3 for vote in row] for row in rows]
    one, other = agreement(rows).alpha, agreement(stretched).alpha
    assert one == other or one == pytest.approx(other, abs=1e-9)


def test_score() -> None:
    found = score([6, None, 8, 10])
    assert found is not None
    assert (found.mean, found.median, found.spread, found.votes) == (8, 8, 4, 3)
    assert found.deviation == pytest.approx((8 / 3) ** 0.5)
    alone = score([7])
    assert alone is not None
    assert alone.deviation == 0
    assert score([None, None]) is None


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="finite"):
        score([float("nan")])
    with pytest.raises(ValueError, match="level"):
        agreement([[1, 2]], "ratio")  # type: ignore[arg-type]
