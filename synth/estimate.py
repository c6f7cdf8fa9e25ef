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
from synth.spec import Spec
from synth.spec_models import RemoteModel
from synth.spec_reasoning import Reasoning
from synth.steps import GRADED, REWARD_STEP, STEPS
from synth.tokens import estimate_tokens

ASSUMED_WRONG = 0.4
"""Share of the chains for exam items whose answer is wrong, each on its own: hard items miss more, and together."""

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
    return [*lines, *_rewards(setup)]


def _choices(setup: Setup) -> tuple[float, float]:
    """Expected questions of a seed whose best common answer, and whose best chain, is chosen."""
    produce, hard = setup.spec.produce, complex_share(setup)
    origins = produce.preferences.from_ if produce.preferences else []
    common = (1 - hard if produce.answers else 0.0) + (hard if "reasoning_over_answer" in origins else 0.0)
    return common if "answers" in setup.templates else 0.0, hard if produce.reasoning else 0.0


def _rewards(setup: Setup) -> list[Line]:
    """What the reward model reads, if there is one."""
    produce, model = setup.spec.produce, setup.spec.models.reward
    if model is None:
        return []
    common, hard = _choices(setup)
    answers = setup.seeds.count * common * (produce.answers.styles if produce.answers else 2)
    chains = setup.seeds.count * hard * (produce.reasoning.samples if produce.reasoning else 0)
    question, answer, thought = (_HANDED_ON[name] for name in ("question", "answer", "thought"))
    tokens = answers * (question + answer) + chains * (question + answer + thought)
    price = model.price if isinstance(model, RemoteModel) else None
    usd = 0.0 if not isinstance(model, RemoteModel) else cost(price, round(tokens), 0) if price else None
    return [Line(REWARD_STEP, declared_model(model), answers + chains, tokens, 0.0, 0.0, usd)]


_HANDED_ON = {"question": 30, "answer": 350, "thought": 1500, "turns": 400, "facts": 60, "departments": 200}
_HANDED_ON |= {"options": 60, "gold": 10, "attempts": 4000, "case_facts": 250, "transcript": 450}
"""Usual tokens of what earlier steps hand to a template."""


def complex_share(setup: Setup) -> float:
    """Expected share of complex questions."""
    rule = setup.spec.produce.reasoning
    if rule is None:
        return 0.0
    if setup.spec.seeds.kind == "items":
        return 1.0
    return rule.hardest if rule.hardest is not None else ASSUMED_COMPLEX


def _checks_of_chains(reasoning: Reasoning, hard: float) -> dict[str, float]:
    """What is asked about the chains of a passage beside their scores."""
    agree = hard * (reasoning.samples - 1) if reasoning.agreement else 0.0
    counts = {"recover": hard} if reasoning.verify else {}
    if reasoning.verify or reasoning.agreement:
        counts["agree"] = agree + (hard if reasoning.verify else 0.0)
    if reasoning.pass_rate:
        counts |= dict.fromkeys(("weak_answer", "check_answer"), hard * reasoning.pass_rate.samples)
    return counts


def _requests_per_item(spec: Spec) -> dict[str, float]:
    """Of exam items, when :data:`ASSUMED_WRONG` of the chains are."""
    reasoning = spec.produce.reasoning
    assert reasoning is not None
    origins = spec.produce.preferences.from_ if spec.produce.preferences else []
    searched = ASSUMED_WRONG**reasoning.chains
    tries = searched * sum(ASSUMED_WRONG**n for n in range(reasoning.tries + 1))
    weak = reasoning.pass_rate.samples if reasoning.pass_rate else 0
    recovered = 1.0 if reasoning.verify else searched
    scored = 1.0 if spec.models.reward is not None else reasoning.chains * (1 - ASSUMED_WRONG) + searched
    scored += 2 if "reasoning_over_answer" in origins and spec.models.reward is None else 0
    scored += 1 if "verified_over_unverified" in origins and spec.models.reward is None else 0
    counts = {"department": 1.0, "open_question": 1.0, "think": float(reasoning.chains), "search": tries}
    counts |= {"check_answer": reasoning.chains + tries + weak, "rewrite": searched, "reward": scored}
    counts |= {"recover": recovered, "agree": recovered}
    counts |= {"common_answer": 1.0} if "reasoning_over_answer" in origins else {}
    return counts | ({"weak_answer": float(weak)} if weak else {})


def _requests_per_seed(setup: Setup) -> dict[str, float]:
    if setup.spec.seeds.kind == "items":
        votes = setup.spec.filters.quality.votes
        counted = _requests_per_item(setup.spec)
        return {step: count * (votes if step in GRADED else 1) for step, count in counted.items()}
    produce = setup.spec.produce
    hard = complex_share(setup)
    origins = produce.preferences.from_ if produce.preferences else []
    counts: dict[str, float] = {"department": 1.0}
    if produce.questions:
        counts |= {"questions": 1.0, "score": float(produce.questions.per_seed)}
    chosen_by_judge = setup.spec.models.reward is None
    if "answers" in setup.templates:
        common = _choices(setup)[0]
        styles = produce.answers.styles if produce.answers else 2
        counts |= {"answers": common, "reward": common * (styles if chosen_by_judge else 1)}
    if produce.reasoning:
        chains = hard * produce.reasoning.samples
        counts |= {"reasoning": chains, "reward": counts.get("reward", 0.0) + (chains if chosen_by_judge else hard)}
        counts |= _checks_of_chains(produce.reasoning, hard)
    if produce.dialogues:
        each, turns = float(produce.dialogues.per_seed), float(produce.dialogues.max_turns)
        counts |= {"case": each, "patient": each * turns, "doctor": each * turns}
        counts |= {"diagnosis": each, "judge_dialogue": each}
        counts |= {"review_dialogue": each} if produce.dialogues.review else {}
        if setup.spec.seeds.kind == "cases":  # they are the cards
            del counts["case"]
        if "dialogue_outcome" in origins:
            counts |= {"doctor": each * (turns + 1), "diagnosis": each * 2, "judge_turn": each * 2}
        if produce.dialogues.rubric:
            wanted = produce.dialogues.rubric
            graded = each * (wanted.criteria + wanted.written) * (2 if "dialogue_outcome" in origins else 1)
            counts |= {"rubric_judge": graded} | ({"rubric_write": each} if wanted.written else {})
    votes = setup.spec.filters.quality.votes
    return {step: count * (votes if step in GRADED else 1) for step, count in counts.items()}
