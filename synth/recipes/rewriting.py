"""The attempts of a search rewritten as one line of reasoning, and proved to lead to the same answer still.

The failed attempts are part of it: a turn taken and taken back teaches to look again. The answer stays that of the
right attempt, word for word. Talk of an answer that was given is looked for in both and flagged ``mentions_hint``,
with its words; the phrases are those of English, German, French, Spanish and Chinese, and others go unseen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from synth.ask import Answer, AskRejected
from synth.recipes.job import Job
from synth.recipes.notes import Evidence, note
from synth.recipes.search import Attempt, shown
from synth.replies import THINK

_GIVEN = r"(?:given|provided|supplied|stated|shown|known|hidden|reference|gold|expected|official|target)"
_HINT = re.compile(
    rf"\b(?:the|this|that|your|our) {_GIVEN} (?:correct |right |final )?(?:answer|solution|result|conclusion)\b"
    rf"|\b(?:correct|right) (?:answer|solution|result)(?: \w+){{0,3}} {_GIVEN}\b"
    rf"|\b(?:answer|solution) (?:(?:that|which) )?(?:is|was|has been|were|I was|I am|we were|we are) {_GIVEN}\b"
    r"|\b(?:the|this|that|a|your|given) hints?\b(?! of\b)|\bhinted (?:at )?by the (?:user|prompt|question)\b"
    r"|\b(?:answer|solution) key\b|\b(?:I|we) (?:was|were|am|are|have been) (?:told|given) (?:that )?the"
    r" (?:correct |right )?answer\b|\b(?:my|the) (?:previous|earlier|last|failed) attempts?\b|\b(?:the )?user says\b"
    r"|\b(?:vor)?gegebenen? (?:Antwort|Lösung)\b|\bréponse (?:fournie|donnée)\b"
    r"|\brespuesta (?:dada|proporcionada)\b|(?:给出|给定|提供|标准|参考)的?(?:正确)?答案|提示(?:中|说|给)",
    re.IGNORECASE,
)


async def rewrite(job: Job, question: str, attempts: Sequence[Attempt]) -> tuple[str, Answer]:
    """One flowing thought out of all attempts, in their order.

    Raises:
        AskRejected: no usable reply, or one that is a chain and an answer where a thought alone was asked for.
        AskFailed: the endpoint gave no reply.
    """
    asked = await job.asker.ask(
        "rewrite", None, question=question, attempts=shown(attempts), answer=attempts[-1].draft.answer
    )
    # A model that thinks by itself may think about the rewriting first.
    thought = THINK.sub(r"\2", asked.value).strip()
    if not thought or "<think>" in thought or "</think>" in thought:
        raise AskRejected("rewrite", "no_reasoning", "the reply holds no plain reasoning", asked.value, asked.calls)
    return thought, asked


def mentions_hint(*texts: str) -> list[Evidence]:
    """Where a text speaks of an answer, a hint or attempts that its reader never saw."""
    found = []
    for text in texts:
        for match in _HINT.finditer(text):
            around = " ".join(text[max(0, match.start() - 60) : match.end() + 60].split())
            found.append(note("mentions_hint", around))
    return found
