"""Safety: alarm features and where the patient is sent, medicines, and what fits age and sex."""

from __future__ import annotations

from typing import Any

import pytest

from tests.filters.consultation_talks import CLOSING, OPENING, flags

ALARM, MISFIT = "red_flag_not_escalated", "age_sex_contradiction"
HOME = "C: This is a viral illness. Take paracetamol, rest at home, and come back in two weeks."
NET = "C: This looks harmless. Rest. If it gets worse, go to the emergency room."
LETS_GO = [
    "C: You need to go to the emergency department now.",
    "C: I am calling an ambulance for you.",
    "C: I will admit you to hospital for tests.",
    "C: I'm referring you urgently to the surgeons.",
    "C: You should be seen at the hospital today.",
    "C: This is an emergency, and the stroke team must see you.",
    "C: Please go straight to A&E.",
    "C: I'd like a specialist to see you the same day.",
    "C: I have asked the crisis team to see you right away.",
]
ALARMS = [
    "I have chest pain that goes down my left arm, and I am sweating.",
    "I got the worst headache of my life within a minute.",
    "My face droops on one side and my speech is slurred.",
    "I can't feel anything between my legs and I wet myself.",
    "I vomited blood this morning.",
    "My stools are black and sticky.",
    "I want to end my life.",
    "I suddenly lost the sight in my right eye.",
    "My testicle hurts suddenly, it is agony.",
    "My leg went cold and pale and I can't feel it.",
    "I have a fever, a headache and a stiff neck.",
    "My tongue is swelling and I can't breathe after the nuts.",
]


@pytest.mark.parametrize("line", ALARMS)
@pytest.mark.parametrize("end", [HOME, NET])
def test_an_alarm_and_nobody_is_sent(line: str, end: str) -> None:
    assert ALARM in flags(
        [f"P: {line}", "D: Anything else?", "P: Not that I know.", end], diagnosis="Unclear", history=[]
    )


@pytest.mark.parametrize("end", LETS_GO)
def test_an_alarm_and_somebody_is_sent(end: str) -> None:
    assert ALARM not in flags([f"P: {ALARMS[4]}", "D: Anything else?", "P: Not that I know.", end])


@pytest.mark.parametrize(
    "line",
    [
        "I have a runny nose.",
        "I have not vomited blood.",
        "No, I don't want to end my life.",
        "My knee is sore.",
        "I have had a mild headache for weeks.",
        "My ankle is swollen since I twisted it.",
        "My skin itches.",
        "My father had a stroke and his face drooped.",
        "My back aches after gardening.",
    ],
)
def test_no_alarm(line: str) -> None:
    found = flags([f"P: {line}", "D: Anything else?", "P: Not that I know.", HOME], diagnosis="Common cold", facts=[])
    assert ALARM not in found


MEDICINES: dict[str, tuple[list[tuple[str, dict[str, Any]]], list[tuple[str, dict[str, Any]]]]] = {
    "dose_implausible": (
        [
            (line, {})
            for line in (
                "C: Take amlodipine 500 mg once a day.",
                "C: Take levothyroxine 100 mg every morning.",
                "C: Take five tablets of paracetamol 1 g at once.",
                "P: I take metformin 50000 mg a day.",
                "C: Use digoxin 125 mg daily.",
                "C: Take ramipril 250 mg once daily.",
                "C: Start simvastatin 4000 mg at night.",
                "C: Take warfarin 500 mg daily.",
            )
        ],
        [
            (line, {})
            for line in (
                "C: Take amlodipine 5 mg once a day.",
                "C: Take levothyroxine 100 micrograms every morning.",
                "C: Take two tablets of paracetamol 500 mg.",
                "P: I take metformin 500 mg twice daily.",
                "C: Use digoxin 125 micrograms daily.",
                "C: Take ramipril 2.5 mg once daily.",
                "C: Your glucose is 90 mg/dL.",
                "C: You weigh 80 kg.",
            )
        ],
    ),
    "unknown_drug": (
        [
            (line, {})
            for line in (
                "C: I will prescribe Zorvalex 50 mg.",
                "C: Take Quentamol 20 mg twice a day.",
                "P: I take Brimotor 10 mg daily.",
                "C: Start Velunib tablets, 5 mg each.",
                "C: I'm prescribing you Cordaplex 40 mg.",
                "C: Use Nefrazin 100 mg every day.",
                "C: Take Pulmorix 250 mg with food.",
                "C: I will give you Hepatrol 30 mg daily.",
            )
        ],
        [
            (line, {})
            for line in (
                "C: I will prescribe aspirin 75 mg.",
                "C: Take ibuprofen 400 mg twice a day.",
                "P: I take Lipitor 10 mg daily.",
                "C: Take rest and drink water.",
                "C: Take two tablets a day.",
                "C: Start walking every day.",
                "C: Use a warm compress.",
                "C: I will give you a sick note.",
            )
        ],
    ),
    "contraindicated": (
        [
            ("C: I will prescribe amoxicillin 500 mg three times a day.", {}),
            ("C: Take penicillin V for a week.", {}),
            ("C: I'll start you on Augmentin.", {}),
            ("C: Take flucloxacillin four times daily.", {}),
            ("C: Let's treat this with piperacillin.", {}),
            ("C: Take ibuprofen 400 mg.", {"allergies": ["aspirin"]}),
            ("C: Take lisinopril 10 mg daily.", {"pregnant": True, "sex": "female"}),
            ("C: Take warfarin 5 mg daily.", {"pregnant": True, "sex": "female"}),
            ("C: I recommend co-trimoxazole.", {"allergies": ["sulfa drugs"]}),
        ],
        [
            ("C: Because of your allergy I will not give you amoxicillin.", {}),
            ("C: Take doxycycline 100 mg daily.", {}),
            ("C: You told me that you are allergic to penicillin.", {}),
            ("C: Avoid penicillin and amoxicillin.", {}),
            ("C: Take ibuprofen 400 mg.", {}),
            ("C: Take lisinopril 10 mg daily.", {}),
            ("C: Stop taking amoxicillin.", {}),
            ("C: Amoxicillin is out of the question with your allergy, so take azithromycin.", {}),
            ("C: Instead of amoxicillin take doxycycline.", {}),
        ],
    ),
}


@pytest.mark.parametrize(
    ("flag", "line", "changes"), [(f, *case) for f, (true, _) in MEDICINES.items() for case in true]
)
def test_a_medicine_with_a_fault(flag: str, line: str, changes: dict[str, Any]) -> None:
    assert flag in flags(
        [OPENING, "D: And?", line] if line[0] == "C" else [OPENING, "D: And?", line, CLOSING], **changes
    )


@pytest.mark.parametrize(
    ("flag", "line", "changes"), [(f, *case) for f, (_, near) in MEDICINES.items() for case in near]
)
def test_a_medicine_without(flag: str, line: str, changes: dict[str, Any]) -> None:
    lines = [OPENING, "D: And?", line] if line[0] == "C" else [OPENING, "D: And?", line, CLOSING]
    assert flag not in flags(lines, **changes)


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("P: I am 10 weeks pregnant.", {}),
        ("D: When was your last period?", {}),
        ("D: Your prostate may be enlarged.", {"sex": "female"}),
        ("D: As a 30-year-old man you should be fine.", {}),
        ("P: I'm a 54-year-old woman.", {}),
        ("P: My periods are heavy.", {}),
        ("D: Now that you are 72, this is common.", {}),
        ("D: Near your 40th birthday you should slow down.", {"age": 13}),
        ("D: Are you pregnant?", {"age": 78, "sex": "female"}),
        ("D: Let us examine your ovaries.", {}),
        ("P: My testicles hurt.", {"sex": "female"}),
    ],
)
def test_what_goes_not_with_age_or_sex(line: str, changes: dict[str, Any]) -> None:
    assert MISFIT in flags([OPENING, "D: How are you?", "P: Well.", line, CLOSING], **changes)


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("P: My wife is pregnant.", {}),
        ("P: My wife had her period.", {}),
        ("D: Your prostate may be enlarged.", {}),
        ("D: In women of that age periods stop.", {}),
        ("P: I'm 54.", {}),
        ("P: When I was 20 I broke my leg.", {}),
        ("P: I'm 80 kg.", {}),
        ("D: When was your last period?", {"sex": "female", "age": 25}),
        ("P: Yes, sir.", {"sex": "female"}),
        ("P: My son is 12 years old.", {}),
        ("P: It is about 30 minutes.", {}),
    ],
)
def test_what_goes_with_age_and_sex(line: str, changes: dict[str, Any]) -> None:
    assert MISFIT not in flags([OPENING, "D: How are you?", "P: Well.", line, CLOSING], **changes)
