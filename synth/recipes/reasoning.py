"""Long reasoning for one question: several chains, the best kept, verified on request.

A chain comes either from the model's own thinking (``trace: native``: a reasoning field or a ``<think>`` block) or
from a model that is asked for a Thought and a Summarization (``trace: sections``, the paper's form). A cut chain is
never used. Verification: a second pass sees the chain without its final answer and states where it leads; a judge
compares that with the chain's answer. Chains are tried in the order of their rewards until one is verified. A chain
may well state its answer before its end, so this finds answers that do not follow, not chains that are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from synth.ask import Answer, AskRejected, together
from synth.recipes.choice import choose_best
from synth.recipes.forms import Recovered, Verdict, sections_form
from synth.recipes.job import Job, settled
from synth.recipes.notes import short
from synth.recipes.preferences import assistant, user
from synth.recipes.slots import Slot
from synth.replies import split_reasoning

VERIFICATION = "a second pass drew the same answer from the chain without its final answer"


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


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole chain, before one is chosen."""

    sample: int
    written: Answer
    thought: str
    answer: str
    grade: Answer | None = None

    @property
    def reward(self) -> int | None:
        """The judge's quality; None without a score."""
        return self.grade.value.quality if self.grade else None


async def long_reasoning(
    job: Job, question: str, question_answers: tuple[Answer, ...], slot: Slot, pair: Slot
) -> Chain | None:
    """Write chains, keep the best as the reasoning row; None when none is good enough (slots are then settled)."""
    wanted = job.spec.produce.reasoning
    assert wanted is not None  # nothing is complex without it
    drafts = await _drafts(job, question, wanted.chains, slot, pair)
    ranked = _ranked(job, drafts)
    if not ranked:
        for draft in drafts:
            _leave(job, draft, "unscored")
        if drafts:
            job.slots.reject(job.slots.open(slot, pair), "reward", "unscored", "no chain got a score")
        return None
    verdicts: list[tuple[Answer, Answer] | AskRejected] = []
    if wanted.verify:
        verdicts = await _verdicts(job, question, ranked)
        if not _agrees(verdicts[-1]):
            for draft in drafts:
                if draft is not ranked[0]:
                    _leave(job, draft, "not_verified" if draft.reward is not None else "unscored")
            _reject_unverified(job, ranked[0], verdicts[0], job.slots.open(slot, pair))
            return None
    tried = ranked[: len(verdicts) or 1]
    best, verdict = tried[-1], verdicts[-1] if verdicts else ()
    assert best.grade is not None
    assert not isinstance(verdict, AskRejected)
    for draft in drafts:
        if draft is not best:
            _leave(job, draft, "not_verified" if draft in tried else "not_chosen")
    chain = Chain(best.thought, best.answer, best.grade.value.quality, best.written, (*verdict, best.grade))
    if slot in job.slots.open(slot):
        await _row(job, question, question_answers, chain, slot, verified=bool(verdict) or None)
    return chain


async def _drafts(job: Job, question: str, chains: int, slot: Slot, pair: Slot) -> list[Draft]:
    """The whole chains with their grades; none settles the slots."""
    replies = await together(*(settled(_ask(job, question, sample)) for sample in range(chains)))
    drafts = [draft for sample, reply in enumerate(replies) if (draft := _draft(job, sample, reply)) is not None]
    if not drafts:
        first = replies[0]
        if isinstance(first, AskRejected):
            raise first
        job.slots.reject(
            job.slots.open(slot, pair), "reasoning", "no_reasoning", "no reply held a chain and an answer"
        )
    grades = await together(
        *(
            job.grade("reward", f"chain-{d.sample}", question=question, answer=f"{d.thought}\n\n{d.answer}")
            for d in drafts
        )
    )
    return [replace(draft, grade=grade) for draft, grade in zip(drafts, grades, strict=True)]


def _ranked(job: Job, drafts: list[Draft]) -> list[Draft]:
    """Drafts with a score: the best (a tie at random), then the others by score."""
    best = choose_best([d.reward for d in drafts], job.asker.rng("choose_chain"))
    if best is None:
        return []
    others = [d for i, d in enumerate(drafts) if i != best and d.reward is not None]
    return [drafts[best], *sorted(others, key=lambda d: -(d.reward or 0))]


def _leave(job: Job, draft: Draft, reason: str) -> None:
    payload = {"thought": draft.thought, "answer": draft.answer, "reward": draft.reward}
    job.slots.byproduct("chain", str(draft.sample), "reward", reason, payload=payload)


async def _ask(job: Job, question: str, sample: int) -> Answer:
    wanted = job.spec.produce.reasoning
    sections = wanted is not None and wanted.trace == "sections"
    form = sections_form(job.max_tokens("reasoning")) if sections else None
    return await job.asker.ask(
        "reasoning", form, sample=sample, passage=job.seed.text, question=question, sections=sections
    )


def _draft(job: Job, sample: int, reply: Answer | AskRejected) -> Draft | None:
    """A reply as a chain and its answer; what is none is recorded with its reason."""
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
    return Draft(sample, reply, *parts)


async def _verdicts(job: Job, question: str, ranked: list[Draft]) -> list[tuple[Answer, Answer] | AskRejected]:
    """What became of each chain that was tried: one after the other, until one is verified."""
    verdicts: list[tuple[Answer, Answer] | AskRejected] = []
    for draft in ranked:
        try:
            verdicts.append(await _verify(job, question, draft))
        except AskRejected as err:
            verdicts.append(err)
        if _agrees(verdicts[-1]):
            break
    return verdicts


async def _verify(job: Job, question: str, draft: Draft) -> tuple[Answer, Answer]:
    part = str(draft.sample)
    recovered = await job.asker.ask("recover", Recovered, part=part, question=question, thought=draft.thought)
    both = {"first": draft.answer, "second": recovered.value.answer}
    return recovered, await job.asker.ask("agree", Verdict, part=part, question=question, **both)


def _agrees(verdict: tuple[Answer, Answer] | AskRejected) -> bool:
    return not isinstance(verdict, AskRejected) and verdict[-1].value.verdict == "yes"


def _reject_unverified(job: Job, best: Draft, verdict: tuple[Answer, Answer] | AskRejected, slots: list[Slot]) -> None:
    """Settle the slots for the best of the chains, of which none was verified."""
    payload = {"thought": best.thought, "answer": best.answer, "reward": best.reward}
    if isinstance(verdict, AskRejected):
        payload["reply"] = verdict.text[:4000]
        job.slots.reject(slots, verdict.step.partition("/")[0], verdict.reason, verdict.detail, payload)
        return
    payload["recovered"] = verdict[0].value.answer
    job.slots.reject(slots, "agree", "not_verified", "a second pass drew another answer from the chain", payload)


async def _row(
    job: Job, question: str, question_answers: tuple[Answer, ...], chain: Chain, slot: Slot, *, verified: bool | None
) -> None:
    row = await job.common(
        "finemed",
        (*question_answers, chain.written),
        chain.judged,
        texts=(chain.thought, chain.answer),
        evidence=short(chain.answer, chain.thought),
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
