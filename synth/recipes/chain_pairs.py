"""Preference pairs with a verified chain as the preferred side.

The other side is a chain of the same question that was found wrong: both think before they answer, so what is
preferred is not the form but where the reasoning leads. For exam items there are also pairs over a common answer
without thinking, the better of two as in the paper; that one may well be right.
"""

from __future__ import annotations

from collections.abc import Sequence

from synth.ask import Answer
from synth.recipes.chains import LONG_PAIR, WRONG_PAIR, Chain, Draft, content_of
from synth.recipes.choice import choose_best
from synth.recipes.forms import answers_form
from synth.recipes.job import Job
from synth.recipes.notes import short
from synth.recipes.opinions import disagrees, opinions
from synth.recipes.preferences import assistant, keep_pair, user

COMMON_ANSWERS = 2


async def wrong_pair(
    job: Job,
    recipe: str,
    question: str,
    question_answers: tuple[Answer, ...],
    chain: Chain,
    wrong: Draft | None,
    checked: Sequence[Answer] = (),
    flags: Sequence[str] = (),
) -> None:
    """Settle the pair; ``wrong`` is None where no chain was found wrong, ``checked`` what found it so."""
    if wrong is None:
        job.slots.reject([WRONG_PAIR], "check_answer", "no_wrong_chain", "no chain of this question was found wrong")
        return
    opinion = wrong.opinion
    if opinion is None:
        (opinion,) = await opinions(job, question, [("wrong", wrong.text)])
    if opinion is None:
        job.slots.reject([WRONG_PAIR], "reward", "unscored", "the wrong chain got no score")
        return
    margin = chain.reward - opinion.reward
    row = await job.common(
        recipe,
        (*question_answers, wrong.written, chain.written),
        (*checked, opinion.said, *chain.judged),
        texts=(chain.thought, chain.answer, wrong.thought, wrong.answer),
        evidence=short(chain.answer, chain.thought),
        flags=(*flags, *disagrees(job, margin)),
    )
    keep_pair(
        job, WRONG_PAIR[1], row, [user(question)], assistant(chain.content),
        assistant(content_of(wrong.thought, wrong.answer)), origin="verified_over_unverified", margin=margin,
    )  # fmt: skip


async def answer_pair(
    job: Job, question: str, made_by: tuple[Answer, ...], chain: Chain, flags: Sequence[str]
) -> None:
    """Settle the pair of an exam item's chain over the better of two common answers, which are asked for here."""
    form = answers_form(COMMON_ANSWERS, job.max_tokens("common_answer"))
    written = await job.asker.ask("common_answer", form, question=question, count=COMMON_ANSWERS)
    texts: list[str] = written.value.answers
    given = await opinions(job, question, [(f"answer-{i}", text) for i, text in enumerate(texts)])
    rewards = [opinion.reward if opinion else None for opinion in given]
    best = choose_best(rewards, job.asker.rng("choose_answer"))
    for i, text in enumerate(texts):
        if i != best:
            reason = "unscored" if best is None else "not_chosen"
            job.slots.byproduct("answer", str(i), "reward", reason, payload={"answer": text, "reward": rewards[i]})
    opinion = given[best] if best is not None else None
    if best is None or opinion is None:
        job.slots.reject([LONG_PAIR], "reward", "unscored", "no answer got a score")
        return
    margin = chain.reward - opinion.reward
    row = await job.common(
        "verified",
        (*made_by, written, chain.written),
        (opinion.said, *chain.judged),
        texts=(chain.thought, chain.answer, texts[best]),
        evidence=short(chain.answer, chain.thought),
        flags=(*flags, *disagrees(job, margin)),
    )
    keep_pair(
        job, LONG_PAIR[1], row, [user(question)], assistant(chain.content), assistant(texts[best]),
        origin="reasoning_over_answer", margin=margin,
    )  # fmt: skip
