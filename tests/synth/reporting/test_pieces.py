"""Pieces of text: together they are the text, whatever is marked in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synth.reporting.pieces import cut, marked, word_diff
from synth.reporting.shape import Histogram
from synth.reporting.tallies import spans

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@given(TEXT, st.lists(st.tuples(TEXT, st.just("flag")), max_size=4))
def test_pieces_together_are_the_text(text: str, quotes: list[tuple[str, str]]) -> None:
    pieces = marked(text, quotes)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)
    assert all(any(piece.text in quote for quote, _ in quotes) for piece in pieces if piece.mark)


@given(TEXT, TEXT, TEXT)
def test_a_quote_is_marked_where_it_stands(before: str, quote: str, after: str) -> None:
    found = [piece.text for piece in marked(before + quote + after, [(quote, "flag")]) if piece.mark]
    assert found == ([quote.strip().rstrip("…")] if quote.strip().rstrip("…") else [])


def test_around_a_finding() -> None:
    pieces = marked("a" * 50 + "HERE" + "b" * 50, [("HERE", "flag")], around=5)
    assert [(piece.text, piece.mark) for piece in pieces] == [("…aaaaa", None), ("HERE", "flag"), ("bbbbb…", None)]
    alone = marked("nothing of it", [("elsewhere", "flag")], around=5)
    assert [(piece.text, piece.mark) for piece in alone] == [("elsewhere", "flag")]


@given(st.text(max_size=100), st.integers(1, 50))
def test_a_cut_text_can_be_stored(text: str, limit: int) -> None:
    assert len(cut(text, limit).encode().decode()) <= limit + 1


WORDS = st.lists(st.sampled_from(["fever", "cough", "rash", "stroke", "aspirin"]), max_size=20)


@given(WORDS, WORDS)
def test_a_diff_holds_both_texts(before: list[str], after: list[str]) -> None:
    pieces = word_diff(" ".join(before), " ".join(after))
    assert " ".join(piece.text for piece in pieces if piece.mark != "removed").split() == after
    assert " ".join(piece.text for piece in pieces if piece.mark != "added").split() == before


@given(st.lists(st.integers(-50, 100_000), max_size=40))
def test_every_value_stands_in_a_bar(values: list[int]) -> None:
    figure: Histogram = spans("words", "sft", values)
    assert sum(figure.counts) == len(values)
    assert len(figure.counts) == len(figure.labels) <= 20
