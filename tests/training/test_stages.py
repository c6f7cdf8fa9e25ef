from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import UserError
from training.stages import ALL, Place, Wanted, count_paths, plan_stages

WHERE = [
    ("Internal Medicine", "Endocrinology"),
    ("Internal Medicine", "Cardiology"),
    ("Surgery", "Urology"),
    ("unknown", "unknown"),
]


def places(count: int) -> list[Place]:
    return [Place(f"row-{n}", *WHERE[n % len(WHERE)]) for n in range(count)]


PAPER = [
    Wanted("all"),
    Wanted("internal", ["Internal Medicine"], replay=0.25),
    Wanted("endocrine", ["Internal Medicine/Endocrinology"], replay=0.5),
]


def test_stages_go_from_wide_to_narrow_and_keep_their_order() -> None:
    rows = places(400)
    wide, middle, narrow = plan_stages(PAPER, rows, seed=42)
    assert [stage.name for stage in (wide, middle, narrow)] == ["all", "internal", "endocrine"]
    assert wide.own == tuple(range(400))
    assert {rows[row].department for row in middle.own} == {"Internal Medicine"}
    assert {rows[row].path for row in narrow.own} == {"Internal Medicine/Endocrinology"}
    assert (len(middle.own), len(narrow.own)) == (200, 100)


def test_replay_is_the_share_of_rows_from_earlier_stages() -> None:
    _, middle, narrow = plan_stages(PAPER, places(400), seed=42)
    assert len(middle.replayed) / len(middle.both) == pytest.approx(0.25, abs=0.005)
    assert len(narrow.replayed) == len(narrow.own)
    for stage in (middle, narrow):
        assert not set(stage.own) & set(stage.replayed)
        assert stage.missing == 0


@given(st.integers(1, 120), st.floats(0, 0.95), st.integers(0, 50), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_replay_takes_what_there_is_and_says_what_is_missing(count: int, replay: float, rows: int, seed: int) -> None:
    asked = [Wanted("wide", rows=rows), Wanted("narrow", [WHERE[0][0]], replay=replay)]
    wide, narrow = plan_stages(asked, places(count), seed)
    assert len(wide.own) == min(rows, count)
    share = round(len(narrow.own) * replay / (1 - replay))
    assert len(narrow.replayed) + narrow.missing == share
    assert set(narrow.replayed) <= set(wide.own) - set(narrow.own)
    if narrow.missing:
        assert set(narrow.replayed) == set(wide.own) - set(narrow.own), "nothing is left over while rows are missing"


def test_what_is_drawn_hangs_on_seed_and_id_alone() -> None:
    rows = places(200)
    asked = [Wanted("few", rows=50)]
    first = {rows[row].id for row in plan_stages(asked, rows, 1)[0].own}
    turned = rows[::-1]
    assert first == {turned[row].id for row in plan_stages(asked, turned, 1)[0].own}
    assert first != {rows[row].id for row in plan_stages(asked, rows, 2)[0].own}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Internal Medicin", "did you mean 'Internal Medicine'"),
        ("Endocrinology", "did you mean 'Internal Medicine/Endocrinology'"),
        ("internal medicine/cardiolgy", "did you mean 'Internal Medicine/Cardiology'"),
        ("Astronomy", "the rows have Internal Medicine, Surgery, unknown"),
    ],
)
def test_an_unknown_department_is_named_with_the_nearest(path: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        plan_stages([Wanted("wide"), Wanted("narrow", [path])], places(8), seed=0)
    assert told in str(error.value)
    assert "narrow: departments" in str(error.value)


def test_the_first_stage_has_nothing_to_replay() -> None:
    with pytest.raises(UserError, match="wide: replay"):
        plan_stages([Wanted("wide", [ALL], replay=0.1)], places(4), seed=0)


def test_rows_are_counted_at_both_levels() -> None:
    counts = count_paths(places(6))
    assert counts["Internal Medicine"] == 4
    assert counts["Internal Medicine/Endocrinology"] == 2
    assert sum(count for path, count in counts.items() if "/" not in path) == 6
