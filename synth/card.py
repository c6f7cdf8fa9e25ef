"""The data set card: what the Hub reads (YAML front matter) and what people should know before they use the rows.

:class:`CardFacts` is filled while rows are exported, so the card says what is in the files and not what was hoped for.
Texts that come from seeds, models or the spec are shown as code spans with the few characters replaced that could end
one (see :func:`code`): no source name can bend the card. Equal facts make equal bytes; there is no clock.

The card does not judge the data, and names no server: only models as their servers called them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from filters.quotas import Cell
from filters.text import words
from filters.votes import agreement
from synth.card_front import front_matter
from synth.card_spec import spec_lines
from synth.persona_counts import Counts, personas_of, personas_of_rejected
from synth.recipes.personas import Personas
from synth.rows import KINDS, SCHEMAS
from synth.spec import ROLES, Spec
from synth.spec_models import LocalModel

TEMPLATE = Path(__file__).parent / "data" / "card.md.jinja"

MOST_SOURCES = 20
"""Sources named in the card; the rest is summed up."""

SHOWN = 120
"""Characters shown of a text that is not ours."""

MEANING = {
    "id": "stable hash of the row",
    "seed_id": "the seed passage it was made from; all rows of a seed are in one split",
    "messages": "the conversation as chat messages, ready for supervised fine-tuning",
    "instruction": "the question",
    "response": "the answer",
    "question": "the question",
    "reasoning": "the chain of thought, also inside `<think>` in `messages`",
    "answer": "the conclusion",
    "verified": "true: the answer was verified in the way that `verification` names; null: not tried",
    "verification": "how: against a gold answer by its words or by a judge, with it shown (hinted), by a second pass "
    "that drew the same answer from the chain, or by the agreement of samples",
    "pass_rate": "share of a weaker model's answers to the question that were right; null: not tried",
    "attempts": "chains written one after the other until this one was right, itself included; null: no gold answer",
    "case": "the hidden case as JSON: what the patient can tell, findings, tests, diagnosis",
    "persona": "the traits the patient was played with",
    "turns": "every turn with the doctor's thought, action and differential",
    "diagnosis": "the doctor's last diagnosis",
    "diagnosis_correct": "whether the judge took it for the hidden one",
    "rubric": "criteria of the consultation, their points, and which were met; null: ungraded; empty: not asked for",
    "prompt": "the conversation before the two answers",
    "chosen": "the answer preferred by `origin`, one assistant turn",
    "rejected": "the other answer, one assistant turn",
    "origin": "the rule that made the pair",
    "margin": "judge's score of chosen minus rejected, may be negative; with `decided_by_rubric` the rubric's",
    "source": "where the seed passage comes from",
    "source_license": "licence of the seed passage",
    "language": "language asked for",
    "department": "medical department",
    "subdepartment": "part of the department",
    "quality": "judged quality, 1 to 10; of a pair: of its chosen side, as the other scores",
    "complexity": "judged complexity, 1 to 10",
    "relevance": "judged medical relevance, 1 to 6",
    "votes": "the judge's single votes, of which the scores are the medians",
    "generator": "model that wrote it, as served",
    "judge": "model that judged it, as served",
    "prompt_hash": "hash of the templates it was asked with",
    "calls": "keys of all requests that made the row",
    "tokens_in": "prompt tokens of those requests",
    "tokens_out": "tokens written in them; calls shared by rows of a seed count in each",
    "flags": "what checks found questionable",
    "evidence": "for some flags the turn (place in `turns`, from 0), the text and the fact they rest on",
}
"""What each column of the rows means."""


def _by_kind() -> dict[str, dict[str, int]]:
    return {kind: {} for kind in KINDS}


@dataclass(slots=True)
class CardFacts:
    """Counts of one export. Keys of ``sources`` are (source, licence), of the other counters (kind, …)."""

    fingerprint: str
    kept: dict[str, dict[str, int]] = field(default_factory=_by_kind)
    rejected: dict[str, dict[str, int]] = field(default_factory=_by_kind)
    failed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    planned: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    pending: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    byproducts: dict[str, dict[str, int]] = field(default_factory=dict)
    seeds: set[str] = field(default_factory=set)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    served: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    prompts: Counter[tuple[str, str]] = field(default_factory=Counter)
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    votes: dict[tuple[str, str], list[tuple[int, ...]]] = field(default_factory=dict)
    """Votes of each kept row that has several, by (kind, score)."""
    benchmarks: dict[str, int] = field(default_factory=dict)
    """Items that rows were compared with, by benchmark."""
    personas: Personas | None = None
    """What patients' traits were drawn from; None where no dialogues were wanted."""
    drawn: Counts = field(default_factory=Counter)
    played: Counts = field(default_factory=Counter)
    """Traits of all patients that were drawn, and of those whose dialogues were kept."""
    quotas: list[tuple[str, Cell]] = field(default_factory=list)
    """(kind, what came of one quota)."""
    lengths: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Words of the chosen and the rejected side of each kept pair, by origin."""

    def count_kept(self, kind: str, batch: pa.RecordBatch) -> None:
        """Add the provenance and flags of kept rows; ``kept`` itself is for the writer of the files to fill in."""
        column = {
            name: batch.column(name).to_pylist()
            for name in ("seed_id", "source", "source_license", "generator", "judge", "prompt_hash", "flags", "votes")
        }
        self.seeds.update(column["seed_id"])
        traits = personas_of(kind, batch)
        self.drawn.update(traits)
        self.played.update(traits)
        origins = zip(column["source"], column["source_license"], strict=True)
        self.sources.update((source or "unknown", licence or "unknown") for source, licence in origins)
        for role in ("generator", "judge"):
            self.served.update((kind, role, model) for model in column[role] if model)
        self.prompts.update((kind, digest) for digest in column["prompt_hash"] if digest)
        self.flags.update((kind, flag) for flags in column["flags"] for flag in set(flags or ()))
        if kind == "preference":
            sides = (batch.column(name).to_pylist() for name in ("origin", "chosen", "rejected"))
            for origin, *pair in zip(*sides, strict=True):
                chosen, rejected = (sum(len(words(m["content"] or "")) for m in side or ()) for side in pair)
                self.lengths.setdefault(origin or "unknown", []).append((chosen, rejected))
        for votes in column["votes"]:
            for score in ("quality", "complexity", "relevance") if len(votes or ()) > 1 else ():
                self.votes.setdefault((kind, score), []).append(tuple(vote[score] for vote in votes))

    def count_rejected(self, batch: pa.RecordBatch) -> None:
        """Add rejections: by reason, but failed rows of a kind by kind alone."""
        self.drawn.update(personas_of_rejected(batch))
        columns = (batch.column(name).to_pylist() for name in ("kind", "reason", "status"))
        for kind, reason, status in zip(*columns, strict=True):
            if kind in KINDS and status == "failed":
                self.failed[kind] += 1
                continue
            reasons = self.rejected[kind] if kind in KINDS else self.byproducts.setdefault(kind, {})
            reasons[reason] = reasons.get(reason, 0) + 1

    def rows(self, kind: str) -> int:
        """Return the number of kept rows of ``kind``."""
        return sum(self.kept[kind].values())


def render_card(spec: Spec, facts: CardFacts) -> str:
    """Return ``README.md`` of the data set."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(front_matter=front_matter(spec, facts.kept), **_view(spec, facts))


def code(text: str) -> str:
    """Return foreign text as a Markdown code span that is safe in a table, shortened to 120 characters.

    Inside a code span only backticks, and pipes in a table, have a meaning; angle brackets are replaced for the sake
    of readers that let HTML through.
    """
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
    return f"`{shown.translate(str.maketrans('`|<>', chr(0x27) + '¦‹›'))}`" if shown else "(none)"


def _view(spec: Spec, facts: CardFacts) -> dict[str, Any]:
    """Return what the template shows: numbers, our own names, and foreign text already made safe."""
    kinds = [kind for kind in KINDS if facts.rows(kind)]
    named = _most_first(facts.sources)
    return {
        "name": spec.name,
        "language": spec.language,
        "license": code(spec.license) if spec.license else None,
        "fingerprint": code(facts.fingerprint),
        "key": re.sub(r"\W", "_", spec.name),
        "kinds": kinds,
        "kept": facts.kept,
        "columns": {kind: SCHEMAS[kind].names for kind in kinds},
        "shared": [name for name in SCHEMAS["sft"].names if all(name in SCHEMAS[kind].names for kind in KINDS)],
        "meaning": MEANING,
        "declared": [
            (role, code(_model_name(spec, role))) for role in (*ROLES, "reward") if getattr(spec.models, role)
        ],
        "served": _lines(facts.served),
        "teachers": [code(name) for name in sorted({model for _, _, model in facts.served})],
        "spec": spec_lines(spec),
        "prompts": _lines(facts.prompts),
        "seeds": len(facts.seeds),
        "sources": [(code(source), code(licence), rows) for (source, licence), rows in named[:MOST_SOURCES]],
        "more_sources": len(named[MOST_SOURCES:]),
        "more_rows": sum(rows for _, rows in named[MOST_SOURCES:]),
        "licences": _licences(facts),
        "accounts": [
            (k, facts.planned[k], facts.rows(k), sum(facts.rejected[k].values()), facts.failed[k], facts.pending[k])
            for k in KINDS
            if facts.planned[k]
        ],
        "reasons": [
            (kind, code(reason), count)
            for kind, reasons in [*facts.rejected.items(), *sorted(facts.byproducts.items())]
            for reason, count in sorted(reasons.items())
        ],
        "dedup": spec.filters.dedup,
        "quality": spec.filters.quality,
        "agreement": agreements(facts),
        "personas": [line | {name: code(line[name]) for name in ("trait", "value")} for line in coverage(facts)],
        "lengths": [line | {"origin": code(line["origin"])} for line in pair_lengths(facts)],
        "paraphrases": spec.filters.paraphrases,
        "encoder": code(Path(spec.filters.encoder).name if spec.filters.encoder else ""),
        "decontaminate": spec.filters.decontaminate,
        "benchmarks": [(code(name), items) for name, items in sorted(facts.benchmarks.items())],
        "stored": spec.seeds.kind == "cases",
        "phi": spec.filters.phi,
        "rules": spec.filters.rules,
        "quotas": [(kind, code(cell.value), cell.planned, cell.kept) for kind, cell in facts.quotas],
        "flags": [
            (kind, code(flag), count, f"{100 * count / facts.rows(kind):.1f} %")
            for (kind, flag), count in sorted(facts.flags.items())
        ],
    }


def agreements(facts: CardFacts) -> list[dict[str, Any]]:
    """How well the judge's votes on the kept rows agree, by kind and score; nothing where it voted once."""
    found = []
    for (kind, name), votes in sorted(facts.votes.items()):
        said = agreement(votes)
        found.append({"kind": kind, "score": name, "rows": said.rows, "alpha": said.alpha, "same": said.same})
    return found


def coverage(facts: CardFacts) -> list[dict[str, Any]]:
    """Expected share of each value of the patients' traits, and how often it was drawn and kept."""
    return facts.personas.coverage(facts.drawn, facts.played) if facts.personas is not None and facts.drawn else []


def pair_lengths(facts: CardFacts) -> list[dict[str, Any]]:
    """How long the sides of the kept pairs are, by origin: median words, and the share whose chosen side is longer."""
    found = []
    for origin, pairs in sorted(facts.lengths.items()):
        chosen, rejected = (median(side) for side in zip(*pairs, strict=True))
        longer = round(sum(a > b for a, b in pairs) / len(pairs), 4)
        found.append(
            {"origin": origin, "rows": len(pairs), "chosen": chosen, "rejected": rejected, "chosen_longer": longer}
        )
    return found


def _lines(counter: Counter[Any]) -> list[tuple[str, ...]]:
    return [(kind, *(code(text) for text in texts), str(rows)) for (kind, *texts), rows in sorted(counter.items())]


def _licences(facts: CardFacts) -> list[tuple[str, int]]:
    rows: Counter[str] = Counter()
    for (_, licence), count in facts.sources.items():
        rows[licence] += count
    return [(code(licence), count) for licence, count in _most_first(rows)]


def _most_first(counter: Counter[Any]) -> list[tuple[Any, int]]:
    # most_common() leaves ties in the order they were met; the card should not hang on it.
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def _model_name(spec: Spec, role: str) -> str:
    model = spec.models.of(role)
    if isinstance(model, LocalModel):
        return (model.path.name if model.path else model.model) or "SmolLM2-135M-Instruct (embedded)"
    return model.name
