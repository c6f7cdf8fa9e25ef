from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.endpoints.base import UNRECORDED, Ledger, Outcome, Request, Unrecorded
from synth.endpoints.http import HttpEndpoint
from synth.endpoints.pool import Pool
from synth.errors import EndpointRefused, RunInterrupted
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.helpers import MODEL, request


class Gate:
    """An endpoint that answers when it is told to, and notes who came in which order."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.open: dict[str, asyncio.Future[None]] = {}
        self.came: list[str] = []
        self.most = 0

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def stop(self, reason: BaseException) -> None:
        return None

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        await ledger.begin()
        name = request.messages[0]["content"]
        self.came.append(name)
        self.open[name] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.open))
        try:
            await self.open[name]
        finally:
            del self.open[name]
        return Outcome(None, None)

    def answer(self, name: str) -> None:
        if not self.open[name].done():
            self.open[name].set_result(None)

    def fail(self, name: str, error: Exception) -> None:
        if not self.open[name].done():
            self.open[name].set_exception(error)


async def ready() -> None:
    return None


def ask(pool: Pool, name: str, seed: int = 0, shard: int = 0) -> asyncio.Task[Outcome]:
    return asyncio.create_task(pool.complete((shard, seed), request(name)))


async def settle() -> None:
    """Let everything happen that can happen without an answer."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_up_to_the_limit_go_out_at_once() -> None:
    gate = Gate(3)
    pool = Pool("generator", gate, ready)
    tasks = [ask(pool, name) for name in "abcde"]
    await settle()
    assert gate.came == ["a", "b", "c"]
    assert (pool.in_flight, pool.waiting) == (3, 2)
    for name in "abcde":
        gate.answer(name)
        await settle()
    await asyncio.gather(*tasks)
    assert gate.came == list("abcde")
    assert gate.most == 3
    assert (pool.in_flight, pool.waiting) == (0, 0)


async def test_the_oldest_seed_goes_first_whoever_came_first() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    tasks = [ask(pool, "running", 9)]
    await settle()
    wanted = [("shard 1", 0, 1), ("seed 7", 7, 0), ("seed 2, first", 2, 0), ("seed 2, second", 2, 0), ("seed 5", 5, 0)]
    tasks += [ask(pool, name, seed, shard) for name, seed, shard in wanted]
    await settle()
    while gate.open:
        gate.answer(next(iter(gate.open)))
        await settle()
    await asyncio.gather(*tasks)
    assert gate.came == ["running", "seed 2, first", "seed 2, second", "seed 5", "seed 7", "shard 1"]


async def test_a_request_that_may_not_go_out_after_all_passes_its_turn_on() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    asked: list[str] = []

    class Poor(Unrecorded):
        async def begin(self) -> None:
            asked.append("second")
            raise RuntimeError("no money")

    first = ask(pool, "first")
    second = asyncio.create_task(pool.complete((0, 0), request("second"), Poor()))
    third = ask(pool, "third")
    await settle()
    assert asked == []
    gate.answer("first")
    await settle()
    with pytest.raises(RuntimeError, match="no money"):
        await second
    assert gate.came == ["first", "third"]
    gate.answer("third")
    await asyncio.gather(first, third)
    assert (pool.in_flight, pool.waiting) == (0, 0)


async def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    first, second = ask(pool, "first", 1), ask(pool, "second", 1)
    await settle()
    gate.answer("first")
    late = ask(pool, "late", 2)
    await settle()
    assert gate.came == ["first", "second"]
    for name in ("second", "late"):
        gate.answer(name)
        await settle()
    await asyncio.gather(first, second, late)


async def test_a_cancelled_waiter_is_passed_over() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    first, second, third = (ask(pool, name) for name in ("first", "second", "third"))
    await settle()
    second.cancel()
    await settle()
    gate.answer("first")
    await settle()
    assert gate.came == ["first", "third"]
    gate.answer("third")
    await asyncio.gather(first, third)
    assert pool.in_flight == 0


async def test_a_waiter_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    first, second, third = (ask(pool, name) for name in ("first", "second", "third"))
    await settle()
    gate.answer("first")
    # Runs after the first has given its turn to the second and before the second wakes up.
    asyncio.get_running_loop().call_soon(second.cancel)
    await settle()
    assert second.cancelled()
    assert gate.came == ["first", "third"]
    gate.answer("third")
    await asyncio.gather(first, third)
    assert (pool.in_flight, pool.waiting) == (0, 0)


async def test_a_request_cancelled_in_flight_gives_its_place_back() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    first, second = ask(pool, "first"), ask(pool, "second")
    await settle()
    first.cancel()
    await settle()
    assert gate.came == ["first", "second"]
    gate.answer("second")
    await second
    assert pool.in_flight == 0


async def test_an_error_gives_its_place_back_and_concerns_its_request_alone() -> None:
    gate = Gate(1)
    pool = Pool("generator", gate, ready)
    first, second = ask(pool, "first"), ask(pool, "second")
    await settle()
    gate.fail("first", EndpointRefused("no quota"))
    with pytest.raises(EndpointRefused):
        await first
    await settle()
    gate.answer("second")
    await second
    assert pool.in_flight == 0


async def test_stop_lets_what_is_in_flight_end_and_refuses_the_rest() -> None:
    gate = Gate(2)
    pool = Pool("generator", gate, ready)
    tasks = [ask(pool, name) for name in "abcd"]
    await settle()
    reason = RunInterrupted("enough")
    pool.stop(reason)
    pool.stop(RunInterrupted("a later reason"))
    await settle()
    assert [task.done() for task in tasks] == [False, False, True, True]
    gate.answer("a")
    gate.answer("b")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, Outcome) for result in results] == [True, True, False, False]
    assert results[2] is reason
    assert results[3] is reason
    with pytest.raises(RunInterrupted, match="enough"):
        await pool.complete((0, 0), request("late"))
    assert gate.came == ["a", "b"]
    assert (pool.in_flight, pool.waiting) == (0, 0)


async def test_stop_without_a_reason_is_an_interruption() -> None:
    pool = Pool("generator", Gate(1), ready)
    pool.stop()
    with pytest.raises(RunInterrupted):
        await pool.complete((0, 0), request("late"))


async def test_a_pool_stopped_while_engines_start_sends_nothing() -> None:
    gate, starting = Gate(1), asyncio.Event()
    pool = Pool("generator", gate, lambda: starting.wait())  # type: ignore[arg-type,return-value]
    task = ask(pool, "first")
    await settle()
    pool.stop(RunInterrupted("enough"))
    starting.set()
    with pytest.raises(RunInterrupted, match="enough"):
        await task
    assert gate.came == []
    assert pool.in_flight == 0


async def test_engines_that_cannot_start_give_their_error_to_each_request() -> None:
    async def fails() -> None:
        raise EndpointRefused("wrong key")

    gate = Gate(1)
    pool = Pool("generator", gate, fails)
    results = await asyncio.gather(*(ask(pool, name) for name in "abc"), return_exceptions=True)
    assert [str(result) for result in results] == ["wrong key"] * 3
    assert gate.came == []
    assert pool.in_flight == 0


@pytest.mark.parametrize(("limit", "room"), [(1, 3), (8, 10), (16, 18), (64, 72)])
async def test_hungry_until_a_short_queue_stands(limit: int, room: int) -> None:
    gate = Gate(limit)
    pool = Pool("generator", gate, ready)
    tasks: list[asyncio.Task[Outcome]] = []
    while pool.hungry():
        tasks.append(ask(pool, str(len(tasks))))
        await settle()
    assert len(tasks) == room
    gate.answer("0")
    await settle()
    assert pool.hungry()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_every_change_of_the_queue_is_told() -> None:
    """A feeder that sleeps until somebody is hungry must be woken by each of these."""
    seen: list[tuple[int, int]] = []
    gate = Gate(1)
    pool = Pool("generator", gate, ready, lambda: seen.append((pool.in_flight, pool.waiting)))
    first, second = ask(pool, "first"), ask(pool, "second")
    await settle()
    gate.answer("first")
    await settle()
    assert (1, 0) in seen
    gate.answer("second")
    await asyncio.gather(first, second)
    assert seen[-1] == (0, 0)
    seen.clear()
    pool.stop()
    assert seen == [(0, 0)]


@given(limit=st.integers(1, 5), plan=st.lists(st.integers(0, 3), max_size=60), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_limit_holds_and_no_turn_is_lost(limit: int, plan: list[int], seed: int) -> None:
    """Whatever is asked, answered, failed and cancelled in whatever order."""

    async def play() -> None:
        rng, gate = random.Random(seed), Gate(limit)
        pool = Pool("generator", gate, ready)
        tasks: list[asyncio.Task[Any]] = []
        for move in plan:
            if move == 0 or not tasks:
                tasks.append(ask(pool, str(len(tasks)), rng.randrange(4)))
            elif move == 1 and gate.open:
                gate.answer(rng.choice(list(gate.open)))
            elif move == 2 and gate.open:
                gate.fail(rng.choice(list(gate.open)), OSError("broken"))
            else:
                rng.choice(tasks).cancel()
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            assert gate.most <= limit
            assert 0 <= pool.in_flight <= limit
        await settle()
        while gate.open:
            for name in list(gate.open):
                gate.answer(name)
            await settle()
        assert all(task.done() for task in tasks), "somebody waits for a turn that never comes"
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (pool.in_flight, pool.waiting) == (0, 0)

    asyncio.run(play())


async def test_the_server_never_sees_more_than_the_limit() -> None:
    async with FaultServer(FaultOptions(latency_ms=4, jitter=0.9)) as server:
        endpoint = HttpEndpoint(server.url, MODEL, max_in_flight=5)
        pool = Pool("generator", endpoint, ready)
        await endpoint.start()
        outcomes = await asyncio.gather(*(ask(pool, f"Question {n}", n % 7) for n in range(60)))
        await endpoint.close()
        stats = server.stats()
    assert all(outcome.reply is not None for outcome in outcomes)
    assert stats["hits"] == 60
    assert 1 < stats["max_in_flight"] <= 5
