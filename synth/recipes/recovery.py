"""Does a chain lead to its answer? A second pass sees the chain without its final answer and states where it leads;
a judge compares that with the chain's answer.

A chain may well state its answer before its end, so this finds answers that do not follow, not chains that are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from synth.ask import Answer, AskRejected
from synth.recipes.chains import Draft
from synth.recipes.forms import Recovered, Verdict
from synth.recipes.job import Job
from synth.recipes.slots import Slot

RECOVERED = "a second pass drew the same answer from the chain without its final answer"
"""What ``verification`` says of a chain that passed."""

Recovery: TypeAlias = tuple[Answer, Answer] | AskRejected
"""What the second pass drew and the judge's verdict, or why there is none."""


async def recoveries(job: Job, question: str, ranked: list[Draft]) -> list[Recovery]:
    """What became of each chain that was tried: one after the other, until one is verified."""
    found: list[Recovery] = []
    for draft in ranked:
        found.append(await recover(job, question, draft.thought, draft.answer, str(draft.sample)))
        if recovers(found[-1]):
            break
    return found


async def recover(job: Job, question: str, thought: str, answer: str, part: str) -> Recovery:
    """Try one chain; raises AskFailed where the endpoint gave no reply."""
    try:
        drawn = await job.asker.ask("recover", Recovered, part=part, question=question, thought=thought)
        both = {"first": answer, "second": drawn.value.answer}
        return drawn, await job.asker.ask("agree", Verdict, part=part, question=question, **both)
    except AskRejected as err:
        return err


def recovers(recovery: Recovery) -> bool:
    """Whether the second pass drew the chain's answer."""
    return not isinstance(recovery, AskRejected) and recovery[-1].value.verdict == "yes"


def denies(recovery: Recovery) -> bool:
    """Whether it drew another one; a reply of no use denies nothing."""
    return not isinstance(recovery, AskRejected) and recovery[-1].value.verdict == "no"


def reject_unverified(job: Job, best: Draft, recovery: Recovery, slots: Sequence[Slot]) -> None:
    """Settle the slots for the best of the chains, of which none was verified."""
    if isinstance(recovery, AskRejected):
        step = recovery.step.partition("/")[0]
        reject_chain(job, slots, step, recovery.reason, recovery.detail, best, reply=recovery.text[:4000])
        return
    detail = "a second pass drew another answer from the chain"
    reject_chain(job, slots, "agree", "not_verified", detail, best, recovered=recovery[0].value.answer)


def reject_chain(
    job: Job, slots: Sequence[Slot], step: str, reason: str, detail: str, best: Draft, **more: str
) -> None:
    """Settle the slots with a chain that is not good enough as the payload."""
    payload = {"thought": best.thought, "answer": best.answer, "reward": best.reward, **more}
    job.slots.reject(job.slots.open(*slots), step, reason, detail, payload)
