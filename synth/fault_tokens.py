"""The fault server's tokens, which are words: numbers for ``POST /tokenize``, made-up log probabilities.

Both depend on the words alone or on the request's body. The numbers fit no real tokenizer, and the log probabilities
say nothing about the text: they have the shape that a client has to read.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any
from zlib import crc32

MAX_MODEL_LEN = 32_768
"""Tokens that the server says its models can read and write; it does not hold anyone to it."""
MOST_ALTERNATIVES = 20
_VOCABULARY = 32_000
_OTHERS = tuple(f" other{i}" for i in range(MOST_ALTERNATIVES))


def words_of(message: dict[str, Any]) -> list[str]:
    """Return the words of a chat message, whose content may be text, parts or missing.

    Raises:
        AttributeError, TypeError: the content is something else.
    """
    content = message.get("content") or ""
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content)
    return content.split()


def tokenize(body: dict[str, Any]) -> dict[str, Any]:
    """Return vLLM's answer to ``POST /tokenize`` for a ``prompt`` or ``messages``.

    Raises:
        AttributeError, KeyError, TypeError: the body has neither, or not as text.
    """
    if "messages" in body:
        words = [word for message in body["messages"] for word in words_of(message)]
    else:
        words = body["prompt"].split()
    tokens = [crc32(word.encode("utf-8", "surrogatepass")) % _VOCABULARY for word in words]
    return {"count": len(tokens), "max_model_len": MAX_MODEL_LEN, "tokens": tokens, "token_strs": None}


def logprobs(content: str, rng: Random, alternatives: int) -> dict[str, Any]:
    """Return the ``logprobs`` of a choice in OpenAI's shape; its tokens joined are the content."""
    entries = []
    for token in re.findall(r"\s*\S+(?:\s+\Z)?|\A\s+\Z", content):
        chosen = -rng.random() / 4
        others = [(name, chosen - 1 - i - rng.random()) for i, name in enumerate(_OTHERS[: max(0, alternatives - 1)])]
        ranked = [_entry(*pair) for pair in [(token, chosen), *others][:alternatives]]
        entries.append({**_entry(token, chosen), "top_logprobs": ranked})
    return {"content": entries, "refusal": None}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(logprob, 6), "bytes": list(token.encode("utf-8", "surrogatepass"))}
