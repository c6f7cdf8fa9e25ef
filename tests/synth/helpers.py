"""Asking for real: a spec and a desk in front of a server, and servers that answer as a test says."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from aiohttp import web

from synth.ask import Answer, Asker, Desk
from synth.budget import Spending
from synth.endpoints.base import Reply, Request
from synth.engines import Engines
from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Journal
from synth.recipes.forms import Score
from synth.spec import Spec
from synth.steps import STEPS
from synth.templates import Template, Templates
from tests.synth.factories import make_spec

MODEL = FaultOptions.models[0]
QUESTION = "What is angina?"
GOOD = '{"quality": 7, "difficulty": 9, "relevance_to_medicine": 6, "mention_specific_details": false}'
WRONG = '{"quality": 11, "difficulty": 9, "relevance_to_medicine": 6, "mention_specific_details": false}'
"""Replies to the question of :func:`score`: a good one, and one of the wrong shape."""


def spec_for(url: str, *, model: Mapping[str, Any] | None = None, **sections: Any) -> Spec:
    """A minimal spec whose generator, and with it every role, is the server at ``url``.

    ``model``: further keys of the generator; ``sections``: top-level keys.
    """
    generator: dict[str, Any] = {"engine": "openai", "model": MODEL, "base_url": url, "retries": 1, **(model or {})}
    produce = {"questions": {"per_seed": 2}, "answers": {"styles": 2}}
    return make_spec(**({"models": {"generator": generator}, "produce": produce} | sections))


@lru_cache(maxsize=1)
def templates() -> dict[str, Template]:
    """Our own templates, by step."""
    ours = Templates()
    return {name: ours.load(step.template, step.variables) for name, step in STEPS.items()}


@dataclass
class Watched:
    """A watcher that writes down what it saw."""

    sent_steps: list[str] = field(default_factory=list)
    outcomes: list[tuple[str, str, bool]] = field(default_factory=list)
    """(step, outcome, whether the journal answered)."""
    usd: float = 0.0

    def sent(self, step: str) -> None:
        self.sent_steps.append(step)

    def asked(self, step: str, outcome: str, reply: Reply | None, usd: float, *, replayed: bool) -> None:
        assert (reply is None) == (outcome != "ok")
        self.outcomes.append((step, outcome, replayed))
        self.usd += usd


@asynccontextmanager
async def open_desk(
    spec: Spec,
    *,
    spending: Spending | None = None,
    watcher: Watched | None = None,
    retry_failed: bool = False,
    replay_only: bool = False,
) -> AsyncIterator[Desk]:
    """A desk with the engines of ``spec``, which start with the first question and are closed at the end."""
    engines = Engines(spec, lambda: None)
    try:
        yield Desk(
            spec=spec,
            templates=templates(),
            pools=engines.pools,
            declared=engines.declared,
            prices=engines.prices,
            extra=engines.extra,
            spending=spending or Spending(spec.budget),
            watcher=watcher or Watched(),
            retry_failed=retry_failed,
            replay_only=replay_only,
        )
    finally:
        await engines.close()


def asker(desk: Desk, journal: Journal, seed_id: str = "s1", position: int = 0) -> Asker:
    """Somebody who asks on behalf of one seed."""
    return Asker(desk, journal, seed_id, (0, position))


async def score(who: Asker, **more: Any) -> Answer:
    """Ask for one score; ``more`` are ``part``, ``sample`` and variables."""
    return await who.ask("score", Score, **({"question": QUESTION} | more))


async def asked(server: FaultServer, journal: Journal, spec: Spec | None = None, **options: Any) -> Answer:
    """Ask for one score over a new desk."""
    async with open_desk(spec or spec_for(server.url), **options) as desk:
        return await score(asker(desk, journal))


def stored(journal: Journal) -> list[tuple[Any, ...]]:
    """What lies on the disk, read by somebody else."""
    connection = sqlite3.connect(journal.path)
    rows = connection.execute(
        "SELECT step, sample, reask, outcome FROM entries ORDER BY step, sample, reask"
    ).fetchall()
    connection.close()
    return rows


class Script:
    """The ``reply`` of a FaultServer that says given lines in turn, the last one for ever; keeps the bodies."""

    def __init__(self, *lines: str | None) -> None:
        """None leaves a reply to the server."""
        self.lines = lines or (None,)
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any]) -> str | None:
        self.bodies.append(body)
        return self.lines[min(len(self.bodies), len(self.lines)) - 1]

    @property
    def messages(self) -> list[list[dict[str, str]]]:
        return [body["messages"] for body in self.bodies]


def request(text: str = QUESTION, **changes: Any) -> Request:
    """A question that may go to an endpoint."""
    fields: dict[str, Any] = {
        "messages": [{"role": "user", "content": text}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 11,
    }
    return Request(**(fields | changes))


def completion(text: Any = "Chest pain.", *, finish_reason: Any = "stop", **message: Any) -> dict[str, Any]:
    """The body of a chat completion; ``message`` adds fields beside the content."""
    said = {"role": "assistant", "content": text} | message
    return {
        "model": "served-1",
        "choices": [{"index": 0, "message": said, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


@dataclass(frozen=True)
class Hit:
    """A chat request as it arrived."""

    at: float
    """Seconds, monotonic."""
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answers = Handler | web.Response | dict[str, Any]


@dataclass
class Served:
    """A server of :func:`served`."""

    url: str = ""
    """Up to and including ``/v1``."""
    hits: list[Hit] = field(default_factory=list)
    """Chat requests, in order of arrival."""
    other: list[str] = field(default_factory=list)
    """``METHOD /path`` of all other requests."""


@asynccontextmanager
async def served(
    *chat: Handler | web.Response | dict[str, Any], models: Handler | None = None
) -> AsyncIterator[Served]:
    """A real server whose n-th chat request gets the n-th of ``chat``, the last one for ever.

    A mapping is sent as JSON with status 200. ``models`` answers ``GET /v1/models``; without it that is a 404.
    """
    server = Served()

    async def on_chat(request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        server.hits.append(Hit(time.monotonic(), request.path, dict(request.headers), json.loads(raw)))
        answer = chat[min(len(server.hits), len(chat)) - 1]
        if isinstance(answer, dict):
            return web.json_response(answer)
        if isinstance(answer, web.Response):  # a response can be sent only once
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in ("content-length", "content-type")}
            return web.Response(
                body=answer.body, status=answer.status, headers=headers, content_type=answer.content_type
            )
        return await answer(request)

    async def on_other(request: web.Request) -> web.StreamResponse:
        server.other.append(f"{request.method} {request.path}")
        if models is not None and request.path == "/v1/models":
            return await models(request)
        return web.json_response({"error": {"message": "no such route"}}, status=404)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", on_chat)
    app.router.add_route("*", "/{path:.*}", on_other)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}/v1"
        yield server
    finally:
        await runner.cleanup()
