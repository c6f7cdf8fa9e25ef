"""What a patient says: the hidden diagnosis, and what the card contradicts."""

from __future__ import annotations

import pytest

from tests.filters.consultation_talks import CLOSING, OPENING, flags

NAMED = "diagnosis_named_by_patient"
CONTRADICTS = "answer_contradicts_case"


@pytest.mark.parametrize(
    "said",
    [
        ("Stable angina", "I looked it up and I think it's angina."),
        ("Stable angina", "Could this be angina pectoris?"),
        ("Acute myocardial infarction", "I'm afraid I'm having a heart attack."),
        ("Pulmonary embolism", "My neighbour says it must be a pulmonary embolism."),
        ("Acute appendicitis", "It feels like appendicitis to me."),
        ("Gastroesophageal reflux disease (GERD)", "I read about GERD on the internet."),
        ("Community-acquired pneumonia", "I guess I caught pneumonia."),
        ("Deep vein thrombosis", "Is it a DVT, do you think?"),
        ("Migraine without aura", "This is one of those migraines, I'm sure."),
        ("Urinary tract infection", "I suppose it's a UTI again."),
        ("ST-elevation myocardial infarction", "My wife shouted that it's an MI."),
        ("Ureteric stone", "I bet I've got a kidney stone."),
        ("Atrial fibrillation", "I reckon it's AFib."),
        ("Ectopic pregnancy", "I read about tubal pregnancies and fear that."),
    ],
)
def test_a_patient_who_names_the_diagnosis(said: tuple[str, str]) -> None:
    diagnosis, line = said
    found = flags([OPENING, "D: What worries you?", f"P: It came on slowly. {line}", CLOSING], diagnosis=diagnosis)
    assert found.get(NAMED) == line


@pytest.mark.parametrize(
    ("diagnosis", "lines"),
    [
        ("Stable angina", ["D: It may be angina.", "P: Angina? Is that serious?"]),
        ("Acute myocardial infarction", ["D: Any illness in the family?", "P: My father died of a heart attack."]),
        ("Acute appendicitis", ["D: Where is it?", "P: Low down on the right, and it's getting worse."]),
        ("Hypertension", ["D: Any illnesses?", "P: I have high blood pressure, for ten years now."]),
        ("Stable angina", ["D: What worries you?", "P: I worry about my heart."]),
        ("Viral gastroenteritis", ["D: What else?", "P: I think it was something I ate."]),
        ("Bronchial asthma", ["D: Anyone ill?", "P: My sister has asthma."]),
        ("Community-acquired pneumonia", ["D: What else?", "P: My lungs feel full and I cough."]),
        ("Dizziness", ["D: What else?", "P: I have this dizziness."]),
    ],
)
def test_a_patient_who_does_not(diagnosis: str, lines: list[str]) -> None:
    assert NAMED not in flags([OPENING, *lines, CLOSING], diagnosis=diagnosis)


@pytest.mark.parametrize(
    "lines",
    [
        ["D: Have you had a fever?", "P: Yes, I do have a fever."],
        ["D: Have you had a fever?", "P: Yes, I have."],
        ["D: Do you smoke?", "P: No, I have never smoked."],
        ["D: Do you smoke?", "P: No."],
        ["D: Do you have any allergies?", "P: No, none that I know of."],
        ["D: Any allergies to medicines?", "P: I'm not allergic to anything."],
        ["D: Are you allergic to penicillin?", "P: No, penicillin is fine with me."],
        ["D: Do you take any medicines?", "P: No, I don't take any medication."],
        ["D: What dose of metformin?", "P: I take metformin 1000 mg twice daily."],
        ["D: When did it begin?", "P: The tightness began three months ago."],
        ["D: How old are you?", "P: I'm 47 years old."],
        ["D: Do you have high blood pressure?", "P: No, never had that."],
        ["D: How much do you smoke?", "P: Five cigarettes a day."],
        ["D: Any allergies?", "P: Yes, I'm allergic to sulfa drugs."],
    ],
)
def test_an_answer_against_the_card(lines: list[str]) -> None:
    assert flags([OPENING, *lines, CLOSING]).get(CONTRADICTS), lines


@pytest.mark.parametrize(
    "lines",
    [
        ["D: Do you have a fever?", "P: No, no fever at all."],
        ["D: Is your chest tight now?", "P: No, I have no chest tightness right now."],
        ["D: Does it come at rest?", "P: No, it doesn't."],
        ["D: Do you smoke?", "P: Yes, about twenty cigarettes a day."],
        ["D: Any allergies?", "P: Only penicillin, no others."],
        ["D: Do you take any medicines?", "P: Just metformin, 500 mg twice a day."],
        ["D: Did anything help?", "P: I took some paracetamol, it didn't help."],
        ["D: How long has it been?", "P: About three weeks."],
        ["D: How long does each attack last?", "P: About ten minutes."],
        ["D: How old are you?", "P: I'm fifty-four."],
        ["D: Does your family have fever?", "P: My wife had a fever last week."],
        ["D: Any other allergies?", "P: No."],
        ["D: Does the chest pain spread to your arm?", "P: No, it stays in the middle."],
        ["D: Do you cough?", "P: I don't know, maybe a little."],
    ],
)
def test_an_answer_that_fits(lines: list[str]) -> None:
    assert CONTRADICTS not in flags([OPENING, *lines, CLOSING]), lines


@pytest.mark.parametrize(
    ("fact", "asked", "said"),
    [
        ("You bring up rusty phlegm", "Does anything come up?", "No, it's a dry cough."),
        ("The headaches come twice a month", "How often do the headaches come?", "Every single day."),
        ("You had the same thing two years ago", "Has this happened to you before?", "No, never."),
        ("You lost four kilos", "Has your weight changed?", "No, my weight is the same."),
    ],
)
def test_an_answer_against_a_fact_in_other_words(fact: str, asked: str, said: str) -> None:
    facts = [{"id": "p1", "text": fact, "known_by": "patient"}]
    assert flags([OPENING, f"D: {asked}", f"P: {said}", CLOSING], facts=facts, complaint="").get(CONTRADICTS)
    assert CONTRADICTS not in flags([OPENING, f"D: {asked}", "P: I would say yes.", CLOSING], facts=facts)
