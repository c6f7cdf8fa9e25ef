"""What a recipe works with: one seed, its slots, its asker, and the columns that all rows share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from synth.ask import Answer, Asker, AskFailed, AskRejected, together
from synth.gates import ShardGates
from synth.recipes.forms import Grade
from synth.recipes.notes import Evidence, repetitive, unfenced
from synth.recipes.personas import Personas
from synth.recipes.slots import Slots
from synth.seeds import Seed
from synth.spec import Spec
from synth.steps import STEPS
from synth.taxonomy import UNKNOWN, Department, Taxonomy


@dataclass(slots=True)
class Job:
    """One seed on its way through the recipes."""

    seed: Seed
    position: int
    """Place of the seed in its shard."""
    spec: Spec
    asker: Asker
    slots: Slots
    gates: ShardGates
    taxonomy: Taxonomy
    personas: Personas
    prompt_hashes: dict[str, str]
    """By recipe."""
    warn: Callable[[str], None]
    """Tell the user something once."""
    _department: asyncio.Future[tuple[Department, Answer | None]] | None = None

    def max_tokens(self, step: str) -> int:
        """Longest reply of ``step`` in tokens, by the spec or the recipe."""
        chosen = self.spec.sampling.get(step)
        return (chosen.max_tokens if chosen else None) or STEPS[step].max_tokens

    async def department(self) -> tuple[Department, Answer | None]:
        """The passage's department, asked once for all rows of the seed. No answer leaves it ``unknown``."""
        if self._department is None:
            self._department = asyncio.ensure_future(self._ask_department())
        try:
            return await asyncio.shield(self._department)
        except asyncio.CancelledError:
            self._department.cancel()  # the run is dropped: nobody waits for it any more
            raise

    async def _ask_department(self) -> tuple[Department, Answer | None]:
        try:
            answer = await self.asker.ask(
                "department", self.taxonomy.reply, passage=self.seed.text, departments=list(self.taxonomy.labels)
            )
        except (AskRejected, AskFailed):
            return Department(UNKNOWN, UNKNOWN), None
        return self.taxonomy.place(answer.value.department), answer

    async def grade(self, step: str, part: str, **variables: Any) -> Answer | None:
        """The judge's :class:`Grade`, the median of its votes; None when its replies were of no use.

        Texts to be judged are unfenced.
        """
        variables = {name: unfenced(v) if isinstance(v, str) else v for name, v in variables.items()}
        asked = await together(
            *(
                settled(self.asker.ask(step, Grade, part=part, sample=vote, **variables))
                for vote in range(self.spec.filters.quality.votes)
            )
        )
        given = [answer for answer in asked if isinstance(answer, Answer)]
        if len(asked) == 1:
            return given[0] if given else None
        return _pooled(given) if given else None

    async def common(
        self,
        recipe: str,
        made_by: Sequence[Answer],
        judged_by: Sequence[Answer | None],
        *,
        texts: Sequence[str] = (),
        evidence: Sequence[Evidence] = (),
        flags: Sequence[str] = (),
    ) -> dict[str, Any]:
        """The columns that every kind of row has.

        Args:
            recipe: "finemed" or "dialogue": whose templates ``prompt_hash`` covers.
            made_by: answers that the row's content comes from; the last one's model is named as generator.
            judged_by: answers of the judge; the last one, a grade, gives the scores (null when it is None).
            texts: what models wrote in this row, checked for repetition.
            evidence: what the recipe has noticed and can show; its flags are set.
            flags: what else it has noticed.
        """
        department, labelled = await self.department()
        grade = judged_by[-1] if judged_by else None
        answers = [a for a in (*made_by, *judged_by, labelled) if a is not None]
        calls = {call.key: call for answer in answers for call in answer.calls}
        shown = [*evidence, *(found for text in texts for found in repetitive(text))]
        noticed = {*flags, *(flag for a in answers for flag in a.flags), *(e["flag"] for e in shown)}
        if grade is None:
            noticed.add("unscored")
        if labelled is None:
            noticed.add("department_unanswered")
        return {
            "seed_id": self.seed.id,
            "source": self.seed.source,
            "source_license": self.seed.license,
            "language": self.spec.language,
            "department": department.department,
            "subdepartment": department.subdepartment,
            "votes": [vote.model_dump() for vote in grade.votes] if grade else [],
            "quality": grade.value.quality if grade else None,
            "complexity": grade.value.complexity if grade else None,
            "relevance": grade.value.relevance if grade else None,
            "generator": made_by[-1].reply.model,
            "judge": grade.reply.model if grade else None,
            "prompt_hash": self.prompt_hashes[recipe],
            "calls": list(calls),
            "tokens_in": sum(c.tokens_in for c in calls.values()),
            "tokens_out": sum(c.tokens_out for c in calls.values()),
            "flags": sorted(noticed),
            "evidence": shown,
        }


def _pooled(given: Sequence[Answer]) -> Answer:
    """Several votes as one answer: the median of each score, of two in the middle the lower."""
    votes = tuple(answer.value for answer in given)
    return Answer(
        value=Grade(**{name: median_low(getattr(vote, name) for vote in votes) for name in Grade.model_fields}),
        reply=given[0].reply,
        calls=tuple(call for answer in given for call in answer.calls),
        flags=tuple(flag for answer in given for flag in answer.flags),
        votes=votes,
    )


async def settled(question: Awaitable[Answer]) -> Answer | AskRejected:
    """The answer, or the rejection as a value, for questions that may be rejected one by one."""
    try:
        return await question
    except AskRejected as err:
        return err
