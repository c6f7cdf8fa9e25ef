"""What goes to an endpoint and what comes back, whatever the engine.

A request that fails for good is an :class:`Outcome` with a ``failure``, not an exception: it fails its row only.
Exceptions are kept for what must stop the run (:class:`synth.errors.EndpointRefused`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion."""

    messages: list[dict[str, str]]
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    """Sampling seed, derived from (spec seed, seed id, step, sample, re-ask); sent where the endpoint takes one."""
    schema: dict[str, Any] | None = None
    """JSON Schema of the reply; None asks for plain text."""
    extra: dict[str, Any] = field(default_factory=dict)
    """The spec's ``extra_body``: further keys of the body, which decide the reply like any other."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered."""

    text: str
    reasoning: str | None
    """The model's own reasoning, when the server returns it in a field (``reasoning`` or ``reasoning_content``)."""
    finish_reason: str
    """``stop``, ``length`` (cut), ``content_filter``, … as the server says."""
    tokens_in: int
    tokens_out: int
    model: str
    """Model name as served."""
    refusal: str | None = None
    usage_estimated: bool = False
    """The server gave no token counts; these are our estimate."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply, after all tries."""

    kind: str
    """``rate_limit``, ``server_error``, ``connection``, ``timeout``, ``bad_body``, ``bad_request``."""
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a request: a reply or a failure, and every attempt made on the way."""

    reply: Reply | None
    failure: Failure | None
    attempts: list[dict[str, Any]] = field(default_factory=list)


class Endpoint(Protocol):
    """An engine that answers requests."""

    @property
    def slots(self) -> int:
        """Requests it should be given at the same time."""
        ...

    async def start(self) -> None:
        """Make ready and check that the key and the model are accepted; raises UserError or EndpointRefused."""
        ...

    async def complete(self, request: Request) -> Outcome:
        """Answer one request; raises EndpointRefused when asking again would not help."""
        ...

    async def close(self) -> None:
        """Release connections and memory."""
        ...
