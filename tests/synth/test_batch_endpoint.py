from __future__ import annotations

import asyncio
import hashlib

import pytest

from synth.endpoints import batch, batch_lines, batch_service, line, waits
from synth.endpoints.base import UNRECORDED, Outcome
from synth.errors import EndpointRefused
from synth.fault_options import FaultOptions
from tests.servers.batch_faults import BatchFaults
from tests.servers.batch_server import BatchServer
from tests.synth.batches import Book, ask, expected, key, paid_once, question, started, texts

KEY = "sk-CANARY0123456789abcdefCANARY"
VARIABLE = "CLINSYNTH_TEST_KEY"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "QUIET", 0.05)
    monkeypatch.setattr(batch_service, "LAG", 0.02)
    monkeypatch.setattr(waits, "BACKOFF_CAP", 0.01)


# --- rounds


async def test_all_that_is_asked_goes_out_as_one_batch_and_each_gets_its_own_reply() -> None:
    books: dict[int, Book] = {}
    async with BatchServer(BatchFaults(shuffle=True, per_look=7)) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(40), books)
    assert texts(outcomes) == expected(range(40))
    assert server.created == 1
    assert paid_once(server, range(40))
    assert all([attempt.outcome for attempt, _ in book.ended] == ["ok"] for book in books.values())
    assert [reply for book in books.values() for _, reply in book.ended] == [outcome.reply for outcome in outcomes]
    assert all(outcome.attempts == [books[at].ended[0][0]] for at, outcome in enumerate(outcomes))


async def test_replies_open_the_next_round() -> None:
    async def seed(endpoint: batch.BatchEndpoint, number: int) -> None:
        for step in range(3):
            assert (await endpoint.complete(question(number * 10 + step), Book(key(number * 10 + step)))).reply

    async with BatchServer() as server, started(server) as endpoint:
        await asyncio.gather(*(seed(endpoint, number) for number in range(8)))
    assert [len(sent.lines) for sent in server.batches] == [8, 8, 8]


async def test_a_round_leaves_while_an_earlier_batch_is_open() -> None:
    async with BatchServer(BatchFaults(delay=1.0)) as server, started(server) as endpoint:
        first = asyncio.create_task(ask(endpoint, range(3)))
        while server.created < 1:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(ask(endpoint, range(3, 5)))
        while server.created < 2:
            await asyncio.sleep(0.01)
        assert server.batches[0].open
        assert len(texts(await first + await second)) == 5


async def test_a_round_does_not_wait_for_ever_for_a_trickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "LONGEST_GATHERING", 0.3)
    async with BatchServer() as server, started(server) as endpoint:
        tasks: list[asyncio.Task[Outcome]] = []
        while not server.created:  # never quiet for as long as QUIET
            tasks.append(asyncio.create_task(endpoint.complete(question(len(tasks)), Book(key(len(tasks))))))
            await asyncio.sleep(0.02)
        assert len(texts(await asyncio.gather(*tasks))) == len(tasks)


@pytest.mark.parametrize("limit", ["requests", "bytes"])
async def test_more_than_a_batch_holds_goes_out_as_several(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    if limit == "requests":
        monkeypatch.setattr(batch, "MOST_REQUESTS", 4)
    else:
        monkeypatch.setattr(batch_lines, "MOST_BYTES", 1100)
    async with BatchServer() as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(10))
    assert texts(outcomes) == expected(range(10))
    assert paid_once(server, range(10))
    assert sum(len(sent.lines) for sent in server.batches) == 10
    assert server.created >= 3
    for sent in server.batches:
        assert len(sent.lines) <= 4 if limit == "requests" else len(server.files[sent.input_file_id]) <= 1100


async def test_a_line_is_what_the_api_wants() -> None:
    async with BatchServer() as server, started(server, structured="json_object", send_seed=False) as endpoint:
        schema = {"type": "object"}
        await endpoint.complete(question(3, schema=schema, extra={"top_k": 4}), Book(key(3)))
    (sent,) = server.sent()
    assert sent == {
        "custom_id": key(3),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "fault-model",
            "messages": [{"role": "user", "content": "What is angina of type 3?"}],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 64,
            "response_format": {"type": "json_object"},
            "top_k": 4,
        },
    }


async def test_a_batch_says_what_it_is() -> None:
    async with BatchServer() as server, started(server) as endpoint:
        await ask(endpoint, range(3))
    metadata = server.batches[0].metadata
    content = server.files[server.batches[0].input_file_id]
    assert metadata["requests"] == "3"
    assert metadata["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(metadata["clinsynth"]) == 64


async def test_requests_without_a_ledger_have_names_of_their_own() -> None:
    async with BatchServer() as server, started(server) as endpoint:
        outcomes = await asyncio.gather(*(endpoint.complete(question(1), UNRECORDED) for _ in range(3)))
    assert len(set(texts(list(outcomes)))) == 1
    assert len({sent["custom_id"] for sent in server.sent()}) == 3


@pytest.mark.parametrize("text", ["β-Blocker 💊\u2028", "lone \ud800 surrogate", 'quote " and \\', "two\nlines"])
async def test_any_text_can_be_asked(text: str) -> None:
    async with BatchServer() as server, started(server) as endpoint:
        outcome = await endpoint.complete(question(1, messages=[{"role": "user", "content": text}]), Book(key(1)))
    assert outcome.reply is not None
    assert server.sent()[0]["body"]["messages"][0]["content"] == text


# --- lines of no use


@pytest.mark.parametrize("fault", ["doubled", "foreign", "broken"])
async def test_lines_of_no_use_are_passed_over_and_told(fault: str) -> None:
    said: list[str] = []
    faults = BatchFaults(shuffle=True, **{fault: 2})  # type: ignore[arg-type]
    async with BatchServer(faults) as server, started(server, said) as endpoint:
        outcomes = await ask(endpoint, range(6))
    assert texts(outcomes) == expected(range(6))
    assert server.created == 1
    word = {"broken": "unreadable"}.get(fault, fault)
    assert any(f"2 {word}" in told for told in said)


async def test_a_lost_line_is_asked_again() -> None:
    books: dict[int, Book] = {}
    async with BatchServer(BatchFaults(silent=2)) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(6), books)
    assert texts(outcomes) == expected(range(6))
    assert [len(sent.lines) for sent in server.batches] == [6, 2]
    tries = sorted([attempt.outcome for attempt, _ in book.ended] for book in books.values())
    assert tries == [["bad_body", "ok"]] * 2 + [["ok"]] * 4
    assert all(attempt.may_cost for book in books.values() for attempt, reply in book.ended if reply is None)


async def test_lines_that_are_always_lost_fail_after_the_retries() -> None:
    async with BatchServer(BatchFaults(silent=1000)) as server, started(server, retries=2) as endpoint:
        outcomes = await ask(endpoint, range(3))
    assert [outcome.failure.kind for outcome in outcomes if outcome.failure] == ["bad_body"] * 3
    assert server.created == 3


async def test_a_line_that_is_too_long_is_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_lines, "MAX_LINE", 5000)
    long = FaultOptions(reply=lambda body: "word " * 5000 if "type 1?" in str(body["messages"]) else None)
    async with BatchServer(BatchFaults(replies=long)) as server, started(server, retries=1) as endpoint:
        first, second, third = await asyncio.gather(
            *(endpoint.complete(question(n, max_tokens=10_000), Book(key(n))) for n in range(3))
        )
    assert first.reply
    assert third.reply
    assert second.failure
    assert second.failure.kind == "bad_body"


# --- failures of single requests


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ((429, "slow down", "rate_limit_exceeded"), "rate_limit"),
        ((500, "oops", "server_error"), "server_error"),
        ((503, "oops", "overloaded"), "server_error"),
    ],
)
async def test_what_may_pass_is_asked_again(refusal: tuple[int, str, str], kind: str) -> None:
    books: dict[int, Book] = {}
    faults = BatchFaults(refuse=lambda number, sent: refusal if number == 0 and sent["custom_id"] == key(2) else None)
    async with BatchServer(faults) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(4), books)
    assert texts(outcomes) == expected(range(4))
    assert [(attempt.outcome, attempt.status) for attempt, _ in books[2].ended] == [(kind, refusal[0]), ("ok", 0)]
    assert [len(sent.lines) for sent in server.batches] == [4, 1]


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ((400, "too long", "context_length_exceeded"), "bad_request"),
        ((422, "no", ""), "bad_request"),
        ((400, "no", "content_filter"), "content_filter"),
    ],
)
async def test_what_would_fail_again_fails_its_row(refusal: tuple[int, str, str], kind: str) -> None:
    books: dict[int, Book] = {}
    faults = BatchFaults(refuse=lambda number, sent: refusal if sent["custom_id"] == key(2) else None)
    async with BatchServer(faults) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(4), books)
    failed = outcomes.pop(2)
    assert failed.failure
    assert (failed.failure.kind, failed.reply) == (kind, None)
    assert refusal[1] in failed.failure.detail
    assert [attempt.outcome for attempt, _ in books[2].ended] == [kind]
    assert len(texts(outcomes)) == 3
    assert server.created == 1


async def test_a_batch_with_nothing_but_an_error_file_is_asked_again() -> None:
    faults = BatchFaults(refuse=lambda number, sent: (500, "no", "server_error") if number == 0 else None)
    async with BatchServer(faults) as server, started(server) as endpoint:
        outcomes = await ask(endpoint, range(4))
    assert server.batches[0].output_file_id is None
    assert texts(outcomes) == expected(range(4))
    assert paid_once(server, range(4))


@pytest.mark.parametrize(
    "refusal", [(401, "bad key", ""), (404, "no model", "model_not_found"), (429, "pay", "insufficient_quota")]
)
async def test_a_refusal_of_all_work_stops_the_run_and_keeps_what_was_answered(refusal: tuple[int, str, str]) -> None:
    faults = BatchFaults(refuse=lambda number, sent: refusal if sent["custom_id"] == key(2) else None)
    async with BatchServer(faults) as server, started(server) as endpoint:
        asked = [asyncio.create_task(endpoint.complete(question(n), Book(key(n)))) for n in range(4)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(EndpointRefused, match=refusal[1]):
            await endpoint.complete(question(9), Book(key(9)))
    refused = ends.pop(2)
    assert isinstance(refused, EndpointRefused)
    assert refusal[1] in str(refused)
    assert all(isinstance(end, Outcome) and end.reply for end in ends)
    assert server.created == 1


async def test_a_batch_of_nothing_but_invalid_requests_is_a_mistake_of_the_spec() -> None:
    faults = BatchFaults(refuse=lambda number, sent: (400, "unknown parameter", ""))
    async with BatchServer(faults) as server, started(server) as endpoint:
        with pytest.raises(EndpointRefused, match="unknown parameter"):
            await ask(endpoint, range(line.INVALID_IN_A_ROW))
    assert server.created == 1
