"""How a question is put to a model: as a chat that asks for a last line, or as plain text to be continued.

The chat is the template ``evaluation/mcq`` and stands for instructed models; the plain form is what log-likelihoods
are taken of; with the options shown their letters follow, without them (cloze) their texts. Knows nothing about
models.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

from evaluation.tasks import Question
from synth.templates import Template, Templates, prompt_hash

TEMPLATE = "evaluation/mcq"
VARIABLES = frozenset({"question", "context", "options", "letters", "language"})

_PROBE = Question("", "", "{question}", "{context}", {"A": "{first}", "B": "{second}"}, "A", "AB", "")
"""Whose rendering stands for a plain form."""


@functools.cache
def load_template(folder: Path | None = None) -> Template:
    """Return the template of the chat, from a user's folder if it has one; UserError where it is not valid."""
    return Templates(folder).load(TEMPLATE, VARIABLES)


def chat(template: Template, question: Question, language: str = "English") -> list[dict[str, str]]:
    """Return the messages that ask ``question``."""
    return template.render(
        question=question.question,
        context=question.context,
        options=[{"letter": letter, "text": text} for letter, text in question.options.items()],
        letters=", ".join(question.options),
        language=language,
    )


def chat_hash(template: Template, language: str = "English") -> str:
    """Return 16 hex digits for the chat's prompt in a language."""
    return hashlib.sha256(f"{prompt_hash([template])} {language}".encode()).hexdigest()[:16]


def plain(question: Question) -> str:
    """Return the text whose continuation is `` A``, `` B``, …: the form that lm-eval's ``medqa_4options`` has.

    An abstract stands before it, as in lm-eval's ``pubmedqa``.
    """
    options = "".join(f"{letter}. {text}\n" for letter, text in question.options.items())
    return f"{_asked(question)}{options}Answer:"


def continuations(question: Question) -> list[str]:
    """Return what may follow :func:`plain`, an entry an option, in order."""
    return [f" {letter}" for letter in question.options]


def cloze(question: Question) -> str:
    """Return the text whose continuation is an option in full; the options are not shown."""
    return f"{_asked(question)}Answer:"


def option_texts(question: Question) -> list[str]:
    """Return what may follow :func:`cloze`, an entry an option, in order."""
    return [f" {text}" for text in question.options.values()]


FORMS: dict[str, tuple[Callable[[Question], str], Callable[[Question], list[str]]]] = {
    "loglik": (plain, continuations),
    "cloze": (cloze, option_texts),
}
"""By method of likelihood: the prompt and what may follow it."""


def form_hash(method: str) -> str:
    """Return 16 hex digits for the form of a method of :data:`FORMS`."""
    prompt, ends = FORMS[method]
    return hashlib.sha256("\n".join([prompt(_PROBE), *ends(_PROBE)]).encode()).hexdigest()[:16]


def _asked(question: Question) -> str:
    abstract = f"Abstract: {question.context}\n" if question.context else ""
    return f"{abstract}Question: {question.question}\n"
