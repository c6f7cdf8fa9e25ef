"""Patients' manners: traits drawn with the weights of a YAML file, some of them for an age only.

A trait whose name ends in a range of years (``manner 0-11``) is drawn for patients of that age alone, and is called
by the rest of its name; ranges of one trait do not overlap. Whoever speaks for a child is the patient's template's
affair; what a child's trait says should fit the parent.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.taxonomy import DATA, read_mapping

HEAVIEST = 1_000_000
"""Weights stay far from where floating point ends."""

OLDEST = 110
_RANGE = re.compile(r"(.*\S)\s+(\d{1,3})\s*-\s*(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait as it is drawn for the ages ``first`` to ``last``: its values and their weights."""

    name: str
    values: dict[str, float]
    first: int = 0
    last: int = OLDEST

    @property
    def label(self) -> str:
        """The name, with the years where it is not for all of them."""
        return self.name if (self.first, self.last) == (0, OLDEST) else f"{self.name} {self.first}-{self.last}"


class Personas:
    """Traits and the weights of their values."""

    def __init__(self, traits: dict[str, dict[str, float]]) -> None:
        """Take traits by name, with or without a range of years behind it."""
        self.drawn_from = [_trait(name, values) for name, values in traits.items()]
        self.traits: dict[str, dict[str, float]] = {}
        """All values by the trait's name, whatever the age."""
        for trait in self.drawn_from:
            self.traits.setdefault(trait.name, {}).update(trait.values)

    def draw(self, rng: random.Random, age: int) -> dict[str, str]:
        """One value of each trait that patients of this age have."""
        return {
            trait.name: rng.choices(list(trait.values), weights=list(trait.values.values()))[0]
            for trait in self.drawn_from
            if trait.first <= age <= trait.last
        }

    def coverage(self, drawn: Counter[tuple[str, str]], kept: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
        """For each value its expected share among patients of its ages, and how often it was drawn and kept.

        ``drawn`` and ``kept`` count (trait, value). Values that the file no longer has are not listed.
        """
        lines = []
        for trait in self.drawn_from:
            total = sum(trait.values.values())
            for value, weight in trait.values.items():
                counts = {"drawn": drawn[trait.name, value], "kept": kept[trait.name, value]}
                lines.append({"trait": trait.label, "value": value, "share": round(weight / total, 4), **counts})
        return lines


def _trait(name: str, values: dict[str, float]) -> Trait:
    found = _RANGE.fullmatch(name)
    return Trait(found[1], values, int(found[2]), int(found[3])) if found else Trait(name, values)


def load_personas(path: Path | None = None) -> Personas:
    """Read traits: a mapping from trait to a mapping from value to weight; UserError when it is not."""
    path = path or DATA / "personas.yaml"
    document = read_mapping(path)
    traits: dict[str, dict[str, float]] = {}
    for trait, values in document.value.items():
        at = f"{path}:{document.line((trait,))}: {trait}"
        if not isinstance(values, dict) or not values:
            raise UserError(f"{at}: expected a mapping from value to weight")
        for value, weight in values.items():
            if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight <= HEAVIEST:
                line = document.line((trait, value))
                raise UserError(f"{path}:{line}: {trait}: {value!r}: the weight must be a number, 0 to {HEAVIEST:,}")
        if not any(values.values()):
            raise UserError(f"{at}: at least one weight must be above 0")
        _check_range(at, trait, values, traits)
        traits[trait] = {value: float(weight) for value, weight in values.items()}
    return Personas(traits)


def _check_range(at: str, name: str, values: dict[str, float], earlier: dict[str, dict[str, float]]) -> None:
    """A patient has one value of a trait, and a value belongs to one range: its share could not be told else."""
    new = _trait(name, values)
    if not new.first <= new.last <= OLDEST:
        raise UserError(f"{at}: {new.first}-{new.last} is no range of years: write it as 0-11, {OLDEST} at most")
    for other in (_trait(*one) for one in earlier.items()):
        if other.name != new.name:
            continue
        if new.first <= other.last and other.first <= new.last:
            raise UserError(f"{at}: its years overlap those of {other.label!r}: a patient has one value of a trait")
        if twice := sorted(values.keys() & other.values.keys()):
            raise UserError(f"{at}: {twice[0]!r} stands under {other.label!r} too: word them differently")
