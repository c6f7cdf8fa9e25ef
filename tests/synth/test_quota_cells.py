"""Quotas by difficulty and by the patient's traits, from the spec to the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import UserError
from synth.quota_cells import cells_of, check_quotas
from synth.recipes.personas import load_personas
from synth.taxonomy import load_taxonomy
from tests.synth.factories import make_row
from tests.synth.test_screens import export, exported

BANDS = {"difficulty": {"1-4": 1, "5-7": 2, "10": 9}}


def cells(run: Path) -> list[tuple[str, str, int, int, int]]:
    manifest = json.loads((run / "export" / "manifest.json").read_text("utf-8"))
    names = ("dimension", "value", "planned", "available", "kept")
    return [tuple(cell[name] for name in names) for cell in manifest["quotas"]]  # type: ignore[misc]


def test_bands_of_difficulty_keep_the_best(tmp_path: Path) -> None:
    scores = [(3, 5), (4, 9), (5, 1), (6, 7), (7, 8), (8, 1), (None, None), (10, 2)]
    rows = [make_row("sft", number=n, complexity=c, quality=q) for n, (c, q) in enumerate(scores)]
    result = export(tmp_path / "run", {"sft": rows}, {"quotas": BANDS})
    assert result.rejected["sft"] == {"over_quota": 2}
    kept = {row["id"] for row in exported(tmp_path / "run")}
    assert kept == {rows[n]["id"] for n in (1, 3, 4, 5, 6, 7)}, "8 and a row without a score are not limited"
    assert cells(tmp_path / "run") == [
        ("difficulty", "1-4", 1, 2, 1),
        ("difficulty", "5-7", 2, 3, 2),
        ("difficulty", "10", 9, 1, 1),
    ]


def test_traits_of_patients_limit_dialogues_alone(tmp_path: Path) -> None:
    tempers = ["anxious, asks for reassurance"] * 3 + ["calm and to the point"]
    talks = [
        make_row("dialogue", number=n, quality=n + 1, persona=json.dumps({"temperament": temper, "age": "old"}))
        for n, temper in enumerate(tempers)
    ]
    answers = [make_row("sft", number=n) for n in range(3)]
    quotas = {"persona.temperament": {"anxious": 2, "calm and to the point": 2}}
    result = export(tmp_path / "run", {"dialogue": talks, "sft": answers}, {"quotas": quotas})
    assert result.rejected["dialogue"] == {"over_quota": 1}
    assert not result.rejected["sft"]
    assert [row["id"] for row in exported(tmp_path / "run", "dialogue")] == [row["id"] for row in talks[1:]]
    assert ("persona.temperament", "anxious", 2, 3, 2) in cells(tmp_path / "run")


def test_a_row_needs_room_in_all_its_cells(tmp_path: Path) -> None:
    rows = [make_row("sft", number=n, complexity=3, quality=9 - n) for n in range(3)]
    rows[0]["department"] = "Surgery"
    quotas = {"department": {"Surgery": 0}, "difficulty": {"1-4": 1}}
    export(tmp_path / "run", {"sft": rows}, {"quotas": quotas})
    assert [row["id"] for row in exported(tmp_path / "run")] == [rows[1]["id"]]


@pytest.mark.parametrize(
    ("quotas", "says"),
    [
        ({"departmnt": {"Surgery": 1}}, "no dimension 'departmnt'; did you mean 'department'"),
        ({"department": {"Surgey": 1}}, "filters.quotas.department: no department 'Surgey'; did you mean"),
        ({"difficulty": {"0-4": 1}}, "'0-4' is no band"),
        ({"difficulty": {"7-5": 1}}, "'7-5' is no band"),
        ({"difficulty": {"hard": 1}}, "'hard' is no band"),
        ({"difficulty": {"1-5": 1, "5-7": 1}}, "5-7 overlaps 1-5"),
        ({"persona.temper": {"calm": 1}}, "did you mean 'persona.temperament'"),
        ({"persona.temperament": {"anxius": 1}}, "did you mean 'anxious'"),
        (
            {"persona.temperament": {"anxious": 1, "anxious, asks for reassurance": 1}},
            "are the same value",
        ),
    ],
)
def test_a_quota_for_what_does_not_exist_is_one_line(quotas: dict[str, dict[str, int]], says: str) -> None:
    with pytest.raises(UserError) as raised:
        check_quotas(quotas, load_taxonomy(None), load_personas())
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.none() | st.integers(1, 10))
def test_a_score_is_in_the_band_that_holds_it(score: int | None) -> None:
    cell = cells_of({"complexity": score}, BANDS)["difficulty"]
    wanted = {**dict.fromkeys(range(1, 5), "1-4"), **dict.fromkeys(range(5, 8), "5-7"), 10: "10"}
    assert cell == wanted.get(score or 0)
