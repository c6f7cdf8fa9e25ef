from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from synth.endpoints import health, waits
from synth.endpoints import server as server_module
from synth.endpoints.base import Attempt, Outcome
from synth.endpoints.http import HttpEndpoint
from synth.errors import ClinsynthError, EndpointRefused, UserError
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.helpers import Answers, Served, completion, request, served

KEY = "sk-CANARY0123456789abcdefCANARY"
VARIABLE = "CLINSYNTH_TEST_KEY"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "BACKOFF_CAP", 0.01)
    monkeypatch.setattr(health, "FIRST_REST", 0.02)
    monkeypatch.setattr(health, "LONGEST_REST", 0.05)


@asynccontextmanager
async def started(server: Served | FaultServer, model: str = "m", **options: Any) -> AsyncIterator[HttpEndpoint]:
    endpoint = HttpEndpoint(server.url, model, **options)
    try:
        await endpoint.start()
        yield endpoint
    finally:
        await endpoint.close()


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> web.Response:
    body = json.dumps({"error": {"message": message, "code": code}})
    return web.Response(text=body, status=status, headers=headers, content_type="application/json")


def plain(text: str | bytes, status: int = 200) -> web.Response:
    return web.Response(body=text, status=status, content_type="text/html")


def outcomes(outcome: Outcome) -> list[str]:
    return [attempt.outcome for attempt in outcome.attempts]


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_short(request: web.Request) -> web.StreamResponse:
    """Promise more bytes than are sent."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def drip(request: web.Request) -> web.StreamResponse:
    """A byte of white space now and then, so that no single read ever times out."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)
    except ConnectionError:
        return response


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def ask(*chat: Answers, text: str = "What is angina?", **options: Any) -> tuple[Outcome, Served]:
    """The outcome of one question to a server that answers ``chat`` in turn, and the server."""
    async with served(*chat) as server, started(server, **options) as endpoint:
        return await endpoint.complete(request(text)), server


# --- what is sent


async def test_a_request_arrives_as_the_api_wants_it() -> None:
    outcome, server = await ask(completion("Chest pain."))
    assert outcome.reply is not None
    assert outcome.reply.text == "Chest pain."
    assert outcome.attempts == [Attempt("ok")]
    (hit,) = server.hits
    assert hit.path == "/v1/chat/completions"
    assert hit.headers["Content-Type"] == "application/json"
    assert hit.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "What is angina?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 11,
    }


async def test_transport_keys_join_the_body() -> None:
    _, server = await ask(completion(), transport={"cache_prompt": False})
    assert server.hits[0].body["cache_prompt"] is False


@pytest.mark.parametrize("text", ["β-Blocker 💊\u2028", "a\u0000b", "lone \ud800 surrogate", 'quote " and \\'])
async def test_any_text_can_be_asked(text: str) -> None:
    outcome, server = await ask(completion(), text=text)
    assert outcome.failure is None
    assert server.hits[0].body["messages"][0]["content"] == text


async def test_a_slash_at_the_end_of_the_url_does_no_harm() -> None:
    async with served(completion()) as server:
        server.url += "/"
        async with started(server) as endpoint:
            await endpoint.complete(request())
        assert server.hits[0].path == "/v1/chat/completions"


async def test_the_key_is_sent_as_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"  {KEY}\n")
    _, server = await ask(completion(), api_key_env=VARIABLE)
    (hit,) = server.hits
    assert hit.headers["Authorization"] == f"Bearer {KEY}"
    rest = {name: value for name, value in hit.headers.items() if name != "Authorization"}
    assert KEY not in json.dumps([hit.path, rest, hit.body])


async def test_without_a_key_no_authorization_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    _, server = await ask(completion())
    assert "Authorization" not in server.hits[0].headers


# --- what is tried again


TRANSIENT = [408, 409, 425, 429, 500, 502, 503, 504, 529, 599]


@pytest.mark.parametrize("status", TRANSIENT)
async def test_a_transient_status_is_tried_again(status: int) -> None:
    outcome, server = await ask(error(status, "busy"), error(status, "busy"), completion("At last."))
    assert outcome.reply is not None
    assert outcome.reply.text == "At last."
    kind = "rate_limit" if status == 429 else "server_error"
    assert outcomes(outcome) == [kind, kind, "ok"]
    assert outcome.attempts[0] == Attempt(kind, status, f"HTTP {status}: busy")
    assert len(server.hits) == 3
    assert server.hits[0].body == server.hits[1].body == server.hits[2].body


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_the_number_of_tries_is_bounded(retries: int) -> None:
    outcome, server = await ask(error(500, "broken"), retries=retries)
    assert outcome.reply is None
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.detail) == ("server_error", "HTTP 500: broken")
    assert len(server.hits) == len(outcome.attempts) == retries + 1


@pytest.mark.parametrize(("handler", "kind"), [(reset, "connection"), (cut_short, "connection")])
async def test_a_broken_connection_is_tried_again(handler: Answers, kind: str) -> None:
    outcome, _ = await ask(handler, completion("At last."))
    assert outcomes(outcome) == [kind, "ok"]
    outcome, _ = await ask(handler, retries=1)
    assert outcome.failure is not None
    assert outcome.failure.kind == kind
    assert outcome.failure.detail


async def test_a_server_that_is_gone_fails_the_row_only() -> None:
    async with served(completion()) as server:
        endpoint = HttpEndpoint(server.url, "m", retries=1)
        await endpoint.start()
    outcome = await endpoint.complete(request())
    await endpoint.close()
    assert outcome.failure is not None
    assert outcome.failure.kind == "connection"
    assert outcomes(outcome) == ["connection", "connection"]


BAD_BODIES = [
    plain(""),
    plain("<html>busy</html>"),
    plain('{"choices": [{"message": {"content": "cut'),
    plain(b"\xff\xfe"),
    plain("[" * 100_000),
    plain('{"choices": []}'),
    plain('{"error": {"message": "out of memory"}}'),
    plain('{"choices": [{"message": {"content": 5}}]}'),
]


@pytest.mark.parametrize("bad", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_bad_body_is_tried_again_as_a_broken_connection_is(bad: web.Response) -> None:
    outcome, _ = await ask(bad, bad, bad, completion("At last."), retries=3)
    assert outcomes(outcome) == ["bad_body", "bad_body", "bad_body", "ok"]
    outcome, server = await ask(bad, retries=2)
    assert outcome.failure is not None
    assert outcome.failure.kind == "bad_body"
    assert len(server.hits) == 3


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
async def test_a_request_that_the_server_rejects_fails_its_row_at_once(status: int) -> None:
    outcome, server = await ask(error(status, "prompt too long"))
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.detail) == ("bad_request", f"HTTP {status}: prompt too long")
    assert len(server.hits) == 1


async def test_an_error_page_becomes_one_short_line() -> None:
    outcome, _ = await ask(plain("<html>\n" + "nginx\n" * 10_000, 502), retries=0)
    assert outcome.failure is not None
    assert len(outcome.failure.detail.splitlines()) == 1
    assert len(outcome.failure.detail) < 400


@pytest.mark.parametrize("body", ["[" * 4000, "9" * 4000])
async def test_a_hostile_error_page_fails_its_row_only(body: str) -> None:
    outcome, _ = await ask(plain(body, 400))
    assert outcome.failure is not None
    assert outcome.failure.kind == "bad_request"


async def test_a_redirect_is_not_followed() -> None:
    """It would carry the key and the prompt to another host."""
    async with served(completion()) as other:
        elsewhere = f"{other.url}/chat/completions"
        host = re.escape(other.url.removesuffix("/v1"))
        for status in (301, 302, 307, 308):
            async with served(error(status, Location=elsewhere)) as server, started(server, api_key=KEY) as endpoint:
                with pytest.raises(EndpointRefused, match=rf"base_url redirects \(HTTP {status} to {host}\); give "):
                    await endpoint.complete(request())
            assert len(server.hits) == 1
        assert other.hits == []
        assert other.other == []


# --- waiting


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(status: int) -> None:
    slow, fast = error(status, **{"Retry-After": "1"}), error(status, **{"Retry-After": "0"})
    _, server = await ask(slow, fast, completion())
    first, second, _ = (hit.at for hit in server.hits)
    assert second - first >= 1.0


@pytest.mark.parametrize("handler", [drip, hang])
async def test_the_deadline_holds_for_the_whole_request(handler: Answers) -> None:
    start = time.monotonic()
    outcome, server = await ask(handler, timeout=0.2, retries=1)
    assert time.monotonic() - start < 10
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.detail) == ("timeout", "no complete reply within 0.2 s")
    assert len(server.hits) == 2


async def slow_headers(request: web.Request) -> web.StreamResponse:
    """The status line at once, then a header line now and then, without an end."""
    transport = request.transport
    assert isinstance(transport, asyncio.WriteTransport)
    transport.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(2000):
        transport.write(f"X-Wait-{number}: 1\r\n".encode())
        await asyncio.sleep(0.02)
    return web.Response()


@pytest.mark.parametrize("handler", [drip, hang, slow_headers])
async def test_a_deadline_holds_for_all_tries_together(handler: Answers) -> None:
    start = time.monotonic()
    outcome, _ = await ask(handler, timeout=0.6, deadline=1.0, retries=20)
    assert 0.9 < time.monotonic() - start < 2.0
    assert outcome.failure is not None
    assert outcome.failure.kind == "timeout"
    assert all(attempt.uncertain and attempt.may_cost for attempt in outcome.attempts)


async def test_a_time_out_is_tried_again() -> None:
    outcome, _ = await ask(drip, completion("At last."), timeout=0.5)
    assert outcomes(outcome) == ["timeout", "ok"]


async def test_a_cancelled_request_leaves_the_endpoint_in_order() -> None:
    async with served(hang, completion("Next.")) as server, started(server) as endpoint:
        task = asyncio.create_task(endpoint.complete(request()))
        while not server.hits:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        outcome = await endpoint.complete(request())
        assert outcome.reply is not None


async def test_a_huge_body_is_given_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_BODY", 100_000)
    sent: list[int] = []

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        sent.append(0)
        try:
            while sent[-1] < 200_000_000:
                await response.write(b" " * 50_000)
                sent[-1] += 50_000
        except ConnectionError:
            pass
        return response

    outcome, _ = await ask(flood, retries=0)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.detail) == ("bad_body", "the response is larger than 100000 bytes")
    assert sent[0] < 50_000_000


async def test_a_body_of_just_the_size_allowed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(completion("Angina.")).encode()
    monkeypatch.setattr(server_module, "MAX_BODY", len(body))
    outcome, _ = await ask(plain(body))
    assert outcome.failure is None
    outcome, _ = await ask(plain(body + b" "), retries=0)
    assert outcome.failure is not None


# --- what stops the run


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, None),
        (402, None),
        (403, None),
        (404, "model_not_found"),
        (404, None),
        (429, "insufficient_quota"),
        (400, "billing_hard_limit_reached"),
        (403, "insufficient_quota"),
    ],
)
async def test_a_refusal_of_all_work_stops_the_run_after_one_hit(status: int, code: str | None) -> None:
    async with served(error(status, "not for you", code)) as server, started(server) as endpoint:
        with pytest.raises(EndpointRefused) as caught:
            await endpoint.complete(request())
    assert len(server.hits) == 1
    message = str(caught.value)
    assert message.startswith("models.generator")
    assert server.url.split("/")[2] in message
    assert str(status) in message
    assert "not for you" in message
    assert len(message.splitlines()) == 1


async def test_a_refusal_names_the_role_and_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    async with served(error(401)) as server, started(server, role="judge", api_key_env=VARIABLE) as endpoint:
        with pytest.raises(
            EndpointRefused, match=rf"models\.judge: .* refuses the key in {VARIABLE} \(HTTP 401: no\)"
        ):
            await endpoint.complete(request())


async def test_an_ordinary_rate_limit_is_no_lack_of_quota() -> None:
    outcome, _ = await ask(error(429, "slow down", "rate_limit_exceeded"), completion())
    assert outcomes(outcome) == ["rate_limit", "ok"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 200])
@pytest.mark.parametrize("padding", ["", "x" * 270])
async def test_no_message_holds_the_key(status: int, padding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the server repeats it."""
    monkeypatch.setenv(VARIABLE, KEY)

    async def tell(request: web.Request) -> web.StreamResponse:
        return error(status, f"{padding} bad header {request.headers['Authorization']}")

    async with served(tell) as server, started(server, api_key_env=VARIABLE, retries=1) as endpoint:
        try:
            said = repr(await endpoint.complete(request()))
        except ClinsynthError as err:
            said = str(err)
    assert "bad header" in said
    assert "CANARY" not in said


async def quotes_a_header_line(request: web.Request) -> web.StreamResponse:
    """What aiohttp cannot read it quotes in its error."""
    transport = request.transport
    assert isinstance(transport, asyncio.WriteTransport)
    transport.write(
        b"HTTP/1.1 200 OK\r\nAuthorization \x00: " + request.headers["Authorization"].encode() + b"\r\n\r\n"
    )
    await asyncio.sleep(0.05)
    return web.Response()


async def escapes_slashes(request: web.Request) -> web.StreamResponse:
    """As PHP writes JSON."""
    said = json.dumps({"error": {"message": f"bad header {request.headers['Authorization']}"}}).replace("/", "\\/")
    return web.Response(text=said, status=400, content_type="application/json")


@pytest.mark.parametrize("key", [KEY, "sk-canary/CANARY/0123456789", "CANARY7"])
@pytest.mark.parametrize("answer", [quotes_a_header_line, escapes_slashes])
async def test_no_error_quotes_the_key(answer: Answers, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, key)
    async with served(answer) as server, started(server, api_key_env=VARIABLE, retries=0) as endpoint:
        said = repr(await endpoint.complete(request()))
    assert "CANARY" not in said
    assert "***" in said


@pytest.mark.parametrize("status", [401, 403])
async def test_no_message_of_start_holds_the_key(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)

    async def tell(request: web.Request) -> web.StreamResponse:
        return error(status, f"bad header {request.headers['Authorization']}")

    async with served(models=tell) as server:
        with pytest.raises(EndpointRefused, match="bad header Bearer ") as caught:
            async with started(server, api_key_env=VARIABLE):
                pass
    assert "CANARY" not in str(caught.value)


async def test_a_placeholder_for_a_key_may_stand_in_a_reply() -> None:
    outcome, _ = await ask(completion("The bladder is EMPTY."), api_key="EMPTY")
    assert outcome.reply is not None
    assert outcome.reply.text == "The bladder is EMPTY."


# --- start


async def test_start_needs_the_variable_that_the_spec_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(completion()) as server:
        for value in (None, "", "  \n"):
            monkeypatch.delenv(VARIABLE, raising=False)
            if value is not None:
                monkeypatch.setenv(VARIABLE, value)
            with pytest.raises(UserError, match=rf"models\.judge\.api_key_env: .*{VARIABLE} is not set") as caught:
                async with started(server, role="judge", api_key_env=VARIABLE):
                    pass
            assert len(str(caught.value).splitlines()) == 1
        assert server.hits == []
        assert server.other == []


@pytest.mark.parametrize("value", [f"{KEY}\n{KEY}", f"{KEY}\r\nX-Evil: 1", f"{KEY}\u2013"])
async def test_a_key_that_no_header_can_hold_is_a_mistake_of_the_user(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    async with served(completion()) as server:
        with pytest.raises(UserError, match=rf"models\.generator\.api_key_env: .*{VARIABLE}") as caught:
            async with started(server, api_key_env=VARIABLE):
                pass
        assert "CANARY" not in str(caught.value)
        assert server.other == []


async def test_start_without_a_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(UserError, match=r"models\.judge\.base_url: no answer from 127\.0\.0\.1:\d+ ") as caught:
            async with started(Served(url), role="judge"):
                pass
    assert "is the server running?" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


async def test_start_where_something_else_than_a_web_server_listens() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        with pytest.raises(UserError, match="no answer from") as caught:
            async with started(Served(url)):
                pass
    assert len(str(caught.value).splitlines()) == 1


async def test_a_start_that_fails_leaves_nothing_open() -> None:
    async with FaultServer(FaultOptions(models=("m-1",))) as server:
        endpoint = HttpEndpoint(server.url, "m-2")
        with pytest.raises(EndpointRefused):
            await endpoint.start()
        assert endpoint._session is None


async def test_start_with_a_known_model_and_key_asks_for_the_list_alone() -> None:
    async with FaultServer(FaultOptions(api_key=KEY, models=("m-1", "m-2"))) as server:
        async with started(server, "m-2", api_key=KEY):
            pass
        assert server.stats()["hits"] == 0


@pytest.mark.parametrize("status", [401, 403])
async def test_start_with_a_wrong_key(status: int) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return error(status, "who are you?")

    async with served(completion(), models=refuse) as server:
        with pytest.raises(EndpointRefused, match=rf"HTTP {status}: who are you\?"):
            async with started(server, api_key=KEY):
                pass
        assert server.hits == []
        assert server.other == ["GET /v1/models"]


async def test_start_with_an_unknown_model_names_the_nearest() -> None:
    async with FaultServer(FaultOptions(models=("llama-3.1-8b", "qwen3-32b"))) as server:
        with pytest.raises(EndpointRefused, match=r"models\.generator\.model: .*'qwen3-23b'.*mean 'qwen3-32b'\?"):
            async with started(server, "qwen3-23b"):
                pass


async def test_start_with_a_model_unlike_any_lists_those_there_are() -> None:
    async with FaultServer(FaultOptions(models=tuple(f"model-{n}" for n in range(20)))) as server:
        with pytest.raises(EndpointRefused) as caught:
            async with started(server, "XYZ"):
                pass
    assert "it has model-0, model-1" in str(caught.value)
    assert "model-19" not in str(caught.value)


ODD_LISTS = [
    error(404),
    error(500),
    error(405),
    plain("<html>"),
    plain("[" * 100_000),
    plain("9" * 10_000),
    plain("[]"),
    plain('{"data": null}'),
    plain('{"data": []}'),
    plain('{"data": [{"name": "m"}]}'),
    plain('{"data": ["m"]}'),
]


@pytest.mark.parametrize("listed", ODD_LISTS, ids=range(len(ODD_LISTS)))
async def test_a_server_without_a_usable_list_of_models_is_given_the_benefit_of_the_doubt(
    listed: web.Response,
) -> None:
    async def models(request: web.Request) -> web.StreamResponse:
        return web.Response(body=listed.body, status=listed.status, content_type="application/json")

    async with served(completion(), models=models) as server, started(server) as endpoint:
        outcome = await endpoint.complete(request())
    assert outcome.failure is None


async def test_start_does_not_follow_a_redirect() -> None:
    async with served(completion()) as other:

        async def away(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other.url}/models")

        async with served(completion(), models=away) as server, started(server, api_key=KEY):
            pass
        assert other.other == []


async def test_complete_before_start_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError, match="start"):
        await HttpEndpoint("http://127.0.0.1:1/v1", "m").complete(request())


async def test_close_may_come_twice_and_first() -> None:
    endpoint = HttpEndpoint("http://127.0.0.1:1/v1", "m")
    await endpoint.close()
    await endpoint.close()


# --- many at once


async def test_a_busy_server_with_faults_answers_everything_in_the_end() -> None:
    """Nothing is lost, and each try that the server counted stands in the attempts."""
    options = FaultOptions(
        error_rate=0.3, latency_ms=5, jitter=0.8, errors=("429", "500", "503", "reset", "truncated")
    )
    async with (
        FaultServer(options) as server,
        started(server, "fault-model", retries=12, max_in_flight=16) as endpoint,
    ):
        asked = [request(f"Question {number}") for number in range(120)]
        done = await asyncio.gather(*(endpoint.complete(one) for one in asked))
        stats = server.stats()
    assert sum(len(outcome.attempts) for outcome in done) == stats["hits"]
    lost = {"connection", "truncated"}
    assert {a.outcome for o in done for a in o.attempts if a.uncertain} <= lost
    answered = [outcome.reply.text for outcome in done if outcome.reply is not None]
    assert len(set(answered)) == len(answered) == len(asked)
