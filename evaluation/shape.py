"""What ``report.json`` of an evaluation folder holds, field by field; the page is made from this alone.

Shares, accuracies and differences are between 0 and 1. Of several seeds an item counts once, with the mean.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Part):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    how: str
    """``wilson``, ``bootstrap`` or ``adjusted`` (Agresti and Min; few items changed)."""


class Subset(_Part):
    """Items that were looked for in everything that was searched, and not found."""

    items: int
    """What is left."""
    left_out: int
    accuracy: Range | None
    """None where nothing is left."""


class Score(_Part):
    """One run on one task."""

    run: str
    task: str
    items: int
    clusters: int
    """Cases, where several items belong to one; else the items."""
    seeds: list[int]
    method: str
    """``generate``, ``loglik`` or ``cloze``."""
    accuracy: Range
    chance: float
    """Expected accuracy of guessing."""
    unparsed: float
    """Share of replies without a letter; they count as wrong."""
    truncated: float
    """Share of replies cut at the limit of tokens."""
    failed: int
    """Replies that the endpoint refused for good; they count as wrong."""
    clean: Subset | None
    """Without items found in training data or pool; None where nothing was searched."""
    nll_per_byte: float | None
    """Mean negative log-likelihood of the right option a byte, in nats."""
    similarity: float | None
    """Mean similarity of the nearest neighbour retrieved."""
    without_neighbours: int
    """Items of a run with neighbours for which none was near enough."""
    tokens_in: int
    tokens_out: int
    seconds: float
    model: str
    control: str
    prompt_hashes: list[str]


class Flip(_Part):
    """An item that one of two runs got right more often than the other."""

    id: str
    question: str | None
    context: str
    options: dict[str, str]
    gold: str
    """In the letters of the source, as the options and answers here."""
    before: str | None
    after: str | None
    text_before: str | None
    text_after: str | None
    seeds: int


class Comparison(_Part):
    """One run against another on the items that both answered."""

    run: str
    against: str
    task: str
    purpose: str
    """``base``, ``without`` (the same model without help), ``random`` (relevant against random neighbours)."""
    items: int
    clusters: int
    only_run: int
    """Answers of the one that the other has not; they are left out."""
    only_against: int
    accuracy_run: float
    accuracy_against: float
    difference: Range
    p: float
    """Exact McNemar test; of several seeds or clusters the exact sign test."""
    p_holm: float
    """Adjusted for the tasks on which the same two runs are compared."""
    won: list[str]
    lost: list[str]
    smallest_detectable: float | None
    """Difference found with 80 % probability by so many items, of which as many change as did; None: none at all."""
    clean: Range | None
    """The difference on the clean subset."""
    nll_difference: Range | None
    verdict: str
    """``better``, ``worse`` or ``unclear``."""
    sentence: str
    notes: list[str]
    flips: list[Flip]
    """Some of both kinds, with their texts."""


class Task(_Part):
    """A task that any run answered."""

    name: str
    items: int
    found: dict[str, int]
    """Source to the number of items found in it; empty where nothing was searched."""
    searched: dict[str, int]
    """Source to the number of items that were looked for in it."""


class HeldOut(_Part):
    """One run on rows of a validation split."""

    run: str
    kind: str
    rows: int
    nll_per_byte: Range
    """Mean over the rows of the negative log-likelihood of the assistant's turns a byte, in nats."""
    differences: dict[str, Range]
    """Other run to this one minus it, paired by row; below zero this one is better."""
    seconds: float


class Run(_Part):
    """What a run was, as it was noted."""

    name: str
    about: dict[str, object]


class Report(_Part):
    """All of it."""

    version: int = Field(default=1)
    base: str | None
    runs: list[Run]
    tasks: list[Task]
    scores: list[Score]
    comparisons: list[Comparison]
    held_out: list[HeldOut] = Field(default_factory=list)
    """Empty where :mod:`evaluation.held_out` measured nothing."""
    notes: list[str]
