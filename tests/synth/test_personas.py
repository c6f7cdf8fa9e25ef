"""Personas: what is shipped, drawing by weight from a seed, and what a bad file earns."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import UserError
from synth.recipes.personas import Personas, load_personas


def test_the_shipped_traits_can_all_be_drawn() -> None:
    ours = load_personas()
    assert set(ours.traits) == {"manner", "health_literacy", "temperament", "speech", "attitude", "bias"}
    drawn = [ours.draw(random.Random(seed), age) for seed in range(400) for age in (3, 15, 40, 80)]
    for trait, values in ours.traits.items():
        assert len(values) >= 2
        assert {persona[trait] for persona in drawn} == set(values)


@pytest.mark.parametrize("age", range(111))
def test_a_patient_of_any_age_has_a_manner_and_one_of_that_age(age: int) -> None:
    manner = load_personas().draw(random.Random(age), age)["manner"]
    assert ("parent" in manner and "teenager" not in manner) is (age < 12)
    assert ("teenager" in manner) is (12 <= age < 18)


def test_the_share_of_a_value_is_that_among_patients_of_its_ages() -> None:
    mine = Personas({"a": {"x": 3.0, "y": 1.0}, "b 0-11": {"x": 1.0}, "b 12-110": {"z": 2.0, "w": 0.0}})
    drawn = Counter({("a", "x"): 5, ("b", "z"): 4, ("gone", "v"): 9})
    assert mine.coverage(drawn, Counter({("a", "x"): 2})) == [
        {"trait": "a", "value": "x", "share": 0.75, "drawn": 5, "kept": 2},
        {"trait": "a", "value": "y", "share": 0.25, "drawn": 0, "kept": 0},
        {"trait": "b 0-11", "value": "x", "share": 1.0, "drawn": 0, "kept": 0},
        {"trait": "b 12-110", "value": "z", "share": 1.0, "drawn": 4, "kept": 0},
        {"trait": "b 12-110", "value": "w", "share": 0.0, "drawn": 0, "kept": 0},
    ]
    assert mine.traits == {"a": {"x": 3.0, "y": 1.0}, "b": {"x": 1.0, "z": 2.0, "w": 0.0}}
    assert [mine.draw(random.Random(0), age)["b"] for age in (11, 12)] == ["x", "z"]


def test_a_draw_has_one_value_of_each_trait_and_depends_on_the_seed_alone() -> None:
    ours = load_personas()
    for seed in range(20):
        persona = ours.draw(random.Random(seed), 40)
        assert list(persona) == list(ours.traits)
        assert persona == load_personas().draw(random.Random(seed), 40)
    assert len({tuple(ours.draw(random.Random(seed), 40).values()) for seed in range(20)}) > 5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any))
def test_values_come_as_often_as_they_weigh(weights: list[int]) -> None:
    values = {f"v{i}": float(weight) for i, weight in enumerate(weights)}
    rng = random.Random(0)
    drawn = Counter(Personas({"t": values}).draw(rng, 40)["t"] for _ in range(2000))
    for value, weight in values.items():
        expected = 2000 * weight / sum(values.values())
        assert abs(drawn[value] - expected) <= 5 * expected**0.5  # five standard deviations at most


def test_a_file_of_ones_own_replaces_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("sprache:\n  knapp: 1\n  weitschweifig: 0\nno:\n  12: 0.5\n", "utf-8")
    mine = load_personas(file)
    assert mine.traits == {"sprache": {"knapp": 1.0, "weitschweifig": 0.0}, "no": {"12": 0.5}}
    assert mine.draw(random.Random(3), 40) == {"sprache": "knapp", "no": "12"}


MAPPING = "expected a mapping from value to weight"
WEIGHT = "the weight must be a number, 0 to 1,000,000"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "expected a mapping with names as keys"),
        ("- calm\n", 1, "expected a mapping with names as keys"),
        ("a: {x: 1}\nb: [x, y]\n", 2, f"b: {MAPPING}"),
        ("a: {x: 1}\n\nb:\n", 3, f"b: {MAPPING}"),
        ("a: {}\n", 1, f"a: {MAPPING}"),
        ("a:\n  x: 1\n  y: much\n", 3, f"a: 'y': {WEIGHT}"),
        ("a:\n  x: 1\n  y: -1\n", 3, f"a: 'y': {WEIGHT}"),
        ("a:\n  x: 1\n  y: true\n", 3, f"a: 'y': {WEIGHT}"),
        ("a:\n  x: 1\n  y:\n", 3, f"a: 'y': {WEIGHT}"),
        ("a:\n  x: 1\n  y: 1e300\n", 3, f"a: 'y': {WEIGHT}"),
        ("a:\n  x: 1\n  y: .inf\n", 3, "a.y: must be finite: leave the key out for no limit"),
        ("a: {x: 1}\nb:\n  x: 0\n  y: 0.0\n", 2, "b: at least one weight must be above 0"),
        ("a 12-5: {x: 1}\n", 1, "a 12-5: 12-5 is no range of years: write it as 0-11, 110 at most"),
        ("a 0-200: {x: 1}\n", 1, "a 0-200: 0-200 is no range of years: write it as 0-11, 110 at most"),
        (
            "a 0-20: {x: 1}\na 20-30: {y: 1}\n",
            2,
            "a 20-30: its years overlap those of 'a 0-20': a patient has one value of a trait",
        ),
        (
            "a: {x: 1}\na 20-30: {y: 1}\n",
            2,
            "a 20-30: its years overlap those of 'a': a patient has one value of a trait",
        ),
        (
            "a 0-19: {x: 1}\na 20-30: {x: 1}\n",
            2,
            "a 20-30: 'x' stands under 'a 0-19' too: word them differently",
        ),
        ("a: {x: 1}\na: {x: 1}\n", 2, "a: duplicate key, first given in line 1: keep one"),
        ("a:\n\tx: 1\n", 2, "not valid YAML: a tab stands here: use spaces"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_personas(file)
    assert str(caught.value) == f"{file}:{line}: {message}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_personas(tmp_path / "none.yaml")
