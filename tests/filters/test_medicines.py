from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.medicines import candidates, contraindications, find_medicines, is_medicine
from filters.medicines_data import names, other_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I take Amoxil 500mg.", [("Amoxil", "amoxicillin")]),
        ("CO-AMOXICLAV or co amoxiclav", [("CO-AMOXICLAV", "co-amoxiclav"), ("co amoxiclav", "co-amoxiclav")]),
        ("my insulin glargine at night", [("insulin glargine", "insulin glargine")]),
        ("amlodipine, valsartan", [("amlodipine", "amlodipine"), ("valsartan", "valsartan")]),
        ("two Tylenols and a statin", [("Tylenols", "paracetamol"), ("statin", "statin")]),
        ("your potassium is 4.1", []),
        ("on your last potassium test; a lack of iron", []),
        ("potassium tablets twice a day", [("potassium", "potassium")]),
        ("St John\u2019s wort", [("St John\u2019s wort", "st john's wort")]),
        ("starting frobrizumab", [("frobrizumab", "frobrizumab")]),
        ("I rest, drink fluids and pray.", []),
    ],
)
def test_medicines_are_found_by_generic_brand_and_group(text: str, expected: list[tuple[str, str]]) -> None:
    found = find_medicines(text)
    assert [(mention.text, mention.name) for mention in found] == expected
    assert all(text[mention.start : mention.end] == mention.text for mention in found)


def test_classes_of_a_brand_and_of_a_group() -> None:
    (amoxil,) = find_medicines("Amoxil")
    assert {"penicillins", "antibiotics"} <= amoxil.classes
    (statin,) = find_medicines("a statin")
    assert statin.classes == {"groups", "statins"}


@pytest.mark.parametrize(
    "name",
    ["Metoprolol succinate XL 50 mg", "lisinopril", "Ventolin inhaler", "amoxicilin", "zanubrutinib", "antibiotics"],
)
def test_known_names_with_salts_forms_and_slips(name: str) -> None:
    assert is_medicine(name)


@pytest.mark.parametrize("name", ["Zorbex", "Corvinex", "cardizapril", "rest", "", "physiotherapy", "50 mg"])
def test_inventions_and_ordinary_words_are_no_medicines(name: str) -> None:
    assert not is_medicine(name)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("I'm going to start you on Zelvorin, 20 mg once a day.", "Zelvorin"),
        ("We'll try a course of Brontamil for ten days.", "Brontamil"),
        ("Please take two Cardovex tablets every morning.", "Cardovex"),
        ("I've been taking Neuroxal for my nerves.", "Neuroxal"),
        ("My GP gave me Painex 50 mg", "Painex"),
        ("we will give you 500 mg of trimodazine", "trimodazine"),
        ("Continue your Lumocort cream.", "Lumocort"),
        ("I'm on Dolorex for my back", "Dolorex"),
        ("The doctor switched me to Tensoril last year.", "Tensoril"),
        ("put you on vexamine 10 milligrams daily", "vexamine"),
    ],
)
def test_an_unknown_name_in_a_medicines_place_is_a_candidate(text: str, word: str) -> None:
    found = candidates(text)
    assert [mention.text for mention in found] == [word]
    assert text[found[0].start : found[0].end] == word
    assert found[0].classes == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "Take one tablet twice a day with food.",
        "Take plenty of fluids and rest.",
        "Use the inhaler twice a day and take these antibiotics for seven days.",
        "I take vitamins and iron tablets every day.",
        "I'll prescribe physiotherapy. Prescribe Physiotherapy.",
        "Take paracetamol as needed, and Tylenol tablets.",
        "I take naps at night and take Monday off.",
        "You need sleeping tablets, steroid injections and eye drops.",
        "glucose 180 mg/dL, the patient loses 500 mL of blood",
        "a tiotropium bromide inhaler and lisinoprill 10 mg",
        "Take the medication daily; take deep breaths every hour.",
    ],
)
def test_ordinary_words_and_known_medicines_are_no_candidates(text: str) -> None:
    assert candidates(text) == []


@pytest.mark.parametrize(
    ("medicine", "allergy", "forbidden"),
    [
        ("amoxicillin", "penicillin (rash)", True),
        ("Augmentin", "Penicillin", True),
        ("piperacillin", "amoxicillin", True),
        ("azithromycin", "penicillin", False),
        ("ceftriaxone", "penicillin - rash", False),
        ("ceftriaxone", "penicillin: anaphylaxis", True),
        ("cefalexin", "ceftriaxone", True),
        ("Bactrim", "sulfa drugs", True),
        ("furosemide", "sulfa drugs", False),
        ("ibuprofen", "aspirin", True),
        ("aspirin", "NSAIDs", True),
        ("paracetamol", "ibuprofen", False),
        ("Percocet", "acetaminophen", True),
        ("morphine", "codeine", True),
        ("fentanyl", "codeine", False),
        ("clarithromycin", "erythromycin", True),
        ("iodinated contrast", "iodine", True),
        ("amoxicillin", "NKDA", False),
        ("amoxicillin", "no known allergies to penicillin", False),
        ("amoxicillin", "latex", False),
        ("Zorbex", "penicillin", False),
    ],
)
def test_allergies_forbid_the_class(medicine: str, allergy: str, forbidden: bool) -> None:
    found = contraindications([medicine], [allergy], pregnant=False)
    assert bool(found) is forbidden
    assert all(name == medicine and reason and "\n" not in reason for name, reason in found)


@pytest.mark.parametrize(
    "name",
    ["lisinopril", "losartan", "warfarin", "Lipitor", "isotretinoin", "methotrexate", "Depakote", "misoprostol"],
)
def test_what_pregnancy_forbids(name: str) -> None:
    assert len(contraindications([name], [], pregnant=True)) == 1
    assert contraindications([name], [], pregnant=False) == []


@pytest.mark.parametrize("name", ["paracetamol", "amoxicillin", "labetalol", "insulin", "ibuprofen", "carbimazole"])
def test_what_pregnancy_does_not_forbid_throughout(name: str) -> None:
    assert contraindications([name], [], pregnant=True) == []


def test_the_lists_are_as_large_as_they_say() -> None:
    generics = {entry.name for entry in names().entries.values() if "groups" not in entry.classes}
    assert len(generics) > 1000
    assert len(other_names()) > 6000


@given(st.text(max_size=200))
def test_any_text_is_read_and_spans_are_in_order(text: str) -> None:
    for found in (find_medicines(text), candidates(text)):
        assert all(text[mention.start : mention.end] == mention.text for mention in found)
        assert [mention.start for mention in found] == sorted({mention.start for mention in found})
    is_medicine(text)
