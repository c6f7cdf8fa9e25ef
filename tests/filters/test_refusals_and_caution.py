"""A refusal declines to answer; a doctor who waits for something, or cannot do it from afar, does not."""

from __future__ import annotations

import pytest

from filters.phrases import refusal

CAUTION = (
    "I can't prescribe that until we have your bloods.",
    "I can't examine you over the phone, so please come in this afternoon.",
    "I'm sorry, but I can't help you with a repeat prescription until we have checked your blood pressure.",
    "I'm afraid I can't give you a diagnosis over the phone; I need to listen to your chest.",
    "I cannot give you a diagnosis without examining you. Could you come in today?",
    "Unfortunately I can't provide a sick note without seeing you first.",
    "I can't answer that question before the biopsy is back.",
    "I won't be able to say more today, and I can't help with the rash without looking at it.",
    "Sorry, I can't do that over the phone. I need to feel your abdomen.",
    "I'm unable to provide antibiotics unless the swab shows bacteria.",
    "I am not able to give you a diagnosis until the scan has been reported.",
    "I can't answer the question of whether it has spread until we have the CT results.",
    "I'm sorry, I cannot provide a new inhaler by email. Let us check your technique first.",
    "I can't assist you with the injection until the nurse has checked your allergies.",
    "I cannot provide strong painkillers without an ECG, because they may prolong the QT interval.",
)
REFUSALS = (
    "I can't help with that.",
    "I'm sorry, but I can't provide medical advice.",
    "I cannot provide a diagnosis. Please see a qualified healthcare professional before you take anything.",
    "I'm sorry, but I can't provide medical advice over the phone or otherwise.",
    "As an AI, I cannot examine you over the phone.",
    "I'm sorry, but I can't assist with this request until it complies with the policy.",
    "I can't answer that without more information.",
    "I'm unable to provide that. Before you take anything, consult a healthcare provider.",
    "I cannot generate such content without violating my guidelines.",
    "Sorry, I can't help you with your question before you consult a professional.",
    "I am not able to offer personal advice without a professional.",
    "I won't comply with that request. Until it is changed, nothing can be done.",
    "I'm sorry, I cannot continue with this conversation.",
    "Unfortunately, I am unable to assist you. Once you have seen somebody, come back.",
    "I can't write that content for you.",
)


@pytest.mark.parametrize("text", CAUTION)
@pytest.mark.parametrize("opening", ["", "**", "<think>He wants codeine.</think>\n\n"])
def test_a_doctors_caution_is_no_refusal(opening: str, text: str) -> None:
    assert refusal(opening + text) is None


@pytest.mark.parametrize("text", REFUSALS)
@pytest.mark.parametrize("opening", ["", "> ", "<think>He wants codeine.</think>\n\n"])
def test_a_refusal_stays_one(opening: str, text: str) -> None:
    assert refusal(opening + text)
