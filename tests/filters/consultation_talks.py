"""Consultations for tests, written as lines: P: patient, D: doctor asks, C: doctor closes, R: a result."""

from __future__ import annotations

from typing import Any

from filters.consultation_checks import check_consultation

CASE: dict[str, Any] = {
    "age": 54,
    "sex": "male",
    "complaint": "My chest feels tight when I climb stairs.",
    "diagnosis": "Stable angina",
    "differential": ["Gastro-oesophageal reflux disease"],
    "history": [
        "Chest tightness for three weeks",
        "No fever",
        "Smokes 20 cigarettes a day",
        "High blood pressure for ten years",
    ],
    "medication": ["Metformin 500 mg twice daily"],
    "allergies": ["penicillin"],
    "findings": ["Heart: no murmur"],
    "tests": ["ECG: ST depression on exertion"],
    "red_flags": [],
    "facts": [
        {"id": "p1", "text": "My chest feels tight when I climb stairs.", "known_by": "patient"},
        {"id": "p2", "text": "Chest tightness for three weeks", "known_by": "patient"},
        {"id": "p3", "text": "No fever", "known_by": "patient"},
        {"id": "p4", "text": "Smokes 20 cigarettes a day", "known_by": "patient"},
        {"id": "p5", "text": "High blood pressure for ten years", "known_by": "patient"},
        {"id": "p6", "text": "You take Metformin 500 mg twice daily.", "known_by": "patient"},
        {"id": "p7", "text": "You are allergic to penicillin.", "known_by": "patient"},
    ],
}
OPENING = "P: Hello doctor. My chest feels tight when I climb the stairs."
CLOSING = "C: This is stable angina. I will refer you to the heart clinic, and please stop smoking."
_SPEAKERS = {"P": ("patient", None), "D": ("doctor", "ask"), "C": ("doctor", "diagnose"), "R": ("result", None)}


def talk(*lines: str) -> list[dict[str, Any]]:
    """Turns from lines with a speaker's letter."""
    return [
        {
            "speaker": _SPEAKERS[line[0]][0],
            "text": line[3:],
            "thought": None,
            "action": _SPEAKERS[line[0]][1],
            "argument": None,
            "differential": [],
        }
        for line in lines
    ]


def flags(lines: list[str], **changes: Any) -> dict[str, str]:
    """Flag → the sentence it quotes, of a consultation over :data:`CASE` with changes."""
    found = check_consultation(talk(*lines), {**CASE, **changes})
    return {item["flag"]: item["text"] for item in found}
