"""What an endpoint's protocol has no word for: raw requests to one OpenAI-compatible server.

Which models it lists and how long their context is, in which field it reasons, whether it gives logprobs, whether it
has a tokenizer route. Everything is judged on the body of the answer, never on its status alone. Redirects are not
followed, for they would carry the key to another host. Only facts leave this module, no text that a server wrote, so
that a server which repeats the key cannot print it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synth.replies import split_reasoning

if TYPE_CHECKING:
    import aiohttp

MAX_BODY = 16 * 2**20
"""Bytes of a response that are read at most."""
SAMPLE = "The heart beats about seventy times a minute."
_CONTEXT = ("max_model_len", "context_length", "max_context_length", "context_window", "n_ctx")
"""How servers name the longest context in their list of models: vLLM, OpenRouter, LM Studio, Groq, llama.cpp."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a raw request ended."""

    status: int
    """HTTP status; 0 where none came."""
    body: Any = None
    """The JSON of the answer; None where there is none."""
    problem: str = ""
    """Why no answer came, one line."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What ``GET /models`` says."""

    answer: Answer
    names: list[str] = field(default_factory=list)
    """Empty where the server does not list its models."""
    max_context: int | None = None
    """Tokens, of the model that was asked for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one chat completion shows."""

    reasoning: str | None = None
    """``none``, ``reasoning``, ``reasoning_content``, ``<think>`` or ``hidden`` (counted and not shown)."""
    logprobs: bool | None = None
    tokens_in: int = 0
    tokens_out: int = 0


class Wire:
    """Raw requests to one base URL."""

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        """``url`` ends in ``/v1``; ``key`` may be empty; ``timeout`` in seconds is for one request."""
        self.url, self.model, self._key, self._timeout = url.rstrip("/"), model, key, timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Wire:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(headers=headers)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: str, url: str, body: dict[str, Any] | None = None, seconds: float | None = None
    ) -> Answer:
        import aiohttp

        assert self._session is not None
        limit = aiohttp.ClientTimeout(total=seconds or self._timeout)
        try:
            async with self._session.request(method, url, json=body, allow_redirects=False, timeout=limit) as response:
                raw = b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > MAX_BODY:
                        response.close()
                        return Answer(response.status, problem="a body of more than 16 MiB")
        except TimeoutError:
            return Answer(0, problem=f"nothing within {limit.total:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as err:
            return Answer(0, problem=" ".join((str(err) or type(err).__name__).split())[:200])
        try:
            return Answer(response.status, json.loads(raw))
        except (ValueError, RecursionError):
            return Answer(response.status, problem="no JSON")

    async def models(self, seconds: float) -> Listed:
        """Ask for the list of models; costs nothing."""
        answer = await self._ask("GET", f"{self.url}/models", seconds=seconds)
        data = answer.body.get("data") if answer.status == 200 and isinstance(answer.body, dict) else None
        entries = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
        names = [one["id"] for one in entries if isinstance(one.get("id"), str)]
        mine = next((one for one in entries if one.get("id") == self.model), {})
        return Listed(answer, names, _context(mine) or _context(mine.get("meta")))

    async def chat(self, body: dict[str, Any]) -> tuple[int, Shape | None]:
        """Send one chat completion; (status, what its answer shows or None where it is no chat completion)."""
        answer = await self._ask("POST", f"{self.url}/chat/completions", {"model": self.model, **body})
        return answer.status, shape_of(answer.body) if answer.status == 200 else None

    async def tokenizer(self, seconds: float) -> tuple[str, int | None]:
        """``vllm``, ``llama.cpp`` or ``none``, and the longest context where the route tells it; costs nothing."""
        route = f"{self.url.removesuffix('/v1')}/tokenize"
        for kind, body in (("vllm", {"model": self.model, "prompt": SAMPLE}), ("llama.cpp", {"content": SAMPLE})):
            answer = await self._ask("POST", route, body, seconds)
            if answer.status != 200 or not isinstance(answer.body, dict):
                continue
            tokens, count = answer.body.get("tokens"), answer.body.get("count")
            # Fewer tokens than words would be no tokenizer, whatever the status.
            if not isinstance(tokens, list) or len(tokens) < len(SAMPLE.split()):
                continue
            if kind == "llama.cpp" or count == len(tokens):
                return kind, _context(answer.body)
        return "none", None


def _context(entry: object) -> int | None:
    if not isinstance(entry, dict):
        return None
    sizes = (entry.get(name) for name in _CONTEXT)
    return next((size for size in sizes if type(size) is int and size > 0), None)


def shape_of(body: object) -> Shape | None:
    """Read the body of a chat completion; None where it is none."""
    try:
        choice = body["choices"][0]  # type: ignore[index]
        message = choice["message"]
        text = message.get("content") or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    usage = body.get("usage")  # type: ignore[attr-defined]
    usage = usage if isinstance(usage, dict) else {}
    return Shape(
        _reasoning(message, text if isinstance(text, str) else "", usage),
        _has_logprobs(choice.get("logprobs")),
        *(value if type(value := usage.get(name)) is int else 0 for name in ("prompt_tokens", "completion_tokens")),
    )


def _reasoning(message: dict[str, Any], text: str, usage: dict[str, Any]) -> str:
    for name in ("reasoning", "reasoning_content"):
        if isinstance(said := message.get(name), str) and said.strip():
            return name
    if inline_reasoning(text):
        return "<think>"
    details = usage.get("completion_tokens_details")
    counted = details.get("reasoning_tokens") if isinstance(details, dict) else 0
    return "hidden" if isinstance(counted, int) and counted > 0 else "none"


def inline_reasoning(text: str) -> bool:
    """Whether a text opens with its reasoning, also one that was cut within it."""
    return text.lstrip().startswith("<think>") or split_reasoning(text, None) is not None


def _has_logprobs(logprobs: object) -> bool:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(one, dict)
            and isinstance(one.get("token"), str)
            and isinstance(one.get("logprob"), int | float)
            and one["logprob"] <= 1e-6  # a probability above 1 is none; rounding may pass it by a hair
            for one in content
        )
    )
