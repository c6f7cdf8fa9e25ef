"""The rows and places that a report shows: see :mod:`synth.reporting.shape`."""

from __future__ import annotations

from typing import Literal

from synth.reporting.shape_numbers import Histogram, Shape


class Piece(Shape):
    """A stretch of text."""

    text: str
    mark: str | None = None
    """Why it is marked: a flag, ``added``, ``removed``; None for plain text."""


class Twin(Shape):
    """A row that was dropped for being like a kept one, word by word."""

    id: str
    """The dropped row."""
    of: str
    """The kept row, or the seed whose question it repeats."""
    detail: str
    """How similar, as curation said it."""
    diff: list[Piece]
    """``removed`` stands in the kept text alone, ``added`` in the dropped one; empty where one is not at hand."""


class Cluster(Shape):
    """A kept row and the rows dropped for being like it."""

    kind: str
    of: str
    size: int
    """Rows, the kept one included."""
    twins: list[Twin]
    """Three at most."""


class Duplicates(Shape):
    """Rows dropped as copies, near-duplicates or paraphrases."""

    dropped: int
    share: float | None
    """Of the rows that came to curation."""
    questions: int
    """Rows given up because their question was like an earlier one; no answer was paid for."""
    clusters: int
    largest: list[Cluster]
    """Ten at most, the largest first."""


class Example(Shape):
    """A place where a check found something."""

    id: str
    kind: str
    turn: int | None
    """Place in the row's turns, from 0."""
    pieces: list[Piece]
    """The sentence in what surrounds it."""
    fact: str | None
    """What the finding rests on."""


class Flag(Shape):
    """One flag of the checks, over all kept rows."""

    flag: str
    rows: int
    share: float
    """Of the kept rows."""
    by_kind: dict[str, int]
    examples: list[Example]
    """Three at most."""


class Contamination(Shape):
    """Rows dropped because an item of a benchmark stands in them."""

    benchmark: str
    rows: int
    examples: list[Example]
    """Three at most, the matched words marked."""


class Safety(Shape):
    """What checks found. A flag is a reason to look, no verdict."""

    flagged: int
    """Kept rows with one flag or more."""
    flags: list[Flag]
    phi: Flag | None
    """What may identify a person, in kept rows."""
    phi_kinds: dict[str, int]
    """Findings in kept rows by kind: name, date, phone."""
    phi_dropped: int
    contamination: list[Contamination]
    """Empty also where the spec names no benchmark: see ``decontaminated``."""
    decontaminated: bool
    """Whether the spec has rows compared with benchmarks."""


class Pairs(Shape):
    """Preference pairs of one origin."""

    origin: str
    rows: int
    margin: Histogram
    """Judge's score of chosen less rejected."""
    chosen_words: float
    """Mean words of the chosen side."""
    rejected_words: float
    """Mean words of the rejected side."""
    longer: float
    """Share of pairs whose chosen side has more words: far from 0.5 teaches length."""
    against: int
    """Pairs whose judge scored the rejected side higher."""


class Bubble(Shape):
    """One message or turn."""

    side: Literal["left", "right", "middle"]
    """Left who asks, right who answers, middle results and system texts."""
    speaker: str
    pieces: list[Piece]
    """At most 1,500 characters."""
    thought: list[Piece]
    """The doctor's thought, or the model's reasoning; at most 2,500 characters."""
    action: str | None
    """What the doctor does, with what it is done to."""
    differential: list[str]
    """``diagnosis, 70 %`` in the doctor's order."""


class Provenance(Shape):
    """Where a row comes from and what it has cost."""

    generator: str
    judge: str
    prompt_hash: str
    """Hash of the templates it was asked with."""
    source: str
    license: str
    calls: int
    """Requests that made the row; some are shared with other rows of its seed."""
    tokens_in: int
    tokens_out: int
    usd: float | None
    """Of those calls; None where a journal does not know one of them."""


class Sample(Shape):
    """One row to read."""

    id: str
    kind: str
    split: str
    seed_id: str
    department: str
    scores: dict[str, int]
    """Judged scores, those that are there."""
    facts: list[str]
    """Further facts in words: the diagnosis and whether it is right, the verification, the origin of a pair."""
    flags: list[str]
    bubbles: list[Bubble]
    """40 at most, and about 12,000 characters."""
    cut: int
    """Bubbles that are not shown."""
    chosen: list[Bubble]
    """The preferred answer of a pair."""
    rejected: list[Bubble]
    """The other answer of a pair."""
    case: list[str]
    """The hidden case of a dialogue, one fact a line; 20 at most."""
    persona: list[str]
    """Traits of the patient."""
    seed: str | None
    """The seed passage, at most 1,500 characters; None where the seed source cannot be read."""
    provenance: Provenance


class Group(Shape):
    """Rows chosen for one purpose."""

    name: Literal["random", "worst", "borderline"]
    about: str
    """How they were chosen."""
    samples: list[Sample]
    """30 at most."""


class Marks(Shape):
    """What reviewers said, and whether the judge had thought so, too."""

    marked: int
    kept: int
    """Marked ``keep``."""
    rejected: int
    """Marked ``reject``."""
    unknown: int
    """Marked rows that stand in no file of this run."""
    scored: int
    """Marked rows that the judge has scored."""
    quality_kept: float | None
    """Mean judged quality of rows marked ``keep``."""
    quality_rejected: float | None
    agreement: float | None
    """How often the judge scores a row marked ``keep`` above one marked ``reject``, ties half: 0.5 is chance."""
    applied: int
    """Rows that were dropped because a reviewer rejected them."""
    comments: list[Example]
    """What reviewers wrote, 30 at most."""
