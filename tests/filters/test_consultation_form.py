"""The form of turns: refusals, roles, empty and cut-off turns, details that tell who somebody is."""

from __future__ import annotations

import pytest

from tests.filters.consultation_talks import CLOSING, OPENING, flags

FORM = {
    "refusal": (
        [
            "P: I'm sorry, but I cannot provide medical advice.",
            "D: As an AI language model, I can't diagnose you.",
            "D: I'm sorry, I can't help with that.",
            "P: I am unable to continue with this request.",
            "D: I cannot give you medical advice.",
            "D: I'm an AI assistant, not a doctor.",
            "P: Unfortunately, I can't assist with that.",
            "D: As an AI, I don't have feelings, but tell me more.",
        ],
        [
            "P: I'm sorry, I can't remember.",
            "P: I can't sleep.",
            "P: I cannot climb the stairs.",
            "D: I'm sorry to hear that.",
            "D: I can't recommend aspirin here.",
            "P: Sorry, I don't know.",
            "D: I cannot hear you well, say it again?",
            "P: I'm afraid I can't walk far.",
        ],
    ),
    "role_slip": (
        [
            "P: Doctor: When did it start?",
            "D: Patient: It hurts here.",
            "P: *sighs deeply* It hurts.",
            "P: I will prescribe you some tablets.",
            "D: My chest hurts and I feel sick.",
            "P: My card does not say. It is not in my facts.",
            "P: The patient looks worried.",
            "D: (nods) I see.",
            "P: As a simulated patient I know nothing of that.",
            "D: According to the case card you smoke.",
            "P: What brings you here today?",
            "P: You should take aspirin every day.",
        ],
        [
            "P: My doctor told me to rest.",
            "P: My doctor said you should take aspirin.",
            "D: What brings you here today?",
            "D: I will prescribe you tablets.",
            "P: My chest hurts.",
            "P: Thank you, doctor.",
            "P: It hurts (a lot) here.",
            "P: Should I take something for it?",
            "D: I see that you are worried.",
            "P: It started with this: a sharp pain.",
        ],
    ),
    "turn_empty": (
        ["P: ...", "D: ", "P: -", "P: ?!", "D: \u2026", 'P: ""', "P: . . .", "D: **"],
        ["P: No.", "P: Yes", "P: 3", "D: Ok.", "P: \u75bc", "P: Hm...", "P: a", "D: Why?"],
    ),
    "turn_truncated": (
        [
            "P: The pain started when I was walking to the",
            "P: It hurts because",
            "D: I would like to know whether you have",
            "P: I feel tired, weak and",
            "P: I went to the shop and then,",
            "D: Please tell me about your",
            "P: It started three days ago (after I",
            "P: The pain is mostly in the middle of my che",
        ],
        [
            "P: It hurts here.",
            "P: Yes",
            "P: No idea",
            "P: I don't know what it is.",
            "P: It hurts...",
            "D: Really?",
            'P: He said "it is fine."',
            "P: Three weeks",
            "P: I am not sure what this is about.",
        ],
    ),
    "identifying_details": (
        [
            "P: My name is John Miller, born 12 March 1961.",
            "P: You can reach me at john.miller@example.com.",
            "P: My phone number is 555-203-8841.",
            "P: I live at 42 Maple Street, Springfield, IL 62704.",
            "P: My social security number is 123-45-6789.",
            "P: I was born on 04/12/1961.",
            "D: Your medical record number is MRN 4472819.",
            "P: I'm Anna Berger, call me on (415) 555-2671.",
        ],
        [
            "P: I'm John.",
            "D: Dr. Kumar saw you.",
            "D: Call 911 now.",
            "P: It began in March.",
            "P: I take 500 mg twice daily.",
            "P: I am 54 years old.",
            "D: It is Crohn's disease.",
            "P: It was 120/80 last year.",
        ],
    ),
}
TRUE = [(flag, line) for flag, (true, _) in FORM.items() for line in true]
NEAR = [(flag, line) for flag, (_, near) in FORM.items() for line in near]


@pytest.mark.parametrize(("flag", "line"), TRUE)
def test_a_turn_with_a_fault(flag: str, line: str) -> None:
    lines = [
        OPENING,
        "D: How are you?",
        "P: It hurts.",
        line,
        "P: Yes, a little." if line[0] == "D" else "D: I see.",
        CLOSING,
    ]
    assert flag in flags(lines), line


@pytest.mark.parametrize(("flag", "line"), NEAR)
def test_a_turn_without(flag: str, line: str) -> None:
    lines = [
        OPENING,
        "D: How are you?",
        "P: It hurts.",
        line,
        "P: Yes, a little." if line[0] == "D" else "D: I see.",
        CLOSING,
    ]
    assert flag not in flags(lines), line
