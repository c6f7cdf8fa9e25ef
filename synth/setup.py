"""Everything that is checked and decided before the first request: a :class:`Setup`.

Each mistake that a person can make in a spec, a seed file, a template or a path shows here, as one line and before
anything is sent or written.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import filters
import synth
from synth.fingerprint import asking_fingerprint
from synth.quota_cells import check_quotas
from synth.recipes.personas import Personas, load_personas
from synth.recipes.slots import Slot, planned_slots
from synth.rows import KINDS
from synth.seeds import SeedPlan, plan_seeds
from synth.spec import Produce, Spec
from synth.spec_load import load_spec
from synth.spec_reasoning import Reasoning
from synth.steps import RECIPES, STEPS
from synth.taxonomy import Taxonomy, load_taxonomy
from synth.templates import Template, Templates, prompt_hash

NAMED_VERSIONS = ("clinsynth", "datasketch", "jinja2", "numpy", "pyarrow", "pydantic", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Setup:
    """A run that may begin."""

    spec: Spec
    spec_path: Path
    run: Path
    """The run folder."""
    templates: dict[str, Template]
    """By step, for the steps in use."""
    prompt_hashes: dict[str, str]
    """By recipe."""
    taxonomy: Taxonomy
    personas: Personas
    seeds: SeedPlan
    slots: tuple[Slot, ...]
    """Planned rows of one seed."""
    fingerprint: str

    @property
    def shards(self) -> int:
        """Number of shards."""
        return math.ceil(self.seeds.count / self.spec.shard_size)

    def shard_bounds(self, shard: int) -> tuple[int, int]:
        """First seed of a shard, and the one after its last."""
        start = shard * self.spec.shard_size
        return start, min(start + self.spec.shard_size, self.seeds.count)

    def seeds_in(self, shard: int) -> int:
        """Number of seeds in a shard."""
        start, stop = self.shard_bounds(shard)
        return stop - start

    def planned(self, seeds: int | None = None) -> dict[str, int]:
        """Planned rows by kind, of ``seeds`` seeds (default: all)."""
        count = self.seeds.count if seeds is None else seeds
        return {kind: count * sum(slot[0] == kind for slot in self.slots) for kind in KINDS}

    def stage_fingerprint(self, shard: int) -> str:
        """What a staged shard depends on: the asking fingerprint, this code, and the shard's bounds."""
        parts = f"{self.fingerprint}:{code_digest()}:{self.shard_bounds(shard)}:{sorted(versions().items())}"
        return hashlib.sha256(parts.encode()).hexdigest()


def prepare(name: str, out: Path | None, overrides: Sequence[str] = (), limit: int | None = None) -> Setup:
    """Load and check everything.

    Args:
        name: a spec file or a built-in spec.
        out: the run folder; default ``datasets_out/<name of the spec>``.
        overrides: ``key.path=value`` texts.
        limit: use only the first so many seeds.

    Raises:
        UserError: with one line for each mistake.
    """
    loaded = load_spec(name, [*overrides, *([f"seeds.limit={limit}"] if limit is not None else [])])
    spec = loaded.spec
    templates = _load_templates(spec)
    personas = spec.produce.dialogues.personas if spec.produce.dialogues else "default"
    taxonomy = load_taxonomy(spec.taxonomy)
    traits = load_personas(None if personas == "default" else Path(personas))
    check_quotas(spec.filters.quotas, taxonomy, traits)
    seeds = plan_seeds(spec.seeds)
    return Setup(
        spec=spec,
        spec_path=loaded.path,
        run=out or Path("datasets_out") / spec.name,
        templates=templates,
        prompt_hashes={
            recipe: prompt_hash([templates[s] for s in steps if s in templates])
            for recipe, steps in RECIPES.items()
            if (recipe == "verified") <= (spec.seeds.kind == "items")
        },
        taxonomy=taxonomy,
        personas=traits,
        seeds=seeds,
        slots=planned_slots(spec.produce),
        fingerprint=asking_fingerprint(spec, {t.name: t.sha256 for t in templates.values()}, seeds.digest),
    )


def steps_in_use(spec: Spec) -> list[str]:
    """The steps that this spec may come to."""
    produce = spec.produce
    if spec.seeds.kind == "items":
        return _item_steps(produce)
    steps = ["department"]
    if produce.questions:
        steps += ["questions", "score"]
    over_answer = produce.preferences is not None and "reasoning_over_answer" in produce.preferences.from_
    if produce.answers or over_answer:
        steps += ["answers"]
    if produce.answers or produce.reasoning:
        steps += ["reward"]
    if produce.reasoning:
        steps += _reasoning_steps(produce.reasoning)
    if produce.dialogues:
        steps += [] if spec.seeds.kind == "cases" else ["case"]
        steps += ["patient", "doctor", "diagnosis", "judge_dialogue"]
        if produce.dialogues.rubric:
            steps += ["rubric_judge", *(["rubric_write"] if produce.dialogues.rubric.written else [])]
        steps += ["review_dialogue"] if produce.dialogues.review else []
    if produce.preferences and "dialogue_outcome" in produce.preferences.from_:
        steps += ["judge_turn"]
    return steps


def _reasoning_steps(reasoning: Reasoning) -> list[str]:
    """What long reasoning of passages comes to."""
    recover, agree = (["recover"], ["agree"]) if reasoning.verify else ([], ["agree"] if reasoning.agreement else [])
    weak = ["weak_answer", "check_answer"] if reasoning.pass_rate else []
    return ["reasoning", *recover, *agree, *weak]


def _item_steps(produce: Produce) -> list[str]:
    """What exam items come to."""
    steps = ["department", "reward", "open_question", "check_answer", "think"]
    steps += ["search", "rewrite", "recover", "agree"]
    if produce.preferences and "reasoning_over_answer" in produce.preferences.from_:
        steps += ["common_answer"]
    return steps + (["weak_answer"] if produce.reasoning and produce.reasoning.pass_rate else [])


def _load_templates(spec: Spec) -> dict[str, Template]:
    ours = Templates(spec.prompts)
    loaded = {step: ours.load(STEPS[step].template, STEPS[step].variables) for step in steps_in_use(spec)}
    for step, template in loaded.items():
        for values in STEPS[step].samples():
            template.render(**values)  # a field that no turn has shows now, not after the first hour
    return loaded


def versions() -> dict[str, str]:
    """Versions of the packages that decide the bytes of an export."""
    found = {}
    for name in NAMED_VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A digest of our own source: a staged shard made by other code is made anew (from the journal, for nothing)."""
    digest = hashlib.sha256()
    for package in (synth, filters):
        root = Path(package.__file__ or "").parent
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
