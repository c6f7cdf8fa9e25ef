"""Which rows are good enough, as a spec says it: the keys under ``filters``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from synth.spec_models import Model

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Dedup(Model):
    """Near-duplicates by MinHash over n-grams, candidates checked by exact Jaccard similarity."""

    ngram: Annotated[str, Field(pattern=r"^(word|char):[1-9][0-9]?$")] = "word:3"
    questions: Share = 0.7
    """A question this similar to an earlier one of its shard is dropped before answers are paid for."""
    rows: Share = 0.8
    """A finished row this similar to an earlier row of its kind is dropped."""
    num_perm: Annotated[int, Field(ge=16, le=1024)] = 128


class Decontaminate(Model):
    """Rows that hold an item of a benchmark are dropped: a model trained on them could not be tested with it."""

    against: Annotated[list[Path], Field(min_length=1)]
    """Files or folders of benchmarks: MedQA, MedMCQA, PubMedQA, MMLU(-Pro), MedXpertQA, MEDIQ, AgentClinic."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of an item's 8-grams or 13-grams that must stand in a row."""
    exclude_splits: list[Literal["train", "validation", "test", "unknown"]] = Field(default_factory=list)
    """Splits of the benchmarks that are no secret (``[train]``)."""
    paraphrases: Annotated[float, Field(gt=0, le=1)] | None = None
    """Also drop rows with this cosine to an item, which say the same in other words; needs ``filters.encoder``."""


PhiKind = Literal["email", "url", "id", "phone", "date", "address", "name", "age"]
PHI_KINDS: tuple[PhiKind, ...] = ("email", "url", "id", "phone", "date", "address", "name", "age")


class Phi(Model):
    """A screen by rules for what may identify a person."""

    mode: Literal["report", "drop", "mask"] = "report"
    """``report`` flags rows and quotes what was found, ``drop`` rejects them, ``mask`` writes ``[NAME]`` instead."""
    kinds: Annotated[tuple[PhiKind, ...], Field(min_length=1)] = PHI_KINDS
    """What counts."""


class TextRules(Model):
    """Rules of form that the model's side of a row must pass."""

    least_words: Annotated[int, Field(ge=0)] = 1
    most_words: Annotated[int, Field(ge=1)] | None = None
    refusals: bool = True
    """Drop what declines to answer."""
    machine_talk: bool = True
    """Drop what speaks of itself as a machine."""
    repeated_share: Share | None = 0.5
    """Drop what loops, by the share of repeated word 4-grams; null: do not look."""
    check_language: bool = False
    """Drop what is not in the spec's ``language`` (needs the package py3langid)."""
    stock_phrases: bool = False
    """Drop stock phrases and placeholders."""
    markup: bool = True
    """Drop damaged Markdown and LaTeX."""


class Quality(Model):
    """Rows that the judge scored too low are dropped."""

    votes: Annotated[int, Field(ge=1, le=9)] = 1
    """How often the judge is asked about each text; the median counts, and the votes' agreement is told."""
    min_quality: Annotated[int, Field(ge=1, le=10)] = 1
    min_complexity: Annotated[int, Field(ge=1, le=10)] = 1


class Filters(Model):
    """Which rows are good enough. Every drop is kept in ``rejected/`` with its reason."""

    dedup: Dedup | None = Dedup()
    encoder: str | None = None
    """Model of sentence embeddings for paraphrases: ``minilm`` (all-MiniLM-L6-v2), a name on the Hub or a folder; it
    needs the extra ``train``."""
    paraphrases: Annotated[float, Field(gt=0, le=1)] | None = None
    """A row with this cosine to an earlier row of its kind is dropped; what a number means depends on the encoder."""
    decontaminate: Decontaminate | None = None
    phi: Phi | None = Phi()
    rules: TextRules | None = None
    quality: Quality = Quality()
    quotas: dict[str, dict[str, Annotated[int, Field(ge=0)]]] = Field(default_factory=dict)
    """The most rows of each kind by ``department``, ``subdepartment``, ``difficulty`` (bands of the judge's
    complexity) or ``persona.<trait>``: ``{department: {Surgery: 200}, difficulty: {1-4: 100, 8-10: 200}}``; the best
    by quality stay."""
