"""The faults by name, and what each makes of a reply.

Four kinds: a **status** instead of a reply (``STATUSES``); trouble on the **way** of a reply (``WAYS``, carried out by
:mod:`synth.fault_delivery`); a **broken** reply, with status 200 but no chat completion (``BROKEN``); an **odd** one,
a chat completion with something in it that a careless client trips over (``ODD``).

Broken and odd replies are functions of the whole reply alone, so equal requests get equal ones. No input or output
here, and no decision about which request gets which fault.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Any

REFUSALS = (
    "I'm sorry, but I can't help with that request.",
    "I cannot provide medical advice. Please consult a qualified professional.",
    "As an AI, I am not able to assist with this.",
)
_DEEP = 100_000  # levels
_MARKS = 1_000_000  # combining characters
_JSON = "application/json"
_PAGE = "<html><head><title>{0}</title></head>\n<body><center><h1>{0}</h1></center></body></html>\n"


@dataclass(frozen=True)
class Status:
    """An error status, what its JSON body says (or a page of HTML), and a header."""

    status: int
    message: str = "injected fault"
    code: str = "injected"
    header: tuple[str, str] | None = None
    html: bool = False


_PLAIN = (400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529)
_TOO_LONG = "This model's maximum context length is 4096 tokens. Please reduce the length of the messages."
STATUSES: dict[str, Status] = {
    **{str(status): Status(status) for status in _PLAIN},
    "429-seconds": Status(429, header=("Retry-After", "2")),
    "429-date": Status(429, header=("Retry-After", "")),  # the date is filled in when it is sent
    "429-ms": Status(429, header=("retry-after-ms", "1500")),
    "429-none": Status(429),
    "429-long": Status(429, header=("Retry-After", "3600")),
    "429-negative": Status(429, header=("Retry-After", "-5")),
    "429-nan": Status(429, header=("Retry-After", "NaN")),
    "429-garbage": Status(429, header=("Retry-After", "in a while")),
    "quota": Status(429, "You exceeded your current quota.", "insufficient_quota"),
    "no-model": Status(404, "The model does not exist.", "model_not_found"),
    "context-length": Status(400, _TOO_LONG, "context_length_exceeded"),
    "filtered": Status(400, "The prompt was filtered by the content policy.", "content_filter"),
    "500-html": Status(500, "500 Internal Server Error", html=True),
    "502-html": Status(502, "502 Bad Gateway", html=True),
    "503-html": Status(503, "503 Service Temporarily Unavailable", html=True),
}
WAYS = ("reset", "reset-hard", "reset-body", "hang", "slow-headers", "drip", "blank-drip", "huge")
_DATE_AHEAD = 3.0  # seconds; HTTP dates have whole ones, so at least 2 are left


def error_body(status: int, message: str, code: str | None) -> dict[str, Any]:
    """Return the body of an error reply."""
    kind = {429: "rate_limit_error"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
    kind = code if code == "insufficient_quota" else kind
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_reply(name: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body for a name in ``STATUSES``."""
    kind = STATUSES[name]
    headers = {"Content-Type": "text/html" if kind.html else _JSON}
    if kind.header is not None:
        key, value = kind.header
        headers[key] = value or formatdate(time.time() + _DATE_AHEAD, usegmt=True)
    if kind.html:
        return kind.status, headers, _PAGE.format(kind.message)
    return kind.status, headers, json.dumps(error_body(kind.status, kind.message, kind.code))


def _content(reply: dict[str, Any]) -> str:
    return reply["choices"][0]["message"]["content"] or ""


def _say(content: Any, reply: dict[str, Any], finish: str | None = None) -> None:
    """Put another content in place, which the log probabilities then no longer fit."""
    choice = reply["choices"][0]
    choice["message"]["content"], choice["logprobs"] = content, None
    choice["finish_reason"] = finish or choice["finish_reason"]


def _cut_short(finish: str, reply: dict[str, Any]) -> None:
    text = _content(reply)
    _say(text[: len(text) // 2], reply, finish)


def _refuse(reply: dict[str, Any]) -> None:
    _say(REFUSALS[sum(reply["id"].encode()) % len(REFUSALS)], reply)


def _refuse_in_field(reply: dict[str, Any]) -> None:
    _refuse(reply)
    reply["choices"][0]["message"]["refusal"] = _content(reply)
    _say(None, reply)


def _in_parts(reply: dict[str, Any]) -> None:
    text = _content(reply)
    halves = text[: len(text) // 2], text[len(text) // 2 :]
    _say([{"type": "text", "text": half} for half in halves], reply)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(item)


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return new if value == old else value


def _spoil(mark: str, reply: dict[str, Any]) -> None:
    """Put a mark into the middle of the text; where it is JSON into its longest string, so that it stays JSON."""
    text = _content(reply)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    longest = max(_strings(value), key=len, default="")
    if longest:
        spoilt = _replaced(value, longest, longest[: len(longest) // 2] + mark + longest[len(longest) // 2 :])
        return _say(json.dumps(spoilt), reply)
    return _say(text[: len(text) // 2] + mark + text[len(text) // 2 :], reply)


def _two_choices(reply: dict[str, Any]) -> None:
    reply["choices"].append({**reply["choices"][0], "index": 1})


_NONSENSE = {"prompt_tokens": -5, "completion_tokens": "many", "total_tokens": None}
ODD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "refusal": _refuse,
    "refusal-field": _refuse_in_field,
    "finish-length": partial(_cut_short, "length"),
    "finish-filter": partial(_cut_short, "content_filter"),
    "null-content": partial(_say, None),
    "parts": _in_parts,
    "surrogate": partial(_spoil, "\ud800"),
    "nul": partial(_spoil, "\0"),
    "combining": partial(_spoil, "\u0301" * _MARKS),
    "deep-content": partial(_say, "[" * _DEEP + "]" * _DEEP),
    "wrong-model": lambda reply: reply.update(model="another-model"),
    "same-id": lambda reply: reply.update(id="chatcmpl-0"),
    "two-choices": _two_choices,
    "no-usage": lambda reply: reply.pop("usage"),
    "bad-usage": lambda reply: reply.update(usage=_NONSENSE),
}


def _half(reply: dict[str, Any]) -> bytes:
    whole = json.dumps(reply).encode()
    return whole[: len(whole) // 2]


def _bad_utf8(reply: dict[str, Any]) -> bytes:
    _say(f"\ufffd{_content(reply)}", reply)
    return json.dumps(reply, ensure_ascii=False).encode().replace("\ufffd".encode(), b"\xff\xfe", 1)


def _error_in_200(reply: dict[str, Any]) -> bytes:
    return json.dumps(error_body(500, "injected fault", "injected")).encode()


BROKEN: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "truncated": _half,
    "html-200": lambda reply: _PAGE.format("Please sign in").encode(),
    "string": lambda reply: json.dumps(_content(reply)).encode(),
    "error-200": _error_in_200,
    "no-choices": lambda reply: json.dumps({**reply, "choices": []}).encode(),
    "bad-utf8": _bad_utf8,
    "deep": lambda reply: b"[" * _DEEP + b"]" * _DEEP,
}
CONTENT = (*BROKEN, *ODD)
"""What can be chosen by a share of the bodies."""
ERRORS = (*STATUSES, *WAYS, *CONTENT)
"""Every fault that can be drawn or scripted."""


def body_of(reply: dict[str, Any], fault: str) -> tuple[bytes, str]:
    """Return the bytes of a reply with a broken or odd fault (or none: ""), and their content type; changes it."""
    if fault in BROKEN:
        return BROKEN[fault](reply), "text/html" if fault == "html-200" else _JSON
    if fault:
        ODD[fault](reply)
    return json.dumps(reply).encode(), _JSON
