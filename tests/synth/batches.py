"""Asking over the Batch API for real: an endpoint in front of the local server, ledgers that keep what they hear."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from synth.endpoints.base import Attempt, Outcome, Reply, Request
from synth.endpoints.batch import BatchEndpoint
from synth.errors import BudgetReached
from synth.fault_options import FaultOptions
from synth.fault_replies import reply_to
from synth.spec_models import BatchModel
from tests.servers.batch_server import BatchServer

MODEL = "fault-model"


@dataclass
class Book:
    """The ledger of one request."""

    key: str
    begun: int = 0
    ended: list[tuple[Attempt, Reply | None]] = field(default_factory=list)
    poor: bool = False
    """The budget does not cover it."""

    async def begin(self) -> None:
        if self.poor:
            raise BudgetReached("budget.requests: all spent")
        assert self.begun == len(self.ended), "the attempt before has not ended"
        self.begun += 1

    def end(self, attempt: Attempt, reply: Reply | None = None) -> None:
        self.ended.append((attempt, reply))
        assert self.begun == len(self.ended), "an attempt ended that never began"


def question(number: int, **changes: Any) -> Request:
    """The n-th request."""
    fields: dict[str, Any] = {
        "messages": [{"role": "user", "content": f"What is angina of type {number}?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": number,
    }
    return Request(**(fields | changes))


def key(number: int) -> str:
    """Its journal key."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def model(url: str, **changes: Any) -> BatchModel:
    """The model behind the server at ``url``."""
    fields = {"engine": "openai-batch", "model": MODEL, "base_url": url, "poll": 0.02, "api_key_env": None}
    return BatchModel(**(fields | changes))


@asynccontextmanager
async def started(server: BatchServer, said: list[str] | None = None, **changes: Any) -> AsyncIterator[BatchEndpoint]:
    """An endpoint that is ready; what it tells people goes to ``said``."""
    endpoint = BatchEndpoint(model(server.url, **changes), "generator", (said if said is not None else []).append)
    try:
        await endpoint.start()
        yield endpoint
    finally:
        await endpoint.close()


async def ask(endpoint: BatchEndpoint, numbers: Iterable[int], books: dict[int, Book] | None = None) -> list[Outcome]:
    """The outcomes of some requests, asked at the same time."""
    kept = books if books is not None else {}
    numbers = list(numbers)
    for number in numbers:
        kept.setdefault(number, Book(key(number)))
    return await asyncio.gather(*(endpoint.complete(question(number), kept[number]) for number in numbers))


def texts(outcomes: list[Outcome]) -> list[str]:
    """The replies; none may have failed."""
    assert all(outcome.reply is not None for outcome in outcomes), outcomes
    return [outcome.reply.text for outcome in outcomes if outcome.reply is not None]


def expected(numbers: range) -> list[str]:
    """What the server says to each request."""

    def text(number: int) -> str:
        asked = question(number)
        body = {"model": "fault-model", "messages": asked.messages, "temperature": 0.5, "top_p": 0.9}
        said = reply_to(body | {"max_tokens": 64, "seed": number}, FaultOptions())
        content: str = said["choices"][0]["message"]["content"]
        return content

    return [text(number) for number in numbers]


def paid_once(server: BatchServer, numbers: range) -> bool:
    """Whether the server has worked on each of the requests once and on nothing else."""
    return dict(server.paid) == {key(number): 1 for number in numbers}
