from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synth.tokens import cut_to_tokens, estimate_tokens

texts = st.one_of(
    st.text(max_size=400),
    st.text(alphabet=" \nabcDE.!?…。！,0123456789\"')-", max_size=400),
    st.lists(st.sampled_from(["Dr. ", "2.5 mg ", "He rests. ", "pain", "痛み。", "\n", "e.g. "]), max_size=80).map(
        "".join
    ),
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("word word", 3),
        ("2025", 4),
        ("!!", 1),
        ("2.5 mg", 4),  # 4 + 2 + 4 + 1 + 1 + 1 quarters
        ("患者主诉头痛", 6),
        ("Übelkeit", 3),  # one outside of ASCII and seven quarters
    ],
)
def test_estimate_follows_the_stated_rule(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(texts, texts)
def test_estimate_adds_up_and_grows_with_the_text(first: str, second: str) -> None:
    both = estimate_tokens(first + second)
    assert max(estimate_tokens(first), estimate_tokens(second)) <= both
    assert both <= estimate_tokens(first) + estimate_tokens(second) <= both + 1


@given(texts, st.integers(1, 60))
@example("Seen by Dr. Smith", 3)
@example("\n" * 40 + "x", 2)
@example("." * 200 + "x", 5)
def test_a_cut_is_a_prefix_within_the_budget(text: str, max_tokens: int) -> None:
    cut = cut_to_tokens(text, max_tokens)
    assert text.startswith(cut)
    assert estimate_tokens(cut) <= max_tokens
    assert cut_to_tokens(cut, max_tokens) == cut
    if estimate_tokens(text) <= max_tokens:
        assert cut == text
    else:
        assert cut == cut.rstrip()
        assert cut or text[0].isspace()


@given(st.lists(st.sampled_from(["He rests.", "She ate!", "Why?", "Give 2.5 mg now.", "Ask Dr. Who."]), min_size=1))
def test_a_cut_of_sentences_is_the_most_whole_sentences_that_fit(sentences: list[str]) -> None:
    text = " ".join(sentences)
    for max_tokens in (8, 20, 40):
        fitting = [
            prefix
            for count in range(len(sentences) + 1)
            if estimate_tokens(prefix := " ".join(sentences[:count])) <= max_tokens
        ]
        assert cut_to_tokens(text, max_tokens) == fitting[-1]


@given(st.lists(st.sampled_from(["2.5", "0.125", "10,000.75", "毫"]), min_size=1).map("".join), st.integers(4, 30))
def test_a_cut_never_splits_a_number_among_characters_without_spaces(text: str, max_tokens: int) -> None:
    cut = cut_to_tokens(text, max_tokens)
    numbers = [match.span() for match in re.finditer(r"[0-9.,]+", text)]
    inside = [span for span in numbers if span[0] < len(cut) < span[1]]
    # Only a number that fills the whole budget may be split.
    assert all(start == 0 for start, _ in inside)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Take it daily. Then stop the drug at once and call", "Take it daily."),
        ("Take 2.5 mg daily. Then stop the drug at once, call", "Take 2.5 mg daily."),
        ("Rest now. Ask for Dr. Smith in the cardiology ward.", "Rest now."),
        ("Rest now. Avoid fat, e.g. butter and also some cream", "Rest now."),
        ("Rest now. As seen in Fig. 3 of the paper by them both", "Rest now."),
        ("Rest now. Dr.\nSmith saw the patient late in the day", "Rest now."),
        ("He said “rest now.” Then he went off for the whole day", "He said “rest now.”"),
        ("Is it bad?! No one knows what it is at this moment now", "Is it bad?!"),
        ("Symptoms\n- fever of unknown cause for many many days now", "Symptoms"),
        ("Rest now. A line that is\nwrapped goes on in lower case", "Rest now."),
        ("Rest.\n1. Drink something\n2. Sleep for eight whole hours", "Rest.\n1. Drink something"),
        ("头痛三天。恶心呕吐，体温正常，血压稍高，心率正常", "头痛三天。"),
        ("one two three four five six seven eight nine ten eleven", "one two three four five six seven eight nine"),
        ("头痛三天恶心呕吐体温正常血压稍高心率正常", "头痛三天恶心呕吐体温正"),
        ("x" * 60, "x" * 44),
    ],
)
def test_where_a_text_is_cut(text: str, kept: str) -> None:
    assert cut_to_tokens(text, 11) == kept


def test_a_full_stop_at_the_edge_of_the_budget_is_judged_by_what_follows_it() -> None:
    text = "He took it. She took 2.5 mg of it."
    edge = text.index(".5") + 1
    assert cut_to_tokens(text, estimate_tokens(text[:edge])) == "He took it."


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        cut_to_tokens("text", 0)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", [".", "a", "\n", "。", "9", '."', " .", "a.\n"])
def test_megabytes_of_anything_take_linear_time(unit: str) -> None:
    text = "x" + unit * (3_000_000 // len(unit)) + "x"
    assert estimate_tokens(cut_to_tokens(text, 6000)) <= 6000
