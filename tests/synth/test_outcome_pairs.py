"""Pairs of two endings, where the diagnosis does not tell them apart and where it does; pairs matched in length."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.recipes.preferences import lengths_apart
from tests.synth.played import ANSWERS, pairs_from, play
from tests.synth.scripted import PLAN, Asked, Script, case, doctor, grade

RIGHT, WRONG = "Stable angina", "Reflux disease"
PAIRS = {"dialogues": {"rubric": {"criteria": 5}}} | pairs_from("dialogue_outcome")
"""The five: diagnosis 9, medicine -9, safety-netting 7, invented -6, and the first fact of the history 5."""


def endings(first: str, second: str, *, wrong: bool = False) -> Any:
    """A doctor who says the first at the end, and the second when asked to end once more."""

    def speak(asked: Asked) -> dict[str, Any]:
        if asked.turn < 2:
            return PLAN[asked.turn]
        say = second if asked.actions == ["diagnose"] else first
        return doctor("diagnose", WRONG if wrong else RIGHT, say)

    return speak


def met_by(**marks: str) -> Any:
    """A judge by whom a criterion that begins so is met where the last turn holds the mark; no mark: no verdict."""

    def judge(asked: Asked) -> object:
        last = asked.user.partition("Criterion: ")[0].rpartition("Doctor: ")[2]
        for opening, mark in marks.items():
            if asked.criterion.startswith(opening):
                return {"explanation": "So it is.", "criteria_met": mark in last} if mark else "no verdict"
        return {"explanation": "It is not.", "criteria_met": False}

    return judge


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("order", [1, -1])
async def test_the_rubric_decides_between_equal_diagnoses(tmp_path: Path, wrong: bool, order: int) -> None:
    said = ["It is angina. Call at once if it comes at rest.", "It is angina."][::order]
    script = Script(
        doctor=endings(said[0], said[1], wrong=wrong),
        rubric_judge=met_by(Tells="Call at once", Finds="angina"),
        judge_turn=lambda asked: grade(4 if "Call at once" in asked.user.partition("to be judged:")[2] else 8),
    )
    played = await play(tmp_path, script, PAIRS)
    (pair,) = played.rows["preference"]
    assert [pair["chosen"][0]["content"], pair["rejected"][0]["content"]] == said[::order]
    assert pair["margin"] == pytest.approx(7 / 21, abs=1e-4)
    noted = ["chosen_diagnosis_wrong"] if wrong else []
    assert [flag for flag in pair["flags"] if flag != "diagnosis_not_said"] == [
        *noted, "decided_by_rubric", "judge_prefers_rejected",
    ]  # fmt: skip
    assert {entry.key for entry, _ in played.asked("rubric_judge")} <= set(pair["calls"])
    # What only earlier turns can meet is not asked again: four of the five.
    again = [entry.step for entry, _ in played.asked("rubric_judge") if "/again/" in entry.step]
    assert again == [f"rubric_judge/0/again/{n}" for n in range(4)]
    (row,) = played.rows["dialogue"]
    assert pair["prompt"] == row["messages"][:-1]


async def test_a_right_diagnosis_goes_before_the_rubric(tmp_path: Path) -> None:
    def speak(asked: Asked) -> dict[str, Any]:
        if asked.turn < 2:
            return PLAN[asked.turn]
        closing = asked.actions == ["diagnose"]
        return doctor("diagnose", WRONG if closing else RIGHT, "It is reflux. Call." if closing else "It is angina.")

    script = Script(doctor=speak, rubric_judge=met_by(Tells="Call"))
    played = await play(tmp_path, script, PAIRS)
    (pair,) = played.rows["preference"]
    assert pair["chosen"][0]["content"] == "It is angina."
    assert "decided_by_rubric" not in pair["flags"]
    assert script.steps()["rubric_judge"] == 5  # that of the row; the other ending is not graded


@pytest.mark.parametrize(
    ("judge", "why"),
    [
        (met_by(Finds="angina"), "equal on what the last turn can change"),
        (met_by(Tells=""), "the one criterion that differs has no verdict"),
        (met_by(Names="", Tells="", Finds=""), "no criterion with positive points has one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_where_the_rubric_tells_nothing_the_judge_decides(tmp_path: Path, judge: Any, why: str) -> None:
    script = Script(
        doctor=endings("It is angina. Call at once.", "It is angina."),
        rubric_judge=judge,
        judge_turn=lambda asked: grade(4 if "Call at once" in asked.user.partition("to be judged:")[2] else 8),
    )
    played = await play(tmp_path, script, PAIRS, reasks=0)
    (pair,) = played.rows["preference"]
    assert (pair["chosen"][0]["content"], pair["margin"]) == ("It is angina.", 4), why
    assert "decided_by_rubric" not in pair["flags"]


@pytest.mark.parametrize(("points", "decides"), [(2, False), (3, True)])
async def test_a_difference_too_small_to_count(tmp_path: Path, points: int, decides: bool) -> None:
    script = Script(
        case=case(medication=[], red_flags=[]),
        doctor=endings("It is angina. Plainly so.", "It is angina."),
        rubric_write={"criteria": [{"criterion": "Speaks plainly.", "points": points}]},
        rubric_judge=met_by(Speaks="Plainly"),
        judge_turn=grade(6),
    )
    rubric = {"criteria": 4, "written": 1}  # by rule 9, 7, -6, 5: of 21 points, then 23 or 24
    played = await play(tmp_path, script, {"dialogues": {"rubric": rubric}} | pairs_from("dialogue_outcome"))
    if decides:
        (pair,) = played.rows["preference"]
        assert (pair["margin"], "decided_by_rubric" in pair["flags"]) == (0.125, True)
    else:
        assert played.why("preference") == [("judge_turn", "tie")]


# Pairs matched in length.


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [("a b c", "d e f", 1.0), ("a b c", "a", 3.0), ("a", "a b c", 3.0), ("…", "", 1.0), ("a", "...", float("inf"))],
)
def test_how_far_texts_are_apart(one: str, other: str, apart: float) -> None:
    assert lengths_apart(one, other) == apart


@given(st.text(max_size=60), st.text(max_size=60))
def test_lengths_have_no_order(one: str, other: str) -> None:
    assert lengths_apart(one, other) == lengths_apart(other, one) >= 1


def matched(ratio: float | None) -> dict[str, Any]:
    return {"preferences": {"from": ["dialogue_outcome"], "length_ratio": ratio}}


@pytest.mark.parametrize(
    ("ratio", "second", "kept"),
    [
        (None, "It is reflux. " * 20, True),
        (1.5, "It is reflux. " * 20, False),
        (1.5, "No, reflux.", True),  # 3 words and 2
        (1.4, "No, reflux.", False),
    ],
)
async def test_a_pair_of_unequal_length_is_rejected(
    tmp_path: Path, ratio: float | None, second: str, kept: bool
) -> None:
    first = "It is angina."

    def speak(asked: Asked) -> dict[str, Any]:
        if asked.turn < 2:
            return PLAN[asked.turn]
        closing = asked.actions == ["diagnose"]
        return doctor("diagnose", WRONG if closing else RIGHT, second.strip() if closing else first)

    produce = {"dialogues": {"rubric": None}} | matched(ratio)
    played = await play(tmp_path, Script(doctor=speak), produce)
    assert len(played.rows["dialogue"]) == 1  # the dialogue does not share the fate of its pair
    assert len(played.rows["preference"]) == kept
    if not kept:
        (lost,) = played.rejected
        assert (lost["kind"], lost["step"], lost["reason"]) == ("preference", "dialogue_outcome", "length")
        payload = json.loads(lost["payload"])
        assert [payload[side][0]["content"] for side in ("chosen", "rejected")] == [first, second.strip()]
        assert ("rejected side" in lost["detail"]) == (len(second) > 200)


@pytest.mark.parametrize(("ratio", "partner"), [(None, "Answer 3"), (1.5, "Answer 2")])
async def test_a_reward_pair_takes_the_nearest_in_length(tmp_path: Path, ratio: float | None, partner: str) -> None:
    answers = [f"Answer {n} says {'so ' * more}" for n, more in enumerate((30, 10, 11, 90))]
    rewards = [5, 9, 6, 2]
    script = Script(
        answers={"answers": [text.strip() for text in answers]},
        reward=lambda asked: grade(rewards[int(re.findall(r"Answer (\d)", asked.user)[0])]),
    )
    produce = ANSWERS | {"answers": {"styles": 4}, "preferences": {"from": ["reward"], "length_ratio": ratio}}
    played = await play(tmp_path, script, produce)
    (pair,) = played.rows["preference"]
    assert pair["chosen"][0]["content"].startswith("Answer 1")
    assert pair["rejected"][0]["content"].startswith(partner)
    assert pair["margin"] == 9 - rewards[int(partner[-1])]
