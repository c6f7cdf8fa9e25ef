from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.phi import KINDS, Span, find, mask
from filters.phi_numbers import is_nhs_number

ANY = st.text(st.characters(exclude_categories=()), max_size=80)
PIECES = st.sampled_from(
    [
        "Mr. ",
        "Dr ",
        "Ana Souza",
        "O'Hara",
        ", a 93-year-old",
        "DOB: ",
        "3/4/1961",
        "4 March 2010",
        "MRN ",
        "8841203",
        "\n",
        " ",
        "é",
        "a@b.org",
        "+44 161 496 0733",
        "12 Elm Street",
        "\ud83d",
        "e\u0301",
        ".",
        ", ",
        "'s",
        "-",
        "(",
        "lives at ",
        "her son ",
        "王",
        "İ",
    ]
)
TEXTS = ANY | st.lists(PIECES | ANY, max_size=12).map("".join)


def masked(text: str) -> str:
    return mask(text, find(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Teodor Vasile was seen.", "Mr. [NAME] was seen."),
        ("Dr Farah-Louise O'Keefe's clinic", "Dr [NAME]'s clinic"),
        ("Frau van der Linde", "Frau [NAME]"),
        ("My name is Ngozi.", "My name is [NAME]."),
        ("Me llamo Inés Robledo y tengo tos", "Me llamo [NAME] y tengo tos"),
        ("Ich heiße Jürgen Pohl.", "Ich heiße [NAME]."),
        ("Patient: Min-seo Han\nMRN: 0042917", "Patient: [NAME]\nMRN: [ID]"),
        ("PATIENT NAME: OBI, ADA", "PATIENT NAME: [NAME]"),
        ("her son Dmitri and his wife, Nour,", "her son [NAME] and his wife, [NAME],"),
        ("Electronically signed by Lena Brandt, MD", "Electronically signed by [NAME], MD"),
        ("Ioana Pop is a 50-year-old woman. Pop denies pain.", "[NAME] is a 50-year-old woman. [NAME] denies pain."),
        ("hi , martha . i'm dr. flores .", "hi , [NAME] . i'm dr. [NAME] ."),
        ("Name: Jose\u0301 Ruiz", "Name: [NAME]"),
        ("姓名：王小明", "姓名：[NAME]"),
        ("Ms. June Ward; how are you, Mary?", "Ms. [NAME]; how are you, [NAME]?"),
        ("seen in clinic by Ruth Nováková, PA", "seen in clinic by [NAME], PA"),
        (
            "[doctor] patient , bruce ward . date of birth 5/21/1969",
            "[doctor] patient , [NAME] . date of birth [DATE]",
        ),
        ("Dr. Crohn saw Mr. Wilson", "Dr. [NAME] saw Mr. [NAME]"),
        ("on 03/14/2019, 2021-11-05 and 22.07.1956", "on [DATE], [DATE] and [DATE]"),
        ("on the fourth of March nineteen sixty-two", "on [DATE]"),
        ("born in May 1941", "born in [DATE]"),
        ("am 22. Juli 1956, le 5 novembre 2021", "am [DATE], le [DATE]"),
        ("a 93-year-old, aged 91, ninety-two years old", "a [AGE]-year-old, aged [AGE], [AGE] years old"),
        ("call (918) 555-0142 or +44 161 496 0733", "call [PHONE] or [PHONE]"),
        ("mail h.w47@mailbox.example.com", "mail [EMAIL]"),
        ("see https://www.facebook.com/tamsin.ashdown.7", "see [URL]"),
        ("NHS 943 476 5919; SSN 219-09-4417; policy no. XK-882019", "NHS [ID]; SSN [ID]; policy no. [ID]"),
        ("the number 943 476 5919", "the number [ID]"),
        ("at 4417 Larkspur Lane, Tulsa, OK 74105.", "at [ADDRESS]."),
        ("Lindenstraße 48, 04109 Leipzig", "[ADDRESS]"),
        ("23 rue des Tilleuls, 69003 Lyon", "[ADDRESS]"),
    ],
)
def test_what_is_found(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Parkinson's disease, Crohn disease, Wilson disease",
        "Down syndrome, Hodgkin lymphoma and Graves' ophthalmopathy.",
        "Her mother, Parkinson's disease; her father, Alzheimer's.",
        "The Glasgow Coma Scale, a Foley catheter, Babinski sign and Murphy's sign were noted.",
        "Metoprolol 25 mg, Coumadin 5 mg, MS Contin 15 mg, lisinopril/HCTZ 10/12.5 mg, doses of 5/10/20 mg",
        "E11.9, I10, C50.911 and M54.5",
        "BP 120/80, HR 76, Na 138, HbA1c 7.2%, 100-200-300 mg, T 36.6-37.2, CI 0.97-1.50, 8.2-11.6",
        "Smith J, Jones K. N Engl J Med 2010;362:1-9. doi:10.1056/NEJMoa0909809",
        "The Framingham study, ASCOT, NCT01234567 and GenBank accession number AB123456.",
        "Dr", "Dr.", "Dr. ", "Dr. followed by nothing", "Thank you, Doctor. I will.", "Hello Doctor",
        "Doctor: Good morning.\nPatient: Yes, I have pain.\nPatient: Thank You.",
        "a 45-year-old man, aged 60, over 90 years, patients aged 90 years or older, range 75-93 years",
        "in March 2004, since 2010, between January 2005 and June 2013",
        "Patients were enrolled from July 1, 2005 to June 30, 2006.",
        "call 1-800-232-4636, write to info@nih.gov, see http://www.cdc.gov/flu",
        "seen by Cardiology, referred by the Emergency Department",
        "the number 943 476 5918",
        "this may 4 times a day march 12 miles",
        "Dr. XYZ saw Mr. ABC.",
        "Thalassemia major is called Cooley's anemia; the hormone was used in the NHPP of LVADs.",
        "Enuresis is normal till 5 years of age. The Smith antigen was negative.",
        "how are you doing walking around ? [patient] fine",
    ],
)  # fmt: skip
def test_what_is_left_alone(text: str) -> None:
    assert find(text) == []


def test_a_name_found_once_is_masked_everywhere() -> None:
    text = "Okafor came. Mrs. Adaeze Okafor left. Adaeze waved; the okafors did not."
    assert masked(text) == "[NAME] came. Mrs. [NAME] left. [NAME] waved; the okafors did not."


@given(TEXTS)
@settings(max_examples=300)
def test_spans_lie_in_the_text_sorted_and_apart(text: str) -> None:
    spans = find(text)
    last = 0
    for span in spans:
        assert last <= span.start < span.end <= len(text)
        assert span.kind in KINDS
        last = span.end


@given(TEXTS)
@settings(max_examples=300)
def test_masking_changes_nothing_outside_of_spans(text: str) -> None:
    spans = find(text)
    changed, at = mask(text, spans), 0
    for before, span in zip([0, *(s.end for s in spans)], [*spans, None], strict=True):
        kept = text[before : span.start] if span else text[before:]
        assert changed[at : at + len(kept)] == kept
        at += len(kept) + (len(f"[{span.kind.upper()}]") if span else 0)
    assert at == len(changed)


@given(st.integers(0, 999_999_999))
def test_exactly_one_check_digit_makes_an_nhs_number_or_none(stem: int) -> None:
    valid = [digit for digit in range(10) if is_nhs_number(f"{stem:09d}{digit}")]
    assert len(valid) <= 1
    assert not valid or not is_nhs_number(f"{(stem + 1) % 10**9:09d}{valid[0]}")


def test_kinds_narrow_what_counts() -> None:
    text = "Mr. Vasile, DOB 3/4/1961, MRN 8841203"
    assert [span.kind for span in find(text, {"id"})] == ["id"]
    assert find(text, {"email"}) == []


def test_another_finder_adds_spans_and_overlaps_become_one() -> None:
    def places(text: str) -> list[Span]:
        return [Span(m.start(), m.end(), "address") for m in re.finditer("Sacaton|Vasile lives", text)] + [
            Span(5, 999, "name")
        ]

    text = "Mr. Vasile lives in Sacaton."
    spans = find(text, more=places)
    assert [(text[s.start : s.end], s.kind) for s in spans] == [("Vasile lives", "address"), ("Sacaton", "address")]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match='"nmae" is unknown'):
        find("", kinds=["nmae"])


@pytest.mark.parametrize("piece", ["A-", "1-", "a.", "www.", "\n", " ", "Mr. A ", "12 Aa ", "a", "born ", "1/1/"])
@pytest.mark.timeout(20)
def test_long_runs_of_one_thing_take_no_time_to_speak_of(piece: str) -> None:
    find(piece * (20_000 // len(piece)))
