"""What statuses and trouble on the way look like on the wire, from a client of aiohttp or a bare socket."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from synth.fault_kinds import ERRORS, STATUSES, WAYS
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.fault_client import asking, counts, post, raw

# A status instead of a reply

EXPECTED = {
    **{name: (int(name), "injected") for name in STATUSES if name.isdigit()},
    **{name: (429, "injected") for name in STATUSES if name.startswith("429-")},
    "quota": (429, "insufficient_quota"),
    "no-model": (404, "model_not_found"),
    "context-length": (400, "context_length_exceeded"),
    "filtered": (400, "content_filter"),
    "500-html": (500, None),
    "502-html": (502, None),
    "503-html": (503, None),
}
RETRY_AFTER = {
    "429-seconds": ("Retry-After", "2"),
    "429-ms": ("retry-after-ms", "1500"),
    "429-long": ("Retry-After", "3600"),
    "429-negative": ("Retry-After", "-5"),
    "429-nan": ("Retry-After", "NaN"),
    "429-garbage": ("Retry-After", "in a while"),
}


@pytest.mark.parametrize("name", STATUSES)
async def test_statuses(name: str) -> None:
    status, code = EXPECTED[name]
    async with FaultServer(FaultOptions(script=(name,))) as server:
        seen, headers, body = await post(server, asking())
        assert await counts(server) == ({str(status): 1}, {name: 1}, 0)
        assert (await post(server, asking()))[0] == 200
    assert seen == status
    waits = {key: headers[key] for key in ("Retry-After", "retry-after-ms") if key in headers}
    if name == "429-date":
        assert 0 < parsedate_to_datetime(waits["Retry-After"]).timestamp() - time.time() <= 3
    elif name == "429":
        assert waits["Retry-After"] in ("0", "1")
    else:
        assert waits == dict([RETRY_AFTER[name]] if name in RETRY_AFTER else [])
    if code is None:
        assert headers["Content-Type"].startswith("text/html")
        assert body.startswith(b"<html>")
    else:
        assert json.loads(body)["error"]["code"] == code


def test_the_quota_fault_is_told_from_a_rate_limit_by_its_type() -> None:
    from synth.fault_kinds import error_body

    assert error_body(429, "m", "insufficient_quota")["error"]["type"] == "insufficient_quota"
    assert error_body(429, "m", None)["error"]["type"] == "rate_limit_error"


# Trouble on the way


async def test_reset_closes_without_a_reply() -> None:
    async with FaultServer(FaultOptions(script=("reset",))) as server:
        async with raw(server) as reader:
            assert await reader.read() == b""
        assert await counts(server) == ({"reset": 1}, {"reset": 1}, 0)


async def test_a_hard_reset_is_one() -> None:
    async with FaultServer(FaultOptions(script=("reset-hard",))) as server:
        async with raw(server) as reader:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert await counts(server) == ({"reset-hard": 1}, {"reset-hard": 1}, 0)


async def test_a_reset_in_the_body_comes_after_half_of_it() -> None:
    async with FaultServer(FaultOptions(script=("reset-body", None))) as server:
        async with raw(server) as reader:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split()[0])
            half = await reader.readexactly(size // 2)
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert await counts(server) == ({"reset-body": 1}, {"reset-body": 1}, 0)
        assert (await post(server, asking()))[2].startswith(half)


async def test_hang_lasts_until_the_client_goes() -> None:
    async with FaultServer(FaultOptions(script=("hang",))) as server:
        async with raw(server) as reader:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.4)
            assert server.stats()["in_flight"] == 1
        assert await counts(server) == ({"hang": 1}, {"hang": 1}, 0)


async def test_a_hanging_request_does_not_keep_the_server_from_stopping() -> None:
    async with FaultServer(FaultOptions(script=("hang",))) as server, raw(server) as reader:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        await asyncio.wait_for(server.stop(), 5)
    assert server.stats()["by_status"] == {"hang": 1}


@pytest.mark.parametrize(
    ("name", "whole_head", "start"),
    [
        ("slow-headers", False, b"HTTP/1.1 200 OK\r\nContent-Type:"),
        ("drip", True, b'{"id": "chatcmpl-'),
        ("blank-drip", True, b" " * 50),
    ],
)
async def test_slow_replies(name: str, whole_head: bool, start: bytes) -> None:
    seen = b""
    async with FaultServer(FaultOptions(script=(name,))) as server:
        async with raw(server) as reader:
            if whole_head:
                assert b"Content-Length" in await reader.readuntil(b"\r\n\r\n")
            ends = time.monotonic() + 0.4
            while time.monotonic() < ends:
                seen += await reader.read(1)
            assert 2 <= len(seen) <= 10
            assert start.startswith(seen)
        assert await counts(server) == ({name: 1}, {name: 1}, 0)


@pytest.mark.parametrize("name", ["slow-headers", "drip", "blank-drip", "huge"])
async def test_slow_and_huge_replies_are_whole_in_the_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.fault_delivery.STEP", 0.0005)
    monkeypatch.setattr("synth.fault_delivery.HUGE", 1_000_000)
    async with FaultServer(FaultOptions(script=(name, None))) as server:
        _, headers, body = await post(server, asking())
        assert await counts(server) == ({"200": 1}, {name: 1}, 1)
        _, _, plain = await post(server, asking())
    if name == "huge":
        assert len(body) > 1_000_000
        assert json.loads(body)["choices"][0]["message"]["content"].startswith("word word ")
        assert json.loads(body)["id"] == json.loads(plain)["id"]
    else:
        assert body.lstrip() == plain
        assert (len(body) > len(plain)) == (name == "blank-drip")
    assert headers["Content-Type"].startswith("application/json")


async def test_a_huge_reply_is_as_long_as_it_says_and_ends_with_its_reader() -> None:
    from synth.fault_delivery import HUGE

    assert HUGE == 200_000_000
    async with FaultServer(FaultOptions(script=("huge",))) as server:
        async with raw(server) as reader:
            for _ in range(200):
                assert len(await reader.readexactly(20_000)) == 20_000
        assert await counts(server) == ({"huge": 1}, {"huge": 1}, 0)


# The same names drawn at a rate


@pytest.mark.parametrize("name", [name for name in ERRORS if name not in ("hang", "drip", "blank-drip", "huge")])
async def test_every_name_can_be_drawn(name: str) -> None:
    slow = name == "slow-headers"
    async with FaultServer(FaultOptions(error_rate=1.0, errors=(name,))) as server:
        async with raw(server) as reader:
            try:
                await asyncio.wait_for(reader.read(5 if slow else -1) if name in WAYS else reader.read(100), 5)
            except ConnectionResetError:
                assert name in ("reset-hard", "reset-body")
        assert (await counts(server))[1] == {name: 1}


def test_an_https_url_of_it_is_a_tls_error() -> None:
    async def ask() -> None:
        async with FaultServer() as server, aiohttp.ClientSession() as session:
            await session.get(server.url.replace("http:", "https:") + "/models")

    with pytest.raises(aiohttp.ClientConnectorError, match=r"(?i)ssl"):
        asyncio.run(ask())
