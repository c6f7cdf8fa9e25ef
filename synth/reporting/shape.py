"""The shape of ``report.json``, a docstring for each field; the page shows nothing that does not stand in it.

Counts are rows unless their docstring says otherwise, shares go from 0 to 1, money is US dollars. None means "not
known from this folder", never zero. Texts that models wrote are cut where a docstring says so, and hold no
markup of ours: a marked sentence is a :class:`Piece` of its own.
There is no clock in it but the seconds that the journals hold: equal folders give equal reports.
"""

from __future__ import annotations

from typing import Literal

from synth.reporting.shape_numbers import (
    Agreement,
    Coverage,
    Funnel,
    Grid,
    Histogram,
    KindCount,
    Line,
    Loss,
    LossExample,
    ModelCost,
    Phrase,
    Place,
    Quota,
    Scores,
    Shape,
    Stage,
    StepCost,
    Texts,
    Times,
    Topic,
)
from synth.reporting.shape_rows import (
    Bubble,
    Cluster,
    Contamination,
    Duplicates,
    Example,
    Flag,
    Group,
    Marks,
    Pairs,
    Piece,
    Provenance,
    Safety,
    Sample,
    Twin,
)

__all__ = [
    "Agreement",
    "Bubble",
    "Change",
    "Cluster",
    "Comparison",
    "Contamination",
    "Coverage",
    "Duplicates",
    "Example",
    "Flag",
    "Funnel",
    "Grid",
    "Group",
    "Histogram",
    "KindCount",
    "Line",
    "Loss",
    "LossExample",
    "Made",
    "Marks",
    "ModelCost",
    "Pairs",
    "Phrase",
    "Piece",
    "Place",
    "Provenance",
    "Quota",
    "Report",
    "Safety",
    "Sample",
    "Scores",
    "Shape",
    "Stage",
    "StepCost",
    "Texts",
    "Times",
    "Topic",
    "Twin",
]


class Change(Shape):
    """A figure of two runs."""

    name: str
    before: float | None
    after: float | None
    """Of this run."""
    verdict: Literal["better", "worse", "same", "other"]
    """``other``: it changed and neither direction is better by itself."""
    percent: bool
    """Whether the figure is a share."""


class Comparison(Shape):
    """This run against another one."""

    other: str
    """Name of the other run."""
    same_spec: bool
    """Whether both have the same fingerprint."""
    changes: list[Change]


class Made(Shape):
    """What the run was made with, as ``spec.lock.yaml`` has it; empty without it."""

    spec: list[str]
    """The keys of the spec that decide what rows are, a line of YAML each; no servers, keys or folders."""
    templates: dict[str, str]
    """SHA-256 of what models were asked with, by template."""
    versions: dict[str, str]
    """Packages that decide the bytes of the export."""


class Report(Shape):
    """A whole report."""

    format: Literal[1] = 1
    name: str
    """Name of the data set."""
    fingerprint: str
    """Of what was asked and how rows were chosen; empty where the folder does not say."""
    language: str
    finished: bool
    """Whether the run was exported and nothing is pending."""
    verdict: list[Line]
    """Five lines: rows, kept share, warnings, cost, what to look at."""
    notes: list[str]
    """What could not be read, and why a figure is missing."""
    kinds: list[KindCount]
    funnel: Funnel
    scores: Scores
    coverage: list[Coverage]
    quotas: list[Quota]
    texts: list[Texts]
    duplicates: Duplicates
    safety: Safety
    pairs: list[Pairs]
    groups: list[Group]
    marks: Marks | None
    """None where nobody has marked rows."""
    made: Made
    comparison: Comparison | None
    """None where the report is on one run."""
