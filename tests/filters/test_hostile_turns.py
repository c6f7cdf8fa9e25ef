"""Turns that once kept a rule busy for minutes: what models write is hostile input."""

from __future__ import annotations

import time

import pytest

from evaluation.extract import extract
from filters import phi
from tests.filters.consultation_talks import CLOSING, OPENING, flags

LONGEST = 1600
SECONDS = 10.0
"""Far more than these turns take (a tenth of a second), far less than they took."""

PATIENT = [
    pytest.param("umm" * 500, id="one long word"),
    pytest.param("rash " * 300, id="a word again and again"),
    pytest.param("1234 NHS" + " " * LONGEST + "x", id="a label and blanks"),
    pytest.param("A man aged 95" + " " * LONGEST + "x.", id="an age and blanks"),
    pytest.param("scrot" * 300, id="a stem again and again"),
]
DOCTOR = [
    pytest.param("Please take " + "%-" * 700 + " a b c d e f g h amoxicillin.", id="marks before a medicine"),
    pytest.param("Please take " + "' " * 700 + "amoxicillin.", id="quotes before a medicine"),
    pytest.param("I take" + " " * LONGEST + "! x", id="blanks after a verb"),
    pytest.param(" " * LONGEST + "x", id="blanks"),
]


@pytest.mark.parametrize("said", PATIENT)
def test_patients(said: str) -> None:
    began = time.monotonic()
    flags([OPENING, "D: And?", f"P: {said}", CLOSING])
    phi.find(said)
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("said", DOCTOR)
def test_doctors(said: str) -> None:
    began = time.monotonic()
    flags([OPENING, f"D: {said}", "P: Yes.", CLOSING], allergies=["penicillin"])
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("text", ["\n", "*\n", " \n"])
def test_replies(text: str) -> None:
    began = time.monotonic()
    assert extract(text * 10_000, {"A": "Gout", "B": "Angina"}).letter is None
    assert time.monotonic() - began < SECONDS
