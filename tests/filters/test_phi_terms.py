"""Names that stand for diseases, signs and medicines are no persons; and words that only begin a rule lose nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.phi import find
from filters.phi_contexts import NAME_LABEL, NAME_WORDS, OPENINGS
from filters.phi_words import at_words, near, runs, vocabulary

EPONYMS = """Sister Mary Joseph nodule|Argyll Robertson pupil|Marcus Gunn pupil|Jackson Pratt drain|Austin Flint murmur
|Graham Steell murmur|Bence Jones protein|Braxton Hicks contractions|Vaughan Williams class|Glasgow Coma Scale
|Ramsay Hunt syndrome|Miller Fisher syndrome|Grey Turner sign|Murphy sign|Wells score|Child-Pugh class|Crohn's disease
|Bell palsy|Dupuytren contracture|Colles fracture|Ewing sarcoma|Foley catheter|Stevens-Johnson syndrome|Baker cyst
|Osler nodes|Koplik spots|Lewy bodies|Friedreich ataxia|Raynaud phenomenon|Kaposi sarcoma|Todd paresis""".replace(
    "\n", ""
).split("|")
BRANDS = """Mounjaro|Xarelto Plus|Xarelto|Eliquis|Ozempic|Januvia|Lantus|Lipitor|Plavix|Lasix|Tylenol Extra|Advil
|Gaviscon Advance|Voltaren Emulgel|Lyrica|Zoloft|Xanax|Keppra|Ventolin|Advair Diskus|Augmentin|Humira|Viagra|Nuva Ring
|Novo Rapid""".replace("\n", "").split("|")


@pytest.mark.parametrize("name", EPONYMS)
@pytest.mark.parametrize(
    "sentence",
    [
        "This is {}.",
        "I'm worried it's {}.",
        "I think this is {}, a rare thing.",
        "Thank you, {} it is.",
        "My {} was positive.",
        "He was seen with {} yesterday.",
        "Doctor: That is called {}.",
    ],
)
def test_an_eponym_is_no_name(name: str, sentence: str) -> None:
    assert not find(sentence.format(name), {"name"})


@pytest.mark.parametrize("name", BRANDS)
@pytest.mark.parametrize(
    "sentence",
    [
        "My son {} too.",
        "I think it's {} I take.",
        "This is {}.",
        "My mom {} 5 mg, dad none.",
        "Hi, {} makes me sick.",
        "Thanks, {} helps.",
        "I'm on {} now.",
    ],
)
def test_a_brand_is_no_name(name: str, sentence: str) -> None:
    assert not find(sentence.format(name), {"name"})


def test_a_name_beyond_the_lists_is_told_by_its_dose() -> None:
    assert not find("My mom Zelvora 5 mg, my son Quorvex tablets.", {"name"})


@pytest.mark.parametrize(
    "text",
    [
        "Sister Mary Joseph came in.",
        "My son Wells took two tablets.",
        "My daughter Allegra takes 5 mg.",
        "Mr. Mounjaro 5 mg",
        "My name is Murphy.",
        "Nurse Kelly ordered the test.",
        "This is Graham Steell speaking.",
        "Dr. Bell drew blood.",
    ],
)
def test_people_of_such_names_are_found(text: str) -> None:
    assert find(text, {"name"})


LABEL_STARTS = re.compile(r"name|" + "|".join(sorted(NAME_WORDS, key=len, reverse=True)), re.IGNORECASE)


@pytest.mark.parametrize("context", OPENINGS, ids=lambda context: context.pattern[:24])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_a_rule_tried_at_its_first_words_finds_what_it_finds_anywhere(
    context: re.Pattern[str], data: st.DataObject
) -> None:
    pieces = st.from_regex(context, fullmatch=True) | st.sampled_from([" ", "\n", "the ", "X. ", "my ", "-", "and "])
    text = "".join(data.draw(st.lists(pieces, max_size=4))).replace("\u017f", "s").replace("\u212a", "k")
    found = {match.span() for match in at_words(context, text, OPENINGS[context])}
    assert found == {match.span() for match in context.finditer(text)}


@given(
    st.lists(
        st.sampled_from(["first ", "name", "names", "mother's ", "patient_", "Nom", ": ", "=", " of the dog", "x "])
    )
)
def test_a_label_tried_at_its_first_words_ends_where_it_ends_anywhere(pieces: list[str]) -> None:
    text = "".join(pieces)
    words = {word for word in vocabulary(text) if "name" in word} | NAME_WORDS
    found = {match.end() for match in at_words(NAME_LABEL, text, words)}
    assert found == {match.end() for match in NAME_LABEL.finditer(text)}


@given(st.lists(st.sampled_from(["May 5", " ", "x" * 50, "5th of May", "\n"]), max_size=30))
def test_windows_around_places_lose_nothing(pieces: list[str]) -> None:
    text = "".join(pieces)
    pattern = re.compile(r"May \d|\d+th of May")
    places = [start for word, start in runs(text) if word == "may"] or [m.start() for m in re.finditer("May", text)]
    places = sorted({*places, *(match.start() for match in re.finditer("May", text))})
    assert [m.span() for m in near(pattern, text, places, 20, 20)] == [m.span() for m in pattern.finditer(text)]
