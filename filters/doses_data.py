"""The table of usual doses and the units it is compared in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"

MG = {"mg": 1.0, "g": 1000.0, "microgram": 0.001, "ng": 1e-6}
"""Milligrams in one of a unit of mass."""

SPELLINGS = {
    "mg": "mg mgs milligram milligrams milligramme milligrammes",
    "g": "g gram grams gramme grammes gm gms",
    "microgram": "mcg mcgs ug \u00b5g \u03bcg microgram micrograms microgramme microgrammes",
    "ng": "ng nanogram nanograms",
    "mL": "ml mls millilitre millilitres milliliter milliliters cc",
    "units": "unit units iu",
    "mmol": "mmol millimoles",
    "mEq": "meq milliequivalents",
    "puffs": "puff puffs inhalation inhalations",
    "drops": "drop drops",
    "tablets": "tablet tablets capsule capsules pill pills caplet caplets tab tabs",
}
"""What each unit is written as, in lower case."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What adults usually get of a medicine: mg, or units where ``unit`` says so."""

    low: float
    high: float
    daily: float
    unit: str
    """mg, units, or mg+units for what is counted in both (then only the milligrams are compared)."""
    weekly: bool
    """Whether it is swallowed once a week."""


@cache
def usual_doses() -> dict[str, Usual]:
    """Usual doses by generic name."""
    found = {}
    for line in (_DATA / "doses.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        for entry in line.split(";"):
            if entry.strip():
                name, usual = _entry(entry.split())
                found[name] = usual
    return found


def _entry(parts: list[str]) -> tuple[str, Usual]:
    at = next(i for i, part in enumerate(parts) if part[0].isdigit() and "-" in part)
    low, high = parts[at].split("-")
    marks = parts[at + 2 :]
    unit = next((mark for mark in marks if mark != "weekly"), "mg")
    return " ".join(parts[:at]), Usual(float(low), float(high), float(parts[at + 1]), unit, "weekly" in marks)
