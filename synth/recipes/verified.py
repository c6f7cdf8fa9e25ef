"""Exam item → open question → chains checked against the gold answer → search where all fail → row and pairs.

Of several first chains the right ones are judged and the best is kept. Where none is right a search goes on from the
first that is wrong (:mod:`synth.recipes.search`); a chain on which the judge gave no verdict is ``ungraded``, and
where all are, no search begins and the seed is rejected as that. The attempts of a search are rewritten as one
thought, which must lead to the answer still (``rewrite_lost_answer``). ``verify`` asks the same of a chain that was
right at once. What the answer was found right by, and how the chain came about, stands in ``verification``; a chain
that was written with the answer shown is flagged ``hinted``. A right answer does not make every step before it right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from filters.readers.items import Item
from synth.ask import Answer, AskRejected, together
from synth.recipes.answer_check import UNGRADED
from synth.recipes.chain_pairs import answer_pair, wrong_pair
from synth.recipes.chains import (
    LONG_PAIR,
    ROW,
    WRONG_PAIR,
    Chain,
    Draft,
    beyond_budget,
    by_sections,
    chain_form,
    leave,
    ranked,
    read_chain,
)
from synth.recipes.exam_items import Opened, open_question
from synth.recipes.job import Job, settled
from synth.recipes.notes import Evidence, short
from synth.recipes.opinions import judged, opinions
from synth.recipes.pass_rate import PassRate, pass_rate
from synth.recipes.preferences import assistant, user
from synth.recipes.recovery import RECOVERED, recover, recoveries, recovers, reject_chain, reject_unverified
from synth.recipes.rewriting import mentions_hint, rewrite
from synth.recipes.search import FIRST, HINTED, Attempt, check_draft, search, with_verdict
from synth.recipes.slots import Slot
from synth.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class Found:
    """A chain that leads to the gold answer."""

    chain: Chain
    says: str
    """How it was verified."""
    attempts: int
    """Chains written one after the other, itself included."""
    made_by: tuple[Answer, ...]
    wrong: Attempt | None
    """A chain of the same question that was judged wrong."""
    hinted: bool = False
    hints: tuple[Evidence, ...] = ()
    """Where a rewritten chain speaks of an answer that was given."""


async def verified(job: Job) -> None:
    """Settle the reasoning slot and the pairs of a seed that is an exam item."""
    slots = job.slots.open(ROW, LONG_PAIR, WRONG_PAIR)
    if not slots:
        return
    assert isinstance(job.seed.record, Item)  # as seeds.kind says
    with job.slots.covering(*slots):
        opened = await open_question(job, job.seed.record, slots)
        if opened is None or not await _is_new(job, opened, slots):
            return
        wanted = job.spec.produce.reasoning
        assert wanted is not None
        rate = await pass_rate(job, opened.question, opened.gold, slots) if wanted.pass_rate is not None else None
        if rate is not None and not rate.kept:
            return
        firsts = await _first_chains(job, opened, slots)
        if not firsts:
            return
        at_once = any(attempt.check.right for attempt in firsts)
        found = await (_right_at_once if at_once else _searched)(job, opened, firsts, slots)
        if found is not None:
            await _row(job, opened, found, rate)
            await _pairs(job, opened, found)


async def _is_new(job: Job, opened: Opened, slots: Sequence[Slot]) -> bool:
    duplicate = await job.gates.questions.enter(job.position, job.seed.id, opened.question)
    if duplicate is None:
        return True
    detail = f"similarity {duplicate.similarity:.2f} to the question of seed {duplicate.of}"
    payload = {"question": opened.question}
    job.slots.reject(job.slots.open(*slots), "gate", "near_duplicate_question", detail, payload)
    return False


async def _first_chains(job: Job, opened: Opened, slots: Sequence[Slot]) -> list[Attempt]:
    """The first chains, checked; without any the slots are settled, or the first rejection is raised."""
    assert job.spec.produce.reasoning is not None
    form, sections = chain_form(job, "think"), by_sections(job)
    replies = await together(
        *(
            settled(job.asker.ask("think", form, sample=sample, question=opened.question, sections=sections))
            for sample in range(job.spec.produce.reasoning.chains)
        )
    )
    read = [read_chain(job, str(sample), "think", reply, sample) for sample, reply in enumerate(replies)]
    drafts = [draft for draft in read if isinstance(draft, Draft)]
    if not drafts:
        if isinstance(replies[0], AskRejected):
            raise replies[0]
        detail = "no reply held a chain and an answer" if read[0] == "no_reasoning" else "no chain kept to the budget"
        job.slots.reject(job.slots.open(*slots), "think", str(read[0]), detail)
    return await together(*(check_draft(job, opened, d, 0, FIRST, f"chain-{d.sample}") for d in drafts))


def _leave_not_right(job: Job, attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        if not attempt.check.right:
            leave(job, attempt.draft, "wrong_answer" if attempt.check.right is False else UNGRADED, "check_answer")


def _first_wrong(attempts: Sequence[Attempt]) -> Attempt | None:
    return next((attempt for attempt in attempts if attempt.check.right is False), None)


async def _right_at_once(job: Job, opened: Opened, firsts: Sequence[Attempt], slots: Sequence[Slot]) -> Found | None:
    """The best of the first chains that are right; with ``verify`` the best that a second pass follows."""
    assert job.spec.produce.reasoning is not None
    _leave_not_right(job, firsts)
    order, unscored = await ranked(job, opened.question, [a.draft for a in firsts if a.check.right])
    for draft in unscored:
        leave(job, draft, "unscored")
    if not order:
        job.slots.reject(job.slots.open(*slots), "reward", "unscored", "no right chain got a score")
        return None
    tried = await recoveries(job, opened.question, order) if job.spec.produce.reasoning.verify else []
    if tried and not recovers(tried[-1]):
        for draft in order[1:]:
            leave(job, draft, "not_verified")
        reject_unverified(job, order[0], tried[0], slots)
        return None
    place = max(len(tried) - 1, 0)
    best, recovery = order[place], tried[-1] if tried else ()
    for at, draft in enumerate(order):
        if at != place:
            leave(job, draft, "not_verified" if at < place else "not_chosen")
    check = next(attempt.check for attempt in firsts if attempt.draft.sample == best.sample)
    assert best.opinion is not None
    assert not isinstance(recovery, AskRejected)
    graded = await judged(job, opened.question, best.opinion)
    chain = Chain(best.thought, best.answer, best.opinion.reward, best.written, (*check.asked, *recovery, *graded))
    says = "; ".join([check.says, *([RECOVERED] if tried else [])])
    return Found(chain, says, 1, (best.written,), _first_wrong(firsts))


async def _searched(job: Job, opened: Opened, firsts: Sequence[Attempt], slots: Sequence[Slot]) -> Found | None:
    """A chain found by search and rewritten; None when it is not (the slots are then settled)."""
    start = _first_wrong(firsts)
    _leave_not_right(job, [attempt for attempt in firsts if attempt is not start])
    if start is None:
        detail = "the judge gave no verdict on the answer of any first chain"
        _reject_unsolved(job, opened, slots, "check_answer", UNGRADED, detail)
        return None
    tried = await search(job, opened, start)
    last, attempts = tried[-1], with_verdict(tried)
    if not last.check.right:
        detail = f"no chain led to the gold answer, {len(tried)} were tried, at last with the answer shown"
        missing = len(tried) - len(attempts)
        reason = UNGRADED if missing else "not_solved"
        detail += f"; the judge gave no verdict on {missing} of them" if missing else ""
        _reject_unsolved(job, opened, slots, "search", reason, detail)
        return None
    thought, rewritten = await rewrite(job, opened.question, attempts)
    draft = replace(last.draft, thought=thought, written=rewritten)
    outside = beyond_budget(job, estimate_tokens(thought))
    if outside is not None:
        reject_chain(job, slots, "rewrite", *outside, draft)
        return None
    recovery = await recover(job, opened.question, thought, draft.answer, "rewritten")
    if isinstance(recovery, AskRejected):
        raise recovery
    if not recovers(recovery):
        detail = "a second pass drew another answer from the rewritten chain"
        drawn = recovery[0].value.answer
        reject_chain(job, slots, "rewrite", "rewrite_lost_answer", detail, draft, recovered=drawn)
        return None
    (opinion,) = await opinions(job, opened.question, [("rewritten", draft.text)])
    if opinion is None:
        job.slots.reject(job.slots.open(*slots), "reward", "unscored", "the rewritten chain got no score")
        return None
    graded = await judged(job, opened.question, opinion)
    checks = tuple(answer for attempt in attempts for answer in attempt.check.asked)
    chain = Chain(thought, draft.answer, opinion.reward, rewritten, (*checks, *recovery, *graded))
    made_by = (*(attempt.draft.written for attempt in attempts), rewritten)
    wrong, hints = _first_wrong([*firsts, *attempts]), tuple(mentions_hint(thought, draft.answer))
    hinted = last.strategy == HINTED
    return Found(chain, _how_found(last), last.number + 1, made_by, wrong, hinted, hints)


def _reject_unsolved(job: Job, opened: Opened, slots: Sequence[Slot], step: str, reason: str, detail: str) -> None:
    payload = {"question": opened.question, "gold": opened.gold}
    job.slots.reject(job.slots.open(*slots), step, reason, detail, payload)


def _how_found(last: Attempt) -> str:
    if last.strategy == HINTED:
        how = "found only with the gold answer shown (hinted)"
    else:
        how = f"found by search at attempt {last.number + 1} ({last.strategy})"
    return f"{last.check.says}; {how}, and rewritten; {RECOVERED}"


async def _row(job: Job, opened: Opened, found: Found, rate: PassRate | None) -> None:
    chain = found.chain
    row = await job.common(
        "verified",
        (*opened.answers, *found.made_by),
        (*(rate.asked if rate else ()), *chain.judged),
        texts=(chain.thought, chain.answer),
        evidence=(*short(chain.answer, chain.thought), *found.hints),
        flags=_flags(found),
    )
    messages = [user(opened.question), assistant(chain.content)]
    row |= {
        "messages": messages,
        "question": opened.question,
        "reasoning": chain.thought,
        "answer": chain.answer,
        "verified": True,
        "verification": found.says,
        "pass_rate": rate.rate if rate else None,
        "attempts": found.attempts,
    }
    job.slots.keep(*ROW, row, messages)


def _flags(found: Found) -> tuple[str, ...]:
    return (*((HINTED,) if found.hinted else ()), *(evidence["flag"] for evidence in found.hints))


async def _pairs(job: Job, opened: Opened, found: Found) -> None:
    """Each pair for itself: one that cannot be made does not take the other with it."""
    made_by = (*opened.answers, *found.made_by)
    if WRONG_PAIR in job.slots.open(WRONG_PAIR):
        with job.slots.covering(WRONG_PAIR):
            wrong = found.wrong
            draft, checked = (wrong.draft, wrong.check.asked) if wrong else (None, ())
            await wrong_pair(job, "verified", opened.question, made_by, found.chain, draft, checked, _flags(found))
    if LONG_PAIR in job.slots.open(LONG_PAIR):
        with job.slots.covering(LONG_PAIR):
            await answer_pair(job, opened.question, made_by, found.chain, _flags(found))
