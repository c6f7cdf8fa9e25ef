from __future__ import annotations

import asyncio
from typing import Any

import pytest

from synth.endpoints import batch, batch_service, waits
from synth.errors import RunInterrupted
from synth.fault_options import FaultOptions
from tests.servers.batch_faults import BatchFaults
from tests.servers.batch_server import BatchServer
from tests.synth.batches import Book, ask, expected, key, model, paid_once, question, started, texts

KEY = "sk-CANARY0123456789abcdefCANARY"
VARIABLE = "CLINSYNTH_TEST_KEY"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "QUIET", 0.05)
    monkeypatch.setattr(batch_service, "LAG", 0.02)
    monkeypatch.setattr(waits, "BACKOFF_CAP", 0.01)


# --- the end


async def test_stop_lets_go_at_once_and_the_next_process_takes_up_the_replies() -> None:
    said: list[str] = []
    async with BatchServer(BatchFaults(delay=0.5)) as server:
        async with started(server, said) as endpoint:
            asked = [asyncio.create_task(endpoint.complete(question(n), Book(key(n)))) for n in range(4)]
            while not endpoint._sent:
                await asyncio.sleep(0.01)
            endpoint.let_go(RunInterrupted("interrupted"))
            ends = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(end, RunInterrupted) for end in ends)
        assert [
            told for told in said if "the same command takes up" in told and "4 requests" in told and "batch_0" in told
        ]
        books: dict[int, Book] = {}
        async with started(server) as endpoint:
            outcomes = await ask(endpoint, range(4), books)
    assert texts(outcomes) == expected(range(4))
    assert server.created == 1
    assert paid_once(server, range(4))
    assert all(book.begun == 0 for book in books.values()), "they were paid for in the other process"


async def test_cancelled_questions_are_taken_up_later() -> None:
    async with BatchServer(BatchFaults(delay=0.3)) as server:
        said: list[str] = []
        async with started(server, said) as endpoint:
            asked = [asyncio.create_task(endpoint.complete(question(n), Book(key(n)))) for n in range(4)]
            while not endpoint._sent:
                await asyncio.sleep(0.01)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        assert len([told for told in said if "the same command takes up" in told]) == 1
        async with started(server) as endpoint:
            assert len(texts(await ask(endpoint, range(6)))) == 6
    assert [len(sent.lines) for sent in server.batches] == [4, 2]
    assert paid_once(server, range(6))


async def test_close_without_start_and_twice() -> None:
    endpoint = batch.BatchEndpoint(model("http://127.0.0.1:1/v1"), "generator")
    await endpoint.close()
    await endpoint.close()


# --- what an earlier process has left


async def leave(server: BatchServer, numbers: range, **changes: Any) -> None:
    """A process that asks and is gone before it has kept anything."""
    async with started(server, **changes) as endpoint:
        await ask(endpoint, numbers)


async def test_what_is_ready_is_not_asked_again() -> None:
    async with BatchServer(BatchFaults(page=2, lag=1)) as server:
        for number in range(5):
            await leave(server, range(number * 3, number * 3 + 3))
        async with started(server) as endpoint:
            outcomes = await ask(endpoint, range(20))
    assert texts(outcomes) == expected(range(20))
    assert [len(sent.lines) for sent in server.batches] == [3, 3, 3, 3, 3, 5]
    assert paid_once(server, range(20))


async def test_what_failed_there_is_asked_again() -> None:
    faults = BatchFaults(
        refuse=lambda number, sent: (400, "no", "") if number == 0 and sent["custom_id"] == key(1) else None
    )
    async with BatchServer(faults) as server:
        await leave(server, range(3))
        async with started(server) as endpoint:
            outcomes = await ask(endpoint, range(3))
    assert texts(outcomes) == expected(range(3))
    assert [len(sent.lines) for sent in server.batches] == [3, 1]


async def test_an_expired_batch_of_before_gives_what_it_has() -> None:
    async with BatchServer(BatchFaults(expire=[2])) as server:
        await leave(server, range(5), retries=0)
        async with started(server) as endpoint:
            outcomes = await ask(endpoint, range(5))
    assert texts(outcomes) == expected(range(5))
    assert [len(sent.lines) for sent in server.batches] == [5, 3]
    assert paid_once(server, range(5))


async def test_batches_of_another_model_are_left_alone() -> None:
    faults = BatchFaults(replies=FaultOptions(models=("fault-model", "other")))
    async with BatchServer(faults) as server:
        await leave(server, range(3), model="other")
        downloads = server.calls["download"]
        async with started(server) as endpoint:
            await ask(endpoint, range(3))
    assert server.created == 2
    assert server.calls["download"] == downloads + 1  # its own output


async def test_a_batch_whose_files_are_gone_is_as_if_it_had_never_been() -> None:
    async with BatchServer() as server:
        await leave(server, range(3))
        server.files.clear()
        async with started(server) as endpoint:
            outcomes = await ask(endpoint, range(3))
    assert texts(outcomes) == expected(range(3))
    assert server.created == 2


async def test_a_batch_of_before_that_is_not_accepted_is_sent_again() -> None:
    full = ("token_limit_exceeded", "Enqueued token limit reached for fault-model.")
    async with BatchServer(BatchFaults(hang="create", invalid=[full])) as server:
        async with started(server) as endpoint:
            asked = asyncio.gather(*(endpoint.complete(question(n), Book(key(n))) for n in range(3)))
            while not server.created:
                await asyncio.sleep(0.01)
            endpoint.let_go()
            with pytest.raises(RunInterrupted):
                await asked
        server.faults.hang = ""
        books: dict[int, Book] = {}
        async with started(server) as endpoint:
            outcomes = await ask(endpoint, range(3), books)
    assert texts(outcomes) == expected(range(3))
    assert [sent.status for sent in server.batches[:2]] == ["failed", "completed"]
    assert paid_once(server, range(3))
    assert all(book.begun == 1 for book in books.values())
