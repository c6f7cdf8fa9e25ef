"""The rubric of a consultation: criteria by rule, the judge's verdicts in rows, and what is kept without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.estimate import estimate
from synth.recipes.case_rubric import criteria_of
from synth.recipes.forms import CaseCard
from synth.rubric import score_of
from tests.synth.played import play
from tests.synth.scripted import Asked, Script, case

CARD = case(
    complaint="My chest feels tight.",
    history=["It began two months ago.", "It stops at rest.", "Both parents are well."],
    medication=["ramipril", "aspirin."],
    allergies=["penicillin"],
    tests=["Resting ECG: no changes", "Troponin: below 5 ng/l"],
    red_flags=["pain at rest", "fainting"],
)


def card(**changes: Any) -> CaseCard:
    return CaseCard.model_validate(CARD | changes)


def dialogues(**rubric: Any) -> dict[str, Any]:
    return {"dialogues": {"rubric": rubric}}


def test_all_criteria_of_a_case_the_weightiest_first() -> None:
    found = criteria_of(card(), 12)
    assert [one.points for one in found] == [10, 9, -9, 7, -6, 5, 5, 4, 3, 3]
    assert "pain at rest; fainting." in found[0].text
    assert '"Stable angina"' in found[1].text
    assert "allergic to: penicillin and already takes: ramipril; aspirin." in found[2].text
    history = [one.text for one in found if "history, by" in one.text]
    assert all(f'"{fact[:-1]}".' in text for fact, text in zip(CARD["history"], history, strict=True))
    assert [one.points for one in found if "Resting ECG" in one.text] == [5]
    assert not any("Troponin" in one.text for one in found)


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({"red_flags": ["None."]}, [9, -9, 7, -6, 5, 5, 4, 3, 3]),
        ({"red_flags": [], "allergies": ["latex"], "medication": []}, [9, -9, 7, -6, 5, 5, 4, 3, 3]),
        ({"red_flags": [], "allergies": ["nkda"], "medication": ["none"]}, [9, 7, -6, 5, 5, 4, 3, 3]),
        ({"red_flags": [], "allergies": [], "medication": [], "pregnant": True}, [9, -9, 7, -6, 5, 5, 4, 3, 3]),
        ({"tests": [], "history": ["It began today."]}, [10, 9, -9, 7, -6, 5, 4]),
    ],
)
def test_what_the_card_lacks_makes_no_criterion(changes: dict[str, Any], points: list[int]) -> None:
    assert [one.points for one in criteria_of(card(**changes), 12)] == points


LINES = st.lists(st.text(min_size=2, max_size=40).filter(lambda text: len(text.strip()) > 1), max_size=4)


@given(
    most=st.integers(1, 12),
    lists=st.fixed_dictionaries(dict.fromkeys(("medication", "allergies", "tests", "red_flags"), LINES)),
    history=LINES.filter(bool),
)
def test_any_rubric_can_be_scored(most: int, lists: dict[str, list[str]], history: list[str]) -> None:
    found = criteria_of(card(history=history, **lists), most)
    assert 1 <= len(found) <= most
    assert any(one.points > 0 for one in found)
    weights = [abs(one.points) for one in found]
    assert weights == sorted(weights, reverse=True)
    assert all("\n" not in one.text and "=====" not in one.text for one in found)


async def test_a_row_holds_its_rubric_and_what_it_cost(tmp_path: Path) -> None:
    script = Script(case=lambda asked: case(asked.topic, red_flags=["fainting"]))
    played = await play(tmp_path, script, dialogues(criteria=3))
    (row,) = played.rows["dialogue"]
    assert [(one["points"], one["met"]) for one in row["rubric"]] == [(10, False), (9, True), (-9, False)]
    assert score_of(row["rubric"]).value == pytest.approx(9 / 19)
    asked = played.asked("rubric_judge")
    assert [entry.step for entry, _ in asked] == [f"rubric_judge/0/{n}" for n in range(3)]
    assert {entry.key for entry, _ in asked} <= set(row["calls"])
    assert (row["flags"], row["judge"], row["quality"]) == ([], "judge-1", 7)
    # All that precedes the criterion is the same text, so that a server can reuse it.
    shown = [one for one in script.served if one.step == "rubric_judge"]
    assert len({(one.system, one.user.partition("Criterion: ")[0]) for one in shown}) == 1
    assert {one.criterion for one in shown} == {one["criterion"] for one in row["rubric"]}


async def test_without_a_rubric_nothing_is_graded(tmp_path: Path) -> None:
    script = Script()
    played = await play(tmp_path, script, {"dialogues": {"rubric": None}})
    assert [row["rubric"] for row in played.rows["dialogue"]] == [[]]
    assert not {"rubric_judge", "rubric_write"} & set(script.steps())


async def test_a_criterion_without_a_verdict_is_ungraded_and_the_dialogue_kept(tmp_path: Path) -> None:
    def judge(asked: Asked) -> object:
        if asked.topic == "topic-silent" or "medicine" in asked.criterion:
            return {"explanation": "Perhaps.", "criteria_met": "perhaps"}
        if asked.topic == "topic-broken" and asked.criterion.startswith("Names"):
            raise RuntimeError("scripted")  # the server answers 500
        return {"explanation": "It does.", "criteria_met": True}

    topics = ["topic-a", "topic-broken", "topic-silent"]
    played = await play(tmp_path, Script(rubric_judge=judge), dialogues(criteria=3), topics, reasks=1)
    assert played.rejected == []
    rubrics = {row["seed_id"]: [one["met"] for one in row["rubric"]] for row in played.rows["dialogue"]}
    assert rubrics == {
        "topic-a": [True, None, True],
        "topic-broken": [None, None, True],
        "topic-silent": [None, None, None],
    }
    assert all("rubric_ungraded" in row["flags"] for row in played.rows["dialogue"])
    asked = [entry for entry, _ in played.asked("rubric_judge", "topic-a") if entry.step.endswith("/1")]
    assert [entry.reask for entry in asked] == [0, 1]  # a bounded number of times, then never a guess


async def test_written_criteria_come_from_the_case_and_are_graded_too(tmp_path: Path) -> None:
    script = Script()
    played = await play(tmp_path, script, dialogues(criteria=2, written=3))
    (row,) = played.rows["dialogue"]
    assert [one["points"] for one in row["rubric"]] == [9, -9, 2, -2, 2]
    (asked,) = (one for one in script.served if one.step == "rubric_write")
    assert "Diagnosis: Stable angina" in asked.user
    assert "Resting ECG: no changes" in asked.user
    assert "Write exactly 3 criteria." in asked.user
    assert {entry.key for entry, _ in played.asked("rubric_write")} <= set(row["calls"])
    assert row["generator"] == "doctor-1"


@pytest.mark.parametrize(
    "criteria",
    [
        [{"criterion": "Asks about onset.", "points": 0}],
        [{"criterion": "Asks about onset.", "points": 11}],
        [{"criterion": "", "points": 5}],
        [],
        [{"criterion": "Asks about onset.", "points": 5}] * 2,
    ],
)
async def test_criteria_that_cannot_be_used_leave_those_by_rule(tmp_path: Path, criteria: list[Any]) -> None:
    script = Script(rubric_write={"criteria": criteria})
    played = await play(tmp_path, script, dialogues(criteria=1, written=1), reasks=0)
    (row,) = played.rows["dialogue"]
    assert [one["points"] for one in row["rubric"]] == [9]
    assert row["flags"] == ["rubric_unwritten"]


async def test_the_estimate_counts_the_rubric(tmp_path: Path) -> None:
    produce = dialogues(criteria=3, written=2) | {"preferences": {"from": ["dialogue_outcome"]}}
    played = await play(tmp_path, Script(), produce, ["topic-a", "topic-b"])
    lines = {line.step: line.requests for line in estimate(played.setup)}
    assert (lines["rubric_write"], lines["rubric_judge"]) == (2, 20)
