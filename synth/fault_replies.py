"""What the fault server says: a chat completion that depends on the request's body and the options alone.

The generator is seeded with the hash of the body (JSON with sorted keys), so equal bodies get equal replies, from any
server and at any time. Structured replies are valid for the request's schema; prose is nonsense. Tokens are words.

No input or output here, no latency and no injected errors: see :mod:`synth.fault_server`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any

from synth.fault_options import FaultOptions
from synth.prose import between, pick, sentence
from synth.schema_values import compile_schema

_REFUSALS = (
    "I'm sorry, but I can't help with that request.",
    "I cannot provide medical advice. Please consult a qualified professional.",
    "As an AI, I am not able to assist with this.",
)
_ANY_OBJECT = {"properties": {"answer": {"type": "string"}, "score": {"type": "integer", "minimum": 1, "maximum": 10}}}


class Refused(Exception):
    """Arguments: status, message and code of an error reply."""


def error_body(status: int, message: str, code: str | None) -> dict[str, Any]:
    """Return the body of an error reply."""
    kind = {429: "rate_limit_error"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _words(message: dict[str, Any]) -> int:
    content = message.get("content") or ""
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content)
    return len(content.split())


def parse(raw: bytes) -> dict[str, Any]:
    """Return a body worth answering; raises Refused with status 400 for any other."""
    try:
        body = json.loads(raw)
        if not isinstance(body["model"], str) or not isinstance(body["messages"], list) or not body["messages"]:
            raise TypeError("model must be a string and messages a list that is not empty")
        for message in body["messages"]:
            if not isinstance(message["role"], str):
                raise TypeError("role must be a string")
            _words(message)
        if body.get("stream") or body.get("n") not in (None, 1):
            raise ValueError("stream and several choices are not supported")
        if not isinstance(limit := _limit(body), int) or limit < 1:
            raise ValueError(f"max_tokens must be a positive integer, not {limit!r}")
    except KeyError as error:
        raise Refused(400, f"missing key: {error}", None) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(400, f"bad request body: {error}", None) from error
    return body  # type: ignore[no-any-return]


def _limit(body: dict[str, Any]) -> Any:
    return next((body[k] for k in ("max_completion_tokens", "max_tokens") if body.get(k) is not None), sys.maxsize)


def _cut(text: str, words: int) -> str:
    """Return the text up to the end of so many words."""
    if len(text.split()) <= words:
        return text
    ends = [match.end() for _, match in zip(range(words), re.finditer(r"\S+", text), strict=False)]
    return text[: ends[-1]] if ends else ""


@lru_cache(maxsize=256)
def _draws(schema: str) -> Callable[[Random], Any]:
    return compile_schema(json.loads(schema))


def _structured(body: dict[str, Any], rng: Random) -> str | None:
    """Return JSON for the body's response_format, or None where it asks for text."""
    wanted = body.get("response_format") or {"type": "text"}
    try:
        kind = wanted["type"]
        if kind == "text":
            return None
        if kind not in ("json_object", "json_schema"):
            raise ValueError(f"unknown type {kind!r}")
        schema = wanted["json_schema"]["schema"] if kind == "json_schema" else _ANY_OBJECT
        # sorted keys here as in the hash: the order of properties must not tell two equal bodies apart
        return json.dumps(_draws(json.dumps(schema, sort_keys=True))(rng), ensure_ascii=False)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(400, f"response_format: {type(error).__name__}: {error}", None) from error


def reply_to(body: dict[str, Any], options: FaultOptions) -> dict[str, Any]:
    """Return the chat completion for a parsed body; the same for equal bodies and equal options."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    rng = Random(int.from_bytes(digest))
    refuses, breaks = rng.random() < options.refusal_rate, rng.random() < options.bad_json_rate
    structured = _structured(body, rng)
    content = options.reply(body) if options.reply else None
    finish, left = "stop", _limit(body)
    if content is None:
        drawn = " ".join(sentence(rng) for _ in range(between(rng, 2, 7))) if structured is None else structured
        content = pick(rng, _REFUSALS) if refuses else drawn
        if breaks and structured is not None and not refuses:
            content, finish = content[: len(content) // 2], "length"
    message: dict[str, Any] = {"role": "assistant"}
    thought = None
    if options.reasoning != "none" and structured is None:
        full = " ".join(sentence(rng) for _ in range(between(rng, 4, 12)))
        thought = _cut(full, left)
    said = _cut(content, left - len((thought or "").split()))
    finish = "length" if said != content or (thought is not None and thought != full) else finish
    tokens = len(f"{thought or ''} {said}".split())
    if options.reasoning == "inline" and thought is not None:
        said = f"<think>\n{thought}\n</think>\n\n{said}" if said else f"<think>\n{thought}"
    elif thought is not None:
        message["reasoning" if options.reasoning == "field" else "reasoning_content"] = thought
    message["content"] = said if said or thought is None else None
    prompt = sum(_words(item) for item in body["messages"])
    return {
        "id": f"chatcmpl-{digest.hex()[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
    }
