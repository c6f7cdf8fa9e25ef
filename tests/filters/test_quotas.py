from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.quotas import Cell, fill


def test_the_best_rows_fill_the_plan() -> None:
    columns = {"department": ["cardiology", "cardiology", "neurology", None, "cardiology", "surgery"]}
    filled = fill({"department": {"cardiology": 2, "neurology": 3}}, columns, [5, 9, 1, 0, 9, None])
    assert filled.verdicts.keep == [False, True, True, True, True, True]
    assert filled.verdicts.evidence[0] == "department cardiology: 2 rows planned"
    assert filled.cells == [Cell("department", "cardiology", 2, 3, 2), Cell("department", "neurology", 3, 1, 1)]
    assert [cell.missing for cell in filled.cells] == [0, 2]


def test_equal_scores_go_by_order_and_no_score_comes_last() -> None:
    assert fill({"d": {"a": 2}}, {"d": ["a"] * 4}, [None, 7, 7, 7]).verdicts.keep == [False, True, True, False]
    assert fill({"d": {"a": 1}}, {"d": ["a"] * 2}, [None, -3]).verdicts.keep == [False, True]


def test_a_row_needs_room_in_every_dimension_and_takes_none_where_it_is_dropped() -> None:
    plan = {"department": {"a": 1, "b": 1}, "difficulty": {"hard": 1}}
    columns = {"department": ["a", "b", "b"], "difficulty": ["hard", "hard", "easy"]}
    filled = fill(plan, columns, [3, 2, 1])
    assert filled.verdicts.keep == [True, False, True]
    assert filled.verdicts.evidence[1] == "difficulty hard: 1 rows planned"


ROWS = st.lists(
    st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from("xy"), st.none() | st.floats(-5, 5)), max_size=20
)
QUOTA = st.integers(0, 4)


@given(ROWS, st.fixed_dictionaries({"a": QUOTA, "b": QUOTA}), st.fixed_dictionaries({"x": QUOTA}))
def test_no_quota_is_exceeded_and_no_row_dropped_in_vain(rows, first, second) -> None:  # type: ignore[no-untyped-def]
    columns = {"d": [row[0] for row in rows], "p": [row[1] for row in rows]}
    plan = {"d": first, "p": second}
    filled = fill(plan, columns, [row[2] for row in rows])
    kept = [row for row, keep in zip(rows, filled.verdicts.keep, strict=True) if keep]
    full = set()
    for cell in filled.cells:
        place = 0 if cell.dimension == "d" else 1
        assert cell.kept == sum(row[place] == cell.value for row in kept) <= cell.planned
        assert cell.kept <= cell.available == sum(row[place] == cell.value for row in rows)
        if cell.kept == cell.planned:
            full.add((place, cell.value))
    for row, keep in zip(rows, filled.verdicts.keep, strict=True):
        assert keep or (0, row[0]) in full or (1, row[1]) in full


@pytest.mark.parametrize(
    ("plan", "message"),
    [({"e": {"a": 1}}, "no such column"), ({"d": {"a": -1}}, "negative"), ({"p": {"a": 1}}, "has 2 rows")],
)
def test_mistakes_are_named(plan: dict[str, dict[str, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fill(plan, {"d": ["a"], "p": ["a", "b"]}, [1])
