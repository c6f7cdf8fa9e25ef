"""Wordings at a distance from those the rules were written for, by flag, and sentences in order beside them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.filters.consultation_talks import CLOSING, OPENING, flags


def facts(*texts: str) -> list[dict[str, str]]:
    return [{"id": f"p{n}", "text": text, "known_by": "patient"} for n, text in enumerate(texts)]


CONTRADICTIONS = [
    ("You returned from Kenya a week ago", "Have you travelled lately?", "No, I haven't left town all year."),
    ("You had measles as a child", "Any childhood illnesses?", "I've never been through measles."),
    ("Your periods last nine days", "How long are your periods?", "Just three days."),
    ("Your urine is dark brown", "Has your urine changed?", "No, it's pale as ever."),
    ("You drink normally and keep food down", "Can you drink?", "I can't drink a thing."),
    ("You are 28 weeks pregnant", "How far along are you?", "I'm in week 12."),
    ("The headache has lasted four weeks", "Since when?", "I've had the headache for two days."),
    ("You took antibiotics three weeks ago", "Any antibiotics lately?", "No antibiotics at all."),
    ("You smoke a pipe", "Do you smoke?", "No, I've never touched tobacco."),
    ("You have no cough", "Anything else?", "Yes, I cough all night."),
]
AGREEING = [
    ("You returned from Kenya a week ago", "Have you travelled lately?", "Yes, Kenya, back last week."),
    ("Your periods last nine days", "How long are your periods?", "About nine days."),
    ("Your urine is dark brown", "Is your urine clear?", "No, it looks like cola."),
    ("You drink normally", "Do you vomit?", "I don't. I drink as usual."),
    ("You are 28 weeks pregnant", "How far along are you?", "28 weeks. My sister is 12 weeks."),
    ("The headache has lasted four weeks", "Since when?", "A month, and worse for two days."),
    ("You took antibiotics three weeks ago", "Any medicines?", "No, only the antibiotics three weeks ago."),
    ("You have no cough", "Do you cough?", "No, never."),
]


@pytest.mark.parametrize(("fact", "question", "answer"), CONTRADICTIONS)
def test_an_answer_that_contradicts(fact: str, question: str, answer: str) -> None:
    found = flags([OPENING, f"D: {question}", f"P: {answer}", CLOSING], facts=facts(fact), history=[fact])
    assert "answer_contradicts_case" in found


@pytest.mark.parametrize(("fact", "question", "answer"), AGREEING)
def test_an_answer_that_agrees(fact: str, question: str, answer: str) -> None:
    found = flags([OPENING, f"D: {question}", f"P: {answer}", CLOSING], facts=facts(fact), history=[fact])
    assert "answer_contradicts_case" not in found


@pytest.mark.parametrize(
    "answer", ["Not one tablet.", "Nothing whatsoever.", "No, I don't need any.", "None of that."]
)
def test_a_patient_who_takes_something_and_denies_all_medicines(answer: str) -> None:
    found = flags([OPENING, "D: Do you take anything regularly?", f"P: {answer}", CLOSING])
    assert "answer_contradicts_case" in found


DOCTOR: dict[str, tuple[list[str], list[str]]] = {
    "invented_finding": (
        [
            "D: Since you were born with one kidney, I'd like to ask more.",
            "D: The hoarseness that you complain about interests me.",
            "D: Considering your heart transplant, is there more?",
            "D: Now that you're throwing up, can you drink?",
            "D: Because of the seizures you've been having, do you drive?",
            "D: As your migraines are getting worse, do you sleep?",
            "D: You told me of the nosebleeds, do they last?",
            "D: Given that you were operated on for appendicitis, does the scar hurt?",
        ],
        [
            "D: I'm taking your pressure on both arms.",
            "D: Let me feel your tummy and check for swelling.",
            "D: As your chest feels tight, I'd like to listen.",
            "D: You told me about the tightness.",
            "D: I'm checking your back and your neck.",
            "D: Since you climb stairs, does it come at once?",
            "D: Now that you mention it, does it come at rest?",
        ],
    ),
    "result_without_examination": (
        [
            "D: The urine culture grew bacteria.",
            "D: The pressure in your left eye is 40.",
            "D: Your PET scan confirmed it.",
            "D: According to the biopsy, the cells are harmless.",
            "D: Your sleep study recorded many pauses.",
            "D: The stress test turned out badly.",
            "D: On the X-ray of your knee I see wear.",
            "D: Your potassium is far too high.",
            "D: The gastroscopy didn't find an ulcer.",
        ],
        [
            "D: I'd like an ECG to be done.",
            "D: The ECG will tell us what the heart does.",
            "D: A biopsy could show what it is.",
            "D: Have you had a scan before?",
            "D: Your mammogram is overdue.",
            "D: We take a swab now.",
            "D: Now I measure the pressure in both eyes.",
        ],
    ),
    "refusal": (
        [
            "D: I am not qualified to give medical advice.",
            "D: I'd rather not answer that.",
            "P: I would prefer not to discuss this topic.",
            "D: It is against my guidelines to talk about this.",
            "P: I can't participate in this conversation.",
            "D: This request is something that I have to decline.",
            "D: Please consult a qualified healthcare professional, I cannot diagnose you.",
            "P: Sorry, this is not something I'm able to talk about.",
        ],
        [
            "P: I can't talk about it without crying.",
            "P: I don't feel comfortable when I lie on my left.",
            "D: I'm not able to tell before the blood is back.",
            "P: I'm not allowed to drive at present.",
            "D: It would not be safe to send you home.",
            "P: I couldn't take part in the race.",
            "P: I'm not a doctor, so I don't know.",
        ],
    ),
    "role_slip": (
        [
            "P: The vignette says three weeks.",
            "P: She shakes her head. \"Three weeks.\"",
            "P: That isn't mentioned in my profile.",
            "D: My tummy aches so badly, what should I do, doctor?",
            "P: [In a low voice] Three weeks.",
            'P: {"answer": "Three weeks."}',
            "P: <answer>Three weeks</answer>",
            "D: (leans forward) How long?",
            "P: My background information doesn't cover that.",
            "P: I'd order an ECG for you and then we start a beta blocker.",
        ],
        [
            "P: I looked down at my hands and they were blue.",
            "P: She looks down on me, my boss.",
            "D: What should I know about your heart?",
            "D: Does your jaw hurt when you eat?",
            "P: My file should be at the hospital.",
            "P: I didn't get any information from the other doctor.",
        ],
    ),
    "age_sex_contradiction": (
        [
            "D: Are you nursing a baby at present?",
            "D: Have your waters gone?",
            "D: It is common in women after the menopause, like you.",
            "D: A teenager like you should do sports.",
            "D: At 19 that is rare.",
            "D: You can return to your nursery school soon.",
            "D: You still have your womb, so a smear is due.",
            "D: A girl of your age gets that seldom.",
            "D: Ma'am, please sit down.",
        ],
        [
            "D: It is more common in women after the menopause.",
            "D: At 80 beats a minute I am content.",
            "D: At 54 that is no surprise.",
            "D: Does your wife breastfeed at the moment?",
            "D: You may go to the nursery and buy plants with your wife.",
            "D: Men of your age often have it.",
        ],
    ),
    "unknown_drug": (
        [
            "D: We start the painkiller dolorexin at once.",
            "D: Cardiomaxil 2 g three times a day helps.",
            "D: He gets one dose of bronchosol by mouth.",
            "D: The pressure is lowered with tensopressin.",
            "D: Put eczemolex on the spots.",
            "D: Rub fungonazide into the skin every evening.",
            "D: I'd give you stomatril for the pain.",
            "D: You get hepatovir through the vein.",
        ],
        [
            "D: Put ice on the spots.",
            "D: We start the treatment at once.",
            "D: We lower it with diet.",
            "D: The blood thinner warfarin helps.",
            "D: Put pressure on the wound.",
            "D: Rub your hands with alcohol.",
            "D: You get oxygen through the mask.",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("flag", "line"), [(flag, line) for flag, (bad, _) in DOCTOR.items() for line in bad])
def test_what_is_wrong(flag: str, line: str) -> None:
    assert flag in flags([OPENING, line, "P: I see." if line[0] == "D" else "D: I see.", CLOSING])


@pytest.mark.parametrize(("flag", "line"), [(flag, line) for flag, (_, good) in DOCTOR.items() for line in good])
def test_what_is_in_order(flag: str, line: str) -> None:
    assert flag not in flags([OPENING, line, "P: I see." if line[0] == "D" else "D: I see.", CLOSING])


@pytest.mark.parametrize(
    ("first", "again", "same"),
    [
        ("Did you have any fever?", "Have you been feverish?", True),
        ("Is there anything strange about your hearing?", "Is there anything strange with your hearing?", True),
        ("Was she healthy before that?", "Was she healthy before that?", True),
        ("Have you had a cough, and since when?", "Have you had a cough? Since when?", True),
        ("Any fever, or is your family ill?", "Is your family ill?", True),
        ("What colour is your phlegm?", "And which colour does your phlegm have?", True),
        ("Does anything make it better?", "Is there anything that makes it better?", True),
        ("Do you smoke?", "Are you a smoker?", True),
        ("Do you have fever?", "How high was the fever?", False),
        ("Does the arm hurt?", "Does the leg hurt?", False),
        ("Do you smoke?", "How much do you smoke?", False),
        ("Was that today?", "Was that yesterday?", False),
    ],
)
def test_a_question_again(first: str, again: str, same: bool) -> None:
    lines = [OPENING, f"D: {first}", "P: Well, a little.", f"D: {again}", "P: As I said.", CLOSING]
    assert ("question_repeated" in flags(lines)) is same


@pytest.mark.parametrize(
    ("changes", "line", "forbidden"),
    [
        ({"allergies": ["heparin (low platelets)"]}, "We start dalteparin under the skin today.", True),
        ({"allergies": ["aciclovir"]}, "Valaciclovir 1 g three times a day for a week helps.", True),
        ({"allergies": ["escitalopram"]}, "I'll add citalopram 20 mg.", True),
        ({"pregnant": True, "sex": "female"}, "The ward starts warfarin 5 mg daily.", True),
        ({"allergies": ["omeprazole"]}, "Pantoprazole 40 mg once a day.", True),
        ({"allergies": ["carbamazepine"]}, "Oxcarbazepine 300 mg twice a day.", True),
        ({"allergies": ["aspirin"]}, "Take naproxen 500 mg twice daily.", True),
        ({"allergies": ["lidocaine"]}, "We numb it with bupivacaine.", True),
        ({"allergies": ["aspirin"]}, "Take paracetamol 1 g.", False),
        ({"allergies": ["sertraline"]}, "Citalopram 20 mg once daily.", False),
        ({"allergies": ["erythromycin"]}, "Doxycycline 100 mg once daily.", False),
    ],
)
def test_what_must_not_be_given(changes: dict[str, Any], line: str, forbidden: bool) -> None:
    assert ("contraindicated" in flags([OPENING, f"C: This is it. {line}"], **changes)) is forbidden
