from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.doses import find_doses, implausible
from filters.doses_data import usual_doses
from filters.medicines_data import key, lookup


@pytest.mark.parametrize(
    ("text", "amount", "unit", "count", "per_day", "medicine"),
    [
        ("Take paracetamol 500 mg four times a day", 500, "mg", 1, 4, "paracetamol"),
        ("two tablets of 500 mg three times a day of Tylenol", 500, "mg", 2, 3, "paracetamol"),
        ("paracetamol 500 mg, two tablets every 6 hours", 500, "mg", 2, 4, "paracetamol"),
        ("2 x 500 mg metformin daily", 500, "mg", 2, 1, "metformin"),
        ("0.5 milligrams of lorazepam at night", 0.5, "mg", 1, 1, "lorazepam"),
        ("heparin 5,000 units bd", 5000, "units", 1, 2, "heparin"),
        ("levothyroxine 100 \u00b5g each morning", 100, "microgram", 1, 1, "levothyroxine"),
        ("digoxin 125 micrograms every other day", 125, "microgram", 1, 0.5, "digoxin"),
        ("ibuprofen five hundred milligrams tds", 500, "mg", 1, 3, "ibuprofen"),
        ("ibuprofen 600 mg q.6 h. with food", 600, "mg", 1, 4, "ibuprofen"),
        ("one fifty milligrams of fluconazole", 150, "mg", 1, None, "fluconazole"),
        ("prednisone 40-60 mg", 60, "mg", 1, None, "prednisone"),
        ("methotrexate 15 mg once a week", 15, "mg", 1, 1 / 7, "methotrexate"),
        ("ceftriaxone 50 mg/kg", 50, "mg/kg", 1, None, "ceftriaxone"),
        ("salbutamol 2 puffs", 2, "puffs", 1, None, "salbutamol"),
        ("ceftriaxone 1 g intravenously", 1, "g", 1, None, "ceftriaxone"),
        ("It is raised to 50 mg. Metformin stays.", 50, "mg", 1, None, None),
    ],
)
def test_a_dose_is_read(
    text: str, amount: float, unit: str, count: float, per_day: float | None, medicine: str | None
) -> None:
    (dose,) = find_doses(text)
    assert (dose.amount, dose.unit, dose.count, dose.medicine) == (amount, unit, count, medicine)
    assert dose.per_day == (pytest.approx(per_day) if per_day else None)
    assert text[dose.start : dose.end] == dose.text


def test_each_dose_goes_to_its_own_medicine() -> None:
    found = find_doses("I take metformin 500 mg and lisinopril 10 mg; 40 mg of atorvastatin at night.")
    assert [(dose.amount, dose.medicine) for dose in found] == [
        (500, "metformin"),
        (10, "lisinopril"),
        (40, "atorvastatin"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "glucose 180 mg/dL",
        "180 mg per deciliter",
        "BP 140 mmHg",
        "500 mL blood loss",
        "urine output of 500 mL",
        "amoxicillin 250 mg/5 mL",
        "noradrenaline 5 mcg/min",
        "two units of packed red cells",
        "weighs 3200 g",
        "10 units of alcohol a week",
        "a 5 mm nodule",
        "I'm prescribing you thirty pills",
    ],
)
def test_values_volumes_and_weights_are_no_doses(text: str) -> None:
    assert find_doses(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "levothyroxine 100 mg daily",
        "amoxicillin 50,000 mg",
        "insulin 20 mg",
        "paracetamol 500 units",
        "paracetamol 5 g four times a day",
        "methotrexate 15 mg daily",
        "digoxin 250 mg",
        "colchicine 500 mg twice a day",
        "fentanyl 25 mg patch",
        "warfarin 5 g",
        "paracetamol 500 micrograms",
        "five tablets of 1 g of paracetamol",
        "take 30 tablets of aspirin",
        "ibuprofen 800 mg, three tablets every hour",
    ],
)
def test_gross_mistakes_are_named_in_one_line(text: str) -> None:
    (dose,) = find_doses(text)
    reason = implausible(dose)
    assert reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    "text",
    [
        "levothyroxine 100 micrograms daily",
        "levothyroxine 0.1 mg daily",
        "insulin glargine 60 units",
        "methotrexate 15 mg once a week",
        "digoxin 250 micrograms",
        "colchicine 500 micrograms four times a day",
        "fentanyl 25 micrograms",
        "warfarin 5 mg",
        "vitamin D 50,000 units once a week",
        "paracetamol 1 g four times a day",
        "prednisone 60 mg daily",
        "aspirin 81 mg",
        "amoxicillin 90 mg/kg",
        "unknownium 5000 mg",
        "metformin two tablets of 1000 mg daily",
    ],
)
def test_usual_high_and_unknown_doses_are_left_alone(text: str) -> None:
    assert [implausible(dose) for dose in find_doses(text)] in ([None], [])


def test_every_medicine_of_the_table_is_known_by_that_name() -> None:
    for name, usual in usual_doses().items():
        entry = lookup(key(name))
        assert entry is not None
        assert entry.name == name
        assert 0 < usual.low <= usual.high
        assert usual.daily > 0
    assert len(usual_doses()) >= 450


_UNITS = {"mg": "mg", "milligrams": "mg", "g": "g", "mcg": "microgram", "micrograms": "microgram", "units": "units"}


@given(
    st.integers(1, 2_000_000).map(lambda n: n / 100),
    st.sampled_from(sorted(_UNITS)),
    st.sampled_from(["", " "]),
    st.sampled_from(["{:,.2f}", "{:.2f}"]),
)
def test_a_rendered_dose_comes_back(amount: float, unit: str, gap: str, form: str) -> None:
    (dose,) = find_doses(f"Take amoxicillin {form.format(amount)}{gap}{unit} daily.")
    assert dose.amount == pytest.approx(amount)
    assert (dose.unit, dose.per_day, dose.medicine) == (_UNITS[unit], 1, "amoxicillin")


_PIECES = st.sampled_from(
    ["500", " mg", "mcg", "\u00bd", "\u0665", " tablets", " of ", "twice a day", "every 0 hours", "/kg", "/", "-",
     "one hundred", " insulin ", ".", "\n", "\u00b5g", "x", "\ufb01", " q 6 h", "point five", ",", "\u2066"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=120), st.lists(_PIECES, max_size=15).map("".join)))
def test_any_text_is_read(text: str) -> None:
    for dose in find_doses(text):
        assert text[dose.start : dose.end] == dose.text
        assert dose.amount >= 0
        reason = implausible(dose)
        assert reason is None or "\n" not in reason
