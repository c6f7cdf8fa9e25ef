"""What a spec's quotas count: departments, bands of difficulty, traits of the patient.

``difficulty`` counts by the judge's complexity in bands (``1-4``, ``8``) that do not overlap. ``persona.<trait>``
counts dialogues by what the patient was given; a value may be named by what stands before its first comma or colon
(``anxious`` for "anxious, asks for reassurance"). A row without the column, without a score or in none of the cells
that have a quota is not limited by that dimension. Who stays is decided in :mod:`filters.quotas`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from synth.errors import UserError
from synth.recipes.personas import Personas
from synth.spec_errors import unknown
from synth.taxonomy import Taxonomy

PLACES = ("department", "subdepartment")
DIFFICULTY = "difficulty"
PERSONA = "persona."

Quotas = Mapping[str, Mapping[str, int]]

_BAND = re.compile(r"(10|[1-9])(?:\s*-\s*(10|[1-9]))?")


def cells_of(row: Mapping[str, Any], quotas: Quotas) -> dict[str, str | None]:
    """The cell of a row in each dimension that has quotas, named as the spec names it; None where it is in none."""
    cells: dict[str, str | None] = {}
    for dimension, named in quotas.items():
        if dimension == DIFFICULTY:
            score = row.get("complexity")
            cells[dimension] = next((name for name in named if score is not None and score in _band(name)), None)
        elif dimension.startswith(PERSONA):
            traits = json.loads(row.get("persona") or "{}")
            value = traits.get(dimension.removeprefix(PERSONA))
            cells[dimension] = next((name for name in named if value is not None and name in _names(value)), None)
        else:
            cells[dimension] = row[dimension]
    return cells


def check_quotas(quotas: Quotas, taxonomy: Taxonomy, personas: Personas) -> None:
    """A quota for what does not exist would limit nothing.

    Raises:
        UserError: no such dimension, department, trait or value; a band is none, or overlaps another.
    """
    places = [taxonomy.place(label) for label in taxonomy.labels]
    for dimension, named in quotas.items():
        if dimension in PLACES:
            _known(dimension, named, {getattr(place, dimension) for place in places})
        elif dimension == DIFFICULTY:
            _check_bands(named)
        else:
            dimensions = [*PLACES, DIFFICULTY, *(f"{PERSONA}{trait}" for trait in personas.traits)]
            if dimension not in dimensions:
                raise UserError(f"filters.quotas: no dimension {dimension!r}; {unknown(dimension, dimensions)}")
            values = personas.traits[dimension.removeprefix(PERSONA)]
            _known(dimension, named, {name for value in values for name in _names(value)})
            _once(dimension, named, values)


def _known(dimension: str, named: Collection[str], there: Collection[str]) -> None:
    for name in named:
        if name not in there:
            raise UserError(f"filters.quotas.{dimension}: no {dimension} {name!r}; {unknown(name, sorted(there))}")


def _once(dimension: str, named: Collection[str], values: Collection[str]) -> None:
    for value in values:
        twice = sorted(set(named) & _names(value))
        if len(twice) > 1:
            raise UserError(f"filters.quotas.{dimension}: {twice[0]!r} and {twice[1]!r} are the same value: keep one")
    for name in named:
        if sum(name in _names(value) for value in values) > 1:
            raise UserError(f"filters.quotas.{dimension}: several values begin with {name!r}: write the whole value")


def _names(value: str) -> set[str]:
    return {value, re.split(r"[,:]", value, maxsplit=1)[0].strip()}


def _check_bands(named: Collection[str]) -> None:
    taken: dict[int, str] = {}
    for name in named:
        if not _BAND.fullmatch(name) or not _band(name):
            raise UserError(
                f"filters.quotas.difficulty: {name!r} is no band: write 1-4, or 8 for one score of 1 to 10"
            )
        for score in _band(name):
            if score in taken:
                raise UserError(f"filters.quotas.difficulty: {name} overlaps {taken[score]}: each score in one band")
            taken[score] = name


def _band(name: str) -> range:
    low, _, high = name.partition("-")
    return range(int(low), int(high or low) + 1)
