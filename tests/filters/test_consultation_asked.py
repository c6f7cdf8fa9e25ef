"""Answers that contradict a card through their question, and questions asked again in other words."""

from __future__ import annotations

import pytest

from tests.filters.consultation_talks import CLOSING, OPENING, flags


@pytest.mark.parametrize(
    ("fact", "asked", "said", "contradicts"),
    [
        ("The left knee is swollen", "Which knee is it?", "It's the right one.", True),
        ("The left knee is swollen", "And the other knee?", "The right one is fine.", False),
        ("You sleep on three pillows", "How many pillows do you use?", "Just the one.", True),
        ("You sleep on three pillows", "How do you sleep?", "On three pillows.", False),
        ("Your mother has diabetes", "Does diabetes run in the family?", "No, nobody has it.", True),
        ("You have high blood pressure", "Any long-term illnesses?", "None at all.", True),
        ("You have high blood pressure", "Any other illnesses?", "No.", False),
        ("The pain gets worse when you eat", "Does food change it?", "Eating makes it better.", True),
        ("The cough began ten days ago", "When did it begin?", "Only this morning.", True),
        ("The cough began ten days ago", "When did it begin?", "A week and a half ago.", False),
        ("You have never smoked", "Do you smoke?", "Twenty a day, I'm afraid.", True),
        ("You have never smoked", "Do you smoke?", "God no. I hate the smell of cigarettes.", False),
        ("You are allergic to latex", "Any allergies?", "None whatsoever.", True),
    ],
)
def test_an_answer_is_read_with_its_question(fact: str, asked: str, said: str, contradicts: bool) -> None:
    facts = [{"id": "p1", "text": fact, "known_by": "patient"}]
    found = flags(
        [OPENING, f"D: {asked}", f"P: {said}", CLOSING], facts=facts, complaint="", medication=[], allergies=[]
    )
    assert ("answer_contradicts_case" in found) == contradicts


@pytest.mark.parametrize(
    ("first", "reply", "second", "again"),
    [
        ("What makes it worse?", "Bending.", "Is there anything that makes it worse?", True),
        ("What do you do for a living?", "I paint.", "What is your job?", True),
        ("Are you sleeping all right?", "Badly.", "How is your sleep?", True),
        ("Are you allergic to anything?", "What do you mean?", "Do you have any allergies?", False),
        ("Does anything make it better?", "Rest.", "Does anything make it worse?", False),
        ("Do you take any medicines?", "Metformin.", "Have you taken anything for the pain?", False),
        ("How often do you go to the toilet?", "Six times.", "And how often at night?", False),
    ],
)
def test_a_question_in_other_words(first: str, reply: str, second: str, again: bool) -> None:
    found = flags([OPENING, f"D: {first}", f"P: {reply}", f"D: {second}", "P: Well.", CLOSING])
    assert ("question_repeated" in found) == again
