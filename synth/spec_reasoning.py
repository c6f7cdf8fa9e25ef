"""Long reasoning as a spec says it: the keys under ``produce.reasoning``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synth.spec_filters import Share
from synth.spec_models import Model


class Search(Model):
    """What happens when no first chain comes to the gold answer of an exam item."""

    tries: Annotated[int, Field(ge=0, le=12)] = 3
    """Further chains, each of which goes back, takes a new path, verifies or corrects; then one more with the answer
    shown, whose row is flagged ``hinted``."""


class ThinkingTokens(Model):
    """Bounds of a kept chain, in tokens of thinking: the server's count of it, else an estimate."""

    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=1)] | None = None


class Agreement(Model):
    """Where no gold answer is known: many chains, of which most must come to the same answer."""

    samples: Annotated[int, Field(ge=2, le=32)] = 5
    """Chains written for each question, in the place of ``chains``."""
    share: Annotated[float, Field(gt=0.5, le=1)] = 0.6
    """Of the samples that must agree, as a judge sees it."""


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


class PassRateSpec(Model):
    """Difficulty by how often a weaker model (``models.weak``) answers a question rightly."""

    samples: Annotated[int, Field(ge=1, le=32)] = 4
    keep: Annotated[tuple[Share, Share], AfterValidator(_rising)] = (0.0, 0.75)
    """Lowest and highest share of right answers with which a question is kept."""


class Reasoning(Model):
    """Long reasoning for complex questions of passages, and for exam items.

    A passage's question is complex by exactly one of the two rules. Exam items take neither: their chains are checked
    against the gold answer, and searched for where all are wrong.
    """

    difficulty_above: Annotated[int, Field(ge=0, le=10)] | None = None
    """Complex means: judged difficulty above this (the paper: 8)."""
    hardest: Annotated[float, Field(gt=0, le=1)] | None = None
    """Complex means: among this share of the hardest questions of a shard."""
    chains: Annotated[int, Field(ge=1, le=8)] = 2
    """Chains written for each question; the best one is kept."""
    trace: Literal["native", "sections"] = "native"
    """``native``: the model thinks by itself (a reasoning field or ``<think>``); ``sections``: it is asked for a
    Thought and a Summarization, for models without a thinking mode."""
    verify: bool = False
    """Keep a chain only if a second pass, shown the chain without its conclusion, comes to the same answer. What a
    search found and was rewritten is tried so in any case."""
    search: Search | None = None
    """Of exam items alone; null: ``tries: 3`` for them."""
    agreement: Agreement | None = None
    """Of passages alone; null: the best chain is kept, whatever the others say."""
    pass_rate: PassRateSpec | None = None
    """Questions that a weaker model solves too often, or too rarely, are dropped; null: none is."""
    thinking_tokens: ThinkingTokens | None = None
    """Chains outside of these bounds are dropped; nothing is sent to the model about it."""

    @property
    def tries(self) -> int:
        """Further chains where no first one is right, before the answer is shown."""
        return (self.search or Search()).tries

    @property
    def samples(self) -> int:
        """Chains written for a passage's question."""
        return self.agreement.samples if self.agreement else self.chains
