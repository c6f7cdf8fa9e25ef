"""Chat templates with ``{% generation %}`` markers, and which of them a model is trained with.

The markers tell which characters the assistant writes; without them nothing can be trained on assistant turns alone.
Few models' own templates have them. ``auto`` therefore takes the template of ours that renders some conversations
exactly as the model's own does, header for header: nothing is guessed from names. Where a model's template drops the
thinking of earlier turns, ours keeps it.

Whether the template does what it should on the rows at hand is proved by :mod:`training.proof`, not here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.spec_errors import unknown

FOLDER = Path(__file__).parent / "templates"
"""Our templates, one file each."""

_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")

_USER = {"role": "user", "content": "What helps?"}
_ASSISTANT = {"role": "assistant", "content": "Rest, and water."}
_SYSTEM = {"role": "system", "content": "Be brief."}
PROBES: list[list[dict[str, str]]] = [
    [_USER, _ASSISTANT],
    [_SYSTEM, _USER, _ASSISTANT],
    [_USER, _ASSISTANT, {"role": "user", "content": "For how long?"}, {"role": "assistant", "content": "Two days."}],
]
"""Conversations that two templates must render alike to be taken for the same."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template with markers, its name, and what is worth knowing about the choice (empty: nothing)."""

    name: str
    text: str
    note: str = ""


def choose_template(tokenizer: Any, wanted: str = "auto") -> Template:
    """Return the template to train with: ``auto``, the name of one of ours, or a .jinja file.

    ``auto`` prefers the model's own template when it has markers.

    Raises:
        UserError: no such template, one without markers, or ``auto`` finds none that renders as the model's own.
    """
    own = tokenizer.chat_template
    if isinstance(own, dict):  # several templates by name
        own = own.get("default")
    if wanted == "auto":
        return _matching(tokenizer, own)
    template = _named(wanted)
    _check_renders(tokenizer, template)
    if own and not renders_alike(tokenizer, template.text, own):
        note = "renders otherwise than the model's own template: the model has to learn this form as well"
        return Template(template.name, template.text, note)
    return template


def our_templates() -> dict[str, str]:
    """Return the text of each of our templates by its name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.jinja"))}


def has_markers(text: str) -> bool:
    """Whether a template says which part the assistant writes."""
    return _MARKER.search(text) is not None


def render(tokenizer: Any, template: str, messages: list[dict[str, str]], *, prompt: bool = False) -> str:
    """Return the text of a conversation; ``prompt`` ends it where the assistant's next turn begins."""
    text: str = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=prompt
    )
    return text


def renders_alike(tokenizer: Any, ours: str, own: str) -> bool:
    """Whether two templates render every probe alike, as a whole and as the prompt of its last turn."""
    for probe in PROBES:
        for messages, prompt in ((probe, False), (probe[:-1], True)):
            try:
                if render(tokenizer, ours, messages, prompt=prompt) != render(tokenizer, own, messages, prompt=prompt):
                    return False
            except Exception:  # a template may raise what it likes, such as for a system message it does not take
                return False
    return True


def _matching(tokenizer: Any, own: str | None) -> Template:
    if own is None:
        raise UserError(
            "model.template: the model has no chat template: "
            f"name one of {', '.join(our_templates())}, or a .jinja file"
        )
    if has_markers(own):
        return Template("the model's own", own)
    for name, text in our_templates().items():
        if renders_alike(tokenizer, text, own):
            return Template(name, text)
    raise UserError(
        "model.template: none of ours renders as the model's own template, which has no {% generation %} markers: "
        f"name one of {', '.join(our_templates())}, or a .jinja file made from the model's own"
    )


def _named(wanted: str) -> Template:
    if wanted.endswith((".jinja", ".j2")):
        try:
            text = Path(wanted).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError(f"model.template: {wanted}: no such file, or not text") from None
        if not has_markers(text):
            raise UserError(
                f"model.template: {wanted}: no {{% generation %}} … {{% endgeneration %}} around what the assistant "
                "writes: nothing could be trained on it"
            )
        return Template(Path(wanted).name, text)
    ours = our_templates()
    if wanted not in ours:
        raise UserError(f"model.template: no template {wanted!r}; {unknown(wanted, ['auto', *ours])}")
    return Template(wanted, ours[wanted])


def _check_renders(tokenizer: Any, template: Template) -> None:
    try:
        render(tokenizer, template.text, PROBES[0])
    except Exception as error:
        what = " ".join(str(error).split())[:160]
        raise UserError(f"model.template: {template.name} cannot render a conversation: {what}") from None
