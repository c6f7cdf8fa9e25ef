"""The FineMed recipe: passage → questions → scores → one question → answers or long reasoning → rows and pairs.

Follows FineMedLM-o1 (arXiv 2501.09213) step by step, choices and tie-breaks included, and adds what it lacks: a
near-duplicate gate before answers are paid for, scores for every row, verification on request, provenance.
Common questions give an ``sft`` row. Complex ones give a ``reasoning`` row, and their common answers are asked for
only as the rejected side of a preference pair. The reward step asks the judge, or the reward model of the spec.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from synth.ask import Answer, AskFailed, AskRejected, together
from synth.recipes.chains import LONG_PAIR, WRONG_PAIR, Chain
from synth.recipes.chains import ROW as REASONING
from synth.recipes.choice import choose_best, choose_question
from synth.recipes.forms import Score, answers_form, questions_form
from synth.recipes.job import Job, settled
from synth.recipes.notes import short
from synth.recipes.opinions import Opinion, disagrees, judged, opinions
from synth.recipes.preferences import assistant, keep_pair, length_ratio, lengths_apart, user
from synth.recipes.reasoning import long_reasoning
from synth.recipes.slots import Slot

SFT: Slot = ("sft", "0")
REWARD_PAIR: Slot = ("preference", "reward")
LONG = (REASONING, LONG_PAIR, WRONG_PAIR)
"""What hangs on the long reasoning."""


@dataclass(frozen=True, slots=True)
class Question:
    """The chosen question of a passage."""

    text: str
    score: Score
    answers: tuple[Answer, ...]
    """What led to it: the call that wrote it and the one that scored it."""


@dataclass(frozen=True, slots=True)
class Common:
    """The best of the common answers."""

    text: str
    reward: float
    written: Answer
    judged: tuple[Answer | None, ...]
    """What was said of it, the judge's grade last."""


async def finemed(job: Job) -> None:
    """Settle the seed's sft, reasoning and question-based preference slots."""
    wanted = job.slots.open(SFT, *LONG, REWARD_PAIR)
    if not wanted:
        return
    with job.slots.covering(*wanted):
        question = await _question(job, wanted)
        if question is None:
            return
        complex_ = await _is_complex(job, question)
        if complex_:
            job.slots.reject(job.slots.open(SFT), "score", "complex", "complex questions become reasoning rows")
        else:
            job.slots.reject(job.slots.open(*LONG), "score", "not_complex", _rule(job, question))
        if complex_ and not job.slots.open(LONG_PAIR):
            job.slots.reject(job.slots.open(REWARD_PAIR), "score", "complex", "no common answers are made for it")
        needs_common = job.slots.open(SFT, REWARD_PAIR) or (complex_ and job.slots.open(LONG_PAIR))
        common, chain = await together(
            _or_error(_common(job, question)) if needs_common else _nothing(),
            _long(job, question) if complex_ and job.slots.open(*LONG) else _nothing(),
        )
        # Only now, with the chain settled, or whichever came first would say why there is no pair.
        if isinstance(common, AskRejected | AskFailed):
            raise common
        if isinstance(chain, Chain) and job.slots.open(LONG_PAIR):
            assert common is None or isinstance(common, Common)
            await _long_pair(job, question, chain, common)


async def _nothing() -> None:
    return None


async def _or_error(common: Awaitable[Common | None]) -> Common | AskRejected | AskFailed | None:
    try:
        return await common
    except (AskRejected, AskFailed) as err:
        return err


async def _question(job: Job, wanted: list[Slot]) -> Question | None:
    """Write, score and choose; None when the passage is dropped (its slots are then settled)."""
    assert job.spec.produce.questions is not None  # checked with the spec
    count = job.spec.produce.questions.per_seed
    written = await job.asker.ask("questions", questions_form(count), passage=job.seed.text, count=count)
    texts: list[str] = written.value.questions
    scored = await together(
        *(settled(job.asker.ask("score", Score, part=str(i), question=text)) for i, text in enumerate(texts))
    )
    scores = [None if isinstance(s, AskRejected) else s.value for s in scored]
    choice = choose_question(scores, job.asker.rng("choose_question"))
    for i, text in enumerate(texts):
        if i != choice:
            score = scores[i]
            leaning = score is not None and score.mention_specific_details
            reason = "unscored" if score is None else "case_specific" if leaning else "not_chosen"
            payload = {"question": text, "score": score.model_dump() if score else None}
            job.slots.byproduct("question", str(i), "score", reason, payload=payload)
    if isinstance(choice, str):
        why = {"case_specific": "every question leans on details of one case", "unscored": "no question got a score"}
        job.slots.reject(job.slots.open(*wanted), "score", choice, why[choice], {"questions": texts})
        return None
    chosen, verdict = texts[choice], scored[choice]
    assert isinstance(verdict, Answer)
    duplicate = await job.gates.questions.enter(job.position, job.seed.id, chosen)
    if duplicate is not None:
        detail = f"similarity {duplicate.similarity:.2f} to the question of seed {duplicate.of}"
        job.slots.reject(job.slots.open(*wanted), "gate", "near_duplicate_question", detail, {"question": chosen})
        return None
    return Question(chosen, verdict.value, (written, verdict))


async def _is_complex(job: Job, question: Question) -> bool:
    rule = job.spec.produce.reasoning
    if rule is None:
        return False
    if rule.difficulty_above is not None:
        return question.score.difficulty > rule.difficulty_above
    return await job.gates.hardest.enter(job.position, question.score)


def _rule(job: Job, question: Question) -> str:
    rule = job.spec.produce.reasoning
    if rule is None:
        return ""
    bound = (
        f"not above {rule.difficulty_above}" if rule.hardest is None else f"not among the hardest {rule.hardest:.0%}"
    )
    return f"difficulty {question.score.difficulty} is {bound}"


async def _common(job: Job, question: Question) -> Common | None:
    """Common answers in different styles, judged; settles the sft row and the reward pair unless asking fails."""
    styles = job.spec.produce.answers.styles if job.spec.produce.answers else 2
    form = answers_form(styles, job.max_tokens("answers"))
    written = await job.asker.ask("answers", form, passage=job.seed.text, question=question.text, count=styles)
    texts: list[str] = written.value.answers
    given = await opinions(job, question.text, [(f"answer-{i}", text) for i, text in enumerate(texts)])
    rewards = [opinion.reward if opinion else None for opinion in given]
    best = choose_best(rewards, job.asker.rng("choose_answer"))
    for i, text in enumerate(texts):
        if i != best:
            reason = "unscored" if best is None else "not_chosen"
            job.slots.byproduct("answer", str(i), "reward", reason, payload={"answer": text, "reward": rewards[i]})
    chosen = given[best] if best is not None else None
    if best is None or chosen is None:
        job.slots.reject(job.slots.open(SFT, REWARD_PAIR), "reward", "unscored", "no answer got a score")
        return None
    common = Common(texts[best], chosen.reward, written, await judged(job, question.text, chosen))
    if job.slots.open(SFT):
        await _sft_row(job, question, common)
    if job.slots.open(REWARD_PAIR):
        await _reward_pair(job, question, common, texts, given)
    return common


async def _sft_row(job: Job, question: Question, common: Common) -> None:
    row = await job.common(
        "finemed",
        (*question.answers, common.written),
        common.judged,
        texts=(question.text, common.text),
        evidence=short(common.text),
    )
    messages = [user(question.text), assistant(common.text)]
    row |= {"messages": messages, "instruction": question.text, "response": common.text}
    job.slots.keep(*SFT, row, messages)


async def _reward_pair(
    job: Job, question: Question, common: Common, texts: list[str], given: list[Opinion | None]
) -> None:
    """The best against the worst of the common answers; where lengths are matched, against the nearest in length."""
    lower = [(o.reward, i, o.said) for i, o in enumerate(given) if o is not None and o.reward < common.reward]
    if not lower:
        payload = {"question": question.text, "answers": texts}
        job.slots.reject([REWARD_PAIR], "reward", "tie", "none of the answers is preferred", payload)
        return
    matched = length_ratio(job) is not None
    apart = [lengths_apart(common.text, text) if matched else 0.0 for text in texts]
    reward, worst, said = min(lower, key=lambda entry: (apart[entry[1]], *entry[:2]))
    row = await job.common(
        "finemed",
        (*question.answers, common.written),
        (said, *common.judged),
        texts=(common.text, texts[worst]),
        evidence=short(common.text),
    )
    keep_pair(
        job, REWARD_PAIR[1], row, [user(question.text)], assistant(common.text), assistant(texts[worst]),
        origin="reward", margin=common.reward - reward,
    )  # fmt: skip


async def _long(job: Job, question: Question) -> Chain | None:
    with job.slots.covering(*LONG):
        return await long_reasoning(job, question.text, question.answers, LONG)
    return None


async def _long_pair(job: Job, question: Question, chain: Chain, common: Common | None) -> None:
    """Long reasoning preferred to the best common answer, as in the paper, flagged where the judge disagrees."""
    if common is None:
        job.slots.reject([LONG_PAIR], "reward", "unscored", "no answer got a score")
        return
    margin = chain.reward - common.reward
    row = await job.common(
        "finemed",
        (*question.answers, common.written, chain.written),
        (*common.judged, *chain.judged),
        texts=(chain.thought, chain.answer, common.text),
        evidence=short(chain.answer, chain.thought),
        flags=disagrees(job, margin),
    )
    keep_pair(
        job, LONG_PAIR[1], row, [user(question.text)], assistant(chain.content), assistant(common.text),
        origin="reasoning_over_answer", margin=margin,
    )  # fmt: skip
