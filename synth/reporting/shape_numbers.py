"""The counts and scores of a report: see :mod:`synth.reporting.shape`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Line(Shape):
    """A sentence of the verdict."""

    topic: Literal["rows", "kept", "warnings", "cost", "look at"]
    text: str
    tone: Literal["plain", "good", "warn"]


class KindCount(Shape):
    """Where the planned rows of a kind went: planned = kept + rejected + failed + pending."""

    kind: str
    planned: int
    kept: int
    train: int
    """Kept rows of the split train."""
    validation: int
    """Kept rows of the split validation."""
    rejected: int
    failed: int
    """No usable answer came from the server."""
    pending: int
    """Not asked for yet."""


class LossExample(Shape):
    """One thing that was lost."""

    id: str
    detail: str
    """What was said about it, at most 200 characters."""
    text: str
    """The beginning of what was lost, at most 300 characters; empty where nothing is left of it."""


class Loss(Shape):
    """Rows lost for one reason."""

    kind: str
    step: str
    """Where it happened: a question's name, or ``curation``."""
    reason: str
    count: int
    examples: list[LossExample]
    """The first three."""


class Stage(Shape):
    """A stage of the funnel and the rows that came through it."""

    name: Literal["planned", "asked", "answered", "parsed", "made", "deduplicated", "judged", "kept"]
    by_kind: dict[str, int]
    """Rows that came through, by kind."""
    rows: int
    """The same for all kinds together."""
    lost: int
    """Rows that ended here."""


class Times(Shape):
    """How long requests took, from sending to the last byte or the failure; waits in line and pauses are left out.

    Requests run side by side, so that their sum is no time of a clock on the wall.
    """

    requests: int
    """Requests whose time is known: those of the Batch API and of older journals have none."""
    seconds: float
    """Of all of them together."""
    median: float
    p95: float
    """Seconds within which 95 of 100 requests were done."""


class ModelCost(Shape):
    """What one model was asked for in all processes of the run: the sums of :class:`StepCost` by model."""

    model: str
    """As declared in the spec."""
    role: str
    """Several are joined by commas."""
    questions: int
    requests: int
    tokens_in: int
    tokens_out: int
    usd: float
    share: float
    """Of all tokens of the run."""
    times: Times | None


class StepCost(Shape):
    """What one kind of question has cost in all processes of the run, replies that were thrown away included."""

    step: str
    role: str
    model: str
    """As declared in the spec; several are joined by commas."""
    questions: int
    """Questions, those asked again with an error shown included."""
    reasked: int
    """Questions that were asked again because a reply had not the right shape."""
    failed: int
    """Questions without any answer."""
    requests: int
    """Requests that were sent."""
    tokens_in: int
    tokens_out: int
    usd: float
    share: float
    """Of all tokens of the run."""
    times: Times | None
    """None where no time is known."""


class Funnel(Shape):
    """From the plan to the data set."""

    stages: list[Stage]
    losses: list[Loss]
    """Planned rows that were lost, the most frequent first."""
    byproducts: list[Loss]
    """What was dropped on the way and was no planned row: seeds, questions, chains; ``kind`` says which."""
    steps: list[StepCost]
    """In the order in which recipes ask; empty without journals."""
    models: list[ModelCost]
    """By name; empty without journals."""
    requests: int | None
    """All requests, retries included; None without journals."""
    tokens_in: int | None
    tokens_out: int | None
    usd: float | None
    lost_tokens: int | None
    """Tokens at most that may have been billed without a reply of use; in no other sum."""
    lost_usd: float | None
    times: Times | None
    """Of all requests of questions that stand in the journals; None where no time is known."""
    journals: int
    """Journal files that could be read."""


class Histogram(Shape):
    """Counts of a score or of lengths."""

    name: str
    kind: str
    labels: list[str]
    counts: list[int]
    """Kept rows, one count a label."""
    dropped: list[int]
    """Rows that curation dropped, one count a label; may be empty where it is not known."""
    missing: int
    """Kept rows without a value."""
    mean: float | None
    median: float | None


class Agreement(Shape):
    """How well several votes on the same rows agree (Krippendorff's alpha, ordinal)."""

    kind: str
    score: str
    rows: int
    """Kept rows with two votes or more."""
    alpha: float | None
    """1.0 full agreement, 0.0 chance; 0.8 counts as reliable, 0.667 as the least for tentative conclusions."""
    same: float | None
    """Share of rows on which all votes are equal."""
    spread: float | None
    """Mean of highest less lowest vote."""


class Grid(Shape):
    """Counts by two properties: a heat map."""

    name: str
    rows: list[str]
    columns: list[str]
    counts: list[list[int]]
    """One list a row."""


class Scores(Shape):
    """What the judge thought."""

    histograms: list[Histogram]
    agreement: list[Agreement]
    grids: list[Grid]
    """Quality against complexity, and quality by department."""
    departments: list[Grid]
    """Quality against complexity within each of the eight largest departments; empty where there is one alone."""


class Place(Shape):
    """One value of a property: a department, a difficulty, a trait of a persona."""

    value: str
    kept: int
    share: float
    """Of the kept rows that have the property."""
    planned: float | None
    """Rows expected: a quota, or the trait's weight times the rows; None where nothing was planned."""
    quality: float | None
    """Mean judged quality."""
    complexity: float | None
    """Mean judged complexity."""


class Coverage(Shape):
    """How kept rows spread over a property."""

    dimension: str
    places: list[Place]
    """At most 40, the largest first (difficulties in their order)."""
    more: int
    """Values that are not shown."""


class Quota(Shape):
    """A quota of the spec and what came of it."""

    kind: str
    dimension: str
    value: str
    planned: int
    available: int
    kept: int


class Phrase(Shape):
    """An opening or a stock phrase and how often it stands."""

    text: str
    rows: int
    share: float
    """Of the rows looked at."""


class Topic(Shape):
    """A cluster of texts that mean similar things. It has no name: the text nearest to its middle stands for it."""

    rows: int
    share: float
    """Of the sample."""
    text: str
    """The beginning of that text, at most 200 characters."""


class Texts(Shape):
    """How the texts of one kind are written: what a model is to learn, so of a dialogue the doctor's side."""

    kind: str
    rows: int
    words: Histogram
    """Words of the model's side of a row."""
    turns: Histogram | None
    """Turns of a dialogue."""
    openings: list[Phrase]
    """First four words, the most frequent of all rows."""
    opening_share: float | None
    """Share of rows that begin with the most frequent opening."""
    checked: int
    """Rows of the seeded sample that the next figures rest on."""
    stock: list[Phrase]
    """Stock phrases of language models."""
    stock_share: float | None
    refusals: int
    """Rows of the sample that open by declining."""
    languages: dict[str, int]
    """Language of each row of the sample; ``short`` where a text is too short to say; empty without the detector."""
    distinct_1: float | None
    """Distinct words over words; depends on how many rows are looked at."""
    distinct_2: float | None
    distinct_3: float | None
    self_bleu: float | None
    """0 to 100; lower is more varied."""
    compression: float | None
    """Bytes over compressed bytes; lower is more varied."""
    diversity_rows: int
    """Rows of the seeded sample for the five figures above and the two below."""
    vendi: float | None
    """How many different texts the sample is worth; needs the spec's encoder."""
    evenness: float | None
    """How evenly the sample fills clusters of meaning, 0 to 1; needs the spec's encoder, and 10 rows."""
    clusters: int
    """Clusters of meaning that the sample was cut into: one for five rows, 20 at most; 0 without an encoder."""
    topics: list[Topic]
    """The largest of these clusters, eight at most."""
