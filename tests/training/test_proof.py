"""The proof passes what our templates make, and fails on each way in which training goes wrong unseen.

The first three are defects that a published training script had: no assistant header in the training text, an end of
turn that is never trained because it doubles as padding, and rows cut at a fixed length.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training.conftest import needs_trl
from training.encode import IGNORED, Encoded, Messages, encode
from training.proof import Proof, marked
from training.templates import Template, our_templates

pytestmark = [pytest.mark.train, needs_trl]

TALK: Messages = [
    {"role": "user", "content": "Faint since noon."},
    {"role": "assistant", "content": "<think>\nPulse first.\n</think>\n\nCheck the pulse."},
    {"role": "user", "content": "It is 40."},
    {"role": "assistant", "content": "<think>\nSlow.\n</think>\n\nCall an ambulance."},
]
CHATML = our_templates()["chatml"]


def encoded(tokenizer: Any, text: str = CHATML, messages: Messages = TALK) -> Encoded:
    return next(encode(tokenizer, Template("tried", text), [messages]))


def fault(tokenizer: Any, row: Encoded, text: str = CHATML, messages: Messages = TALK) -> str | None:
    return Proof(tokenizer, Template("tried", text)).fault(messages, row)


@pytest.mark.parametrize("name", our_templates())
def test_our_templates_pass(tokenizer: Any, name: str) -> None:
    text = our_templates()[name]
    proof = Proof(tokenizer, Template(name, text))
    row = encoded(tokenizer, text)
    if "<|eot_id|>" in text:  # not a token of this tokenizer, so here it cannot end a turn
        assert "the end of turn is not trained" in str(proof.fault(TALK, row))
    else:
        assert proof.fault(TALK, row) is None
        assert proof.stop == tokenizer.eos_token_id


def test_what_is_trained_is_shown(tokenizer: Any) -> None:
    assert marked(tokenizer, encoded(tokenizer)) == (
        "<|im_start|>user\nFaint since noon.<|im_end|>\n<|im_start|>assistant\n"
        "⟦<think>\nPulse first.\n</think>\n\nCheck the pulse.<|im_end|>⟧\n"
        "<|im_start|>user\nIt is 40.<|im_end|>\n<|im_start|>assistant\n"
        "⟦<think>\nSlow.\n</think>\n\nCall an ambulance.<|im_end|>⟧\n"
    )


def test_a_missing_assistant_header_fails(tokenizer: Any) -> None:
    without = CHATML.replace(
        "{{ '<|im_start|>' + message['role'] + '\\n' }}",
        "{% if message['role'] != 'assistant' %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% endif %}",
    )
    assert without != CHATML
    assert "header that inference begins" in str(fault(tokenizer, encoded(tokenizer, without), without))


def test_an_end_of_turn_masked_as_padding_fails(tokenizer: Any) -> None:
    row = encoded(tokenizer)
    masked = [IGNORED if token == tokenizer.eos_token_id else label
              for token, label in zip(row.input_ids, row.labels, strict=True)]  # fmt: skip
    assert sum(one != other for one, other in zip(masked, row.labels, strict=True)) == 2
    assert "the end of turn is not trained" in str(fault(tokenizer, Encoded(row.input_ids, masked)))


@pytest.mark.parametrize("tokens", [1, 3, 10, 30])
def test_a_cut_row_fails(tokenizer: Any, tokens: int) -> None:
    row = encoded(tokenizer)
    line_break = len(row.input_ids) - 1  # after the last end of turn, and not trained
    cut = Encoded(row.input_ids[: line_break - tokens], row.labels[: line_break - tokens])
    assert fault(tokenizer, cut) is not None
    assert fault(tokenizer, Encoded(row.input_ids[:line_break], row.labels[:line_break])) is None


def test_an_end_of_turn_outside_the_markers_fails(tokenizer: Any) -> None:
    outside = CHATML.replace("{{ message['content'] + '<|im_end|>' }}", "{{ message['content'] }}").replace(
        "{{ '\\n' }}", "{{ '<|im_end|>\\n' }}"
    )
    assert "the end of turn is not trained" in str(fault(tokenizer, encoded(tokenizer, outside), outside))


def test_thinking_that_the_template_drops_fails(tokenizer: Any) -> None:
    dropping = CHATML.replace(
        "message['content'] + '<|im_end|>' }}", "message['content'].split('</think>')[-1] + '<|im_end|>' }}", 1
    )
    assert dropping != CHATML
    found = fault(tokenizer, encoded(tokenizer, dropping), dropping)
    assert found == "message 1: the template drops <think>…</think> from an assistant turn"


@pytest.mark.parametrize("turns", [[0], [0, 1, 2, 3], [3]])
def test_other_turns_than_the_assistants_fail(tokenizer: Any, turns: list[int]) -> None:
    wrong = CHATML.replace("message['role'] == 'assistant'", f"loop.index0 in {turns}")
    assert fault(tokenizer, encoded(tokenizer, wrong), wrong) is not None


def test_markers_around_the_header_fail(tokenizer: Any) -> None:
    header, marker = "{{ '<|im_start|>' + message['role'] + '\\n' }}", "{%- generation -%}"
    wide = CHATML.replace(header, "").replace(marker, marker + header)
    wide = wide.replace(
        "{{ message['content'] + '<|im_end|>\\n' }}", header + "{{ message['content'] + '<|im_end|>\\n' }}"
    )
    assert encoded(tokenizer, wide).input_ids == encoded(tokenizer).input_ids
    assert "does not begin where the header" in str(fault(tokenizer, encoded(tokenizer, wide), wide))


def test_words_between_header_and_markers_fail(tokenizer: Any) -> None:
    between = CHATML.replace("{%- generation -%}", "{{ '<think>' }}{%- generation -%}")
    assert "does not begin where the header" in str(fault(tokenizer, encoded(tokenizer, between), between))


def test_an_end_of_turn_inside_a_text_fails(tokenizer: Any) -> None:
    messages = [TALK[0], {"role": "assistant", "content": "One.<|im_end|>Two."}]
    assert "holds the end-of-turn token" in str(
        fault(tokenizer, encoded(tokenizer, CHATML, messages), CHATML, messages)
    )


def test_a_label_that_is_another_token_fails(tokenizer: Any) -> None:
    row = encoded(tokenizer)
    shifted = [label if label == IGNORED else label + 1 for label in row.labels]
    assert fault(tokenizer, Encoded(row.input_ids, shifted)) == "a label is not its own token"


words = st.text(st.characters(codec="utf-8", exclude_characters="<|>\x00"), min_size=1).filter(str.strip)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(st.tuples(words, words), min_size=1, max_size=4), system=st.none() | words)
def test_any_conversation_passes_and_any_token_less_fails(
    tokenizer: Any, turns: list[tuple[str, str]], system: str | None
) -> None:
    messages: Messages = [{"role": "system", "content": system}] if system else []
    for asked, said in turns:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    row = encoded(tokenizer, CHATML, messages)
    assert fault(tokenizer, row, CHATML, messages) is None
    trained = [at for at, label in enumerate(row.labels) if label != IGNORED]
    for at in (trained[0], trained[-1]):
        less = [IGNORED if at == place else label for place, label in enumerate(row.labels)]
        if tokenizer.decode([row.input_ids[at]]).strip():  # white space is compared by no one
            assert fault(tokenizer, Encoded(row.input_ids, less), CHATML, messages) is not None
