"""From the text of a reply to a checked value.

Repair is limited to what cannot change a value: code fences around the JSON, typographic quotes as delimiters, commas
before a closing bracket. A reply that was cut is never repaired, for a cut ``50`` reads as ``5``; one that was cut
after its JSON was complete (small models go on with white space) is complete. A reply that declines is a refusal, as
plain text and inside a form's own words alike; the patterns cover the languages of :mod:`filters.phrases`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from filters.phrases import refusal
from filters.text import words
from synth.endpoints.base import Reply

_FENCE = re.compile(r"```[a-zA-Z0-9]*\s*")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_TYPOGRAPHIC = re.compile(r"(?<=[{\[,:\s])[\u201c\u201d]|[\u201c\u201d](?=\s*[:,}\]])")
THINK = re.compile(r"^\s*<think>(.*?)</think>(.*)$", re.DOTALL)


class BadReply(Exception):
    """A reply that is no value.

    Attributes:
        reason: ``refusal``, ``content_filter``, ``truncated``, ``empty``, ``not_json``, ``turn_empty`` or ``schema``.
        final: asking again is pointless (the model or its provider declined).
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.final = reason in ("refusal", "content_filter")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A checked value."""

    value: Any
    repaired: bool


@lru_cache(maxsize=256)
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a reply model, without titles and descriptions (they would only cost prompt tokens)."""
    schema: dict[str, Any] = _bare(model.model_json_schema())
    return schema


def _bare(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            k: {name: _bare(sub) for name, sub in v.items()} if k in ("properties", "$defs") else _bare(v)
            for k, v in node.items()
            if k not in ("title", "description")
        }
    return [_bare(item) for item in node] if isinstance(node, list) else node


def parse(reply: Reply, model: type[BaseModel] | None) -> Parsed:
    """Turn a reply into a ``model`` instance, or into stripped text where ``model`` is None.

    Raises:
        BadReply: with the reason and a sentence that can be shown to the model.
    """
    if reply.finish_reason == "content_filter":
        raise BadReply("content_filter", "the provider's content filter stopped the reply")
    if reply.refusal:
        raise BadReply("refusal", _one_line(reply.refusal))
    cut = reply.finish_reason == "length"
    if model is None:
        return Parsed(_plain_text(reply.text, cut), repaired=False)
    if not reply.text.strip():
        raise BadReply("empty", "it was empty")
    obj, repaired = _load(reply.text, cut)
    try:
        value = model.model_validate(obj)
    except ValidationError as err:
        lines = [f"{'.'.join(str(p) for p in e['loc']) or 'the reply'}: {e['msg']}" for e in err.errors()[:5]]
        reason = "turn_empty" if all(map(_says_nothing, err.errors())) else "schema"
        raise BadReply(reason, _one_line("; ".join(lines))) from None
    for text in _own_words(value):
        if refusal(text):
            raise BadReply("refusal", _one_line(text))
    return Parsed(value, repaired)


def _says_nothing(error: Any) -> bool:
    """Whether what a form refuses is a turn of a conversation without a word in it ("…", "?")."""
    return error["type"] == "string_too_short" and error["loc"] == ("say",) and not words(error["input"])


def _own_words(value: BaseModel) -> Iterator[str]:
    """Texts of a form in which a model could decline: those its class names in ``own_words``."""
    form = type(value)  # asked of the class: pydantic looks a missing attribute up in many places
    for name in getattr(form, "own_words", ()):
        found = getattr(value, name) if name in form.model_fields else None
        yield from [found] if isinstance(found, str) else found or ()


def _plain_text(text: str, cut: bool) -> str:
    if cut:
        raise BadReply("truncated", "it was cut off at the token limit; be brief")
    if not text.strip():
        raise BadReply("empty", "it was empty")
    if refusal(text):
        raise BadReply("refusal", _one_line(text))
    return text.strip()


def _load(text: str, cut: bool) -> tuple[Any, bool]:
    try:
        return _loads(text), False
    except json.JSONDecodeError as err:
        problem = f"not valid JSON ({err.msg} at character {err.pos})"
    except ValueError:  # small models run away with digits
        problem = "a number in the JSON has thousands of digits"
    except RecursionError:
        problem = "the JSON is nested too deeply"
    if cut:
        raise BadReply("truncated", "it was cut off at the token limit; be brief")
    if refusal(text) and "{" not in text:
        raise BadReply("refusal", _one_line(text))
    # A reasoning model may think aloud before its JSON; what it thought is no part of the value.
    body = _unfenced(re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.DOTALL))
    for candidate in (body, _drop_trailing_commas(body), _drop_trailing_commas(_straight_quotes(body))):
        try:
            return _loads(candidate), True
        except (ValueError, RecursionError):
            continue
    raise BadReply("not_json", problem)


def _loads(text: str) -> Any:
    """JSON as a value without lone surrogates: half an emoji is legal there, but no file and few servers take it."""
    value = json.loads(text)
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) if "\\u" in text else value


def _unfenced(text: str) -> str:
    """What stands between code fences, or the text as it is."""
    first, newline, rest = text.strip().partition("\n")
    return rest.removesuffix("```") if newline and _FENCE.fullmatch(first) and rest.endswith("```") else text


def _one_line(text: str) -> str:
    """Short enough for a table, and without lone surrogates, which no file can hold."""
    return " ".join(text.split())[:300].encode("utf-8", "replace").decode("utf-8")


def _drop_trailing_commas(text: str) -> str:
    """Remove commas before a closing bracket, outside of strings."""
    pieces, last = [], 0
    for string in _STRINGS.finditer(text):
        pieces += [_TRAILING_COMMA.sub(r"\1", text[last : string.start()]), string.group()]
        last = string.end()
    pieces.append(_TRAILING_COMMA.sub(r"\1", text[last:]))
    return "".join(pieces)


def _straight_quotes(text: str) -> str:
    """Straighten typographic quotes that delimit strings; those inside a string stay."""
    return _TYPOGRAPHIC.sub('"', text) if '"' not in text else text


def split_reasoning(reply_text: str, reasoning: str | None) -> tuple[str, str] | None:
    """(reasoning, answer) of a native reasoning reply, from the field or from an inline ``<think>`` block.

    None when the reply has neither, an unfinished block, or nothing after it.
    """
    if reasoning and reasoning.strip():
        answer = THINK.sub(r"\2", reply_text).strip()
        return (reasoning.strip(), answer) if answer and "<think>" not in answer else None
    match = THINK.match(reply_text)
    if match and match.group(1).strip() and match.group(2).strip():
        return match.group(1).strip(), match.group(2).strip()
    # Some chat templates open the block in the prompt, so that the reply holds only its end.
    head, found, tail = reply_text.partition("</think>")
    if found and "<think>" not in head and head.strip() and tail.strip():
        return head.strip(), tail.strip()
    return None
