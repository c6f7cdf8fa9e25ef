"""What broken and odd replies look like on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from synth.fault_kinds import BROKEN, ODD, REFUSALS
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.fault_client import asking, counts, post

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer"}, "note": {"type": "string", "minLength": 20}},
    "required": ["score", "note"],
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}


# Broken replies


def text_of(body: bytes) -> Any:
    return json.loads(body)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_replies(name: str) -> None:
    async with FaultServer(FaultOptions(script=(name, None, name))) as server:
        status, headers, body = await post(server, asking())
        assert await counts(server) == ({name: 1}, {name: 1}, 0)
        plain = (await post(server, asking()))[2]
        assert (await post(server, asking()))[2] == body
    assert status == 200
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Content-Type"].startswith("text/html" if name == "html-200" else "application/json")
    if name == "truncated":
        assert plain.startswith(body)
        assert len(body) == len(plain) // 2
    elif name == "html-200":
        assert body.startswith(b"<html>")
    elif name == "string":
        assert json.loads(body) == text_of(plain)
    elif name == "error-200":
        assert json.loads(body).keys() == {"error"}
    elif name == "no-choices":
        assert json.loads(body) == {**json.loads(plain), "choices": []}
    elif name == "bad-utf8":
        with pytest.raises(UnicodeDecodeError):
            body.decode()
        assert text_of(body.replace(b"\xff\xfe", b"")) == text_of(plain)
    else:
        assert (name, body) == ("deep", b"[" * 100_000 + b"]" * 100_000)


# Odd replies


def check_odd(name: str, odd: dict[str, Any], plain: dict[str, Any], *, in_json: bool) -> None:
    choice, good = odd["choices"][0], plain["choices"][0]
    said, text = choice["message"]["content"], good["message"]["content"]
    marks = {"surrogate": "\ud800", "nul": "\0", "combining": "\u0301" * 1_000_000}
    match name:
        case "refusal":
            assert said in REFUSALS
        case "refusal-field":
            assert (said, choice["message"]["refusal"] in REFUSALS) == (None, True)
        case "finish-length" | "finish-filter":
            assert choice["finish_reason"] == {"finish-length": "length", "finish-filter": "content_filter"}[name]
            assert said == text[: len(text) // 2]
        case "null-content":
            assert said is None
        case "parts":
            assert [part["type"] for part in said] == ["text", "text"]
            assert "".join(part["text"] for part in said) == text
        case "surrogate" | "nul" | "combining":
            if in_json:  # it is inside a string of the inner JSON, which can still be read
                said, text = json.loads(said)["note"], json.loads(text)["note"]
            assert said.count(marks[name]) == 1
            assert said.replace(marks[name], "") == text
        case "deep-content":
            assert said == "[" * 100_000 + "]" * 100_000
        case "wrong-model":
            assert odd == {**plain, "model": "another-model"}
        case "same-id":
            assert odd == {**plain, "id": "chatcmpl-0"}
        case "two-choices":
            assert odd["choices"] == [good, {**good, "index": 1}]
        case "no-usage":
            assert odd == {key: value for key, value in plain.items() if key != "usage"}
        case "bad-usage":
            assert odd["usage"] == {"prompt_tokens": -5, "completion_tokens": "many", "total_tokens": None}
        case _:
            pytest.fail(f"nothing is known about {name}")


@pytest.mark.parametrize("more", [{}, {"response_format": FORMAT}], ids=["text", "json"])
@pytest.mark.parametrize("name", ODD)
async def test_odd_replies(name: str, more: dict[str, Any]) -> None:
    async with FaultServer(FaultOptions(script=(name, None, name))) as server:
        status, _, body = await post(server, asking(**more))
        assert await counts(server) == ({"200": 1}, {name: 1}, 1)
        plain = (await post(server, asking(**more)))[2]
        assert (await post(server, asking(**more)))[2] == body != plain
        assert server.stats()["distinct"] == 1
    assert status == 200
    body.decode("utf-8")
    check_odd(name, json.loads(body), json.loads(plain), in_json=bool(more))
