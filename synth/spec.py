"""The spec: one YAML file as frozen pydantic models, a docstring under each field.

Unknown keys are errors. Paths are kept as written and resolved against the folder of the spec file by
:func:`synth.spec_load.load_spec`, which also turns validation errors into ``file:line: key: …`` lines.
Secrets never stand here: a spec names the environment variable that holds a key, and nothing ever writes its value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from synth.spec_filters import Filters, Share
from synth.spec_models import AnyModel, AnyReward, LocalModel, Model, RemoteModel
from synth.spec_reasoning import Reasoning

ROLES = ("generator", "reasoner", "judge", "doctor", "patient", "weak")
"""Who is asked. Those that the spec does not name fall back to the generator; ``weak`` must be named to be used."""

STEPS = (
    "department",
    "questions",
    "score",
    "answers",
    "reward",
    "reasoning",
    "recover",
    "agree",
    "open_question",
    "think",
    "check_answer",
    "search",
    "rewrite",
    "common_answer",
    "weak_answer",
    "case",
    "patient",
    "doctor",
    "diagnosis",
    "judge_dialogue",
    "judge_turn",
    "review_dialogue",
    "rubric_write",
    "rubric_judge",
)
"""Every question that a recipe puts to a model; the keys of ``sampling``."""


class SeedsSpec(Model):
    """Where the seed texts come from and which of their fields mean what."""

    source: str
    """A .jsonl, .parquet or .csv file (also .gz, .bz2, .zst), or ``hf://owner/name`` for a data set on the Hub.
    For items and cases a .jsonl, .json or .parquet file of a known benchmark format, or a folder of them."""
    kind: Literal["passages", "items", "cases"] = "passages"
    """``passages``: texts; ``items``: exam questions, for reasoning that is checked against their answers; ``cases``:
    patients, for dialogues. Those two need ``split: train`` written out, and files of a test or validation split
    are refused."""
    text: str = "text"
    """Field that holds the passage."""
    id: str | None = "id"
    """Field that holds a unique id; null: the id is derived from the text."""
    license: str | None = "license"
    """Field that names the licence of each passage; rows without one are marked ``unknown``. A name that is no known
    identifier is warned of; a licence that has none is written ``other: its name``."""
    origin: str | None = "source"
    """Field that says where a passage comes from (a name or URL); becomes the column ``source``."""
    max_tokens: Annotated[int, Field(ge=32)] = 6000
    """Longer passages are cut at the last sentence end within this many tokens (estimated, no tokenizer)."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Use only the first so many passages."""
    split: str = "train"
    """Split of a Hub data set; for items and cases the declaration that they may become training rows."""
    config: str | None = None
    """Configuration of a Hub data set."""
    revision: str | None = None
    """Commit of a Hub data set; pin it for runs that must be repeatable."""


class Models(Model):
    """Roles. Those left out fall back to the generator."""

    generator: AnyModel
    reasoner: AnyModel | None = None
    judge: AnyModel | None = None
    doctor: AnyModel | None = None
    patient: AnyModel | None = None
    weak: AnyModel | None = None
    """A weaker model whose share of right answers tells how difficult a question is (``produce.reasoning.pass_rate``).
    """
    reward: AnyReward | None = None
    """Chooses among answers and among chains in the judge's place; the judge still scores what was chosen."""

    def of(self, role: str) -> LocalModel | RemoteModel:
        """Return the model that plays ``role``, falling back to the generator."""
        chosen: LocalModel | RemoteModel | None = getattr(self, role)
        return chosen or self.generator


class Questions(Model):
    """Questions written from a passage; the best one of each passage goes on."""

    per_seed: Annotated[int, Field(ge=1, le=8)] = 2


class Answers(Model):
    """Common answers; one call writes them all in different styles, the best one becomes an ``sft`` row."""

    styles: Annotated[int, Field(ge=1, le=4)] = 2


class RubricSpec(Model):
    """The rubric of each consultation: criteria with points, each put to the judge once, as in HealthBench."""

    criteria: Annotated[int, Field(ge=1, le=12)] = 6
    """At most so many criteria that follow from the case by rule, the weightiest first."""
    written: Annotated[int, Field(ge=0, le=8)] = 0
    """So many more, written for the case by the generator."""


class Dialogues(Model):
    """Consultations between a doctor who does not see the case and a patient who lives it."""

    per_seed: Annotated[int, Field(ge=1, le=8)] = 1
    max_turns: Annotated[int, Field(ge=2, le=40)] = 12
    """Doctor's turns; the last one must diagnose and advise."""
    personas: Literal["default"] | Path = "default"
    """YAML file with weights of the patients' traits."""
    rubric: RubricSpec | None = RubricSpec()
    """What each consultation is graded by; null turns grading off."""
    review: bool = False
    """Let the judge look, once a consultation, for the faults that need meaning; it sees the case as well."""


Origin = Literal["reasoning_over_answer", "reward", "verified_over_unverified", "dialogue_outcome"]


class Preferences(Model):
    """Which kinds of preference pairs are made."""

    from_: Annotated[list[Origin], Field(alias="from", min_length=1)]
    length_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None
    """Reject a pair whose longer side has more than so many times the words of the shorter; a ``reward`` pair then
    takes the worse answer that is nearest in length. Long reasoning is rarely within 1.5 of a common answer."""


class Produce(Model):
    """What is made from each seed passage. A kind that is left out is not made and not paid for."""

    questions: Questions | None = None
    answers: Answers | None = None
    reasoning: Reasoning | None = None
    dialogues: Dialogues | None = None
    preferences: Preferences | None = None


class Budget(Model):
    """Hard caps for the whole run, earlier tries included. The worst case is reserved before a request is sent."""

    requests: Annotated[int, Field(ge=1)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    usd: Annotated[float, Field(gt=0)] | None = None


class Sampling(Model):
    """Overrides of the recipe's sampling for one step; what is left out stays as the recipe has it."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None


class Export(Model):
    """How the Parquet is written."""

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of seeds whose rows go to the validation split (by a hash of the seed id: never on both sides)."""
    rows_per_file: Annotated[int, Field(ge=1)] = 50_000


class Spec(Model):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """Name of the run folder and of the data set."""
    seed: int = 0
    """Every random choice of ours derives from (seed, seed_id, step)."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")] = "en"
    """BCP 47 code of what models write; handed to every template."""
    license: str | None = None
    """Licence of the data set as a Hub identifier (``cc-by-4.0``); ``other`` for one that has none."""
    shard_size: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    """Seeds in a shard: the unit of memory, journals and staged output."""
    seeds: SeedsSpec
    models: Models
    produce: Produce
    filters: Filters = Filters()
    budget: Budget = Budget()
    sampling: dict[Literal[STEPS], Sampling] = Field(default_factory=dict)  # type: ignore[valid-type]
    """Temperature, top_p and max_tokens by step."""
    reasks: Annotated[int, Field(ge=0, le=5)] = 2
    """How often a reply that does not fit its schema is asked for again, with the error shown."""
    prompts: Path | None = None
    """Folder of templates: a file of the same name goes before ours."""
    taxonomy: Path | None = None
    """YAML of departments that replaces ours."""
    max_failed: Share = 0.05
    """Share of failed rows above which the command ends with exit code 5."""
    export: Export = Export()
