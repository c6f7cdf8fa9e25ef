"""Long reasoning for one question of a passage: several chains, the best kept, verified on request.

Where the chain is read from, and what is none, is :mod:`synth.recipes.chains`. There is no gold answer here.
``agreement`` keeps the chains whose answer most samples share, before they are judged; ``pass_rate`` drops questions
that a weaker model answers as well; ``verify`` tries chains in the order of their rewards until a second pass draws
the same answer from one. All of them find what does not hold together: none knows what is medically right.
"""

from __future__ import annotations

from collections.abc import Sequence

from synth.ask import Answer, AskRejected, together
from synth.recipes.agreement import Agreed, agreement
from synth.recipes.chain_pairs import wrong_pair
from synth.recipes.chains import ROW, WRONG_PAIR, Chain, Draft, by_sections, chain_form, leave, ranked, read_chain
from synth.recipes.job import Job, settled
from synth.recipes.notes import short
from synth.recipes.opinions import judged
from synth.recipes.pass_rate import PassRate, pass_rate
from synth.recipes.preferences import assistant, user
from synth.recipes.recovery import (
    RECOVERED,
    Recovery,
    denies,
    recoveries,
    recovers,
    reject_chain,
    reject_unverified,
)
from synth.recipes.slots import Slot


async def long_reasoning(
    job: Job, question: str, question_answers: tuple[Answer, ...], slots: Sequence[Slot]
) -> Chain | None:
    """Write chains, keep the best as the reasoning row; None when none is good enough (``slots`` are then settled).

    Of the pairs only that over an unverified chain is settled here when a chain is kept.
    """
    wanted = job.spec.produce.reasoning
    assert wanted is not None  # nothing is complex without it
    drafts = await _drafts(job, question, wanted.samples, slots)
    agreed: Agreed | None = None
    if wanted.agreement is not None and drafts:
        agreed = await agreement(job, question, drafts)
        for draft in agreed.others:
            leave(job, draft, "not_agreed", "agree")
        if not agreed.enough:
            reject_chain(job, slots, "agree", "no_agreement", agreed.says, agreed.drafts[0])
            return None
        drafts = agreed.drafts
    order, unscored = await ranked(job, question, drafts)
    for draft in unscored:
        leave(job, draft, "unscored")
    if not order:
        if drafts:
            job.slots.reject(job.slots.open(*slots), "reward", "unscored", "no chain got a score")
        return None
    rate = await pass_rate(job, question, order[0].answer, slots) if wanted.pass_rate is not None else None
    if rate is not None and not rate.kept:
        for draft in order:
            leave(job, draft, rate.reason, "weak_answer")
        return None
    tried = await recoveries(job, question, order) if wanted.verify else []
    if tried and not recovers(tried[-1]):
        for draft in order[1:]:
            leave(job, draft, "not_verified")
        reject_unverified(job, order[0], tried[0], slots)
        return None
    return await _keep(job, question, question_answers, order, tried, agreed, rate)


async def _drafts(job: Job, question: str, chains: int, slots: Sequence[Slot]) -> list[Draft]:
    """The whole chains; without any the slots are settled, or the first rejection is raised."""
    replies = await together(*(settled(_ask(job, question, sample)) for sample in range(chains)))
    read = [read_chain(job, str(sample), "reasoning", reply, sample) for sample, reply in enumerate(replies)]
    drafts = [draft for draft in read if isinstance(draft, Draft)]
    if not drafts:
        first = replies[0]
        if isinstance(first, AskRejected):
            raise first
        detail = "no reply held a chain and an answer" if read[0] == "no_reasoning" else "no chain kept to the budget"
        job.slots.reject(job.slots.open(*slots), "reasoning", str(read[0]), detail)
    return drafts


async def _ask(job: Job, question: str, sample: int) -> Answer:
    return await job.asker.ask(
        "reasoning",
        chain_form(job, "reasoning"),
        sample=sample,
        passage=job.seed.text,
        question=question,
        sections=by_sections(job),
    )


async def _keep(
    job: Job,
    question: str,
    question_answers: tuple[Answer, ...],
    order: list[Draft],
    tried: list[Recovery],
    agreed: Agreed | None,
    rate: PassRate | None,
) -> Chain:
    """The row of the best chain (the first that was verified), and its pair over one that was not."""
    place = max(len(tried) - 1, 0)
    best, recovery = order[place], tried[-1] if tried else ()
    assert best.opinion is not None
    assert not isinstance(recovery, AskRejected)
    for draft in order:
        if draft is not best:
            leave(job, draft, "not_verified" if draft in order[:place] else "not_chosen")
    graded = await judged(job, question, best.opinion)
    checked = (*(agreed.asked if agreed else ()), *(rate.asked if rate else ()), *recovery)
    chain = Chain(best.thought, best.answer, best.opinion.reward, best.written, (*checked, *graded))
    says = [*([agreed.says] if agreed else []), *([RECOVERED] if tried else [])]
    if ROW in job.slots.open(ROW):
        await _row(job, question, question_answers, chain, says, rate)
    if WRONG_PAIR in job.slots.open(WRONG_PAIR):
        wrong = next((draft for draft, found in zip(order, tried, strict=False) if denies(found)), None)
        await wrong_pair(job, "finemed", question, question_answers, chain, wrong)
    return chain


async def _row(
    job: Job,
    question: str,
    question_answers: tuple[Answer, ...],
    chain: Chain,
    says: list[str],
    rate: PassRate | None,
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
        "verified": True if says else None,
        "verification": "; ".join(says) or None,
        "pass_rate": rate.rate if rate else None,
        "attempts": None,
    }
    job.slots.keep(*ROW, row, messages)
