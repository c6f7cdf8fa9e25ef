"""A small deterministic OpenAI-compatible server with faults, for tests and rehearsals without a model.

    python -m synth.fault_server --port 8000 --latency-ms 200 --jitter 0.5 --error-rate 0.1

What a reply says depends on the request's body alone (the hash of its JSON with sorted keys), never on the time, the
order of requests or the server's state. How it travels (latency, injected errors) is drawn from a counter seeded with
``--seed``, so a run sees the same faults in the same order of arrival, whichever request they hit. Tokens are words.

``POST /v1/chat/completions`` (not streamed, one choice), ``GET /v1/models``, ``GET /health``, ``GET /stats``,
``POST /stats/reset``. A client that hangs up does not stop its request: it counts as answered, as with a vendor who
bills it. The server does not read what messages mean: its prose is nonsense, its judgements do not agree with each
other. ``max_tokens`` cuts JSON as well as text. Not a server to put on a network.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import hashlib
import json
import re
import signal
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from synth.errors import ClinsynthError, UserError
from synth.schema_values import between, compile_schema, pick, sentence

if TYPE_CHECKING:
    from aiohttp import web

T = TypeVar("T")
ERRORS = ("400", "401", "403", "404", "408", "422", "429", "500", "502", "503", "504", "529", "reset", "truncated")
"""What can be injected: a status, a connection closed without a reply, a 200 whose JSON is cut in the middle."""
REASONING = ("none", "field", "field_old", "inline")
"""Where text replies reason: nowhere, in ``reasoning``, ``reasoning_content``, or ``<think>`` before the content."""

_REFUSALS = (
    "I'm sorry, but I can't help with that request.",
    "I cannot provide medical advice. Please consult a qualified professional.",
    "As an AI, I am not able to assist with this.",
)
_ANY_OBJECT = {"properties": {"answer": {"type": "string"}, "score": {"type": "integer", "minimum": 1, "maximum": 10}}}
_SAMPLE_EVERY = 0.05  # seconds
_SAMPLES_KEPT = 72_000  # an hour of them
_LARGEST_BODY = 64 * 2**20  # bytes


@dataclass(frozen=True)
class FaultOptions:
    """How the server behaves; the command line has the same options. Raises UserError for a value out of range."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""
    models: tuple[str, ...] = ("fault-model",)
    api_key: str | None = None
    strict_model: bool = False
    """Answer 404 to a model that is not in ``models``."""
    latency_ms: float = 0.0
    """Wait before every reply and injected error; with 0 requests are answered one by one, never two in flight."""
    jitter: float = 0.0
    """Latency is drawn from ``latency_ms`` * [1 - jitter, 1 + jitter]."""
    error_rate: float = 0.0
    """Share of the well-formed requests that get one of ``errors`` instead of a reply."""
    errors: tuple[str, ...] = ("429", "500", "503", "reset", "truncated")
    seed: int = 0
    """Seed of latencies and injected errors; replies do not depend on it."""
    reasoning: str = "none"
    bad_json_rate: float = 0.0
    """Share of the bodies with a response_format whose reply is cut in the middle, with finish_reason ``length``."""
    refusal_rate: float = 0.0
    """Share of the bodies that are answered with a refusal."""
    reply: Callable[[dict[str, Any]], str | None] | None = None
    """Gives the content for a body, or None for the default; such a content is neither refused nor cut as bad JSON."""

    def __post_init__(self) -> None:
        for name, known, values in (("errors", ERRORS, self.errors), ("reasoning", REASONING, (self.reasoning,))):
            for value in values:
                if value not in known:
                    near = difflib.get_close_matches(value, known, 1, 0.0)[0]
                    raise UserError(f"--{name}: unknown {value!r}; did you mean {near!r}? Known: {', '.join(known)}")
        for name in ("jitter", "error_rate", "bad_json_rate", "refusal_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name.replace('_', '-')}: {getattr(self, name)} is not between 0 and 1")
        if not 0 <= self.port <= 65535:
            raise UserError(f"--port: {self.port} is not between 0 and 65535; 0 takes a free port")
        if self.latency_ms < 0 or (self.error_rate and not self.errors):
            raise UserError("--latency-ms must not be negative, and --error-rate needs --errors")


class _Refused(Exception):
    """Arguments: status, message and code of an error reply."""


def _words(message: dict[str, Any]) -> int:
    content = message.get("content") or ""
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content)
    return len(content.split())


def _parse(raw: bytes) -> dict[str, Any]:
    """Return a body worth answering, else raise _Refused with status 400."""
    try:
        body = json.loads(raw)
        if not isinstance(body["model"], str) or not isinstance(body["messages"], list) or not body["messages"]:
            raise TypeError("model must be a string and messages a list that is not empty")
        for message in body["messages"]:
            if not isinstance(message["role"], str):
                raise TypeError("role must be a string")
            _words(message)
        if body.get("stream") or body.get("n") not in (None, 1):
            raise ValueError("stream and several choices are not supported")
        if not isinstance(limit := _limit(body), int) or limit < 1:
            raise ValueError(f"max_tokens must be a positive integer, not {limit!r}")
    except KeyError as error:
        raise _Refused(400, f"missing key: {error}", None) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _Refused(400, f"bad request body: {error}", None) from error
    return body  # type: ignore[no-any-return]


def _limit(body: dict[str, Any]) -> Any:
    return next((body[k] for k in ("max_completion_tokens", "max_tokens") if body.get(k) is not None), sys.maxsize)


def _cut(text: str, words: int) -> str:
    """Return the text up to the end of so many words."""
    if len(text.split()) <= words:
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
        raise _Refused(400, f"response_format: {type(error).__name__}: {error}", None) from error


def reply_to(body: dict[str, Any], options: FaultOptions) -> dict[str, Any]:
    """Return the chat completion for a parsed body; the same for equal bodies and equal options."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    rng = Random(int.from_bytes(digest))
    refuses, breaks = rng.random() < options.refusal_rate, rng.random() < options.bad_json_rate
    structured = _structured(body, rng)
    content = options.reply(body) if options.reply else None
    finish, left = "stop", _limit(body)
    if content is None:
        drawn = " ".join(sentence(rng) for _ in range(between(rng, 2, 7))) if structured is None else structured
        content = pick(rng, _REFUSALS) if refuses else drawn
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
    prompt = sum(_words(item) for item in body["messages"])
    return {
        "id": f"chatcmpl-{digest.hex()[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
    }


class _Stats:
    """Counts since the start or the last reset; times in seconds since then, by the monotonic clock."""

    def __init__(self, in_flight: int = 0) -> None:
        self.start = self.changed = time.monotonic()
        self.hits = 0
        self.in_flight = self.max_in_flight = in_flight
        self.by_status: Counter[str] = Counter()
        self.seconds_at: defaultdict[str, float] = defaultdict(float)
        self.served: set[str] = set()
        self.samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES_KEPT)

    def step(self, by: int) -> None:
        now = time.monotonic()
        self.seconds_at[str(self.in_flight)] += now - self.changed
        self.changed, self.in_flight = now, self.in_flight + by
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def snapshot(self) -> dict[str, Any]:
        now = time.monotonic()
        seconds_at = dict(self.seconds_at)
        level = str(self.in_flight)
        seconds_at[level] = seconds_at.get(level, 0.0) + now - self.changed
        return {
            "hits": self.hits,
            "by_status": dict(self.by_status),
            "distinct": len(self.served),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "seconds": now - self.start,
            "seconds_at": seconds_at,
            "samples": [list(sample) for sample in list(self.samples)],
        }


class FaultServer:
    """The server within the running event loop: ``async with FaultServer(FaultOptions()) as server: server.url``."""

    def __init__(self, options: FaultOptions | None = None) -> None:
        self.options = options or FaultOptions()
        self.url = ""
        """Base URL up to and including ``/v1``; empty until the server listens."""
        self._stats = _Stats()
        self._faults = Random(self.options.seed)
        self._runner: web.AppRunner | None = None
        self._sampler: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raises UserError if the address cannot be had."""
        from aiohttp import web

        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/stats", self._get_stats)
        app.router.add_post("/stats/reset", self._reset_stats)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        host, port = self.options.host, self.options.port
        try:
            await web.TCPSite(self._runner, host, port, backlog=1024).start()
        except OSError as error:
            await self.stop()
            raise UserError(f"--port {port}: {error.strerror or error}; 0 takes a free port") from error
        self.url = f"http://{host}:{self._runner.addresses[0][1]}/v1"
        self._sampler = asyncio.create_task(self._sample())

    async def stop(self) -> None:
        """Stop listening; requests in flight are cut off."""
        if self._sampler is not None:
            self._sampler.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        self._sampler = self._runner = None

    async def __aenter__(self) -> FaultServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def stats(self) -> dict[str, Any]:
        """Return what ``GET /stats`` returns; may be called from another thread and after the end.

        ``hits``: chat requests received; ``by_status``: how they ended ("200", "429", …, "reset", "truncated");
        ``distinct``: different bodies among those with a whole reply, so the rest of the "200" were asked again;
        ``seconds_at``: seconds spent with so many requests in flight, the number as a string; ``samples``: [seconds,
        in flight] every 50 ms, the last hour; ``seconds``: since the start or the last reset.
        """
        return self._stats.snapshot()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            self._stats.samples.append((time.monotonic() - self._stats.start, self._stats.in_flight))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self._stats.hits += 1
        self._stats.step(+1)
        status = "500"
        try:
            status, response = await self._answer(request)
            return response
        finally:
            self._stats.by_status[status] += 1
            self._stats.step(-1)

    async def _answer(self, request: web.Request) -> tuple[str, web.Response]:
        from aiohttp import web

        raw = await request.read()
        try:
            self._authorise(request)
            reply = reply_to(self._known_model(_parse(raw)), self.options)
        except _Refused as refused:
            return str(refused.args[0]), _error(*refused.args)
        fault, latency, retry_after = self._draw()
        if latency:
            await asyncio.sleep(latency)
        if fault == "reset":
            if request.transport is not None:
                request.transport.abort()
            return fault, web.Response()
        if fault == "truncated":
            whole = json.dumps(reply)
            return fault, web.Response(text=whole[: len(whole) // 2], content_type="application/json")
        if fault:
            response = _error(int(fault), "injected fault", "injected")
            if fault == "429":
                response.headers["Retry-After"] = retry_after
            return fault, response
        self._stats.served.add(reply["id"])
        return "200", _json(reply)

    def _draw(self) -> tuple[str, float, str]:
        """Return the next fault ("" for none), latency in seconds and Retry-After; always four draws, in step."""
        options = self.options
        share, which, speed, wait = (self._faults.random() for _ in range(4))
        fault = options.errors[int(which * len(options.errors))] if share < options.error_rate else ""
        latency = options.latency_ms / 1000 * (1 + options.jitter * (2 * speed - 1))
        return fault, latency, "1" if wait < 0.5 else "0"

    def _authorise(self, request: web.Request) -> None:
        key = self.options.api_key
        if key is not None and request.headers.get("Authorization") != f"Bearer {key}":
            raise _Refused(401, "incorrect API key", "invalid_api_key")

    def _known_model(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.options.strict_model and body["model"] not in self.options.models:
            raise _Refused(404, f"the model {body['model']!r} does not exist", "model_not_found")
        return body

    async def _models(self, request: web.Request) -> web.Response:
        try:
            self._authorise(request)
        except _Refused as refused:
            return _error(*refused.args)
        names = self.options.models
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "fault_server"} for name in names]
        return _json({"object": "list", "data": models})

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _get_stats(self, request: web.Request) -> web.Response:
        return _json(self.stats())

    async def _reset_stats(self, request: web.Request) -> web.Response:
        self._stats = _Stats(self._stats.in_flight)
        return _json({"status": "ok"})


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    from aiohttp import web

    return web.Response(text=json.dumps(body), status=status, content_type="application/json")


def _error(status: int, message: str, code: str | None) -> web.Response:
    kind = {429: "rate_limit_error"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


@contextmanager
def serving(options: FaultOptions | None = None) -> Iterator[FaultServer]:
    """Run a server in a thread with an event loop of its own: ``with serving() as server:`` in code without one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-server", daemon=True)
    thread.start()
    server = FaultServer(options)

    def wait_for(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=30)

    try:
        wait_for(server.start())
        yield server
    finally:
        wait_for(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(options: FaultOptions) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with FaultServer(options) as server:
        print(f"listening on {server.url}", flush=True)
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    default = FaultOptions()
    parser = argparse.ArgumentParser(prog="python -m synth.fault_server", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--host", default=default.host)
    add("--port", type=int, default=default.port, help="0: any free port")
    add("--model", action="append", dest="models", metavar="NAME", help="listed under /v1/models; may be repeated")
    add("--api-key", metavar="KEY", help="answer 401 to requests without this bearer token")
    add("--strict-model", action="store_true", help="answer 404 to models that are not listed")
    add("--latency-ms", type=float, default=default.latency_ms)
    add("--jitter", type=float, default=default.jitter, help="share by which the latency varies both ways")
    add("--error-rate", type=float, default=default.error_rate, help="share of requests that get an injected error")
    add("--errors", default=",".join(default.errors), help=f"which, separated by commas; of {', '.join(ERRORS)}")
    add("--seed", type=int, default=default.seed, help="of latencies and injected errors")
    add("--reasoning", choices=REASONING, default=default.reasoning, help="where text replies carry reasoning")
    add("--bad-json-rate", type=float, default=default.bad_json_rate, help="share of bodies answered with cut JSON")
    add("--refusal-rate", type=float, default=default.refusal_rate, help="share of bodies answered with a refusal")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    given = vars(_parser().parse_args(argv))
    given["models"] = tuple(given["models"] or FaultOptions.models)
    given["errors"] = tuple(name for name in given["errors"].split(",") if name)
    try:
        asyncio.run(_serve(FaultOptions(**given)))
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
