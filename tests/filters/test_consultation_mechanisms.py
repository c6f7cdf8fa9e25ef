"""What makes a sentence strong enough for a flag: a medicine given, a state denied, a question twice, whose age."""

from __future__ import annotations

from typing import Any

import pytest

from filters.consultation_checks import check_consultation
from tests.filters.consultation_talks import talk


def flags(lines: list[str], **card: Any) -> set[str]:
    texts = card.pop("facts", ["You cough"])
    facts = [{"id": f"p{n}", "text": text, "known_by": "patient"} for n, text in enumerate(texts)]
    case = {"facts": facts, "history": texts, "medication": [], "allergies": [], "age": 45, "sex": "female", **card}
    return {item["flag"] for item in check_consultation(talk(*lines), case)}


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("Pop a flucloxacillin four times a day till it's settled.", True),
        ("I'm sending you home with co-amoxiclav, one tablet three times daily.", True),
        ("The ward knows about the penicillin and will use meropenem.", False),
        ("Keep your penicillin card on you.", False),
        ("Amoxicillin is what gave you the rash, and I won't repeat that.", False),
        ("Take cefuroxime 250 mg twice daily, a relative of penicillin that is safe after a mere rash.", False),
    ],
)
def test_contraindicated_is_what_is_given(said: str, given: bool) -> None:
    assert ("contraindicated" in flags(["P: Hello.", f"C: {said}"], allergies=["penicillin (rash)"])) is given


@pytest.mark.parametrize(
    ("fact", "asked", "answer", "contradicts"),
    [
        ("You sleep badly", "How are your nights?", "I sleep like a log, straight through.", True),
        ("You have lost six kilos", "Has your weight changed?", "Not by an ounce.", True),
        ("The pain goes into your left arm", "Does it travel anywhere?", "No, it stays put in the middle.", True),
        ("You keep down small sips", "Can you keep anything down?", "No bother, sips are staying put.", False),
        ("You have a fever", "Has the fever gone with paracetamol?", "No, it hasn't touched it.", False),
    ],
)
def test_an_answer_of_another_state(fact: str, asked: str, answer: str, contradicts: bool) -> None:
    found = flags(["P: Morning.", f"D: {asked}", f"P: {answer}"], facts=[fact])
    assert ("answer_contradicts_case" in found) is contradicts


@pytest.mark.parametrize(
    ("first", "second", "repeated"),
    [
        ("Where does it hurt?", "Could you point to the sore spot once more?", True),
        ("What medicines do you take?", "Remind me what tablets you're on?", True),
        ("Did she step on something sharp?", "Is she on any medicine?", False),
        ("How long does the dizziness last?", "When did the dizziness first appear?", False),
    ],
)
def test_a_question_asked_twice(first: str, second: str, repeated: bool) -> None:
    found = flags(["P: Hello.", f"D: {first}", "P: Yes, here.", f"D: {second}"])
    assert ("question_repeated" in found) is repeated


@pytest.mark.parametrize(
    ("line", "card", "wrong"),
    [
        ("D: Is your wee lad feeding well?", {"age": 1}, True),
        ("D: You're hardly forty, so this surprises me.", {"age": 72}, True),
        ("P: I turned fifty-two in May.", {"age": 38}, True),
        ("P: I'm thirty-one weeks and huge.", {"age": 28, "pregnant": True}, False),
        ("D: Mind that bump on your forehead.", {"age": 40, "sex": "male"}, False),
        ("P: At thirty I broke that ankle.", {"age": 60}, False),
    ],
)
def test_whose_age_and_sex(line: str, card: dict[str, Any], wrong: bool) -> None:
    assert ("age_sex_contradiction" in flags(["P: Hello.", line], **card)) is wrong
