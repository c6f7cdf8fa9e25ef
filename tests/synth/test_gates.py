"""Gates: verdicts do not depend on who arrives when, the hardest share is exact, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.near_duplicates import Duplicate, NearDuplicates
from synth.gates import HardestGate, NearDuplicateGate, ShardGates
from synth.recipes.forms import Score
from synth.spec_filters import Dedup

DEDUP = Dedup(ngram="word:1", questions=0.5, num_perm=64)
TEXTS = st.lists(st.sampled_from("abcdef"), max_size=5).map(" ".join)


@st.composite
def shards(draw: st.DrawFn) -> tuple[list[str | None], list[int]]:
    """Texts by position (None: the seed leaves without one), and the order of arrival."""
    texts = draw(st.lists(st.none() | TEXTS, min_size=1, max_size=10))
    return texts, draw(st.permutations(range(len(texts))))


def in_seed_order(texts: Sequence[str | None]) -> list[Duplicate | None]:
    kept = NearDuplicates(DEDUP.questions, DEDUP.ngram, DEDUP.num_perm)
    return [None if text is None else kept.add(f"seed-{i}", text) for i, text in enumerate(texts)]


@settings(deadline=None)  # the first example imports datasketch
@given(shards())
def test_the_verdict_on_a_question_does_not_depend_on_the_order_of_arrival(
    shard: tuple[list[str | None], list[int]],
) -> None:
    texts, order = shard

    async def arrive() -> list[Duplicate | None]:
        gate = NearDuplicateGate(len(texts), DEDUP)
        verdicts: list[Duplicate | None] = [None] * len(texts)

        async def seed(position: int, text: str | None) -> None:
            if text is not None:
                verdicts[position] = await gate.enter(position, f"seed-{position}", text)
            gate.leave(position)
            gate.leave(position)  # those who ended leave again when their seed ends

        tasks = []
        for position in order:
            tasks.append(asyncio.create_task(seed(position, texts[position])))
            await asyncio.sleep(0)
        await _all(tasks)
        return verdicts

    assert asyncio.run(arrive()) == in_seed_order(texts)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Let the loop turn until nothing moves any more; whoever is not done by then waits for ever."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert all(task.done() for task in tasks)
    await asyncio.gather(*tasks)


async def test_a_question_waits_for_earlier_seeds_only() -> None:
    gate = NearDuplicateGate(4, DEDUP)
    verdicts: dict[int, Duplicate | None] = {}

    async def seed(position: int, text: str) -> None:
        verdicts[position] = await gate.enter(position, str(position), text)

    tasks = [asyncio.create_task(seed(2, "a b c"))]
    await asyncio.sleep(0.01)
    assert verdicts == {}
    gate.leave(1)
    await asyncio.sleep(0.01)
    assert verdicts == {}
    tasks.append(asyncio.create_task(seed(0, "a b c d")))
    await _all(tasks)
    assert verdicts == {0: None, 2: Duplicate("0", 0.75)}  # seed 3 has not come yet


async def test_a_seed_that_is_cancelled_while_it_waits_holds_nobody_up() -> None:
    gate = ShardGates(3, DEDUP, None)

    async def seed(position: int, text: str) -> None:
        try:
            await gate.questions.enter(position, str(position), text)
        finally:
            gate.leave(position)

    waiting, later = (asyncio.create_task(seed(p, f"text {p} of three")) for p in (1, 2))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not later.done()
    gate.leave(0)
    await _all([later])


async def test_without_deduplication_everything_passes_at_once() -> None:
    gate = ShardGates(2, None, None)
    assert await asyncio.wait_for(gate.questions.enter(1, "1", "same"), 1) is None
    assert await asyncio.wait_for(gate.questions.enter(0, "0", "same"), 1) is None


GRADES = st.builds(
    lambda quality, difficulty, relevance: Score.model_validate(
        {
            "quality": quality,
            "difficulty": difficulty,
            "relevance_to_medicine": relevance,
            "mention_specific_details": False,
        }
    ),
    st.integers(5, 7),
    st.integers(7, 9),
    st.integers(4, 6),
)
HUNDREDTHS = st.integers(1, 100).map(lambda n: n / 100)


def hardest(scores: Sequence[Score | None], share: float) -> set[int]:
    """ceil(share * n) of those that came: difficulty, then quality, then relevance, then the earlier seed."""
    came = [(p, s) for p, s in enumerate(scores) if s is not None]
    count = math.ceil(Fraction(str(share)) * len(came))
    ranked = sorted(came, key=lambda c: (-c[1].difficulty, -c[1].quality, -c[1].relevance_to_medicine, c[0]))
    return {position for position, _ in ranked[:count]}


async def decide(scores: Sequence[Score | None], share: float, order: Sequence[int]) -> set[int]:
    """Positions found hard when seeds arrive (or leave, without a score) in this order."""
    gate = HardestGate(len(scores), share)
    found: set[int] = set()

    async def seed(position: int, score: Score | None) -> None:
        if score is not None and await gate.enter(position, score):
            found.add(position)
        gate.leave(position)

    tasks: list[tuple[asyncio.Task[None], int]] = []
    for position in order:
        assert not any(task.done() for task, p in tasks if scores[p] is not None), "decided before all had come"
        tasks.append((asyncio.create_task(seed(position, scores[position])), position))
        await asyncio.sleep(0)
    await _all([task for task, _ in tasks])
    return found


@given(st.lists(st.none() | GRADES, min_size=1, max_size=12), HUNDREDTHS, st.randoms(use_true_random=False))
def test_the_hardest_share_is_the_same_in_any_order(scores: list[Score | None], share: float, rng: object) -> None:
    order = list(range(len(scores)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    assert asyncio.run(decide(scores, share, order)) == hardest(scores, share)


@settings(max_examples=30)
@given(st.integers(1, 120), HUNDREDTHS)
@example(25, 0.28)  # 0.28 * 25 is 7.000000000000001 in floating point
@example(100, 0.07)
def test_the_number_of_the_hardest_is_the_share_rounded_up(count: int, share: float) -> None:
    same = Score.model_validate(
        {"quality": 5, "difficulty": 5, "relevance_to_medicine": 5, "mention_specific_details": False}
    )
    found = asyncio.run(decide([same] * count, share, range(count)))
    assert found == set(range(math.ceil(Fraction(str(share)) * count)))


async def test_a_shard_whose_seeds_all_leave_decides_nothing() -> None:
    gates = ShardGates(3, DEDUP, 0.5)
    for position in (2, 0, 1):
        gates.leave(position)
        gates.leave(position)


async def test_a_duplicate_leaves_the_gate_of_the_hardest_too() -> None:
    gates = ShardGates(2, DEDUP, 0.5)
    found: list[bool | None] = [None, None]

    async def seed(position: int) -> None:
        if await gates.questions.enter(position, str(position), "the same words") is None:
            found[position] = await gates.hardest.enter(position, await _any_score())
        gates.leave(position)

    await _all([asyncio.create_task(seed(position)) for position in (1, 0)])
    assert found == [True, None]


async def _any_score() -> Score:
    return Score.model_validate(
        {"quality": 5, "difficulty": 5, "relevance_to_medicine": 5, "mention_specific_details": False}
    )
