"""What most samples say, where no gold answer is known.

Chains are sorted greedily into groups of one answer: each is compared with the first chain of every group, by its
words and else by a judge, and joins the first that says the same. The share is of all samples that were asked for, so
a chain that was cut or outside of its budget agrees with nobody. Many samples may agree on what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from synth.ask import Answer, AskRejected
from synth.recipes.answer_check import matches
from synth.recipes.chains import Draft
from synth.recipes.forms import Verdict
from synth.recipes.job import Job


@dataclass(frozen=True, slots=True)
class Agreed:
    """The largest group."""

    drafts: list[Draft]
    others: list[Draft]
    samples: int
    share: float
    """Needed."""
    asked: tuple[Answer, ...]

    @property
    def enough(self) -> bool:
        """Whether so many agree as the spec wants."""
        # Exact decimals: 0.6 of 5 is 3.
        return len(self.drafts) >= Fraction(str(self.share)) * self.samples

    @property
    def says(self) -> str:
        """For the column ``verification``."""
        return f"agreement of {len(self.drafts)} of {self.samples} samples, no gold answer"


async def agreement(job: Job, question: str, drafts: list[Draft]) -> Agreed:
    """Group chains by their answers; of groups of one size the earlier one counts (neither is then a majority)."""
    assert job.spec.produce.reasoning is not None
    wanted = job.spec.produce.reasoning.agreement
    assert wanted is not None
    groups: list[list[Draft]] = []
    asked: list[Answer] = []
    for draft in drafts:
        for group in groups:
            if await _same(job, question, group[0], draft, asked):
                group.append(draft)
                break
        else:
            groups.append([draft])
    most = max(groups, key=len)
    others = [draft for group in groups if group is not most for draft in group]
    return Agreed(most, others, wanted.samples, wanted.share, tuple(asked))


async def _same(job: Job, question: str, first: Draft, second: Draft, asked: list[Answer]) -> bool:
    if matches(first.answer, second.answer):
        return True
    part = f"samples-{first.sample}-{second.sample}"
    try:
        verdict = await job.asker.ask(
            "agree", Verdict, part=part, question=question, first=first.answer, second=second.answer
        )
    except AskRejected:
        return False
    asked.append(verdict)
    return bool(verdict.value.verdict == "yes")
