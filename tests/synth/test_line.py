"""Several servers, servers that are out of order, and retries held to a budget: real servers, real connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from synth.endpoints import health, line, waits
from synth.endpoints.base import Attempt, Outcome, Reply
from synth.endpoints.http import HttpEndpoint
from synth.errors import BudgetReached, EndpointRefused, RunInterrupted, UserError
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.helpers import completion, request, served


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "BACKOFF_CAP", 0.01)
    monkeypatch.setattr(health, "FIRST_REST", 0.05)
    monkeypatch.setattr(health, "LONGEST_REST", 0.2)


@asynccontextmanager
async def endpoint(*urls: str, **options: Any) -> AsyncIterator[HttpEndpoint]:
    made = HttpEndpoint(list(urls), "fault-model", **options)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def ask(made: HttpEndpoint, count: int) -> list[Outcome]:
    return await asyncio.gather(*(made.complete(request(f"Question {number}")) for number in range(count)))


def status(code: int, **headers: str) -> web.Response:
    return web.Response(text='{"error": {"message": "busy"}}', status=code, headers=headers)


# --- several servers


async def test_servers_share_the_work_by_load() -> None:
    async with (
        FaultServer(FaultOptions(latency_ms=20)) as quick,
        FaultServer(FaultOptions(latency_ms=200)) as slow,
        endpoint(quick.url, slow.url, max_in_flight=4) as made,
    ):
        assert made.slots == 8
        outcomes = await ask(made, 60)
        hits = quick.stats()["hits"], slow.stats()["hits"]
        most = quick.stats()["max_in_flight"], slow.stats()["max_in_flight"]
    assert all(outcome.reply for outcome in outcomes)
    assert sum(hits) == 60
    assert hits[0] > 3 * hits[1] > 0
    assert most == (4, 4)


async def test_a_server_that_dies_leaves_its_work_to_the_others() -> None:
    said: list[str] = []
    async with FaultServer(FaultOptions(latency_ms=10)) as good:
        dying = FaultServer(FaultOptions(latency_ms=10))
        await dying.start()
        async with endpoint(good.url, dying.url, max_in_flight=4, say=said.append) as made:
            first = asyncio.create_task(ask(made, 200))
            await asyncio.sleep(0.1)
            await dying.stop()
            outcomes = await first
        assert all(outcome.reply for outcome in outcomes)
        assert good.stats()["hits"] > 120


async def test_a_server_that_is_down_at_the_start_is_named_and_joins_later() -> None:
    said: list[str] = []
    async with FaultServer() as good, FaultServer() as late:
        port = int(late.url.split(":")[2].split("/")[0])
        await late.stop()
        async with endpoint(good.url, late.url, max_in_flight=1, say=said.append) as made:
            assert len(said) == 1
            assert f"127.0.0.1:{port}" in said[0]
            await ask(made, 5)
            async with FaultServer(FaultOptions(port=port)) as back:
                for _ in range(100):
                    await ask(made, 4)
                    if back.stats()["hits"]:
                        break
                    await asyncio.sleep(0.05)
                assert back.stats()["hits"] > 0


async def test_nothing_at_any_url_is_a_mistake_of_the_user() -> None:
    with pytest.raises(UserError, match=r"no answer from 127\.0\.0\.1:1 "):
        async with endpoint("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"):
            pass


# --- out of order


async def test_a_restart_is_waited_for_and_nothing_is_lost() -> None:
    async with FaultServer(FaultOptions(latency_ms=5)) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        async with endpoint(server.url, max_in_flight=8, retries=2) as made:
            running = asyncio.create_task(ask(made, 400))
            await asyncio.sleep(0.1)
            await server.stop()
            await asyncio.sleep(1.5)
            async with FaultServer(FaultOptions(port=port)) as again:
                outcomes = await running
                hits = again.stats()["hits"]
    assert all(outcome.reply for outcome in outcomes), "an outage must not use up the tries of the rows in front of it"
    assert hits > 0


async def test_an_outage_without_end_stops_the_run_and_fails_no_row() -> None:
    said: list[str] = []
    async with FaultServer(FaultOptions(error_rate=1.0, errors=("500",))) as server:
        async with endpoint(server.url, max_in_flight=8, max_outage=0.8, say=said.append) as made:
            results = await asyncio.gather(
                *(made.complete(request(f"Question {number}")) for number in range(40)), return_exceptions=True
            )
            with pytest.raises(EndpointRefused):
                await made.complete(request())
        hits = server.stats()["hits"]
    assert {type(result) for result in results} == {EndpointRefused}
    assert "run the same command again" in str(results[0])
    assert hits < 40, "a server that is out of order is not hammered"


async def test_a_short_trouble_is_not_worth_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    chat = [status(500)] * 7 + [completion("Back.")] * 3
    async with served(*chat) as server, endpoint(server.url, max_in_flight=1, say=said.append) as made:
        assert (await made.complete(request())).reply
    assert said == []
    monkeypatch.setattr(line, "WORTH_SAYING", 0.0)
    async with served(*chat) as server, endpoint(server.url, max_in_flight=1, say=said.append) as made:
        assert (await made.complete(request())).reply
    assert len(said) == 2
    assert "is out of order (HTTP 500: busy)" in said[0]
    assert "answers again after" in said[1]


async def test_one_request_after_the_other_refused_as_invalid_is_a_mistake_of_the_spec() -> None:
    async with served(status(400)) as server, endpoint(server.url, max_in_flight=2) as made:
        failed = await ask(made, line.INVALID_IN_A_ROW - 1)
        assert {outcome.failure.kind for outcome in failed if outcome.failure} == {"bad_request"}
        with pytest.raises(EndpointRefused, match=r"HTTP 400: busy.*compare model, structured and extra_body"):
            await made.complete(request())


# --- rate limits and retries


async def test_what_one_request_hears_all_requests_wait_for() -> None:
    limit = status(429, **{"Retry-After": "1"})
    async with served(limit, completion(), completion(), completion()) as server:
        async with endpoint(server.url, max_in_flight=3) as made:
            start = time.monotonic()
            first = asyncio.create_task(made.complete(request("first")))
            while not server.hits:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)
            await asyncio.gather(first, made.complete(request("second")), made.complete(request("third")))
        assert len(server.hits) == 4
        assert min(hit.at for hit in server.hits[1:]) - start >= 0.95


async def test_rate_limits_bring_the_number_of_open_requests_down() -> None:
    """A server that takes four at a time and says 429 to the rest: we come to send about so many."""
    open_now, most = 0, [0]
    refused = [0]

    async def four_at_a_time(incoming: web.Request) -> web.StreamResponse:
        nonlocal open_now
        await incoming.read()
        if open_now >= 4:
            refused[0] += 1
            return status(429)
        open_now += 1
        most[0] = max(most[0], open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        return web.json_response(completion())

    async with served(four_at_a_time) as server, endpoint(server.url, max_in_flight=64, retries=20) as made:
        outcomes = await ask(made, 300)
        limit = made.servers[0].health.limit
    assert all(outcome.reply for outcome in outcomes)
    assert limit < 32
    assert refused[0] < 600


async def test_retries_stay_within_their_budget_while_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "RETRIES_HELD", 10.0)
    monkeypatch.setattr(line, "PACE", 30.0)
    tries = [0]

    async def every_other(incoming: web.Request) -> web.StreamResponse:
        """Half of all tries fail, never five in a row."""
        await incoming.read()
        tries[0] += 1
        return status(500) if tries[0] % 2 else web.json_response(completion())

    async with served(every_other) as server, endpoint(server.url, max_in_flight=4) as made:
        tasks = [asyncio.create_task(made.complete(request(str(number)))) for number in range(4000)]
        while len(server.hits) < 1500:  # long before the last first try
            await asyncio.sleep(0.01)
        replies = sum(task.done() for task in tasks)
        retries = len(server.hits) - len({hit.body["messages"][0]["content"] for hit in server.hits})
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert replies > 50
    assert 10 <= retries <= 10 + 1 + line.RETRY_SHARE * replies + 4


async def test_a_line_of_retries_drains_when_the_server_works_again() -> None:
    """A blip that failed everything at once; afterwards no first try comes to fill the budget."""
    blip = [True]

    async def sometimes(incoming: web.Request) -> web.StreamResponse:
        await incoming.read()
        return status(500) if blip[0] else web.json_response(completion())

    async with served(sometimes) as server, endpoint(server.url, max_in_flight=256, retries=8) as made:
        running = asyncio.create_task(ask(made, 256))
        await asyncio.sleep(0.3)
        blip[0] = False
        start = time.monotonic()
        outcomes = await running
        assert all(outcome.reply for outcome in outcomes)
        assert time.monotonic() - start < 10, "one retry a second would take minutes"


# --- ends


async def test_a_stop_sends_nothing_more_not_even_retries() -> None:
    async with served(status(500)) as server, endpoint(server.url, max_in_flight=4) as made:
        running = [asyncio.create_task(made.complete(request(str(number)))) for number in range(20)]
        while len(server.hits) < 6:
            await asyncio.sleep(0.01)
        made.stop(RunInterrupted("enough"))
        sent = len(server.hits)
        results = await asyncio.gather(*running, return_exceptions=True)
        assert {type(result) for result in results} == {RunInterrupted}
        assert len(server.hits) <= sent + 4, "what was on its way"
        with pytest.raises(RunInterrupted):
            await made.complete(request())


async def test_a_stop_ends_the_pause_before_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "BACKOFF_CAP", 600.0)
    monkeypatch.setattr(waits, "BACKOFF_FIRST", 600.0)
    async with served(status(500)) as server, endpoint(server.url) as made:
        asking = asyncio.create_task(made.complete(request()))
        while not server.hits:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        made.stop(RunInterrupted("enough"))
        with pytest.raises(RunInterrupted):
            await asyncio.wait_for(asking, 5)


async def test_time_in_which_nobody_asks_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "BACKOFF_CAP", 0.1)
    chat = [status(503)] * 5 + [completion("Back.")] * 2
    async with served(*chat) as server, endpoint(server.url, max_in_flight=1, retries=4, max_outage=0.6) as made:
        assert (await made.complete(request())).failure
        await asyncio.sleep(1.0)
        assert (await made.complete(request())).reply


async def test_a_late_probe_does_not_open_a_circuit_that_a_reply_has_closed() -> None:
    held, release = asyncio.Event(), asyncio.Event()
    listed = [0]

    async def models(incoming: web.Request) -> web.StreamResponse:
        listed[0] += 1
        if listed[0] == 2:  # the first is that of start()
            held.set()
            await release.wait()
            return status(500)
        return web.json_response({"data": [{"id": "fault-model"}]})

    async with served(completion(), models=models) as server, endpoint(server.url, max_in_flight=2) as made:
        one = made.servers[0].health
        one.rest(time.monotonic())
        waiting = asyncio.create_task(made.complete(request()))
        await held.wait()
        one.good()  # a request that was open all the time has brought its reply
        release.set()
        assert (await waiting).reply
        assert one.circuit is health.Circuit.CLOSED


async def test_a_cancelled_wait_takes_nobodys_turn() -> None:
    async with FaultServer(FaultOptions(latency_ms=50)) as server, endpoint(server.url, max_in_flight=1) as made:
        first = asyncio.create_task(made.complete(request("first")))
        second = asyncio.create_task(made.complete(request("second")))
        third = asyncio.create_task(made.complete(request("third")))
        await asyncio.sleep(0.02)
        second.cancel()
        assert (await first).reply
        assert (await third).reply
        assert made.servers[0].health.in_flight == 0


class Poor:
    """A ledger that lets one try pass."""

    key = ""

    def __init__(self) -> None:
        self.left = 1
        self.ended: list[str] = []

    async def begin(self) -> None:
        if not self.left:
            raise BudgetReached("enough")
        self.left -= 1

    def end(self, attempt: Attempt, reply: Reply | None = None) -> None:
        self.ended.append(attempt.outcome)


async def test_a_retry_that_the_budget_does_not_cover_is_not_sent() -> None:
    async with served(status(500), completion()) as server, endpoint(server.url, max_in_flight=1) as made:
        poor = Poor()
        with pytest.raises(BudgetReached):
            await made.complete(request(), poor)
        assert len(server.hits) == 1
        assert poor.ended == ["server_error"]
        assert (await made.complete(request())).reply, "its turn goes to the next"
