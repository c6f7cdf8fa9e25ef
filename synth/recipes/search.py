"""Verifier-guided search: think, check against the gold answer, and on failure think on in another way.

After HuatuoGPT-o1 (arXiv 2412.18925). A failed chain is followed by one that goes back, takes a new path, verifies or
corrects, in an order drawn for the seed without repeating one before all were tried; at last the answer is shown
(``hinted``). Every attempt of a search is kept as a by-product with its strategy and verdict. One that is ungraded
has not failed: it is neither shown to those that follow nor written into the chain. The search knows one answer only:
a chain may reach it by wrong reasoning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synth.recipes.answer_check import Check, check_answer
from synth.recipes.chains import Draft, by_sections, chain_form, read_chain
from synth.recipes.exam_items import Opened
from synth.recipes.job import Job, settled

STRATEGIES = ("backtrack", "new_path", "verification", "correction")
FIRST, HINTED = "first", "hinted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A chain and what the check said of it."""

    number: int
    """0 for the first chain; attempts that gave no chain count, too."""
    strategy: str
    draft: Draft
    check: Check


async def check_draft(job: Job, opened: Opened, draft: Draft, number: int, strategy: str, part: str) -> Attempt:
    """A chain as an attempt: its answer against the gold answer."""
    check = await check_answer(job, part, opened.question, opened.gold, draft.answer)
    return Attempt(number, strategy, draft, check)


async def search(job: Job, opened: Opened, first: Attempt) -> list[Attempt]:
    """Go on from a chain that was found wrong; the last attempt that comes back is right, or none is."""
    assert job.spec.produce.reasoning is not None
    order = job.asker.rng("search").sample(STRATEGIES, len(STRATEGIES))
    tries = job.spec.produce.reasoning.tries
    attempts = [first]
    _record(job, first)
    for number, strategy in enumerate([*(order[n % len(order)] for n in range(tries)), HINTED], 1):
        attempt = await _attempt(job, opened, with_verdict(attempts), number, strategy)
        if attempt is None:
            continue
        attempts.append(attempt)
        _record(job, attempt)
        if attempt.check.right:
            break
    return attempts


async def _attempt(job: Job, opened: Opened, before: Sequence[Attempt], number: int, strategy: str) -> Attempt | None:
    name = f"search-{number}"
    reply = await settled(
        job.asker.ask(
            "search",
            chain_form(job, "search"),
            part=strategy,
            sample=number,
            question=opened.question,
            attempts=shown(before),
            strategy=strategy,
            gold=opened.gold if strategy == HINTED else "",
            sections=by_sections(job),
        )
    )
    draft = read_chain(job, name, "search", reply, number, bounded=False)
    return await check_draft(job, opened, draft, number, strategy, name) if isinstance(draft, Draft) else None


def with_verdict(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts that were found right or wrong."""
    return [attempt for attempt in attempts if attempt.check.right is not None]


def shown(attempts: Sequence[Attempt]) -> list[dict[str, str]]:
    """Attempts as templates see them."""
    return [{"strategy": a.strategy, "thought": a.draft.thought, "answer": a.draft.answer} for a in attempts]


def _record(job: Job, attempt: Attempt) -> None:
    payload = {
        "attempt": attempt.number,
        "strategy": attempt.strategy,
        "verdict": attempt.check.verdict,
        "by": attempt.check.by,
        "thought": attempt.draft.thought,
        "answer": attempt.draft.answer,
    }
    detail = f"{attempt.strategy}: {attempt.check.verdict}"
    job.slots.byproduct("chain", f"search-{attempt.number}", "search", "search_attempt", detail, payload)
