"""What the fault server says: a chat completion that depends on the request's body and the options alone.

The generator is seeded with the hash of the body (JSON with sorted keys), so equal bodies get equal replies, from any
server and at any time. Structured replies are valid for the request's schema; prose is nonsense. Tokens are words.

No input or output here, no latency and no faults but refusals and cut JSON: the others are in
:mod:`synth.fault_kinds`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any

from synth.fault_kinds import REFUSALS
from synth.fault_options import FaultOptions
from synth.fault_stats import canonical_hash
from synth.fault_tokens import MOST_ALTERNATIVES, logprobs, words_of
from synth.prose import between, pick, sentence
from synth.schema_values import compile_schema

_ANY_OBJECT = {"properties": {"answer": {"type": "string"}, "score": {"type": "integer", "minimum": 1, "maximum": 10}}}


class Refused(Exception):
    """Arguments: status, message and code of an error reply."""


def parse(raw: bytes) -> dict[str, Any]:
    """Return a body worth answering; raises Refused with status 400 for any other."""
    try:
        body = json.loads(raw)
        if not isinstance(body["model"], str) or not isinstance(body["messages"], list) or not body["messages"]:
            raise TypeError("model must be a string and messages a list that is not empty")
        for message in body["messages"]:
            if not isinstance(message["role"], str):
                raise TypeError("role must be a string")
            words_of(message)
        if body.get("stream") or body.get("n") not in (None, 1):
            raise ValueError("stream and several choices are not supported")
        if not isinstance(limit := _limit(body), int) or limit < 1:
            raise ValueError(f"max_tokens must be a positive integer, not {limit!r}")
        _alternatives(body)
    except KeyError as error:
        raise Refused(400, f"missing key: {error}", None) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(400, f"bad request body: {error}", None) from error
    return body  # type: ignore[no-any-return]


def _limit(body: dict[str, Any]) -> Any:
    limit = body.get("max_completion_tokens")
    limit = body.get("max_tokens") if limit is None else limit
    return sys.maxsize if limit is None else limit


def _alternatives(body: dict[str, Any]) -> int | None:
    """Return how many log probabilities a token is to get, or None for no log probabilities at all."""
    wanted, top = body.get("logprobs") or False, body.get("top_logprobs")
    if not isinstance(wanted, bool):
        raise TypeError("logprobs must be true or false")
    if top is not None and not (wanted and isinstance(top, int) and 0 <= top <= MOST_ALTERNATIVES):
        raise ValueError(f"top_logprobs must be 0 to {MOST_ALTERNATIVES}, and logprobs true")
    return (top or 0) if wanted else None


def _cut(text: str, words: int) -> str:
    """Return the text up to the end of so many words."""
    if len(text) <= words or len(text.split()) <= words:  # no more words than characters
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


def fault_of(digest: bytes, options: FaultOptions) -> str:
    """Return the content fault that the body with this hash gets, by its hash alone, or ""."""
    if not options.content_fault_rate:
        return ""
    rng = Random(b"content fault" + digest)
    return pick(rng, options.content_faults) if rng.random() < options.content_fault_rate else ""


def reply_to(body: dict[str, Any], options: FaultOptions, digest: bytes | None = None) -> dict[str, Any]:
    """Return the chat completion for a parsed body, without its faults; the same for equal bodies and equal options.

    ``digest`` is the body's ``canonical_hash``, where the caller has it already.
    """
    digest = canonical_hash(body) if digest is None else digest
    rng = Random(int.from_bytes(digest))
    refuses, breaks = rng.random() < options.refusal_rate, rng.random() < options.bad_json_rate
    structured = _structured(body, rng)
    content = options.reply(body) if options.reply else None
    finish, left = "stop", _limit(body)
    if content is None:
        drawn = " ".join(sentence(rng) for _ in range(between(rng, 2, 7))) if structured is None else structured
        content = pick(rng, REFUSALS) if refuses else drawn
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
    alternatives = _alternatives(body)
    chances = None if alternatives is None else logprobs(message["content"] or "", rng, alternatives)
    prompt = sum(len(words_of(item)) for item in body["messages"])
    return {
        "id": f"chatcmpl-{digest.hex()[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": chances, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
    }
