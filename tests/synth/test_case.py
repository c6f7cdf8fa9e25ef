"""The hidden case: facts and who can know them, what the card answers, and cards that give no consultation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.terms import same_diagnosis
from synth.recipes.case import case_json, facts_of, result_of
from synth.recipes.forms import CaseCard, RecordedCase

CARD: dict[str, Any] = {
    "subject": "illness",
    "age": 54,
    "sex": "female",
    "complaint": "My chest feels tight when I climb stairs.",
    "diagnosis": "Stable angina",
    "differential": ["Reflux disease"],
    "history": ["It began two months ago.", "It stops when I rest."],
    "medication": ["ramipril"],
    "allergies": ["penicillin"],
    "findings": ["Blood pressure: 150/90 mmHg", "Heart sounds: normal", "Heart rate and rhythm: 80/min, regular"],
    "tests": ["Resting ECG: no changes", "Troponin in blood: below 5 ng/l"],
    "red_flags": ["pain at rest"],
}


def card(**changes: Any) -> CaseCard:
    return CaseCard.model_validate(CARD | changes)


def test_facts_have_ids_and_tell_who_can_know_them() -> None:
    assert [(f.id, f.known_by, f.text) for f in facts_of(card())] == [
        ("p1", "patient", "My chest feels tight when I climb stairs."),
        ("p2", "patient", "It began two months ago."),
        ("p3", "patient", "It stops when I rest."),
        ("p4", "patient", "pain at rest"),
        ("p5", "patient", "You take ramipril."),
        ("p6", "patient", "You are allergic to penicillin."),
        ("f1", "examination", "Blood pressure: 150/90 mmHg"),
        ("f2", "examination", "Heart sounds: normal"),
        ("f3", "examination", "Heart rate and rhythm: 80/min, regular"),
        ("t1", "test", "Resting ECG: no changes"),
        ("t2", "test", "Troponin in blood: below 5 ng/l"),
    ]


def test_what_the_doctor_must_find_out_is_nobodys_fact() -> None:
    told = " ".join(f.text for f in facts_of(card()))
    for hidden in (CARD["diagnosis"], *CARD["differential"]):
        assert hidden not in told


ENTRY = st.text("abcdefgh ", min_size=2, max_size=12).filter(lambda text: len(text.strip()) >= 2).map(str.strip)


@given(st.lists(ENTRY, min_size=1, max_size=4), *[st.lists(ENTRY, max_size=n) for n in (3, 2, 3, 3)])
def test_every_entry_is_one_fact(
    history: list[str], medication: list[str], allergies: list[str], findings: list[str], tests: list[str]
) -> None:
    facts = facts_of(card(history=history, medication=medication, allergies=allergies, findings=findings, tests=tests))
    known = [f.known_by for f in facts]
    patient = 1 + len(CARD["red_flags"]) + len(history) + (len(medication) or 1) + (len(allergies) or 1)
    assert known == ["patient"] * patient + ["examination"] * len(findings) + ["test"] * len(tests)
    assert len({f.id for f in facts}) == len(facts)
    assert [f.text for f in facts][patient:] == findings + tests


@pytest.mark.parametrize(
    ("action", "argument", "shown"),
    [
        ("examine", "blood pressure", "[Examination: Blood pressure] 150/90 mmHg"),
        ("examine", "Measure the BLOOD-PRESSURE, please", "[Examination: Blood pressure] 150/90 mmHg"),
        ("examine", "heart", "[Examination: Heart sounds] normal"),  # a tie: the first entry
        ("examine", "the rhythm of the heart", "[Examination: Heart rate and rhythm] 80/min, regular"),
        ("examine", "abdomen", None),
        ("examine", "examination of the abdomen and the legs", None),  # "and" is in an entry's name and counts nothing
        ("examine", "troponin", None),  # a test is no examination
        ("examine", "mmHg", None),  # the result is not searched
        ("test", "ECG", "[Test: Resting ECG] no changes"),
        ("test", "high-sensitivity troponin", "[Test: Troponin in blood] below 5 ng/l"),
        ("test", "test of the urine in the morning", None),
        ("test", "blood pressure", None),  # blood alone names no test
        ("examine", "What is there with this patient, please?", None),
        ("test", "in any of my tests do you have it", None),
        ("test", "MRI", "[Test: MRI] Not done; no result available."),
        ("test", "…", "[Test: …] Not done; no result available."),
    ],
)
def test_the_card_answers_with_the_entry_that_shares_most_words(action: str, argument: str, shown: str | None) -> None:
    nothing = {
        "examine": f"[Examination: {argument}] No finding recorded for this case.",
        "test": f"[Test: {argument}] Not done; no result available.",
    }
    expected = nothing[action] if shown in (None, nothing[action]) else shown
    assert result_of(card(), action, argument) == (expected, expected != nothing[action])


def test_an_empty_card_answers_too() -> None:
    empty = card(findings=[], tests=[])
    assert result_of(empty, "examine", "heart") == ("[Examination: heart] No finding recorded for this case.", False)
    assert result_of(empty, "test", "ECG") == ("[Test: ECG] Not done; no result available.", False)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("Pulse: 80: regular", "[Examination: Pulse] 80: regular"),
        ("Raised jugular pulse", "[Examination: Raised jugular pulse] Raised jugular pulse"),
        (
            "Weak left pulse, no murmur of the heart",
            "[Examination: Weak left pulse, no] Weak left pulse, no murmur of the heart",
        ),
        ("Irregular pulse:", "[Examination: Irregular pulse] Irregular pulse:"),
    ],
)
def test_entries_without_a_name_of_their_own(entry: str, shown: str) -> None:
    assert result_of(card(findings=[entry]), "examine", "pulse") == (shown, True)


def test_only_the_name_of_an_entry_is_searched() -> None:
    assert result_of(card(findings=["Weak left pulse, no murmur of the heart"]), "examine", "heart murmur")[1] is False
    assert result_of(card(findings=["Skin: no oedema"]), "examine", "oedema")[1] is False


NONE = [
    "None",
    "none.",
    "No known allergies",
    "no",
    "N/A",
    "unknown",
    "Nil",
    "None (healthy)",
    "not applicable",
    "-- none",
]


@pytest.mark.parametrize("entry", NONE)
def test_entries_that_say_there_is_none_are_no_facts(entry: str) -> None:
    told = [f.text for f in facts_of(card(medication=[entry], allergies=[entry, entry], red_flags=[entry]))]
    assert told[3:5] == ["You take no medicines.", "You have no known allergies."]


def test_an_invented_pregnancy_is_known_unless_it_is_the_riddle() -> None:
    assert "You are pregnant." in [f.text for f in facts_of(card(age=30, pregnant=True))]
    riddle = card(age=30, pregnant=True, diagnosis="Ectopic pregnancy")
    assert not any("pregnant" in f.text for f in facts_of(riddle))


def test_a_record_says_nothing_of_medicines_that_it_does_not_name() -> None:
    empty = CARD | {"medication": [], "allergies": [], "left_out": []}
    told = [f.text for f in facts_of(RecordedCase.model_validate(empty))]
    assert told[: len(CARD["history"]) + 2] == [CARD["complaint"], *CARD["history"], *CARD["red_flags"]]
    assert not any("take no" in text or "no known" in text for text in told)


def test_names_that_only_begin_like_none_are_facts() -> None:
    told = [f.text for f in facts_of(card(medication=["nonessential oil", "No-Spa"], allergies=["nuts"]))]
    assert {"You take nonessential oil.", "You take No-Spa.", "You are allergic to nuts."} <= set(told)


@pytest.mark.parametrize(
    ("given_name", "expected", "same"),
    [
        ("Stable angina", "stable angina", True),
        ("angina, stable", "Stable angina.", True),
        ("Stable angina pectoris", "Stable angina", True),
        ("angina", "Stable angina", False),
        ("Unstable angina", "Stable angina", False),
        ("", "", False),
        ("?", "!", False),
        ("Type 2 diabetes", "diabetes type 2", True),
        ("Type 2 diabetes", "Type 1 diabetes", False),
    ],
)
def test_names_of_diagnoses_are_the_same_but_for_case_punctuation_and_order(
    given_name: str, expected: str, same: bool
) -> None:
    assert same_diagnosis(given_name, expected) is same
    assert same_diagnosis(expected, given_name) is same


def test_the_stored_case_is_the_card_with_its_facts() -> None:
    stored = json.loads(json.dumps(case_json(card())))
    facts = stored.pop("facts")
    assert stored == CARD | {"pregnant": False}
    assert facts == [{"id": f.id, "text": f.text, "known_by": f.known_by} for f in facts_of(card())]
