"""Chains of reasoning as replies give them: thought and answer apart, whole, and within the budget of thinking.

A chain comes either from the model's own thinking (``trace: native``: a reasoning field or a ``<think>`` block) or
from a model that is asked for a Thought and a Summarization (``trace: sections``, the paper's form). A cut chain is
never used: its reply is rejected as truncated before it comes here. What is no chain, and what is outside of
``thinking_tokens``, is recorded with its reason. Nothing here says whether a chain is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from synth.ask import Answer, AskRejected
from synth.recipes.choice import choose_best
from synth.recipes.forms import sections_form
from synth.recipes.job import Job
from synth.recipes.opinions import Opinion, opinions
from synth.recipes.slots import Slot
from synth.replies import split_reasoning
from synth.tokens import estimate_tokens

ROW: Slot = ("reasoning", "0")
LONG_PAIR: Slot = ("preference", "reasoning_over_answer")
WRONG_PAIR: Slot = ("preference", "verified_over_unverified")


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of reasoning that became a row, and its answer."""

    thought: str
    answer: str
    reward: float
    written: Answer
    judged: tuple[Answer | None, ...]

    @property
    def content(self) -> str:
        """The assistant's turn as it is trained on."""
        return content_of(self.thought, self.answer)


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole chain, before one is chosen."""

    sample: int
    written: Answer
    thought: str
    answer: str
    opinion: Opinion | None = None

    @property
    def reward(self) -> float | None:
        """What it is worth to the judge or the reward model; None without a score."""
        return self.opinion.reward if self.opinion else None

    @property
    def text(self) -> str:
        """Thought and answer as they are judged."""
        return f"{self.thought}\n\n{self.answer}"


def content_of(thought: str, answer: str) -> str:
    """An assistant's turn that thinks before it answers."""
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def chain_form(job: Job, step: str) -> type[BaseModel] | None:
    """The shape that a chain of ``step`` is asked for; None for models that think by themselves."""
    return sections_form(job.max_tokens(step)) if by_sections(job) else None


def by_sections(job: Job) -> bool:
    """Whether chains are asked for in two sections."""
    wanted = job.spec.produce.reasoning
    return wanted is not None and wanted.trace == "sections"


def read_chain(
    job: Job, name: str, step: str, reply: Answer | AskRejected, sample: int = 0, *, bounded: bool = True
) -> Draft | str:
    """A reply as a chain and its answer; what is none is recorded under ``name``, and its reason comes back.

    ``bounded``: whether the budget of thinking tokens holds for it.
    """
    if isinstance(reply, AskRejected):
        job.slots.byproduct("chain", name, reply.step, reply.reason, reply.detail, {"reply": reply.text[:4000]})
        return reply.reason
    parts = _parts(job, reply)
    if parts is None or any("<think>" in part or "</think>" in part for part in parts):
        detail = "the reply holds no chain apart from its answer"
        job.slots.byproduct("chain", name, step, "no_reasoning", detail, {"reply": reply.reply.text[:4000]})
        return "no_reasoning"
    draft = Draft(sample, reply, *parts)
    outside = beyond_budget(job, thinking_tokens(draft)) if bounded else None
    if outside is not None:
        reason, detail = outside
        job.slots.byproduct("chain", name, step, reason, detail, _payload(draft))
        return reason
    return draft


def _parts(job: Job, reply: Answer) -> tuple[str, str] | None:
    if not isinstance(reply.value, str):
        return reply.value.thought, reply.value.summarization
    parts = split_reasoning(reply.reply.text, reply.reply.reasoning)
    if parts is None:
        job.warn(
            "the reasoner gives neither a reasoning field nor a <think> block: its chains are rejected. "
            "Name a reasoning model under models.reasoner, or set produce.reasoning.trace: sections"
        )
    return parts


def thinking_tokens(draft: Draft) -> int:
    """Tokens of a chain's thought: as the server counted its own model's thinking, else estimated."""
    counted = draft.written.reply.reasoning_tokens
    native = isinstance(draft.written.value, str) and bool(draft.written.reply.reasoning)
    return counted if counted and native else estimate_tokens(draft.thought)


def beyond_budget(job: Job, tokens: int) -> tuple[str, str] | None:
    """The reason and detail why a thought of so many tokens is outside of ``thinking_tokens``; None when it is not."""
    budget = job.spec.produce.reasoning.thinking_tokens if job.spec.produce.reasoning else None
    if budget is None:
        return None
    if tokens < budget.min:
        return "under_budget", f"{tokens} thinking tokens, the least is {budget.min}"
    if budget.max is not None and tokens > budget.max:
        return "over_budget", f"{tokens} thinking tokens, the most is {budget.max}"
    return None


async def ranked(job: Job, question: str, drafts: list[Draft]) -> tuple[list[Draft], list[Draft]]:
    """Judge chains: those with a score (the best, a tie at random, then the others by score), and those without."""
    given = await opinions(job, question, [(f"chain-{draft.sample}", draft.text) for draft in drafts])
    scored = [replace(draft, opinion=opinion) for draft, opinion in zip(drafts, given, strict=True)]
    best = choose_best([draft.reward for draft in scored], job.asker.rng("choose_chain"))
    lost = [draft for draft in scored if draft.reward is None]
    if best is None:
        return [], lost
    others = [draft for i, draft in enumerate(scored) if i != best and draft.reward is not None]
    return [scored[best], *sorted(others, key=lambda draft: -(draft.reward or 0))], lost


def leave(job: Job, draft: Draft, reason: str, step: str = "reward") -> None:
    """Record a chain that is not used."""
    job.slots.byproduct("chain", str(draft.sample), step, reason, payload=_payload(draft))


def _payload(draft: Draft) -> dict[str, Any]:
    return {"thought": draft.thought, "answer": draft.answer, "reward": draft.reward}
