from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from synth.endpoints import batch, batch_service, waits
from synth.endpoints.base import Outcome
from synth.errors import BudgetReached, EndpointRefused, UserError
from synth.fault_server import FaultServer
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


# --- whole batches


async def test_of_an_expired_batch_what_is_there_is_kept_and_the_rest_is_sent_again() -> None:
    books: dict[int, Book] = {}
    async with BatchServer(BatchFaults(expire=[4])) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(10), books)
    assert texts(outcomes) == expected(range(10))
    assert server.batches[0].status == "expired"
    assert [len(sent.lines) for sent in server.batches] == [10, 6]
    assert paid_once(server, range(10))
    tries = sorted([attempt.outcome for attempt, _ in book.ended] for book in books.values())
    assert tries == [["ok"]] * 4 + [["timeout", "ok"]] * 6


async def test_a_batch_that_fails_validation_stops_the_run_with_the_reason() -> None:
    faults = BatchFaults(invalid=[("model_not_found", "The provided model 'fault-model' is not supported.")])
    async with BatchServer(faults) as server, started(server) as endpoint:
        with pytest.raises(EndpointRefused, match="provided model 'fault-model' is not supported"):
            await ask(endpoint, range(3))
    assert server.created == 1


async def test_a_full_queue_is_waited_for_and_costs_nothing() -> None:
    said: list[str] = []
    books: dict[int, Book] = {}
    full = ("token_limit_exceeded", "Enqueued token limit reached for fault-model.")
    async with BatchServer(BatchFaults(invalid=[full, full])) as server, started(server, said) as endpoint:
        outcomes = await ask(endpoint, range(4), books)
    assert texts(outcomes) == expected(range(4))
    assert paid_once(server, range(4))
    assert all(book.begun == 1 for book in books.values())
    assert any("queue is full" in told for told in said)


async def test_a_batch_larger_than_the_queue_is_made_smaller() -> None:
    async with BatchServer(BatchFaults(queue=3, per_look=1)) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(16))
    assert texts(outcomes) == expected(range(16))
    assert paid_once(server, range(16))
    assert all(len(sent.lines) <= 3 for sent in server.batches if sent.status == "completed")


async def test_what_the_budget_does_not_cover_is_not_sent() -> None:
    books = {number: Book(key(number), poor=number > 2) for number in range(5)}
    async with BatchServer() as server, started(server) as endpoint:
        asked = [asyncio.create_task(endpoint.complete(question(n), books[n])) for n in range(5)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(end) for end in ends] == [Outcome] * 3 + [BudgetReached] * 2
    assert paid_once(server, range(3))


# --- the network


@pytest.mark.parametrize("fault", ["create_resets", "create_losses", "create_errors"])
@pytest.mark.parametrize("lag", [0, 1])
async def test_a_creation_without_an_answer_is_made_once(fault: str, lag: int) -> None:
    faults = BatchFaults(lag=lag, **{fault: 1})  # type: ignore[arg-type]
    async with BatchServer(faults) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(5))
    assert texts(outcomes) == expected(range(5))
    assert server.created == 1
    assert paid_once(server, range(5))


async def test_a_flaky_service_is_asked_again_where_that_is_safe() -> None:
    faults = BatchFaults(upload_errors=3, get_errors=5, cut_downloads=2)
    async with BatchServer(faults) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(5))
    assert texts(outcomes) == expected(range(5))
    assert server.created == 1
    assert paid_once(server, range(5))


async def test_a_service_that_stays_silent_stops_the_run() -> None:
    async with BatchServer(BatchFaults(upload_errors=10**6)) as server, started(server, max_outage=0.2) as endpoint:
        with pytest.raises(EndpointRefused, match=r"no good answer for 0\.2 s .*HTTP 500.*same command"):
            await ask(endpoint, range(2))
    assert server.created == 0


async def test_nothing_listens(unused_tcp_port: int) -> None:
    endpoint = batch.BatchEndpoint(model(f"http://127.0.0.1:{unused_tcp_port}/v1"), "judge")
    with pytest.raises(UserError, match=r"models\.judge\.base_url: no answer"):
        await endpoint.start()
    await endpoint.close()


# --- the key


async def test_a_key_is_sent_and_appears_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    async with BatchServer(BatchFaults(key=KEY)) as server, started(server, api_key_env=VARIABLE) as endpoint:
        outcomes = await ask(endpoint, range(2))
    assert len(texts(outcomes)) == 2
    assert server.keys == {f"Bearer {KEY}"}
    left = json.dumps([sent.as_json() for sent in server.batches]) + str(server.files)
    assert KEY not in left


async def test_a_wrong_key_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    async with BatchServer(BatchFaults(key="another")) as server:
        with pytest.raises(EndpointRefused, match=f"refuses the key in {VARIABLE}") as refused:
            async with started(server, api_key_env=VARIABLE):
                pass
    assert KEY not in str(refused.value)
    assert server.calls == {"models": 1}


async def test_a_key_that_is_refused_later_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    async with BatchServer() as server, started(server, api_key_env=VARIABLE) as endpoint:
        server.faults.key = "another"
        with pytest.raises(EndpointRefused, match=f"refuses the key in {VARIABLE}") as refused:
            await ask(endpoint, range(2))
    assert KEY not in str(refused.value)


async def test_without_a_key_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    async with BatchServer() as server:
        with pytest.raises(UserError, match=f"{VARIABLE} is not set"):
            async with started(server, api_key_env=VARIABLE):
                pass


async def test_no_key_of_the_environment_is_sent_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with BatchServer() as server, started(server, api_key_env=None) as endpoint:
        await ask(endpoint, range(2))
    assert server.calls["create"] == 1
    assert not any(KEY in header for header in server.keys)


async def test_a_redirect_is_not_followed() -> None:
    async with BatchServer() as elsewhere:

        async def away(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": elsewhere.url + request.path.removeprefix("/v1")})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", away)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint = batch.BatchEndpoint(model(f"http://127.0.0.1:{runner.addresses[0][1]}/v1"), "generator")
        try:
            await endpoint.start()
            with pytest.raises(EndpointRefused, match=r"base_url redirects \(HTTP 307\)"):
                await ask(endpoint, range(2))
        finally:
            await endpoint.close()
            await runner.cleanup()
    assert not elsewhere.calls


async def test_a_server_without_a_batch_api_is_told() -> None:
    async with FaultServer() as server:
        endpoint = batch.BatchEndpoint(model(server.url), "judge")
        try:
            await endpoint.start()
            with pytest.raises(EndpointRefused, match=r"models\.judge\.base_url: .* has no Batch API"):
                await ask(endpoint, range(2))
        finally:
            await endpoint.close()


async def test_an_unknown_model_is_told_at_the_start() -> None:
    async with BatchServer() as server:
        with pytest.raises(EndpointRefused, match="did you mean 'fault-model'"):
            async with started(server, model="fault-modell"):
                pass
