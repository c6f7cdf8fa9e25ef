"""Benchmark items are found in rows, other texts are left alone, and spans stand in the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.contamination import Match, Paraphrases, contaminated, find_matches
from filters.item_index import ItemIndex
from filters.readers import Case, Item
from filters.text import normalise, words

VIGNETTE = (
    "A 31-year-old gardener comes to a walk-in clinic in the second week of a cough, with a fever that rises every "
    "evening. He says it began 4 days after he had cleared out an old barn and has become worse in spite of rest and "
    "plenty of tea. He takes no medicines and has never smoked. Which of these organisms is the likeliest cause?"
)
STEM = "Which of the following is the most appropriate next step in the management of this patient right now?"


def item(
    question: str, name: str = "1", *, benchmark: str = "medqa", right: str = "Coxiella", context: str = ""
) -> Item:
    return Item(
        id=f"{benchmark}:{name}",
        question=question,
        options={"A": right, "B": "Borrelia"},
        answer="A",
        context=context,
        split="test",
        licence="mit",
        benchmark=benchmark,
    )


def found(rows: Sequence[str | None], *items: Item | Case, **options: Any) -> list[tuple[int, str]]:
    matches = find_matches(pa.array(rows, pa.string()), ItemIndex.from_items(items), **options)
    return [(match.row, match.item) for match in matches]


@pytest.mark.parametrize(
    "row",
    [
        VIGNETTE,
        f"Question: {VIGNETTE}\n\nAnswer: B",
        VIGNETTE.upper().replace(" ", "  \n").replace(".", ""),
        f"<user>{VIGNETTE}</user>",
        VIGNETTE[:200],  # a part above the threshold
    ],
)
def test_an_item_is_found_however_it_is_written(row: str) -> None:
    assert found(["other words", row], item(VIGNETTE)) == [(1, "medqa:1")]


def test_containment_is_the_share_of_the_item_not_of_the_row() -> None:
    long_row = "Some words about kidneys and how they work. " * 500 + VIGNETTE
    (match,) = find_matches(pa.array([long_row]), ItemIndex.from_items([item(VIGNETTE)]))
    assert match.containment == 1.0
    assert match.span == normalise(VIGNETTE)[:-1]  # without the question mark


@pytest.mark.parametrize(("threshold", "is_found"), [(0.2, True), (0.3, False)])
def test_the_threshold(threshold: float, is_found: bool) -> None:
    parts = words(VIGNETTE)
    grams = len(parts) - 7
    row = " ".join(parts[: 7 + int(0.25 * grams)])  # a quarter of the 8-grams
    assert bool(found([row], item(VIGNETTE), threshold=threshold)) is is_found


def test_shares_of_both_lengths_are_measured_and_the_larger_one_counts() -> None:
    numbers = [f"w{n}" for n in range(40)]
    (match,) = find_matches(pa.array([" ".join(numbers[:20])]), ItemIndex.from_items([item(" ".join(numbers))]))
    assert match.containment == 13 / 33  # 8-grams: 13 of 33; 13-grams: 8 of 28
    assert match.span == " ".join(numbers[:20])


def test_repeating_one_ngram_does_not_add_up() -> None:
    some = " ".join(words(VIGNETTE)[:8])
    assert found([f"{some} | " * 50], item(VIGNETTE)) == []


def test_short_questions_are_compared_whole() -> None:
    short = item("The tree whose bark eases fever is")
    rows = ["Now: the tree whose bark eases fever is the willow", "the tree whose bark is", None, ""]
    assert found(rows, short) == [(0, "medqa:1")]


@pytest.mark.parametrize(
    ("row", "is_found"),
    [
        ("Gluten", True),  # says nothing else
        ("A diet without gluten was tried.", False),
        ("Gluten\nA. Causes coeliac disease\nB. Borrelia", True),  # the right option, too
        ("Gluten is a protein. Borrelia is not.", False),
    ],
)
def test_a_question_of_few_words_needs_its_answer(row: str, is_found: bool) -> None:
    assert bool(found([row], item("Gluten", right="Causes coeliac disease"))) is is_found


def test_a_question_asked_with_different_answers_needs_one() -> None:
    asked = "Which of these statements is true?"
    items = [item(asked, str(n), right=f"answer number {n}") for n in range(3)]
    rows = [f"So, {asked} Nobody knows.", f"{asked} Answer number 1."]
    assert found(rows, *items) == [(1, "medqa:1")]
    assert found(rows, items[0]) == [(0, "medqa:0"), (1, "medqa:0")]


def test_stock_phrases_count_for_no_item() -> None:
    endings = [item(f"Patient number {n} has sign x{n} y{n} and z{n}. {STEM}", str(n)) for n in range(12)]
    row = f"A woman of forty came in with quite another complaint than any. {STEM}"
    assert found([row], *endings) == []
    assert found([row], *endings[:9]) != []  # in fewer than ten items they are no stock


def test_an_item_of_stock_phrases_alone_needs_its_answer() -> None:
    others = [item(f"Number {n}. {STEM}", str(n)) for n in range(12)]
    index = ItemIndex.from_items([item(STEM, "all", right="Bed rest"), *others])
    rows = pa.array([f"Well, tell me: {STEM}", f"Well: {STEM} Bed rest.", STEM])
    assert [match.row for match in find_matches(rows, index) if match.item == "medqa:all"] == [1, 2]


def test_stock_phrases_in_an_order_of_their_own_name_an_item() -> None:
    phrases = [" ".join(f"{name}{n}" for n in range(8)) for name in "abcdefgh"]
    others = [item(f"{phrase} x{n}", f"{phrase[0]}{n}") for phrase in phrases for n in range(10)]
    joined = " ".join(phrases)
    assert "medqa:joined" in dict.fromkeys(
        name for _, name in found([f"So {joined} it is"], item(joined, "joined"), *others)
    )


def test_equal_questions_are_reported_for_each_item() -> None:
    both = [item(VIGNETTE, "1"), item(VIGNETTE.lower(), "2", benchmark="mmlu")]
    assert found([VIGNETTE], *both) == [(0, "medqa:1"), (0, "mmlu:2")]


def test_the_context_of_pubmedqa_is_a_part_of_its_own() -> None:
    with_context = item("Does tea shorten a cough after barn work?", context=VIGNETTE)
    assert found([VIGNETTE], with_context) == [(0, "medqa:1")]
    assert found(["Does tea shorten a cough after barn work?"], with_context) == [(0, "medqa:1")]
    assert len(found([f"{VIGNETTE} Does tea shorten a cough after barn work?"], with_context)) == 1


def test_a_case_is_found_by_what_is_known_of_the_patient() -> None:
    case = Case(
        id="agentclinic:1",
        opening="Assess the patient.",
        demographics="",
        facts=(VIGNETTE,),
        examination={"Pulse": "80"},
        tests={},
        diagnosis="Cystitis",
        split="unknown",
        licence="mit",
        benchmark="agentclinic",
    )
    assert found([VIGNETTE], case) == [(0, "agentclinic:1")]


def test_rows_are_numbered_through_slices_and_blocks() -> None:
    rows = pa.array(["x", *["nothing"] * 5000, VIGNETTE, None])
    index = ItemIndex.from_items([item(VIGNETTE)])
    assert [match.row for match in find_matches(rows, index)] == [5001]
    assert [match.row for match in find_matches(rows.slice(4000), index)] == [1001]


def test_verdicts_tell_the_best_match() -> None:
    half = " ".join(words(VIGNETTE)[:30]) + " and then came quite another ending that none of the others had before"
    index = ItemIndex.from_items([item(half, "half"), item(VIGNETTE, "whole")])
    verdicts = contaminated(pa.array(["clean", VIGNETTE, None]), index)
    assert verdicts.reasons == ["", "contaminated", ""]
    assert verdicts.evidence[1].startswith("medqa:whole, share 1.00: a 31-year-old gardener")
    assert verdicts.counts() == {"contaminated": 1}


def test_no_items_and_no_rows() -> None:
    assert found(["some row of text"]) == []
    assert found([], item(VIGNETTE)) == []
    assert contaminated(pa.array([], pa.string()), ItemIndex.from_items([item(VIGNETTE)])).keep == []


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01, float("nan")])
def test_thresholds_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0"):
        found(["x"], item(VIGNETTE), threshold=threshold)


@pytest.mark.parametrize("stock", [1, 0, -1])
def test_stock_out_of_range(stock: int) -> None:
    with pytest.raises(ValueError, match="stock must be at least 2"):
        ItemIndex.from_items([item(VIGNETTE)], stock=stock)


def letters(texts: list[str]) -> np.ndarray[Any, Any]:
    """A model for tests: how often each letter stands in a text."""
    return np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts], dtype=np.float32)


def test_paraphrases_are_looked_for_where_words_found_nothing() -> None:
    index = ItemIndex.from_items([item(VIGNETTE)])
    seen: list[str] = []

    def embed(texts: list[str]) -> np.ndarray[Any, Any]:
        seen.extend(texts)
        return letters(texts)

    shuffled = " ".join(reversed(words(VIGNETTE)))
    rows = pa.array([VIGNETTE, "quiz jazz", shuffled, None, "  "])
    verdicts = contaminated(rows, index, paraphrases=Paraphrases(index, embed, 0.95))
    assert verdicts.keep == [False, True, False, True, True]
    assert verdicts.evidence[2].startswith("medqa:1, cosine ")
    assert seen == [VIGNETTE, "quiz jazz", shuffled]  # the item, then rows that were not flagged and are not empty


@pytest.mark.parametrize("shape", [(1,), (3, 2), (1, 1, 1)])
def test_an_embed_that_gives_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a row for each is needed"):
        Paraphrases(ItemIndex.from_items([item(VIGNETTE)]), lambda texts: np.zeros(shape))


# Words of several scripts, glued together by white space and punctuation.
_WORD = st.text("abcdefgéßσΣ1ñ漢字ไทย", min_size=1, max_size=6)
_GAP = st.sampled_from([" ", "\n", ", ", " - ", "\u00a0", "; "])
_TEXT = st.lists(st.tuples(_WORD, _GAP), min_size=1, max_size=40).map(lambda parts: "".join(map("".join, parts)))


@settings(max_examples=60, deadline=None)
@given(st.lists(_TEXT, min_size=1, max_size=15), st.data(), st.text(max_size=60), st.text(max_size=60))
def test_an_item_pasted_whole_into_any_text_is_found(
    questions: list[str], data: st.DataObject, before: str, after: str
) -> None:
    items = [item(question, str(number)) for number, question in enumerate(questions)]
    pasted = data.draw(st.sampled_from(items))
    options = "\n".join(f"{letter}. {text}" for letter, text in pasted.options.items())
    row = f"{before}\n{pasted.question}\n{options}\n{after}".encode("utf-8", "replace").decode()
    assert (0, pasted.id) in found([row], *items)


def eights(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[place : place + 8]) for place in range(len(found) - 7)}


@settings(max_examples=60, deadline=None)
@given(st.lists(_TEXT, min_size=1, max_size=8), st.lists(_TEXT, min_size=1, max_size=8))
def test_without_a_common_8gram_no_long_item_is_found_and_spans_stand_in_the_row(
    questions: list[str], rows: list[str]
) -> None:
    items = [item(question, str(number)) for number, question in enumerate(questions)]
    long = {each.id: eights(each.question) for each in items}
    short = {each.id for each in items if len(words(each.question)) < 13}
    rows = [*rows, rows[0] + questions[0], questions[-1] + rows[-1]]
    for match in find_matches(pa.array(rows), ItemIndex.from_items(items)):
        common = long[match.item] & eights(rows[match.row])
        assert common or match.item in short
        assert match.span
        assert match.span in normalise(rows[match.row])


def test_evidence_is_one_line_of_bounded_length() -> None:
    match = Match(0, "medqa", "medqa:1", 0.5, "some words\n" * 100)
    assert len(match.evidence) < 250
    assert "\n" not in match.evidence
