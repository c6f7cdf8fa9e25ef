"""Is an answer the one that is known to be right? First by its words, for nothing, and only then by a judge.

Two answers match when they are the same text but for case, white space and marks at their ends. Nothing looser is
taken as a match: answers of exams differ in one word (``left``, ``not``), one digit or one arrow. All else is for the
judge, whose template states the rubric. A judge without a usable reply leaves an answer ``ungraded``: neither right
nor wrong, and nothing may treat it as one of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.text import normalise, words
from synth.ask import Answer, AskRejected
from synth.recipes.forms import Verdict
from synth.recipes.job import Job
from synth.recipes.notes import unfenced

BY_MATCH = "the answer is the gold answer of the exam item, word for word"
BY_JUDGE = "a judge found that the answer is the gold answer of the exam item"

UNGRADED = "ungraded"
"""Of an answer on which the judge gave no verdict, and the reason of what is left out because of it."""

_ENDS = " \t\n.,;:!'\"`*_"
_POWERS = re.compile("[⁰¹²³⁴-⁹⁺⁻]+")
_EXTRA = re.compile(r"(?:[^\W\d_]|[\s(),'’-])*")
_TURNS = frozenset(
    words(
        """
        no not non never nor neither without except but or rather absence absent lack loss deficiency decreased
        decrease increased increase reduced elevated low high lower higher left right bilateral anti stop avoid against
        """
    )
)
"""Words that turn what they stand beside into something else."""


@dataclass(frozen=True, slots=True)
class Check:
    """What came of a check."""

    right: bool | None
    """None: ungraded, the judge gave no verdict."""
    by: str
    """``match`` or ``judge``."""
    asked: tuple[Answer, ...] = ()

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "right", False: "wrong", None: UNGRADED}[self.right]

    @property
    def says(self) -> str:
        """How a right answer was found right, for the column ``verification``."""
        return BY_MATCH if self.by == "match" else BY_JUDGE


def matches(first: str, second: str) -> bool:
    """Whether two answers are the same text but for case, white space and the marks at their ends."""
    return bool(_bare(first)) and _bare(first) == _bare(second)


def holds(longer: str, shorter: str) -> bool:
    """Whether one short answer is the other with a few harmless words around it (``an acute appendicitis``).

    Words that negate or turn, digits and signs outside of the common part are not harmless.
    """
    outer, inner = _bare(longer), _bare(shorter)
    found = re.search(rf"(?<!\w){re.escape(inner)}(?!\w)", outer) if inner else None
    if found is None:
        return False
    around = f"{outer[: found.start()]} {outer[found.end() :]}".strip()
    extra = around.replace("-", " ").split()
    return len(extra) <= 6 and _EXTRA.fullmatch(around) is not None and not _TURNS & set(extra)


async def check_answer(job: Job, part: str, question: str, gold: str, answer: str) -> Check:
    """Compare an answer with the right one; raises AskFailed where the judge's endpoint gave no reply."""
    if matches(answer, gold):
        return Check(True, "match")
    try:
        verdict = await job.asker.ask(
            "check_answer", Verdict, part=part, question=question, gold=gold, answer=unfenced(answer)
        )
    except AskRejected:
        return Check(None, "judge")
    return Check(verdict.value.verdict == "yes", "judge", (verdict,))


def _bare(text: str) -> str:
    powers = normalise(_POWERS.sub(lambda found: f"^{found[0]}", text))  # 10⁵ is not 105
    return powers.rstrip(_ENDS).lstrip(_ENDS.replace(".", ""))  # .5 is not 5
