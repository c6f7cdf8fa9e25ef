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
from synth.recipes.exam_items import _closed
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
