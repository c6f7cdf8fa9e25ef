"""OpenAI chat-completion bodies: a request as the server wants it, a response as we want it.

Both names of the reasoning field are read: ``reasoning`` (vLLM) and ``reasoning_content`` (DeepSeek and others).
A body without a usable choice raises :class:`BadBody`; nothing else escapes from here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from filters.text import storable
from synth.endpoints.base import Reply, Request
from synth.tokens import estimate_tokens

if TYPE_CHECKING:
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming


TRANSIENT = {408, 409, 425, 429}
"""Statuses below 500 after which trying again may help."""
QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
"""Codes of an error that mean: no money left."""
CONTENT_CODES = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
"""Codes of an error that mean: this prompt is not answered for what it says."""


class BadBody(Exception):
    """A response with status 200 that is no chat completion."""


def request_body(
    request: Request, model: str, *, structured: str = "json_schema", send_seed: bool = True
) -> CompletionCreateParamsNonStreaming:
    """Build the JSON body of ``POST /chat/completions``."""
    body: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
    }
    if send_seed:
        body["seed"] = request.seed
    if request.schema is not None and structured == "json_schema":
        # Not "strict": strict servers refuse maxLength, which small models need; replies are checked here anyway.
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": request.schema},
        }
    elif request.schema is not None and structured == "json_object":
        body["response_format"] = {"type": "json_object"}
    return {**body, **request.extra}  # type: ignore[typeddict-item]


def parse_response(raw: bytes, request: Request) -> Reply:
    """Read a response body. Its texts are made storable, so that a reply from the journal is the same as live.

    Raises:
        BadBody: invalid UTF-8 or JSON, an error object, no choices, or a message that is no text.
    """
    try:
        body = json.loads(raw.decode("utf-8"))
    except ValueError as err:  # not UTF-8, not JSON, or a number of thousands of digits
        raise BadBody(f"not JSON: {err}") from None
    except RecursionError:
        raise BadBody("JSON nested too deeply") from None
    try:
        choice = body["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        said = error_message(raw)[0] if isinstance(body, dict) and body.get("error") else ""
        raise BadBody(f"no choices in the response{f': {said}' if said else ''}") from None
    if not isinstance(message, dict):
        raise BadBody("the message of the response is no object")
    text = _text(message.get("content"))
    reasoning = _text(message.get("reasoning") or message.get("reasoning_content")) or None
    usage = body.get("usage") or {}
    tokens_in, tokens_out = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    estimated = tokens_in is None or tokens_out is None
    if tokens_in is None or tokens_out is None:
        tokens_in = sum(estimate_tokens(m["content"]) for m in request.messages)
        tokens_out = estimate_tokens(text + (reasoning or ""))
    return Reply(
        text=text,
        reasoning=reasoning,
        finish_reason=_name(choice.get("finish_reason")) or "unknown",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        model=_name(body.get("model")) or "unknown",
        refusal=_name(message.get("refusal")),
        usage_estimated=estimated,
        reasoning_tokens=_count(
            usage.get("completion_tokens_details") if isinstance(usage, dict) else None, "reasoning_tokens"
        ),
    )


def _count(usage: object, name: str) -> int | None:
    """A token count; None when the server gives none or nonsense."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value < 1 << 31 else None


def _name(value: object) -> str | None:
    """A string that says something; None for anything else."""
    return (storable(value) or None) if isinstance(value, str) else None


def _text(content: object) -> str:
    """Content as text: some servers send a list of parts instead of a string."""
    if content is None:
        return ""
    if isinstance(content, str):
        text = content
    elif isinstance(content, list):
        text = "".join(p.get("text", "") for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    else:
        raise BadBody("the content of the message is neither text nor parts")
    return storable(text)


def error_message(raw: bytes) -> tuple[str, str]:
    """Return (message, code) of an error response; the message is short and one line."""
    code = ""
    text = raw[:4000].decode("utf-8", "replace")
    try:
        error = json.loads(text)
        error = error.get("error", error) if isinstance(error, dict) else error
        if isinstance(error, dict):
            text, code = str(error.get("message", "")), str(error.get("code") or error.get("type") or "")
        else:
            text = str(error)
    except (ValueError, RecursionError):
        pass
    return storable(" ".join(text.split())[:300]), storable(code)
