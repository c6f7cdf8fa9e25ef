"""A model gets the template of ours that renders as its own; others are named by the user."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UserError
from tests.training.conftest import OWN_TEMPLATE, make_tokenizer, needs_trl
from training.templates import choose_template, our_templates, render, renders_alike

pytestmark = [pytest.mark.train, needs_trl]

THINKING = "<think>\nPulse first.\n</think>\n\nCheck the pulse."


def with_template(tokenizer: Any, template: str | None) -> Any:
    other = copy.copy(tokenizer)
    other.chat_template = template
    return other


def shipped(name: str) -> str:
    """A template as the model's makers ship it, from TRL's collection."""
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("llama3", "llama3"),
        ("llama3_1", "llama3.1"),
        ("qwen2_5", "qwen2.5"),
        ("qwen3", "qwen3"),
        ("qwen3_instruct_2507", "chatml"),
    ],
)
def test_ours_is_found_by_what_it_renders(theirs: str, ours: str) -> None:
    tokenizer = make_tokenizer(["a b c"])
    tokenizer.bos_token = "<|pad|>"
    found = choose_template(with_template(tokenizer, shipped(theirs)))
    assert (found.name, found.note) == (ours, "")


def test_smollm2s_template_is_found_by_its_system_message(tokenizer: Any) -> None:
    system = "<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n"
    own = f"{{% if messages[0]['role'] != 'system' %}}{{{{ '{system}' }}}}{{% endif %}}" + OWN_TEMPLATE
    assert choose_template(with_template(tokenizer, own)).name == "smollm2"


def test_no_two_of_ours_render_alike(tokenizer: Any) -> None:
    ours = our_templates()
    assert len(ours) == 6
    for one in ours:
        assert [other for other in ours if renders_alike(tokenizer, ours[one], ours[other])] == [one]


def test_a_template_with_markers_is_taken_as_it_is(tokenizer: Any) -> None:
    own = shipped("llama3_training")
    found = choose_template(with_template(tokenizer, own))
    assert (found.name, found.text) == ("the model's own", own)


def test_thinking_stays_in_earlier_turns(tokenizer: Any) -> None:
    talk = [
        {"role": "user", "content": "Faint."},
        {"role": "assistant", "content": THINKING},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": THINKING},
    ]
    assert render(tokenizer, shipped("qwen3"), talk).count("<think>") == 1, "the control: Qwen3's own drops it"
    for name, text in our_templates().items():
        assert render(tokenizer, text, talk).count("<think>\nPulse first.\n</think>") == 2, name


def test_a_named_template_that_renders_otherwise_is_noted(tokenizer: Any) -> None:
    assert "renders otherwise" in choose_template(tokenizer, "llama3").note
    assert choose_template(tokenizer, "chatml").note == ""
    assert choose_template(with_template(tokenizer, None), "llama3").note == ""


@pytest.mark.parametrize(
    ("own", "wanted", "expected"),
    [
        (None, "auto", "the model has no chat template: name one of chatml"),
        ("{{ messages[0]['content'] }}", "auto", "none of ours renders as the model's own template"),
        (OWN_TEMPLATE, "chatlm", "no template 'chatlm'; did you mean 'chatml'?"),
        (OWN_TEMPLATE, "gone.jinja", "gone.jinja: no such file, or not text"),
        (OWN_TEMPLATE, "plain.jinja", "no {% generation %} … {% endgeneration %}"),
        (OWN_TEMPLATE, "broken.jinja", "broken.jinja cannot render a conversation"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, wanted: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.jinja").write_text(OWN_TEMPLATE)
    Path("broken.jinja").write_text("{% generation %}{{ messages[0]['content'] + nothing }}{% endgeneration %}")
    with pytest.raises(UserError) as caught:
        choose_template(with_template(tokenizer, own), wanted)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("model.template: ")
    assert "\n" not in str(caught.value)
