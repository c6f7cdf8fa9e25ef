from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.endpoints.base import Reply
from synth.endpoints.bodies import BadBody, error_message, parse_response, request_body
from synth.tokens import estimate_tokens
from tests.synth.helpers import completion, request

ASKED = request("Name one cause of chest pain.")


def parsed(body: Any) -> Reply:
    return parse_response(json.dumps(body).encode(), ASKED)


def with_usage(usage: Any) -> dict[str, Any]:
    return completion() | {"usage": usage}


def check_reply_or_bad_body(raw: bytes) -> None:
    try:
        reply = parse_response(raw, ASKED)
    except BadBody:
        return
    for text in (reply.text, reply.finish_reason, reply.model, reply.reasoning or "", reply.refusal or ""):
        assert isinstance(text, str)
        text.encode("utf-8")
    for count in (reply.tokens_in, reply.tokens_out):
        assert type(count) is int
        assert 0 <= count < 2**31


def test_an_ordinary_completion() -> None:
    reply = parsed(completion("Angina."))
    assert reply == Reply("Angina.", None, "stop", 7, 3, "served-1")
    assert not reply.usage_estimated


@pytest.mark.parametrize(
    ("message", "reasoning"),
    [
        ({"reasoning": "First, the heart."}, "First, the heart."),
        ({"reasoning_content": "First, the heart."}, "First, the heart."),
        ({"reasoning": "new", "reasoning_content": "old"}, "new"),
        ({"reasoning": None, "reasoning_content": "old"}, "old"),
        ({"reasoning": "", "reasoning_content": "old"}, "old"),
        ({"reasoning": ""}, None),
        ({"reasoning": None}, None),
        ({"reasoning": [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]}, "in parts"),
        ({}, None),
    ],
)
def test_reasoning_is_read_under_both_names(message: dict[str, Any], reasoning: str | None) -> None:
    assert parsed(completion("Angina.", **message)).reasoning == reasoning


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", ""),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "An"}, {"type": "text", "text": "gina"}], "Angina"),
        ([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Angina"}], "Angina"),
        ([{"type": "text", "text": None}, "loose", 3, {"type": "text", "text": "Angina"}], "Angina"),
        ("  kept as it is\n", "  kept as it is\n"),
        ("β-Blocker 💊", "β-Blocker 💊"),
        ("a\u0000b", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ([{"type": "text", "text": "pill \ud83d"}, {"type": "text", "text": "\udc8a"}], "pill 💊"),
    ],
)
def test_content_as_text(content: Any, text: str) -> None:
    assert parsed(completion(content)).text == text


@pytest.mark.parametrize("content", [5, 0, True, {"text": "x"}])
def test_content_that_is_no_text_is_a_bad_body(content: Any) -> None:
    with pytest.raises(BadBody, match="neither text nor parts"):
        parsed(completion(content))


def test_a_message_without_content_is_an_empty_text() -> None:
    """Reasoning models that run out of tokens send their reasoning alone."""
    body = completion(finish_reason="length", reasoning="still thinking")
    del body["choices"][0]["message"]["content"]
    reply = parsed(body)
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("", "still thinking", "length")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "many",
        {"prompt_tokens": 7},
        {"completion_tokens": 3},
        {"prompt_tokens": None, "completion_tokens": 3},
        {"prompt_tokens": -1, "completion_tokens": 3},
        {"prompt_tokens": 7, "completion_tokens": -3},
        {"prompt_tokens": 7, "completion_tokens": 2**31},
        {"prompt_tokens": 10**30, "completion_tokens": 3},
        {"prompt_tokens": "7", "completion_tokens": "3"},
        {"prompt_tokens": 7.5, "completion_tokens": 3.5},
        {"prompt_tokens": True, "completion_tokens": True},
        {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
    ],
)
def test_missing_or_absurd_counts_are_estimated_and_said_to_be(usage: Any) -> None:
    body = completion("Pericarditis, for one.", reasoning="Think of the heart.") | {"usage": usage}
    reply = parsed(body)
    assert reply.usage_estimated
    assert reply.tokens_in == estimate_tokens("Name one cause of chest pain.")
    assert reply.tokens_out == estimate_tokens("Pericarditis, for one.Think of the heart.")


@pytest.mark.parametrize("counts", [(0, 0), (7, 3), (2**31 - 1, 1)])
def test_counts_are_taken_as_the_server_gives_them(counts: tuple[int, int]) -> None:
    reply = parsed(with_usage({"prompt_tokens": counts[0], "completion_tokens": counts[1]}))
    assert (reply.tokens_in, reply.tokens_out, reply.usage_estimated) == (*counts, False)


def test_a_body_without_usage_and_model() -> None:
    body = completion("Angina.")
    del body["usage"], body["model"], body["choices"][0]["finish_reason"]
    reply = parsed(body)
    assert (reply.model, reply.finish_reason, reply.usage_estimated) == ("unknown", "unknown", True)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("I decline.", "I decline."), ("", None), ("\0", None), (None, None), (True, None), ({"a": 1}, None)],
)
def test_refusal_field(given: Any, kept: str | None) -> None:
    assert parsed(completion(None, refusal=given)).refusal == kept


def test_lone_surrogates_reach_no_field() -> None:
    """They are legal in JSON, but neither UTF-8 nor Parquet can hold them."""
    raw = json.dumps(completion("a\ud800b", finish_reason="stop\udfff", reasoning="c\udc00d", refusal="e\udbff"))
    body = json.loads(raw) | {"model": "m\ud83d"}
    reply = parsed(body)
    for text in (reply.text, reply.reasoning, reply.finish_reason, reply.refusal, reply.model):
        assert text is not None
        text.encode("utf-8")
    assert reply.text.startswith("a")
    assert reply.text.endswith("b")


def test_surrogate_pairs_are_one_character() -> None:
    raw = json.dumps(completion("pill: X")).replace("X", r"\ud83d\udc8a").encode()
    assert parse_response(raw, ASKED).text == "pill: 💊"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   ",
        b"not json",
        b"<html><body>Bad gateway</body></html>",
        b'{"choices": [{"message": {"content": "cut',
        b"\xff\xfe\x00",
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b"null",
        b"5",
        b'"choices"',
        b"[]",
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": "abc"}',
        b'{"choices": [null]}',
        b'{"choices": ["abc"]}',
        b'{"choices": [[]]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": "text"}]}',
        b'{"choices": [{"message": ["text"]}]}',
        b'{"choices": [{"text": "an old completion"}]}',
        b'{"error": {"message": "overloaded"}}',
        b"[" * 100_000,
        b'{"choices": ' + b"[" * 100_000,
        b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"usage": ' + b"9" * 10_000 + b', "choices": []}',
        b"9" * 10_000,
    ],
    ids=range(30),
)
def test_what_is_no_completion_is_a_bad_body(raw: bytes) -> None:
    with pytest.raises(BadBody):
        parse_response(raw, ASKED)


def test_an_error_object_with_status_200_says_what_the_server_said() -> None:
    with pytest.raises(BadBody, match=r"no choices.*engine is out of memory"):
        parsed({"error": {"message": "the engine is out of memory", "code": 500}})


@pytest.mark.parametrize("field", ["finish_reason", "model", "error"])
def test_deep_nesting_where_a_name_is_expected(field: str) -> None:
    """Just shallow enough to be read, perhaps too deep to be printed."""
    for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit(), 10):
        deep = "[" * depth + "]" * depth
        body: dict[str, Any] = {"error": "X"} if field == "error" else completion(finish_reason="X") | {"model": "X"}
        raw = json.dumps(body).replace('"X"', deep).encode()
        check_reply_or_bad_body(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "model": JSON,
        "usage": JSON | st.fixed_dictionaries({}, optional={"prompt_tokens": JSON, "completion_tokens": JSON}),
        "error": JSON,
        "choices": JSON
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "finish_reason": JSON,
                    "message": JSON
                    | st.fixed_dictionaries(
                        {},
                        optional={
                            "content": JSON | st.lists(st.fixed_dictionaries({"text": JSON})),
                            "reasoning": JSON,
                            "reasoning_content": JSON,
                            "refusal": JSON,
                        },
                    ),
                },
            ),
            max_size=2,
        ),
    },
)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_reply_or_a_bad_body(raw: bytes) -> None:
    check_reply_or_bad_body(raw)


@given(NEARLY)
def test_any_json_like_a_completion_is_a_reply_or_a_bad_body(body: dict[str, Any]) -> None:
    check_reply_or_bad_body(json.dumps(body).encode())


@given(st.data())
def test_a_completion_with_any_byte_changed_or_cut_is_a_reply_or_a_bad_body(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(completion("Angina.", reasoning="Why?")).encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    check_reply_or_bad_body(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    check_reply_or_bad_body(bytes(raw))


SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}


def test_request_body_of_a_plain_question() -> None:
    assert request_body(ASKED, "m-1") == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Name one cause of chest pain."}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 11,
    }


def test_a_seed_is_left_out_on_request() -> None:
    assert "seed" not in request_body(ASKED, "m-1", send_seed=False)


@pytest.mark.parametrize(
    ("structured", "expected"),
    [
        ("json_schema", {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}),
        ("json_object", {"type": "json_object"}),
        ("none", None),
    ],
)
def test_how_a_schema_is_asked_for(structured: str, expected: Any) -> None:
    body = request_body(request(schema=SCHEMA), "m-1", structured=structured)
    assert body.get("response_format") == expected


def test_extra_keys_join_the_body_and_win() -> None:
    body = request_body(request(extra={"min_p": 0.1, "top_p": 1.0}), "m-1")
    assert (body["min_p"], body["top_p"]) == (0.1, 1.0)  # type: ignore[typeddict-item]


def test_request_body_does_not_change_the_request() -> None:
    asked = request(schema=SCHEMA, extra={"min_p": 0.1})
    before = repr(asked)
    request_body(asked, "m-1")
    assert repr(asked) == before


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"error": {"message": "no quota", "type": "t", "code": "no_quota"}}', ("no quota", "no_quota")),
        (b'{"error": {"message": "no quota", "type": "no_quota", "code": null}}', ("no quota", "no_quota")),
        (b'{"error": "plain words"}', ("plain words", "")),
        (b'{"message": "at the top", "code": 40}', ("at the top", "40")),
        (b'{"error": {}}', ("", "")),
        (b'{"error": {"message": "lone \\ud800", "code": "\\udfff"}}', ("lone \ufffd", "\ufffd")),
        (b"<html>\n<b>502</b>\n</html>", ("<html> <b>502</b> </html>", "")),
        (b"", ("", "")),
        (b"\xff\xfe", ("\ufffd\ufffd", "")),
        (b'"just a string"', ("just a string", "")),
    ],
)  # fmt: skip
def test_error_message(raw: bytes, expected: Any) -> None:
    assert error_message(raw) == expected


@given(
    st.binary(max_size=300)
    | JSON.map(lambda v: json.dumps(v).encode())
    | JSON.map(lambda v: json.dumps({"error": v}).encode())
)
def test_an_error_message_is_one_short_line_whatever_the_server_sends(raw: bytes) -> None:
    message, code = error_message(raw)
    assert len(message) <= 300
    assert len(message.splitlines()) <= 1
    message.encode("utf-8")
    code.encode("utf-8")


@pytest.mark.parametrize("raw", [b"[" * 4000, b"9" * 4000 * 3, b'{"error": ' + b"[" * 3000, b"x" * 10_000_000])
def test_an_error_message_of_a_hostile_server(raw: bytes) -> None:
    assert len(error_message(raw)[0]) <= 300
