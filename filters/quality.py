"""Rules of form that a text must pass: length, refusals, talk of a machine, loops, language, stock phrases, damaged
markup.

Each rule is a function over one text in a module of its own and can be asked by itself; here they are put in order and
applied to the texts of a table, the first that fires giving the reason. What is medically right is not looked at, and
a text that passes may still be poor: judges score that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from filters.language import known_language, other_language
from filters.markup import damaged_latex, damaged_markdown
from filters.phrases import machine_talk, refusal, stock_phrase
from filters.repetition import loops
from filters.text import words
from filters.verdicts import Verdicts


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules apply. The defaults are those that fire on next to no honest text."""

    least_words: int = 1
    """Words below which a text is ``too_short``."""
    most_words: int | None = None
    """Words above which a text is ``too_long``."""
    refusals: bool = True
    """Drop what declines to answer: ``refusal``."""
    machine_talk: bool = True
    """Drop what speaks of itself as a machine: ``machine_talk``."""
    repeated_share: float | None = 0.5
    """Drop what loops, by the share of repeated word 4-grams and by runs: ``repetitive``. None: do not look."""
    run: int = 8
    """How often a word or phrase may follow itself."""
    language: str | None = None
    """The language that is wanted (ISO 639-1); another one is ``language``. Needs the package py3langid."""
    stock_phrases: bool = False
    """Drop stock phrases and placeholders: ``stock_phrase``."""
    markup: bool = True
    """Drop damaged Markdown and LaTeX: ``markdown``, ``latex``."""


def judge(texts: Iterable[str | None], rules: Rules | None = None) -> Verdicts:
    """Verdicts of the rules on one text a row; a null is an empty text. Of an Arrow column take its ``to_pylist()``.

    Raises:
        ValueError: limits that contradict each other, or an unknown language.
        ModuleNotFoundError: a language is wanted and py3langid is not installed.
    """
    rules = rules or Rules()
    if rules.most_words is not None and rules.most_words < rules.least_words:
        raise ValueError(f"most_words {rules.most_words} is below least_words {rules.least_words}: raise it")
    checks = list(_checks(rules))
    reasons, evidence = [], []
    for text in texts:
        reason, shown = _first(text or "", checks)
        reasons.append(reason)
        evidence.append(shown)
    return Verdicts(reasons, evidence)


_Check = tuple[str, Callable[[str], str | None]]


def _first(text: str, checks: list[_Check]) -> tuple[str, str]:
    for reason, check in checks:
        if found := check(text):
            return reason, found
    return "", ""


def _checks(rules: Rules) -> Iterator[_Check]:
    """The rules in the order in which they are asked: cheap and telling ones first."""
    yield "too_short", lambda text: _too_short(text, rules.least_words)
    if (most := rules.most_words) is not None:
        yield "too_long", lambda text: _too_long(text, most)
    if rules.refusals:
        yield "refusal", refusal
    if rules.machine_talk:
        yield "machine_talk", machine_talk
    if (share := rules.repeated_share) is not None:
        yield "repetitive", lambda text: loops(text, share, rules.run)
    if rules.language is not None:
        wanted = known_language(rules.language)
        yield "language", lambda text: other_language(text, wanted)
    if rules.stock_phrases:
        yield "stock_phrase", stock_phrase
    if rules.markup:
        yield "markdown", damaged_markdown
        yield "latex", damaged_latex


def _too_short(text: str, least: int) -> str | None:
    count = len(words(text))
    return f"{count} words, {least} wanted" if count < least else None


def _too_long(text: str, most: int) -> str | None:
    count = len(words(text))
    return f"{count} words, {most} allowed" if count > most else None
