"""When two answers are one, by their words alone; talk of hints; the server's count of thinking tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.endpoints.base import Request
from synth.endpoints.bodies import parse_response
from synth.recipes.answer_check import holds, matches
from synth.recipes.exam_items import _closed, _leaks
from synth.recipes.rewriting import mentions_hint
from tests.synth.items import item


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Digoxin.", " digoxin", True),
        ("**Digoxin**", "Digoxin", True),
        ("Increased calcium", "Decreased calcium", False),
        ("↑ calcium", "↓ calcium", False),
        ("-5", "5", False),
        (".5 mg", "5 mg", False),
        ("10⁵", "105", False),
        ("Appendicitis?", "appendicitis", False),
        ("2.5 mg", "25 mg", False),
        ("Digoxin", "Digoxin 5 mg", False),
        ("", "", False),
        ("...", ".", False),
    ],
)
def test_only_the_same_words_match(first: str, second: str, same: bool) -> None:
    assert matches(first, second) is same
    assert matches(second, first) is same


@pytest.mark.parametrize(
    ("longer", "shorter", "same"),
    [
        ("An acute appendicitis", "Appendicitis", True),
        ("Digoxin (a glycoside)", "digoxin", True),
        ("Not appendicitis", "appendicitis", False),
        ("Decreased cortisol", "cortisol", False),
        ("Absence of fever", "fever", False),
        ("Aspirin " + "-" * 200 + " 81 mg", "aspirin", False),
        ("Digoxin or heparin", "digoxin", False),
        ("Everything but digoxin", "digoxin", False),
        ("2.5 mg of digoxin", "5 mg of digoxin", False),
        ("Digoxin 5 mg", "digoxin", False),
        ("Increased calcium ↑", "increased calcium", False),
        ("Hypothyroidism", "thyroidism", False),
        ("One of the many drugs that people take, digoxin", "digoxin", False),
        ("digoxin", "", False),
    ],
)
def test_a_short_answer_may_hold_the_other(longer: str, shorter: str, same: bool) -> None:
    assert holds(longer, shorter) is same


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_texts_can_be_compared(longer: str, shorter: str) -> None:
    assert matches(longer, shorter) == matches(shorter, longer)
    if holds(longer, shorter):
        assert shorter.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Since the given answer is digoxin, it must be so.",
        "The correct answer provided is B.",
        "The hint says digoxin.",
        "We were told the correct answer.",
        "My previous attempt was wrong.",
        "Die vorgegebene Antwort lautet Digoxin.",
        "根据提供的答案，应选地高辛。",
    ],
)
def test_talk_of_a_hint_is_found_with_its_words(text: str) -> None:
    (found,) = mentions_hint("I weigh it.", text)
    assert found["flag"] == "mentions_hint"
    assert found["text"] in text


@pytest.mark.parametrize(
    "text",
    [
        "Hmm, wait: the pulse is irregular, so the correct answer must be digoxin.",
        "There is a hint of jaundice, and the hint of a murmur.",
        "The patient was given a solution of glucose.",
        "Given that the pulse is fast, the right drug slows the node.",
        "She was told to rest.",
    ],
)
def test_plain_reasoning_is_no_talk_of_a_hint(text: str) -> None:
    assert mentions_hint(text) == []


@pytest.mark.parametrize(
    ("question", "plain"),
    [
        ("Which of the following is NOT a sign?", False),
        ("Each of these is a cause EXCEPT", False),
        ("Which of the following is not a sign?", False),
        ("Which statement about digoxin is false?", False),
        ("A man who does not smoke has pain. What is the next step?", True),
        ("Which of the following drugs is given to a woman who is not pregnant?", True),
    ],
)
def test_plain_negations_are_seen_for_nothing(question: str, plain: bool) -> None:
    from filters.readers.exams import medqa
    from filters.readers.items import Origin

    record = item(question=question)
    assert (_closed(medqa(record, Origin("", "train", "mit"))) is None) is plain


@pytest.mark.parametrize(
    ("gold", "opened", "leaks"),
    [
        ("Iron", "Does she lack iron?", True),
        ("Gout", "Is it GOUT that he has?", True),
        ("HIV", "Which of the signs of HIV, if any, does he have?", True),
        ("10 mg", "Is a dose of 10 mg enough?", True),
        ("Ulcer", "What else than ulcers causes it?", True),
        ("B12", "What does she lack (B12)?", True),
        ("Iron", "What does an environment like hers cause?", False),
        ("Rest", "Which drug arrests it?", False),
        ("Pain", "What does a man with pain feel first?", False),  # the item's own word
        ("No", "What does a woman with no fever have?", False),
        ("Left", "Which lung has left its place?", False),
        ("2", "How many of 12 ribs float?", False),
        ("Digoxin", "Which glycoside slows it?", False),
        ("Heparin", "Which drug helps (C)?", True),
        ("Heparin", "Which drug helps? Answer: C", True),
        ("Heparin", "C) Which drug helps?", True),
        ("Heparin", "Which drug helps against hepatitis C?", False),
        ("Heparin", "Does vitamin C, D or K help?", False),
    ],
)
def test_an_open_question_must_not_hold_its_answer(gold: str, opened: str, leaks: bool) -> None:
    assert _leaks(gold, "C", opened, "A man with pain is seen. Which of these is it?") is leaks


def test_what_the_item_says_itself_gives_nothing_away() -> None:
    assert not _leaks("Iron", "A", "Which store of iron (A) is low?", "Which store of iron (A) is low of these?")
    assert not _leaks("Iron", "A", "What is the best answer? A man is pale.", "A man is pale. Which of these?")


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"completion_tokens_details": {"reasoning_tokens": 40}}, 40),
        ({"completion_tokens_details": {"reasoning_tokens": "many"}}, None),
        ({"completion_tokens_details": None}, None),
        ({}, None),
    ],
)
def test_the_servers_count_of_thinking_is_read(usage: dict[str, Any], counted: int | None) -> None:
    message = {"role": "assistant", "content": "Digoxin.", "reasoning": "I weigh it."}
    body: dict[str, Any] = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    body |= {"usage": {"prompt_tokens": 1, "completion_tokens": 50} | usage}
    request = Request([{"role": "user", "content": "?"}], 0.0, 1.0, 100, 1)
    assert parse_response(json.dumps(body).encode(), request).reasoning_tokens == counted
