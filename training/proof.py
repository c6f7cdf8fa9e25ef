"""Proof that a conversation trains what it should: the assistant's turns, all of them, each with its end, and no more.

For every row: the trained spans, decoded, are the assistant's texts (thinking and all) each followed by the end of
turn; each begins where the prompt for that turn ends, so that training shows the model the header that inference
shows it; the end of turn is a token that generation stops at. Texts are compared without white space, since templates
trim, and decoders may add a space.

A reason is returned, never raised: the caller says which row it was.
"""

from __future__ import annotations

from typing import Any

from training.encode import IGNORED, Encoded, Messages, spans
from training.templates import Template, render

EMPTY_THOUGHT = "<think></think>"


class Proof:
    """Checks rows of one tokenizer and template. ``stop`` is the token that ends a turn, as the first row has it."""

    def __init__(self, tokenizer: Any, template: Template) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self._special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
        self.stop: int | None = None

    def fault(self, messages: Messages, row: Encoded) -> str | None:
        """Return what is wrong with the row's ids and labels, or None."""
        turns = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        found = spans(row.labels)
        if len(found) != len(turns):
            return f"{len(found)} trained spans for {len(turns)} assistant turns"
        if any(label not in (IGNORED, token) for token, label in zip(row.input_ids, row.labels, strict=True)):
            return "a label is not its own token"
        whole = render(self.tokenizer, self.template.text, messages)
        for at, span in zip(turns, found, strict=True):
            ids = row.input_ids[slice(*span)]
            prompt = render(self.tokenizer, self.template.text, messages[:at], prompt=True) if at else ""
            why = self._header(prompt, whole, ids) or self._turn(messages[at]["content"], ids)
            if why:
                return f"message {at}: {why}"
        return None

    def _header(self, prompt: str, whole: str, ids: list[int]) -> str | None:
        if not whole.startswith(prompt):
            return "the training text does not hold the header that inference begins the turn with"
        if not _bare(whole[len(prompt) :]).startswith(_bare(self.tokenizer.decode(ids))):
            return "what is trained does not begin where the header that inference gives it ends"
        return None

    def _turn(self, content: str, ids: list[int]) -> str | None:
        end = _last_visible(self.tokenizer, ids)
        stop = ids[end]
        if stop not in self._special:
            return f"the end of turn is not trained: the span ends with {self.tokenizer.decode([stop])!r}"
        if self.stop is None:
            self.stop = stop
        if stop != self.stop:
            return f"turns end with different tokens: {self.tokenizer.decode([self.stop, stop])}"
        if stop in ids[:end]:
            return f"the text itself holds the end-of-turn token {self.tokenizer.decode([stop])!r}"
        said = _bare(self.tokenizer.decode(ids[:end])).removeprefix(EMPTY_THOUGHT)
        meant = _bare(content).removeprefix(EMPTY_THOUGHT)
        if said != meant:
            if "<think>" in meant and "<think>" not in said:
                return "the template drops <think>…</think> from an assistant turn"
            return f"the trained text is not the turn's: {said[:40]!r} for {meant[:40]!r}"
        return None


def _last_visible(tokenizer: Any, ids: list[int]) -> int:
    """Return the index of the last token that is not white space alone: some templates train a line break after it."""
    for at in range(len(ids) - 1, 0, -1):
        if tokenizer.decode([ids[at]]).strip():
            return at
    return 0


def _bare(text: str) -> str:
    return "".join(text.split())


def marked(tokenizer: Any, row: Encoded) -> str:
    """Return the row decoded, what is trained between ⟦ and ⟧."""
    text, at = "", 0
    for start, end in spans(row.labels):
        text += tokenizer.decode(row.input_ids[at:start]) + "⟦" + tokenizer.decode(row.input_ids[start:end]) + "⟧"
        at = end
    return text + str(tokenizer.decode(row.input_ids[at:]))
