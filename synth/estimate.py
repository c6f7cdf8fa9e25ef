"""What a run is expected to take, without sending anything: requests, tokens and money by step.

Counts follow from the spec where they can; where they hang on replies (how many questions are complex, how long a
consultation runs) the assumption is printed. Tokens in are the template's text plus the passage or the usual length
of what is handed on; tokens out are the usual length of a reply, and ``max_tokens`` at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.budget import cost
from synth.engines import declared_model
from synth.setup import Setup
from synth.spec_models import RemoteModel
from synth.steps import GRADED, STEPS
from synth.tokens import estimate_tokens

ASSUMED_COMPLEX = 0.1
"""Share of complex questions where the spec sets a difficulty; the paper's saved run had 0.25 % above 8."""


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the estimate."""

    step: str
    model: str
    requests: float
    tokens_in: float
    tokens_out: float
    most_out: float
    usd: float | None
    """None where the spec names no price for a remote model."""


def estimate(setup: Setup) -> list[Line]:
    """Expected requests and tokens, one line a step."""
    spec, seeds = setup.spec, setup.seeds.count
    passage = setup.seeds.tokens / max(seeds, 1)
    lines = []
    for step, per_seed in _requests_per_seed(setup).items():
        asked, model = STEPS[step], spec.models.of(STEPS[step].role)
        limit = (spec.sampling[step].max_tokens if step in spec.sampling else None) or asked.max_tokens
        template = estimate_tokens(setup.templates[step].path.read_text(encoding="utf-8"))
        inputs = (passage if "passage" in asked.variables else 0) + sum(
            length for name, length in _HANDED_ON.items() if name in asked.variables
        )
        count = per_seed * seeds
        tokens_in, tokens_out = count * (template + inputs), count * min(asked.expected, limit)
        price = model.price if isinstance(model, RemoteModel) else None
        free = not isinstance(model, RemoteModel)
        usd = 0.0 if free else cost(price, round(tokens_in), round(tokens_out)) if price else None
        lines.append(Line(step, declared_model(model), count, tokens_in, tokens_out, count * limit, usd))
    return lines


_HANDED_ON = {"question": 30, "answer": 350, "thought": 1500, "turns": 400, "facts": 60, "departments": 200}
"""Usual tokens of what earlier steps hand to a template."""


def complex_share(setup: Setup) -> float:
    """Expected share of complex questions."""
    rule = setup.spec.produce.reasoning
    if rule is None:
        return 0.0
    return rule.hardest if rule.hardest is not None else ASSUMED_COMPLEX


def _requests_per_seed(setup: Setup) -> dict[str, float]:
    produce = setup.spec.produce
    hard = complex_share(setup)
    origins = produce.preferences.from_ if produce.preferences else []
    counts: dict[str, float] = {"department": 1.0}
    if produce.questions:
        counts |= {"questions": 1.0, "score": float(produce.questions.per_seed)}
    if "answers" in setup.templates:
        common = (1 - hard if produce.answers else 0.0) + (hard if "reasoning_over_answer" in origins else 0.0)
        counts |= {"answers": common, "reward": common * (produce.answers.styles if produce.answers else 2)}
    if produce.reasoning:
        chains = hard * produce.reasoning.chains
        counts |= {"reasoning": chains, "reward": counts.get("reward", 0.0) + chains}
        if produce.reasoning.verify:
            counts |= {"recover": hard, "agree": hard}
    if produce.dialogues:
        each, turns = float(produce.dialogues.per_seed), float(produce.dialogues.max_turns)
        counts |= {"case": each, "patient": each * turns, "doctor": each * turns}
        counts |= {"diagnosis": each, "judge_dialogue": each}
        if "dialogue_outcome" in origins:
            counts |= {"doctor": each * (turns + 1), "diagnosis": each * 2, "judge_turn": each * 2}
    votes = setup.spec.filters.quality.votes
    return {step: count * (votes if step in GRADED else 1) for step, count in counts.items()}
