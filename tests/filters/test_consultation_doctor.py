"""What a doctor says: invented findings, results of nothing, questions asked twice."""

from __future__ import annotations

import pytest

from tests.filters.consultation_talks import CLOSING, OPENING, flags

INVENTED, NO_RESULT, AGAIN = "invented_finding", "result_without_examination", "question_repeated"
TOLD = [OPENING, "D: Anything else?", "P: Breathing gets harder on the stairs, and my ankles swell."]


@pytest.mark.parametrize(
    "said",
    [
        "Since you have had a fever, I want to look for an infection.",
        "Given the weight loss you mentioned, we should look further.",
        "You told me that you have been vomiting.",
        "Your history of diabetes makes this more likely.",
        "With the night sweats you described, this fits.",
        "Your cough and the tight chest point to the lungs.",
        "As you have been coughing up blood, this is serious.",
        "You said you had fainted last week.",
        "Because you are taking warfarin, you bruise easily.",
        "Your palpitations together with the tightness point to the heart.",
        "You mentioned a rash on your arms.",
    ],
)
def test_a_finding_that_nobody_told(said: str) -> None:
    assert INVENTED in flags([*TOLD, f"D: {said} When did it begin?", "P: Weeks ago.", CLOSING]), said


@pytest.mark.parametrize(
    "said",
    [
        "Do you have a fever?",
        "If you develop a fever, come back.",
        "So breathing gets harder on the stairs.",
        "You mentioned that you are short of breath and have swelling of the ankles.",
        "Your chest pain comes with exertion.",
        "I want to rule out a fever.",
        "Watch out for vomiting, a rash or a high temperature.",
        "People with this illness often have a cough.",
        "Angina can cause sweating and nausea.",
        "You have no fever, which is good.",
        "This medicine may cause dizziness.",
        "Thank you for telling me about the swollen ankles.",
    ],
)
def test_what_was_told_or_is_not_cited(said: str) -> None:
    assert INVENTED not in flags([*TOLD, f"D: {said}", "P: Okay.", CLOSING]), said


@pytest.mark.parametrize(
    "said",
    [
        "Your ECG shows ST depression.",
        "The chest X-ray was clear.",
        "Your blood pressure is 180/110.",
        "Your blood tests came back normal.",
        "When I listened to your lungs I heard crackles.",
        "On examination there is a murmur.",
        "The troponin is elevated.",
        "The MRI revealed a small lesion.",
        "Your abdomen is tender and there is guarding.",
        "The echocardiogram confirms that your heart is weak.",
    ],
)
def test_a_result_of_nothing(said: str) -> None:
    found = flags([*TOLD, f"C: {said} This is stable angina. Take rest."])
    assert found.get(NO_RESULT) == said


@pytest.mark.parametrize(
    "lines",
    [
        ["R: [Test: ECG] ST depression", "C: Your ECG shows ST depression. This is stable angina."],
        ["R: [Test: electrocardiogram] ST depression", "C: The EKG shows changes. This is stable angina."],
        ["R: [Examination: Lungs] crackles", "C: Your lungs have crackles. This is stable angina."],
        ["D: I will order an ECG.", "P: Fine.", CLOSING],
        ["D: An ECG shows changes when the heart lacks blood.", "P: I see.", CLOSING],
        ["D: Let me check your blood pressure.", "P: Fine.", CLOSING],
        ["C: This is stable angina. If the blood test is abnormal we will call you."],
        ["P: I had an X-ray last week, they said it was fine.", "C: So the X-ray was normal. It is angina."],
        ["D: Was your blood pressure ever high?", "P: Yes.", CLOSING],
        ["C: This is stable angina. We need an echocardiogram to see how your heart pumps."],
        ["R: [Examination: Blood pressure] 150/90", "C: Your blood pressure is 150/90. It is angina."],
    ],
)
def test_results_that_were_shown_or_are_planned(lines: list[str]) -> None:
    assert NO_RESULT not in flags([*TOLD, *lines]), lines


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("When did the pain start?", "When did the pain start?"),
        ("How long have you had this cough?", "For how long have you been having the cough?"),
        ("Do you have a fever?", "Have you had any fever?"),
        ("Do you smoke?", "Do you smoke at all?"),
        ("Does the pain spread to your arm?", "Does the pain radiate to your arm?"),
        ("Do you have any allergies?", "Are you allergic to anything?"),
        ("Are you short of breath?", "Do you get breathless?"),
        ("Where exactly is the pain?", "Can you show me where the pain is?"),
        ("Have you been vomiting?", "Have you thrown up?"),
    ],
)
def test_a_question_asked_again(first: str, second: str) -> None:
    lines = [OPENING, f"D: {first}", "P: I am not sure.", "D: Do you sleep well?", "P: Yes.", f"D: {second}", "P: Hm."]
    assert flags([*lines, CLOSING]).get(AGAIN) == second


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Does it hurt when you breathe in?", "Does it hurt when you walk?"),
        ("Do you have a fever?", "Do you have a cough?"),
        ("Do you have chest pain?", "Does the chest pain spread to your arm?"),
        ("When did the pain start?", "Where is the pain?"),
        ("Anything else?", "Anything else?"),
        ("Do you smoke?", "How many cigarettes do you smoke?"),
        ("Does your right knee hurt?", "Does your left ear hurt?"),
        ("Is there pain in your arm?", "Is there pain in your leg?"),
        ("Do you take any medicines?", "Do you have any allergies?"),
        ("Did that help?", "Did that help?"),
    ],
)
def test_another_question(first: str, second: str) -> None:
    lines = [OPENING, f"D: {first}", "P: I am not sure.", "D: Do you sleep well?", "P: Yes.", f"D: {second}", "P: Hm."]
    assert AGAIN not in flags([*lines, CLOSING])
