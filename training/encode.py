"""Conversations as token ids and labels: labels repeat the ids the assistant wrote, and are -100 everywhere else.

What is trained is decided here and nowhere else: the trainers get these ids and labels as they are, so that what
:mod:`training.proof` has proved of them holds for the run. Nothing is cut here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

from training.templates import Template

IGNORED = -100
"""Label of a token that is not trained on, as PyTorch's cross-entropy has it."""

BATCH = 64

Messages = list[dict[str, str]]


class Encoded(NamedTuple):
    """One conversation: ``labels`` are as long as ``input_ids``."""

    input_ids: list[int]
    labels: list[int]

    @property
    def trained(self) -> int:
        """Number of tokens that are trained on."""
        return sum(label != IGNORED for label in self.labels)


def encode(tokenizer: Any, template: Template, conversations: Iterable[Messages]) -> Iterator[Encoded]:
    """Yield each conversation's ids and labels, in order."""
    rest = iter(conversations)
    while batch := list(islice(rest, BATCH)):
        found = tokenizer.apply_chat_template(
            [_plain(messages) for messages in batch],
            chat_template=template.text,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        for ids, mask in zip(found["input_ids"], found["assistant_masks"], strict=True):
            yield Encoded(list(ids), [token if bit else IGNORED for token, bit in zip(ids, mask, strict=True)])


def spans(labels: Sequence[int]) -> list[tuple[int, int]]:
    """Return start and end of every run of trained tokens."""
    found, at = [], 0
    for trained, run in groupby(labels, key=lambda label: label != IGNORED):
        size = sum(1 for _ in run)
        if trained:
            found.append((at, at + size))
        at += size
    return found


def _plain(messages: Messages) -> Messages:
    # Arrow fills the fields that some rows have and others lack with None; templates take those for given.
    return [{"role": message["role"], "content": message["content"]} for message in messages]
