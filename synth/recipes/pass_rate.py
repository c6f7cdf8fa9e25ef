"""How often a weaker model answers a question as well: what it always solves teaches little.

Its answers are compared with the gold answer, or with the one that the samples agree on. A reply of no use counts as
not solved; an answer on which the judge gave no verdict counts as nothing, and where all are such there is no rate
(``ungraded``). The bounds of ``pass_rate.keep`` belong to what is kept. What is dropped is ``too_easy`` or
``too_hard``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synth.ask import Answer, AskRejected, together
from synth.recipes.answer_check import UNGRADED, Check, check_answer
from synth.recipes.forms import Recovered
from synth.recipes.job import Job, settled
from synth.recipes.slots import Slot


@dataclass(frozen=True, slots=True)
class PassRate:
    """How a weaker model did."""

    right: int
    graded: int
    """Answers that were found right or wrong, and replies without one."""
    reason: str
    """Why the question is dropped; empty when it is kept."""
    asked: tuple[Answer, ...]

    @property
    def rate(self) -> float:
        """Share of right answers."""
        return self.right / self.graded if self.graded else 0.0

    @property
    def kept(self) -> bool:
        """Whether the question is neither too easy nor too hard."""
        return not self.reason


async def pass_rate(job: Job, question: str, gold: str, slots: Sequence[Slot]) -> PassRate:
    """Let the weaker model try; where it does too well or too badly the slots are settled."""
    assert job.spec.produce.reasoning is not None
    wanted = job.spec.produce.reasoning.pass_rate
    assert wanted is not None
    tries = await together(*(_try(job, question, gold, sample) for sample in range(wanted.samples)))
    found = [check.right if check else False for _, check in tries]
    right, graded = found.count(True), len(found) - found.count(None)
    low, high = wanted.keep
    rate = right / graded if graded else 0.0
    reason = UNGRADED if not graded else "too_easy" if rate > high else "too_hard" if rate < low else ""
    if reason:
        detail = f"{right} of {graded} answers of the weaker model are right"
        detail += f", {len(found) - graded} got no verdict of the judge" if graded < len(found) else ""
        payload = {"question": question, "gold": gold, "pass_rate": rate}
        job.slots.reject(job.slots.open(*slots), "weak_answer", reason, detail, payload)
    asked = [a for answer, check in tries if answer for a in (answer, *(check.asked if check else ()))]
    return PassRate(right, graded, reason, tuple(asked))


async def _try(job: Job, question: str, gold: str, sample: int) -> tuple[Answer | None, Check | None]:
    answer = await settled(job.asker.ask("weak_answer", Recovered, sample=sample, question=question))
    if isinstance(answer, AskRejected):
        return None, None
    return answer, await check_answer(job, f"weak-{sample}", question, gold, answer.value.answer)
