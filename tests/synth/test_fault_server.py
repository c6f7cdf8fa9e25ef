from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from synth.errors import UserError
from synth.fault_replies import reply_to
from synth.fault_server import FaultOptions, FaultServer, main, serving

SCHEMA = {
    "type": "object",
    "properties": {
        "quality": {"type": "integer", "minimum": 1, "maximum": 10},
        "department": {"enum": ["Cardiology", "Neurology"]},
        "reason": {"type": "string", "maxLength": 120},
    },
    "required": ["quality", "department", "reason"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "score", "schema": SCHEMA}}


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "fault-model", "messages": [{"role": "user", "content": text}], **more}


async def post(server: FaultServer, body: Any, **headers: str) -> tuple[int | str, Any]:
    """Return (status, parsed body), ("reset", None) or ("truncated", text)."""
    async with aiohttp.ClientSession(headers=headers) as session:
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            async with session.post(f"{server.url}/chat/completions", data=data) as response:
                text = await response.text()
                if response.status == 429:
                    assert response.headers["Retry-After"] in ("0", "1")
        except aiohttp.ServerDisconnectedError:
            return "reset", None
    try:
        return response.status, json.loads(text)
    except ValueError:
        return "truncated", text


async def get(server: FaultServer, path: str, **headers: str) -> tuple[int, Any]:
    url = server.url.removesuffix("/v1") + path
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
        return response.status, await response.json()


def content(reply: dict[str, Any]) -> Any:
    return reply["choices"][0]["message"]["content"]


# What a reply says


async def test_equal_bodies_get_equal_replies_from_any_server_in_any_order() -> None:
    bodies = [asking(f"case {i}", temperature=0.5) for i in range(12)]
    turned = [dict(reversed(body.items())) for body in reversed(bodies)]
    async with FaultServer(FaultOptions(seed=1)) as one:
        first = [await post(one, body) for body in bodies]
    async with FaultServer(FaultOptions(seed=2, latency_ms=20, jitter=1.0)) as two:
        second = await asyncio.gather(*(post(two, body) for body in turned))
    assert first == list(reversed(second))
    assert len({content(reply) for _, reply in first}) == len(bodies)


def test_key_order_within_a_schema_does_not_matter_either() -> None:
    turned = json.loads(json.dumps(SCHEMA), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    other = {"type": "json_schema", "json_schema": {"schema": turned, "name": "score"}}
    assert list(turned) != list(SCHEMA)
    for i in range(10):
        left = reply_to(asking(str(i), response_format=JSON_SCHEMA), FaultOptions())
        assert left == reply_to(asking(str(i), response_format=other), FaultOptions())


@given(change=st.sampled_from(["seed", "temperature", "user", "model"]), number=st.integers(0, 10**6))
def test_any_change_of_the_body_is_another_draw(change: str, number: int) -> None:
    body = asking("what now?")
    assert reply_to(body, FaultOptions())["id"] != reply_to({**body, change: str(number)}, FaultOptions())["id"]


async def test_json_fits_the_schema_and_the_reply_has_all_fields() -> None:
    async with FaultServer() as server:
        for i in range(20):
            status, reply = await post(server, asking(f"score case {i}", response_format=JSON_SCHEMA))
            assert status == 200
            Draft202012Validator(SCHEMA).validate(json.loads(content(reply)))
            assert reply["choices"][0]["finish_reason"] == "stop"
        assert (reply["object"], reply["created"], reply["model"]) == ("chat.completion", 0, "fault-model")
        usage = reply["usage"]
        assert usage["prompt_tokens"] == 3
        assert usage["completion_tokens"] == len(content(reply).split())
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        _, reply = await post(server, asking("any", response_format={"type": "json_object"}))
        assert isinstance(json.loads(content(reply)), dict)


@pytest.mark.parametrize("extra", [{}, {"response_format": JSON_SCHEMA}])
@pytest.mark.parametrize("reasoning", ["none", "field", "field_old", "inline"])
@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_replies_are_cut_at_max_tokens(extra: dict[str, Any], reasoning: str, key: str) -> None:
    options = FaultOptions(reasoning=reasoning)
    for i in range(20):
        whole = reply_to(asking(f"{i}", **extra, **{key: 5000}), options)
        assert whole["choices"][0]["finish_reason"] == "stop"
        cut = reply_to(asking(f"{i}", **extra, **{key: 2}), options)
        assert cut["choices"][0]["finish_reason"] == "length"
        assert cut["usage"]["completion_tokens"] == 2


def test_reasoning_goes_where_it_is_asked_to_go() -> None:
    def message(reasoning: str, **more: Any) -> dict[str, Any]:
        reply = reply_to(asking("why?", **more), FaultOptions(reasoning=reasoning))
        return dict(reply["choices"][0]["message"])

    plain, new, old, inline = (message(kind) for kind in ("none", "field", "field_old", "inline"))
    assert plain.keys() == {"role", "content"}
    assert new["content"] == old["content"] == plain["content"]
    assert len(new["reasoning"].split()) > 10
    assert new["reasoning"] == old["reasoning_content"]
    assert inline["content"] == f"<think>\n{new['reasoning']}\n</think>\n\n{plain['content']}"
    assert message("inline", response_format=JSON_SCHEMA) == message("none", response_format=JSON_SCHEMA)
    assert message("field", max_tokens=3)["content"] is None
    unclosed = message("inline", max_tokens=3)["content"]
    assert unclosed.startswith("<think>")
    assert "</think>" not in unclosed


async def test_bad_json_is_cut_marked_and_decided_by_the_body() -> None:
    bodies = [asking(f"case {i}", response_format=JSON_SCHEMA) for i in range(200)]
    options = FaultOptions(bad_json_rate=0.3)
    replies = [reply_to(body, options) for body in bodies]
    bad = [reply for reply in replies if reply["choices"][0]["finish_reason"] == "length"]
    assert 40 < len(bad) < 80
    for reply in bad:
        with pytest.raises(ValueError):
            json.loads(content(reply))
    assert replies == [reply_to(body, FaultOptions(bad_json_rate=0.3, seed=9)) for body in bodies]
    again = [asking(f"case {i}", response_format=JSON_SCHEMA) for i in range(200)]
    for body in again:
        body["messages"].append({"role": "user", "content": "That was not JSON."})
    mended = [reply_to(body, options)["choices"][0]["finish_reason"] == "stop" for body in again]
    assert any(good for good, reply in zip(mended, replies, strict=True) if reply in bad)
    assert reply_to(asking("text"), FaultOptions(bad_json_rate=1.0)) == reply_to(asking("text"), FaultOptions())


def test_refusals_are_decided_by_the_body() -> None:
    bodies = [asking(f"case {i}", response_format=JSON_SCHEMA) for i in range(200)]
    contents = [content(reply_to(body, FaultOptions(refusal_rate=0.5))) for body in bodies]
    refusals = [text for text in contents if not text.startswith("{")]
    assert 75 < len(refusals) < 125
    assert all("I " in text or "I'm" in text for text in refusals)


async def test_hook_gives_the_content_or_leaves_it() -> None:
    def hook(body: dict[str, Any]) -> str | None:
        return "fixed words" if body["messages"][0]["content"] == "fix" else None

    async with FaultServer(FaultOptions(reply=hook, refusal_rate=1.0, bad_json_rate=1.0)) as server:
        assert content((await post(server, asking("fix", response_format=JSON_SCHEMA)))[1]) == "fixed words"
        _, reply = await post(server, asking("fix", max_tokens=1))
        assert (content(reply), reply["choices"][0]["finish_reason"]) == ("fixed", "length")
        assert content((await post(server, asking("other")))[1]) != "fixed words"


# How it travels


async def outcomes(options: FaultOptions, count: int) -> list[int | str]:
    async with FaultServer(options) as server:
        return [(await post(server, asking(f"case {i}")))[0] for i in range(count)]


async def test_injected_errors_come_in_a_seeded_order_at_the_asked_rate() -> None:
    options = FaultOptions(error_rate=0.4, seed=3)
    first = await outcomes(options, 150)
    assert first == await outcomes(options, 150)
    assert first != await outcomes(FaultOptions(error_rate=0.4, seed=4), 150)
    counts = Counter(first)
    assert 40 <= 150 - counts[200] <= 80
    assert set(counts) == {200, 429, 500, 503, "reset", "truncated"}


@pytest.mark.parametrize("error", ["429", "500", "503", "529", "reset", "truncated"])
async def test_each_error_alone(error: str) -> None:
    async with FaultServer(FaultOptions(error_rate=1.0, errors=(error,))) as server:
        for _ in range(3):
            status, body = await post(server, asking("case"))
            assert str(status) == error
            if error.isdigit():
                assert body["error"].keys() == {"message", "type", "param", "code"}
        stats = server.stats()
    assert (stats["hits"], stats["by_status"], stats["distinct"]) == (3, {error: 3}, 0)


async def test_errors_do_not_change_what_the_reply_says_in_the_end() -> None:
    bodies = [asking(f"case {i}", response_format=JSON_SCHEMA) for i in range(20)]

    async def until_answered(server: FaultServer, body: dict[str, Any]) -> Any:
        while True:
            status, reply = await post(server, body)
            if status == 200:
                return reply

    async with FaultServer(FaultOptions(error_rate=0.5, latency_ms=5, jitter=0.9)) as server:
        replies = await asyncio.gather(*(until_answered(server, body) for body in bodies))
        stats = server.stats()
    assert replies == [reply_to(body, FaultOptions()) for body in bodies]
    assert stats["hits"] == sum(stats["by_status"].values()) > 20
    assert stats["by_status"]["200"] == stats["distinct"] == 20


async def test_jitter_shuffles_the_order_of_completion() -> None:
    order: list[int] = []

    async def one(server: FaultServer, i: int) -> None:
        await post(server, asking(f"case {i}"))
        order.append(i)

    async with FaultServer(FaultOptions(latency_ms=60, jitter=1.0)) as server:
        await asyncio.gather(*(one(server, i) for i in range(24)))
    assert order != sorted(order)


async def test_stats_count_flight_and_occupancy() -> None:
    async with FaultServer(FaultOptions(latency_ms=160)) as server:
        await asyncio.gather(*(post(server, asking(f"case {i % 5}")) for i in range(8)))
        await asyncio.sleep(0.06)
        status, stats = await get(server, "/stats")
        assert status == 200
        assert (stats["hits"], stats["by_status"], stats["distinct"]) == (8, {"200": 8}, 5)
        assert (stats["in_flight"], stats["max_in_flight"]) == (0, 8)
        assert sum(stats["seconds_at"].values()) == pytest.approx(stats["seconds"])
        busy = sum(int(level) * seconds for level, seconds in stats["seconds_at"].items())
        assert busy >= 8 * 0.155
        times, levels = zip(*stats["samples"], strict=True)
        assert list(times) == sorted(times)
        assert max(levels) == 8

        slow = asyncio.create_task(post(server, asking("slow")))
        while server.stats()["in_flight"] == 0:
            await asyncio.sleep(0.005)
        async with aiohttp.ClientSession() as session:
            await session.post(server.url.removesuffix("/v1") + "/stats/reset")
        after = server.stats()
        assert (after["hits"], after["in_flight"], after["max_in_flight"], after["by_status"]) == (0, 1, 1, {})
        assert after["seconds"] < stats["seconds"]
        await slow
        assert server.stats()["in_flight"] == 0


async def test_a_client_that_hangs_up_is_still_counted() -> None:
    async with FaultServer(FaultOptions(latency_ms=150)) as server:
        leaving = asyncio.create_task(post(server, asking("case")))
        while server.stats()["in_flight"] == 0:
            await asyncio.sleep(0.005)
        leaving.cancel()
        while server.stats()["in_flight"]:
            await asyncio.sleep(0.01)
        assert server.stats()["by_status"] == {"200": 1}


async def test_stopping_cuts_off_what_is_in_flight_and_frees_the_port() -> None:
    async with FaultServer(FaultOptions(latency_ms=60_000)) as server:
        waiting = asyncio.create_task(post(server, asking("case")))
        while server.stats()["in_flight"] == 0:
            await asyncio.sleep(0.01)
    assert (await waiting)[0] == "reset"
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    async with FaultServer(FaultOptions(port=port)) as again:
        assert again.url == server.url
        assert (await post(again, asking("case")))[0] == 200


# Who may ask what


async def test_keys_and_models() -> None:
    options = FaultOptions(api_key="secret", strict_model=True, models=("small", "large"))
    async with FaultServer(options) as server:
        right = {"Authorization": "Bearer secret"}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            status, body = await post(server, asking("case"), **headers)
            assert (status, body["error"]["code"]) == (401, "invalid_api_key")
            assert (await get(server, "/v1/models", **headers))[0] == 401
        status, body = await post(server, asking("case"), **right)
        assert (status, body["error"]["code"]) == (404, "model_not_found")
        assert (await post(server, {**asking("case"), "model": "small"}, **right))[0] == 200
        status, models = await get(server, "/v1/models", **right)
        assert [model["id"] for model in models["data"]] == ["small", "large"]
        assert (await get(server, "/health")) == (200, {"status": "ok"})
        assert server.stats()["by_status"] == {"401": 3, "404": 1, "200": 1}


BAD_FORMAT = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "x"}}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        {"messages": [{"role": "user", "content": "x"}]},
        {"model": "m"},
        {"model": "m", "messages": []},
        {"model": "m", "messages": ["x"]},
        {"model": "m", "messages": [{"role": "user", "content": 5}]},
        {"model": "m", "messages": [{"role": 3, "content": "x"}]},
        asking("x", stream=True),
        asking("x", n=2),
        asking("x", max_tokens=0),
        asking("x", max_tokens="many"),
        asking("x", response_format="json"),
        asking("x", response_format={"type": "yaml"}),
        asking("x", response_format={"type": "json_schema"}),
        asking("x", response_format=BAD_FORMAT),
    ],
)
async def test_bad_bodies_are_refused(body: Any) -> None:
    async with FaultServer(FaultOptions(error_rate=1.0)) as server:
        status, reply = await post(server, body)
    assert status == 400
    assert reply["error"]["type"] == "invalid_request_error"
    assert reply["error"]["message"]


def test_content_may_be_parts_or_missing() -> None:
    parts = [{"type": "text", "text": "two words"}, {"type": "text", "text": "more"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "tool_calls": []}]
    assert reply_to({"model": "m", "messages": messages}, FaultOptions())["usage"]["prompt_tokens"] == 3


async def test_the_openai_client_reads_it() -> None:
    from openai import AsyncOpenAI, AuthenticationError

    async with FaultServer(FaultOptions(api_key="secret", reasoning="field")) as server:
        async with AsyncOpenAI(base_url=server.url, api_key="secret", max_retries=0) as client:
            assert [model.id async for model in await client.models.list()] == ["fault-model"]
            messages: Any = [{"role": "user", "content": "what is it?"}]
            reply = await client.chat.completions.create(model="fault-model", messages=messages, max_tokens=500)
            assert reply.choices[0].message.content
            assert reply.usage is not None
            assert reply.usage.prompt_tokens == 3
        async with AsyncOpenAI(base_url=server.url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(AuthenticationError, match="incorrect API key"):
                await client.chat.completions.create(model="fault-model", messages=messages)


# Options, threads, command line


def test_a_thread_serves_code_without_an_event_loop() -> None:
    with serving(FaultOptions(models=("m",))) as server:
        data = json.dumps(asking("hello")).encode()
        with urllib.request.urlopen(f"{server.url}/chat/completions", data, timeout=10) as response:
            assert json.load(response) == reply_to(asking("hello"), FaultOptions())
        port = int(server.url.split(":")[2].removesuffix("/v1"))
        with pytest.raises(UserError, match=f"--port {port}"), serving(FaultOptions(port=port)):
            pass
    assert server.stats()["hits"] == 1
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{server.url}/models", timeout=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"errors": ("resset",)}, "did you mean 'reset'"),
        ({"reasoning": "inlin"}, "did you mean 'inline'"),
        ({"error_rate": 1.1}, "--error-rate: 1.1"),
        ({"jitter": -0.1}, "--jitter"),
        ({"latency_ms": -1}, "--latency-ms"),
        ({"error_rate": 0.1, "errors": ()}, "needs --errors"),
        ({"port": 70_000}, "--port"),
    ],
)
def test_options_out_of_range_say_so_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        FaultOptions(**options)
    assert "\n" not in str(caught.value)


def test_command_line_reports_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--errors", "429,resset"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "--errors: unknown 'resset'; did you mean 'reset'? --help lists all"
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "synth.fault_server", "--model", "a", "--model", "b", "--errors", "reset"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            url = line.split()[-1]
            with urllib.request.urlopen(f"{url}/models", timeout=10) as response:
                assert [model["id"] for model in json.load(response)["data"]] == ["a", "b"]
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()


def test_importing_it_is_light() -> None:
    code = "import sys, synth.fault_server; sys.exit('aiohttp' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
