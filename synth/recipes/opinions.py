"""Who says which of several answers is the best: the judge, or the reward model that the spec names.

With a reward model every answer gets its number from it, and the judge is asked about the chosen one alone, so that
``quality``, ``complexity`` and ``relevance`` of rows mean the same with and without it. Rewards order the answers to
one question; they are not compared between questions. No vote is taken of a reward model: it says the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synth.ask import Answer, AskRejected, together
from synth.recipes.job import Job
from synth.recipes.preferences import assistant, user


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one answer is worth."""

    part: str
    """Names the answer among those to its question (``answer-0``)."""
    text: str
    reward: float
    """The judge's quality, 1 to 10, or the reward model's number."""
    said: Answer
    """The reply that says so: a grade where the judge gave it."""


async def opinions(job: Job, question: str, answers: Sequence[tuple[str, str]]) -> list[Opinion | None]:
    """One opinion on each ``(part, text)``; None where the reply was of no use."""
    by_model = job.spec.models.reward is not None

    async def opinion(part: str, text: str) -> Opinion | None:
        if not by_model:
            grade = await job.grade("reward", part, question=question, answer=text)
            return Opinion(part, text, grade.value.quality, grade) if grade else None
        try:
            said = await job.asker.reward(part, [user(question), assistant(text)])
        except AskRejected:
            return None
        return Opinion(part, text, said.value.reward, said)

    return await together(*(opinion(part, text) for part, text in answers))


async def judged(job: Job, question: str, chosen: Opinion) -> tuple[Answer | None, ...]:
    """The replies on a chosen answer, its grade last: the judge's, who is asked now where a reward model chose."""
    if job.spec.models.reward is None:
        return (chosen.said,)
    return chosen.said, await job.grade("reward", chosen.part, question=question, answer=chosen.text)


def disagrees(job: Job, margin: float) -> tuple[str, ...]:
    """The flag of a pair whose chosen side is worth less than the rejected one."""
    if margin >= 0:
        return ()
    return ("judge_prefers_rejected",) if job.spec.models.reward is None else ("reward_model_prefers_rejected",)
