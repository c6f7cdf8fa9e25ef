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
    assert set(ours.traits) == {"health_literacy", "temperament", "attitude"}
    drawn = [ours.draw(random.Random(seed)) for seed in range(500)]
    for trait, values in ours.traits.items():
        assert len(values) >= 2
        assert {persona[trait] for persona in drawn} == set(values)


def test_a_draw_has_one_value_of_each_trait_and_depends_on_the_seed_alone() -> None:
    ours = load_personas()
    for seed in range(20):
        persona = ours.draw(random.Random(seed))
        assert list(persona) == list(ours.traits)
        assert persona == load_personas().draw(random.Random(seed))
    assert len({tuple(ours.draw(random.Random(seed)).values()) for seed in range(20)}) > 5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any))
def test_values_come_as_often_as_they_weigh(weights: list[int]) -> None:
    values = {f"v{i}": float(weight) for i, weight in enumerate(weights)}
    rng = random.Random(0)
    drawn = Counter(Personas({"t": values}).draw(rng)["t"] for _ in range(2000))
    for value, weight in values.items():
        expected = 2000 * weight / sum(values.values())
        assert abs(drawn[value] - expected) <= 5 * expected**0.5  # five standard deviations at most


def test_a_file_of_ones_own_replaces_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("sprache:\n  knapp: 1\n  weitschweifig: 0\nno:\n  12: 0.5\n", "utf-8")
    mine = load_personas(file)
    assert mine.traits == {"sprache": {"knapp": 1.0, "weitschweifig": 0.0}, "no": {"12": 0.5}}
    assert mine.draw(random.Random(3)) == {"sprache": "knapp", "no": "12"}


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
