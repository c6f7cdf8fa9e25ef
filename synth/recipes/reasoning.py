"""Long reasoning for one question: several chains, the best kept, verified on request.

A chain comes either from the model's own thinking (``trace: native``: a reasoning field or a ``<think>`` block) or
from a model that is asked for a Thought and a Summarization (``trace: sections``, the paper's form). A cut chain is
never used. Verification: a second pass sees the chain without its conclusion and states where it leads; a judge
compares that with the chain's answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.ask import Answer, AskRejected, together
from synth.recipes.choice import choose_best
from synth.recipes.forms import Recovered, Verdict, sections_form
from synth.recipes.job import Job, settled
from synth.recipes.preferences import assistant, user
from synth.recipes.slots import Slot
from synth.replies import split_reasoning

VERIFICATION = "the answer was recovered from the chain without its conclusion"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of reasoning and its answer."""

    thought: str
    answer: str
    reward: int
    written: Answer
    judged: tuple[Answer, ...]

    @property
    def content(self) -> str:
        """The assistant's turn as it is trained on."""
        return f"<think>\n{self.thought}\n</think>\n\n{self.answer}"


async def long_reasoning(
    job: Job, question: str, question_answers: tuple[Answer, ...], slot: Slot, pair: Slot
) -> Chain | None:
    """Write chains, keep the best as the reasoning row; None when none is good enough (slots are then settled)."""
    wanted = job.spec.produce.reasoning
    assert wanted is not None  # nothing is complex without it
    replies = await together(*(settled(_ask(job, question, sample)) for sample in range(wanted.chains)))
    drafts = [_draft(job, sample, reply) for sample, reply in enumerate(replies)]
    usable = [(sample, *draft) for sample, draft in enumerate(drafts) if draft is not None]
    if not usable:
        first = replies[0]
        if isinstance(first, AskRejected):
            raise first
        job.slots.reject(
            job.slots.open(slot, pair), "reasoning", "no_reasoning", "no reply held a chain and an answer"
        )
        return None
    grades = await together(
        *(
            job.grade("reward", f"chain-{sample}", question=question, answer=f"{thought}\n\n{answer}")
            for sample, _, thought, answer in usable
        )
    )
    best = choose_best([g.value.quality if g else None for g in grades], job.asker.rng("choose_chain"))
    for n, (sample, _, thought, answer) in enumerate(usable):
        if n != best:
            grade_ = grades[n]
            payload = {"thought": thought, "answer": answer, "reward": grade_.value.quality if grade_ else None}
            reason = "unscored" if best is None else "not_chosen"
            job.slots.byproduct("chain", str(sample), "reward", reason, payload=payload)
    grade = grades[best] if best is not None else None
    if best is None or grade is None:
        job.slots.reject(job.slots.open(slot, pair), "reward", "unscored", "no chain got a score")
        return None
    _, written, thought, answer = usable[best]
    verdict = await _verify(job, question, thought, answer) if wanted.verify else ()
    if verdict and verdict[-1].value.verdict == "no":
        payload = {"thought": thought, "answer": answer, "recovered": verdict[0].value.answer}
        detail = "a second pass drew another answer from the chain"
        job.slots.reject(job.slots.open(slot, pair), "agree", "not_verified", detail, payload)
        return None
    chain = Chain(thought, answer, grade.value.quality, written, (*verdict, grade))
    if slot in job.slots.open(slot):
        await _row(job, question, question_answers, chain, slot, verified=bool(verdict) or None)
    return chain


async def _ask(job: Job, question: str, sample: int) -> Answer:
    wanted = job.spec.produce.reasoning
    sections = wanted is not None and wanted.trace == "sections"
    form = sections_form(job.max_tokens("reasoning")) if sections else None
    return await job.asker.ask(
        "reasoning", form, sample=sample, passage=job.seed.text, question=question, sections=sections
    )


def _draft(job: Job, sample: int, reply: Answer | AskRejected) -> tuple[Answer, str, str] | None:
    """(answer object, thought, conclusion) of a chain; what is none is recorded with its reason."""
    if isinstance(reply, AskRejected):
        job.slots.byproduct("chain", str(sample), reply.step, reply.reason, reply.detail, {"reply": reply.text[:4000]})
        return None
    if isinstance(reply.value, str):
        parts = split_reasoning(reply.reply.text, reply.reply.reasoning)
        if parts is None:
            job.warn(
                "the reasoner gives neither a reasoning field nor a <think> block: its chains are rejected. "
                "Name a reasoning model under models.reasoner, or set produce.reasoning.trace: sections"
            )
    else:
        parts = (reply.value.thought, reply.value.summarization)
    if parts is None or any("<think>" in part or "</think>" in part for part in parts):
        detail = "the reply holds no chain apart from its answer"
        job.slots.byproduct(
            "chain", str(sample), "reasoning", "no_reasoning", detail, {"reply": reply.reply.text[:4000]}
        )
        return None
    return reply, *parts


async def _verify(job: Job, question: str, thought: str, answer: str) -> tuple[Answer, Answer]:
    recovered = await job.asker.ask("recover", Recovered, question=question, thought=thought)
    agrees = await job.asker.ask("agree", Verdict, question=question, first=answer, second=recovered.value.answer)
    return recovered, agrees


async def _row(
    job: Job, question: str, question_answers: tuple[Answer, ...], chain: Chain, slot: Slot, *, verified: bool | None
) -> None:
    row = await job.common(
        "finemed", (*question_answers, chain.written), chain.judged, texts=(chain.thought, chain.answer)
    )
    messages = [user(question), assistant(chain.content)]
    row |= {
        "messages": messages,
        "question": question,
        "reasoning": chain.thought,
        "answer": chain.answer,
        "verified": verified,
        "verification": VERIFICATION if verified else None,
    }
    job.slots.keep(*slot, row, messages)
