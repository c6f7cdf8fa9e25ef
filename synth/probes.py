"""Short questions to one endpoint, and what its answers show: JSON schema, seeds, usage, speed by requests in flight.

Everything is judged on the content of replies. A request that fails in passing is sent once more, three times at most
for a whole endpoint, so that :func:`most` is an upper bound; under load nothing is sent again, for there the failures
are the finding. Nothing here is advice: see :mod:`synth.doctor_advice`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from synth.budget import cost, prompt_tokens
from synth.doctor_finding import Finding, Level
from synth.doctor_wire import inline_reasoning
from synth.endpoints.base import Endpoint, Failure, Outcome, Reply, Request
from synth.errors import ClinsynthError
from synth.replies import split_reasoning
from synth.spec_models import Price

LEVELS = (1, 8, 64)
"""Requests in flight at which the speed is measured, as far as the endpoint takes so many."""
SPARE = 3
"""Requests that may be sent beyond the plan: once more after a failure, or in another form after a refusal."""
PATIENCE = 300.0
"""Seconds that one request may take here."""
PAUSE = 1.0
"""Seconds before a request is sent once more."""
TRANSIENT = ("rate_limit", "server_error", "connection", "timeout", "bad_body")

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["amber", "teal"]}, "beats": {"enum": [11, 22]}},
    "required": ["colour", "beats"],
    "additionalProperties": False,
}
"""Nothing in the question hints at this, so only a server that enforces the schema answers so."""


Opener = Callable[[], AbstractAsyncContextManager[Endpoint]]
"""Gives an endpoint that was started."""


def question(text: str, max_tokens: int, seed: int, extra: dict[str, Any], **more: Any) -> Request:
    """A short request. Where the spec's ``extra_body`` sets a longer reply, it is held to ``max_tokens``."""
    held = {
        name: min(value, max_tokens) if name in ("max_tokens", "max_completion_tokens") else value
        for name, value in extra.items()
    }
    return Request([{"role": "user", "content": text}], 1.0, 1.0, max_tokens, seed, extra=held, **more)


def thinking(extra: dict[str, Any]) -> Request:
    """Shows reasoning and logprobs. Sent as a raw request where there is a URL."""
    text = "How many bones has an adult? Think it over, then answer in one short sentence."
    return question(text, 192, 5, extra)


def story(number: int, extra: dict[str, Any], seed: int | None = None) -> Request:
    """Goes on for longer than it may; another story for each number, so that no cache answers it."""
    text = f"Tell a long story about a lighthouse keeper and ship number {number}. Begin at once."
    return question(text, 32, number if seed is None else seed, extra)


def form(extra: dict[str, Any]) -> Request:
    """Asks for an answer in a form that the schema alone knows."""
    return question("What does the heart do?", 512, 6, extra, schema=SCHEMA)


def json_form(extra: dict[str, Any]) -> Request:
    """Asks for any JSON object; services want the word in the message."""
    text = "What does the heart do? Reply with a JSON object that has one key, answer."
    return question(text, 512, 6, extra, schema=SCHEMA)


def levels(slots: int) -> list[int]:
    """Levels to measure at an endpoint of so many slots: 1, 8 and 64, or the slots where they are fewer."""
    return sorted({min(level, slots) for level in LEVELS})


@dataclass(frozen=True, slots=True)
class Most:
    """Upper bounds of what probing one endpoint sends."""

    requests: int
    tokens: int
    """Prompts (estimated to the high side) and replies together."""
    usd: float | None
    """None where the spec names no price."""


def most(slots: int, extra: dict[str, Any], price: Price | None) -> Most:
    """What probing an endpoint of so many slots may take."""
    asked = [thinking(extra), form(extra)] + [story(0, extra)] * 3 + [json_form(extra)] * SPARE
    asked += [story(number, extra) for level in levels(slots)[1:] for number in range(level)]
    tokens_in, tokens_out = sum(map(prompt_tokens, asked)), sum(one.max_tokens for one in asked)
    return Most(len(asked), tokens_in + tokens_out, cost(price, tokens_in, tokens_out) if price else None)


class Prober:
    """Asks one endpoint and keeps count in its finding."""

    def __init__(self, finding: Finding, extra: dict[str, Any]) -> None:
        self.finding, self.extra, self.spare = finding, extra, SPARE

    def spend_spare(self) -> bool:
        """Take one of the spare requests; False when they are used up."""
        self.spare -= 1
        return self.spare >= 0

    async def ask(self, endpoint: Endpoint, request: Request, *, again: bool = True) -> Outcome:
        """Send one request, and once more where it fails in passing."""
        self.finding.requests += 1
        try:
            async with asyncio.timeout(PATIENCE):
                outcome = await endpoint.complete(request)
        except TimeoutError:
            outcome = Outcome(None, Failure("timeout", f"no whole reply within {PATIENCE:g} s"))
        if outcome.reply is not None:
            self.finding.tokens_in += outcome.reply.tokens_in
            self.finding.tokens_out += outcome.reply.tokens_out
        elif again and outcome.failure is not None and outcome.failure.kind in TRANSIENT and self.spend_spare():
            await asyncio.sleep(PAUSE)
            return await self.ask(endpoint, request, again=False)
        return outcome

    async def alone(self, endpoint: Endpoint) -> Failure | None:
        """Seeds, usage, latency and the speed of one request at a time; a failure where nothing could be told.

        The first three requests serve all of it: the same question twice with one seed, then with another.
        """
        finding, seconds = self.finding, 0.0
        replies: list[Reply] = []
        for seed in (7, 7, 8):
            began = time.monotonic()
            outcome = await self.ask(endpoint, story(0, self.extra, seed))
            if outcome.reply is None:
                return outcome.failure if not replies else None
            took = time.monotonic() - began
            finding.latency_s = took if finding.latency_s is None else min(took, finding.latency_s)
            seconds += took
            replies.append(outcome.reply)
        finding.model_there = True
        finding.usage = all(r.tokens_in > 0 and r.tokens_out > 0 and not r.usage_estimated for r in replies)
        if finding.seed is None:
            finding.seed = _seeds(*((reply.text, reply.reasoning) for reply in replies))
        finding.levels.append(Level(1, sum(reply.tokens_out for reply in replies), seconds))
        return None

    async def schema(self, endpoint: Endpoint) -> None:
        """Whether a JSON schema is honoured."""
        reply, why = self._said(await self.ask(endpoint, form(self.extra)))
        self.finding.json_schema = _fits(reply) if reply else False if why else None
        if self.finding.json_schema is False:
            self.finding.schema_problem = why or "the reply does not keep to the form it was given"

    async def object(self, endpoint: Endpoint) -> None:
        """Whether ``json_object`` gives JSON."""
        if self.spend_spare():
            reply, why = self._said(await self.ask(endpoint, json_form(self.extra), again=False))
            self.finding.json_object = isinstance(_json(reply), dict) if reply else False if why else None

    def _said(self, outcome: Outcome) -> tuple[Reply | None, str]:
        """A reply that says something, or why the request was refused; neither where nothing can be told."""
        reply, failure = outcome.reply, outcome.failure
        if reply is None:
            refused = failure is not None and failure.kind == "bad_request"
            return None, f"the server refuses it ({failure.detail})" if refused and failure else ""
        cut = reply.finish_reason == "length" and (not reply.text.strip() or inline_reasoning(reply.text))
        return (None, "") if cut else (reply, "")

    async def thinks(self, endpoint: Endpoint) -> None:
        """Reasoning as the endpoint tells it, for engines without a URL of ours to ask."""
        reply = (await self.ask(endpoint, thinking(self.extra))).reply
        if reply is not None:
            shown = "<think>" if inline_reasoning(reply.text) else "none"
            self.finding.reasoning = "field" if reply.reasoning else shown

    async def load(self, slots: int, opened: Opener) -> None:
        """Speed with more requests in flight; stops where half of them fail.

        Each level has an endpoint of its own, for one that met a rate limit holds back what it sends.
        """
        for level in levels(slots)[1:]:
            asked = [story(100 * level + number, self.extra) for number in range(level)]
            async with opened() as endpoint:
                began = time.monotonic()
                outcomes = await asyncio.gather(
                    *(self.ask(endpoint, one, again=False) for one in asked), return_exceptions=True
                )
                seconds = time.monotonic() - began
            failed, tokens = Counter[str](), 0
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    if not isinstance(outcome, ClinsynthError):
                        raise outcome
                    failed["refused"] += 1
                elif outcome.reply is not None:
                    tokens += outcome.reply.tokens_out
                else:
                    failed[outcome.failure.kind if outcome.failure else "unknown"] += 1
            self.finding.levels.append(Level(level, tokens, seconds, dict(failed)))
            if failed.total() * 2 >= level:
                return


def _seeds(first: object, same: object, other: object) -> str | None:
    if first in (("", None), ("", "")):
        return None
    if first != same:
        return "no"
    return "yes" if other != first else "constant"


def _json(reply: Reply | None) -> Any:
    """The JSON that a whole reply is, after its inline reasoning; None where it is none. Fences do not pass."""
    if reply is None:
        return None
    parts = split_reasoning(reply.text, None)
    try:
        return json.loads(parts[1] if parts else reply.text)
    except (ValueError, RecursionError):
        return None


def _fits(reply: Reply) -> bool:
    value = _json(reply)
    return (
        isinstance(value, dict)
        and set(value) == {"colour", "beats"}
        and value["colour"] in ("amber", "teal")
        and value["beats"] in (11, 22)
    )
