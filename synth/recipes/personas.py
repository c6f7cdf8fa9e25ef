"""Patients' manners: traits drawn with the weights of a YAML file."""

from __future__ import annotations

import random
from pathlib import Path

from synth.errors import UserError
from synth.taxonomy import DATA, read_mapping

HEAVIEST = 1_000_000
"""Weights stay far from where floating point ends."""


class Personas:
    """Traits and the weights of their values."""

    def __init__(self, traits: dict[str, dict[str, float]]) -> None:
        self.traits = traits

    def draw(self, rng: random.Random) -> dict[str, str]:
        """One value of each trait."""
        return {
            trait: rng.choices(list(values), weights=list(values.values()))[0] for trait, values in self.traits.items()
        }


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
        traits[trait] = {value: float(weight) for value, weight in values.items()}
    return Personas(traits)
