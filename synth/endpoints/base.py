"""What goes to an endpoint and what comes back, whatever the engine.

A request that fails for good is an :class:`Outcome` with a ``failure``, not an exception: it fails its row only.
Exceptions are kept for what must stop the run (:class:`synth.errors.EndpointRefused`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


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
    reasoning_tokens: int | None = None
    """Of ``tokens_out`` those that went into reasoning; None where the server does not count them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply, after all tries."""

    kind: str
    """One of :data:`FAILURES`."""
    detail: str


FAILURES = {
    "rate_limit": "the server asked to slow down (HTTP 429)",
    "server_error": "the server failed (HTTP 5xx, 408, 409, 425)",
    "connection": "no connection, or one that broke before the whole reply was here",
    "timeout": "no whole reply within the deadline",
    "bad_body": "a reply with status 200 that is no chat completion",
    "content_filter": "the server refused the prompt for its content",
    "bad_request": "the server cannot answer this request (another HTTP 4xx: too long, not valid)",
}
"""How a try can fail without ending the run."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was sent, or that could not be, and how it ended."""

    outcome: str
    """``ok`` or one of :data:`FAILURES`."""
    status: int = 0
    """HTTP status; 0 where none came."""
    detail: str = ""
    arrived: bool | None = True
    """Whether the server has received it: yes, no (no connection could be made) or None, nobody knows."""
    seconds: float | None = field(default=None, compare=False)
    """From sending to the last byte or the failure, waits in line left out; None where a request has no such time."""

    @property
    def uncertain(self) -> bool:
        """Whether the server may have answered, and billed, what never came here."""
        return self.arrived is None

    @property
    def may_cost(self) -> bool:
        """Whether it may have been billed though its price is unknown: lost on its way, or of no use on arrival."""
        return self.uncertain or self.outcome == "bad_body"

    def as_dict(self) -> dict[str, Any]:
        """As the journal keeps it; what says nothing is left out."""
        said: dict[str, Any] = {"outcome": self.outcome}
        if self.status:
            said["status"] = self.status
        if self.detail:
            said["detail"] = self.detail
        if self.arrived is not True:
            said["arrived"] = self.arrived
        if self.seconds is not None:
            said["seconds"] = round(self.seconds, 3)
        return said


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a request: a reply or a failure, and every attempt made on the way."""

    reply: Reply | None
    failure: Failure | None
    attempts: list[Attempt] = field(default_factory=list)


class Ledger(Protocol):
    """Is told of every attempt of one request: before it is sent and when it has ended."""

    @property
    def key(self) -> str:
        """Journal key of the request; names it where a service wants a name."""
        ...

    async def begin(self) -> None:
        """An attempt is about to be sent: reserve what it may cost and journal the intent.

        Raises:
            BudgetReached: a cap does not cover it; it must not be sent.
        """
        ...

    def end(self, attempt: Attempt, reply: Reply | None = None) -> None:
        """The attempt that began last has ended."""
        ...


class Unrecorded:
    """A ledger that keeps nothing, for probes and tests."""

    key = ""

    async def begin(self) -> None:
        """See :class:`Ledger`."""

    def end(self, attempt: Attempt, reply: Reply | None = None) -> None:
        """See :class:`Ledger`."""


UNRECORDED = Unrecorded()


class Endpoint(Protocol):
    """An engine that answers requests."""

    @property
    def slots(self) -> int:
        """Requests it should be given at the same time."""
        ...

    async def start(self) -> None:
        """Make ready and check that the key and the model are accepted; raises UserError or EndpointRefused."""
        ...

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Answer one request.

        Raises:
            EndpointRefused: asking again would not help (key, quota, model), or nothing answers any more.
            BudgetReached: from ``ledger``, before the next attempt.
        """
        ...

    def stop(self, reason: BaseException) -> None:
        """Send nothing more: what is not on its way gets ``reason``, what is ends as usual."""
        ...

    async def close(self) -> None:
        """Release connections, processes and memory."""
        ...


@runtime_checkable
class Leavable(Protocol):
    """An endpoint whose replies may take hours, and arrive without us."""

    def let_go(self, reason: BaseException) -> None:
        """Wait no more: all questions get ``reason``. The next process takes their replies up."""
        ...
