"""The extractor against hand-read replies, and what holds for any reply."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.extract import extract
from tests.evaluation.attacks import ATTACKS
from tests.evaluation.attacks_on_ends import ATTACKS_ON_ENDS
from tests.evaluation.replies import ALONE, DRUGS, LINES, NOTHING, OTHERS, PUBLISHED, SENTENCES


@pytest.mark.parametrize(("reply", "letter"), PUBLISHED)
def test_replies_that_others_misread(reply: str, letter: str | None) -> None:
    assert extract(reply, DRUGS).letter == letter


@pytest.mark.parametrize("reply", LINES)
def test_the_line_that_was_asked_for(reply: str) -> None:
    assert extract(reply, DRUGS).letter == "C", extract(reply, DRUGS)


@pytest.mark.parametrize("reply", SENTENCES)
def test_sentences_that_commit_themselves(reply: str) -> None:
    found = extract(reply, DRUGS)
    assert found.letter == "C", found
    assert found.how in ("sentence", "option", "line")


@pytest.mark.parametrize("reply", ALONE)
def test_nothing_but_an_option(reply: str) -> None:
    assert extract(reply, DRUGS) == ("C", "alone")


@pytest.mark.parametrize("reply", NOTHING)
def test_no_answer_is_none(reply: str) -> None:
    found = extract(reply, DRUGS)
    assert found.letter is None, found
    assert found.how in ("no answer", "contradiction", "unfinished reasoning")


@pytest.mark.parametrize(("reply", "options", "letter"), OTHERS)
def test_other_options(reply: str, options: Mapping[str, str], letter: str | None) -> None:
    assert extract(reply, options).letter == letter


@pytest.mark.parametrize(("reply", "options", "letter"), [*ATTACKS, *ATTACKS_ON_ENDS])
def test_replies_written_to_mislead(reply: str, options: Mapping[str, str], letter: str | None) -> None:
    found = extract(reply, options)
    assert found.letter == letter, found


def test_why_there_is_no_letter() -> None:
    assert extract("<think>hm", DRUGS).how == "unfinished reasoning"
    assert extract("Answer: B or C", DRUGS).how == "contradiction"
    assert extract("It depends.", DRUGS).how == "no answer"


PIECES = st.sampled_from(
    ["Answer:", "answer is", "A", "I", "(C)", "\n", " ", "\\boxed{", "}", "**", "or", "<think>", "</think>", "Aspirin",
     "option", "D.", "not", "##", "Final Response", "is correct", "E", "if", "?", ",", "|", "Ⅳ", "İ", "ﬁ",
     "The most likely cause is", "is the most likely", "This is wrong.", "A.", '"answer":', "However,"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=25).map(" ".join)))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_an_offered_letter_or_none(reply: str) -> None:
    letter, how = extract(reply, DRUGS)
    assert (letter in DRUGS) == (how in ("line", "sentence", "option", "stem", "alone"))
    assert letter is None or letter in DRUGS


FORMS = [
    "Answer: {letter}",
    "**Answer:** ({letter})",
    "The answer is {letter}. {text}.",
    "Answer: {text}",
    "{letter}) {text}",
    "\\boxed{{{letter}}}",
    "I choose {text}.",
    "Option {letter} is correct.",
    "{letter}",
    "Final answer: {text} ({letter})",
]


@given(st.permutations(sorted(DRUGS)), st.sampled_from(sorted(DRUGS)), st.sampled_from(FORMS))
@settings(max_examples=300, deadline=None)
def test_another_order_of_the_options_gives_the_same_option(order: list[str], chosen: str, form: str) -> None:
    shown = dict(zip("ABCD", (DRUGS[letter] for letter in order), strict=True))
    letter = "ABCD"[order.index(chosen)]
    assert extract(form.format(letter=letter, text=DRUGS[chosen]), shown).letter == letter


REPEATED = ["Answer: ", "Answer ", "**", "(", "the answer is ", "\\boxed{", "<think>", "if ", " I ", "is ",
            "A. Aspirin is the most likely\n", "the most likely is ", "A.\n", "C is correct. "]  # fmt: skip


@given(st.sampled_from(REPEATED))
@settings(max_examples=14, deadline=6000)
def test_long_repetitions_take_no_time(piece: str) -> None:
    extract(piece * 20_000, DRUGS)
