"""Cards from stored cases: who knows what, whom a case is about, and that no fact of the source gets lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.readers import Case, Item, read_cases
from filters.text import storable, words
from synth.recipes.case import facts_of, result_of
from synth.recipes.case_person import age_of, is_pregnant, sex_of
from synth.recipes.case_problems import problem_of
from synth.recipes.case_records import Unusable, card_of
from synth.recipes.fact_kinds import kind_of, name_of
from synth.recipes.forms import RecordedCase
from tests.data import DATA, needs_data

OSCE = Case(
    id="agentclinic:1",
    opening="Diagnose the patient with a painful toe.",
    demographics="45-year-old male",
    facts=(
        "History: The toe hurts since Monday. He is allergic to penicillin.",
        "Symptoms: Primary Symptom: Painful toe",
        "Symptoms: Secondary Symptoms: Redness; No fever",
        "Past Medical History: Hypertension; kidney stones",
        "Current Medications: hydrochlorothiazide; aspirin",
        "Social History: Information not provided.",
        "Review of Systems: Denies chills.",
    ),
    examination={"Vital Signs: Temperature": "37.9 °C", "Vital Signs: Pulse": "90/min", "Toe": "red, hot"},
    tests={"Blood Tests: Uric Acid": "9.1 mg/dL", "X-ray Foot: Findings": "no fracture"},
    diagnosis="Gout",
    split="train",
    licence="mit",
    benchmark="agentclinic",
)


def vignette(asked: str, right: str = "Gout", *facts: str) -> Case:
    question = f"A 45-year-old man comes with a toe that hurts. {asked}"
    item = Item("mediq:1", question, {"A": right, "B": "Other"}, "A", "",
                "train", "mit", "mediq")  # fmt: skip
    return replace(
        OSCE,
        opening="A 45-year-old man comes with a toe that hurts.",
        demographics="45, Male",
        facts=facts or ("He drinks beer.", "His pulse is 90/min.", "Serum uric acid is 9.1 mg/dL."),
        examination={},
        tests={},
        diagnosis="",
        item=item,
    )


def made(case: Case) -> RecordedCase:
    card = card_of(case)
    assert isinstance(card, RecordedCase), card
    return card


def test_an_osce_case_says_itself_who_knows_what() -> None:
    card = made(OSCE)
    assert (card.age, card.sex, card.pregnant, card.diagnosis) == (45, "male", False, "Gout")
    assert card.complaint == "Painful toe"
    assert card.history[:5] == [
        "45-year-old male", "The toe hurts since Monday.", "He is allergic to penicillin.", "Redness", "No fever",
    ]  # fmt: skip
    assert card.medication == ["hydrochlorothiazide", "aspirin"]
    assert card.allergies == ["penicillin"]
    assert card.findings == ["Vital Signs, Temperature, Pulse: Temperature: 37.9 °C; Pulse: 90/min", "Toe: red, hot"]
    assert card.tests == ["Blood Tests, Uric Acid: 9.1 mg/dL", "X-ray Foot: no fracture"]
    assert card.left_out == [OSCE.opening, "Social history: Information not provided."]
    assert problem_of(card) is None


@pytest.mark.parametrize(
    ("action", "argument", "shown"),
    [
        ("examine", "take the temperature", "37.9 °C"),
        ("examine", "vital signs", "90/min"),
        ("test", "uric acid", "9.1 mg/dL"),
        ("test", "X-ray of the foot", "no fracture"),
    ],
)
def test_the_card_answers_what_the_doctor_asks_for(action: str, argument: str, shown: str) -> None:
    text, known = result_of(made(OSCE), action, argument)
    assert known
    assert shown in text


def test_the_patient_of_a_vignette_knows_no_results() -> None:
    card = made(vignette("Which of the following is the most likely diagnosis?"))
    known = {fact.text: fact.known_by for fact in facts_of(card)}
    assert known["He drinks beer."] == "patient"
    assert known["pulse: His pulse is 90/min."] == "examination"
    assert known["laboratory studies: Serum uric acid is 9.1 mg/dL."] == "test"
    assert (card.complaint, card.diagnosis) == ("A 45-year-old man comes with a toe that hurts.", "Gout")


@pytest.mark.parametrize(
    ("asked", "right", "usable"),
    [
        ("Which of the following is the most likely diagnosis?", "Gout", True),
        ('What is the most likely diagnosis in this patient?"', "Gout", True),
        ("Which of the following is the most likely cause of this patient's symptoms?", "Gout", True),
        ("Which of the following is the most likely cause of his symptoms?", "Impaired breakdown of urate", False),
        ("Which of the following is the best treatment for the most likely diagnosis?", "Colchicine", False),
        ("Which of the following would confirm the diagnosis?", "Joint aspiration", False),
        ("Which of the following is the next best step in management?", "Colchicine", False),
    ],
)
def test_a_vignette_gives_a_card_when_it_asks_for_the_illness(asked: str, right: str, usable: bool) -> None:
    card = card_of(vignette(asked, right))
    assert isinstance(card, RecordedCase) is usable
    assert usable or (isinstance(card, Unusable) and card.reason == "no_diagnosis")


@pytest.mark.parametrize(
    ("demographics", "age", "sex"),
    [
        ("35-year-old female", 35, "female"),
        ("40 years old, Male", 40, "male"),
        ("55, Male", 55, "male"),
        ("3-month-old boy", 0, "male"),
        ("18-month-old girl", 1, "female"),
        ("17 months, Female", 1, "female"),
        ("2-day-old male infant", 0, "male"),
        ("2-week-old female newborn", 0, "female"),
        ("Newborn, female", 0, "female"),
        ("1 hour old, Male", 0, "male"),
        ("32-year-old woman, gravida 2, para 1, at 38 weeks' gestation", 32, "female"),
        ("22-year-old female at 30 weeks gestation", 22, "female"),
        ("23-year-old college student", 23, None),
        ("study, study", None, None),
        ("Not specified, Male", None, "male"),
        ("200 years old", None, None),
    ],
)
def test_age_and_sex(demographics: str, age: int | None, sex: str | None) -> None:
    assert (age_of([demographics]), sex_of([demographics])) == (age, sex)


def test_what_the_demographics_do_not_say_comes_from_the_facts() -> None:
    assert sex_of(["study, study", "A 6-year-old boy and his mother come in."]) == "male"
    assert sex_of(["4-day-old newborn", "She feeds well."]) == "female"
    assert sex_of(["4-day-old newborn", "Her mother says he feeds well."]) is None
    assert isinstance(card_of(replace(OSCE, demographics="a student", facts=("History: A sore throat.",))), Unusable)


@pytest.mark.parametrize(
    ("text", "pregnant"),
    [
        ("32-year-old woman, gravida 2, at 38 weeks' gestation", True),
        ("She is pregnant.", True),
        ("A 28-week pregnant woman presents.", True),
        ("She is not pregnant.", False),
        ("His wife is pregnant.", False),
        ("She delivered a boy at 39 weeks' gestation.", False),
        ("A pregnancy test is negative.", False),
        ("She denies being pregnant.", False),
        ("Newborn, born at 33 weeks of gestation", False),
    ],
)
def test_a_pregnancy_is_noted_when_it_is_told_of_now(text: str, pregnant: bool) -> None:
    assert is_pregnant([text]) is pregnant


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        ("Patient denies fever and chills.", "patient"),
        ("He reports a temperature of 39 °C at home.", "patient"),
        ("She had a colonoscopy two years ago, which was normal.", "patient"),
        ("The pain radiates to his left shoulder.", "patient"),
        ("It is affecting her wrists, elbows, and shoulders.", "patient"),
        ("Patient's medications include enalapril and metformin.", "patient"),
        ("Her temperature is 39.1°C (102.4°F).", "examination"),
        ("Physical examination shows nuchal rigidity.", "examination"),
        ("Patient has pale conjunctivae.", "examination"),
        ("Lungs are clear to auscultation.", "examination"),
        ("Patient's potassium level is 4.1 mEq/L.", "test"),
        ("A chest x-ray shows an opacity in the right apex.", "test"),
        ("An ECG shows sinus tachycardia.", "test"),
        ("Labs are obtained: Hemoglobin: 13.5 g/dL.", "test"),
        ("The physician recommends surgery.", "course"),
        ("She is started on ceftriaxone.", "course"),
        ("Two hours later, his temperature is 37.2°C.", "course"),
        ("", "patient"),
        ("Left costovertebral angle tenderness is present.", "examination"),
        ("The pain is present in all of her fingers.", "patient"),
        ("Patient's heart has a regular rate and rhythm.", "examination"),
        ("He has lost the vibration sense in both feet.", "examination"),
        ("No swelling or skin changes noted.", "examination"),
        ("She has no other abnormal physical findings.", "examination"),
        ("Traction on a few hairs causes most of them to come out.", "examination"),
        ("The spots have a lace-like pattern (as shown in the photograph).", "examination"),
        ("The fetus lies in breech presentation.", "examination"),
        ("Stool from each bowel movement appears bloody.", "patient"),
        ("She has become increasingly lethargic.", "patient"),
        ("The Neutrophils are 70%.", "test"),
        ("Monoblasts are 4%.", "test"),
        ("The SpO2 is 91%.", "examination"),
        ("The thrombin time is normal.", "test"),
        ("Leukocytes 5,500/mm3.", "test"),
        ("Further investigation reveals leukopenia.", "test"),
        ("The ECG is unchanged from a previous ECG.", "test"),
        ("Diagnostic thoracentesis is performed and yields a clear fluid.", "test"),
        ("He cannot repeat a short sentence.", "examination"),
        ("There are no signs of inflammation of the skin.", "examination"),
        ("His last laboratory studies were unremarkable.", "patient"),
        ("He refuses surgery and is kept in the ward.", "course"),
        ("Despite all efforts, she dies.", "course"),
        ("Two days before the operation, he has another seizure.", "course"),
        ("After the operation he was given heparin for a month.", "patient"),
        ("A 30-year-old woman is admitted to the hospital in labor.", "patient"),
        ("The man is admitted to the ward.", "course"),
    ],
)
def test_who_can_know_a_fact(fact: str, kind: str) -> None:
    assert kind_of(fact) == kind


def test_a_result_is_named_by_all_it_holds() -> None:
    assert (
        name_of("Temperature is 37 °C, blood pressure is 120/80 mmHg.", "examination") == "temperature, blood pressure"
    )
    assert name_of("Ristocetin reaction is odd.", "test") == "laboratory studies"


def everything(card: RecordedCase) -> Counter[str]:
    lists = (card.history, card.medication, card.allergies, card.findings, card.tests, card.left_out)
    return Counter(words(" ".join([card.complaint, *(line for lines in lists for line in lines)])))


def lost(case: Case, card: RecordedCase) -> list[str]:
    """Facts of the source of which a word stands nowhere on the card."""
    there = everything(card)
    told = [case.opening, case.demographics, *case.examination.values(), *case.tests.values()]
    for fact in case.facts:
        _, _, value = fact.partition(": ")
        told.append(value if case.item is None and value else fact)
    told = [
        text.partition(": ")[2] if text.startswith(("Primary Symptom", "Secondary Symptoms")) else text
        for text in told
    ]
    return [text for text in told if not set(words(storable(text))) <= there.keys()]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    [
        "; ",
        ": ",
        "No.",
        "She is 5-month-old.",
        "Symptoms: Primary Symptom: Pain",
        "History: a; b. C",
        "Test is 4 mg/dL",
        " ",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "opening": TEXT,
            "demographics": TEXT,
            "facts": st.lists(TEXT, max_size=6).map(tuple),
            "examination": st.dictionaries(TEXT, TEXT, max_size=3),
            "tests": st.dictionaries(TEXT, TEXT, max_size=3),
            "diagnosis": TEXT,
        },
    ),
)
def test_no_record_raises_and_no_fact_gets_lost(osce: bool, changed: dict[str, Any]) -> None:
    base = OSCE if osce else vignette("Which of the following is the most likely diagnosis?")
    case = replace(base, **changed)
    card = card_of(case)
    if isinstance(card, RecordedCase):
        problem_of(card)
        facts_of(card)
        if osce or not (case.examination or case.tests):
            assert lost(case, card) == []
    else:
        assert card.reason in ("no_diagnosis", "no_age", "no_sex", "no_complaint")


def test_lone_surrogates_are_mended() -> None:
    card = made(replace(OSCE, facts=("History: Hot \ud800 toe.", *OSCE.facts[1:])))
    assert "Hot \ufffd toe." in card.history


@cache
def published(name: str) -> list[Case]:
    return list(read_cases(DATA / name))


@needs_data
@pytest.mark.parametrize(
    ("name", "cases", "least"),
    [("agentclinic/agentclinic_medqa.jsonl", 107, 100), ("mediq/all_dev_good.jsonl", 798, 90)],
)
def test_published_cases_keep_all_their_facts(name: str, cases: int, least: int) -> None:
    made_of = [(case, card_of(case)) for case in published(name)]
    assert len(made_of) == cases
    cards = [(case, card) for case, card in made_of if isinstance(card, RecordedCase)]
    assert sum(problem_of(card) is None for _, card in cards) >= least
    assert [found for case, card in cards if (found := lost(case, card))] == []
    reasons = {card.reason for _, card in made_of if isinstance(card, Unusable)}
    assert reasons <= {"no_diagnosis", "no_age", "no_sex"}
