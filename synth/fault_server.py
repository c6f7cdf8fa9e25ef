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
import json
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from synth.errors import ClinsynthError, UserError
from synth.fault_options import ERRORS, REASONING, FaultOptions
from synth.fault_replies import Refused, error_body, parse, reply_to
from synth.fault_stats import Stats

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["FaultOptions", "FaultServer", "main", "serving"]

T = TypeVar("T")
_SAMPLE_EVERY = 0.05  # seconds
_LARGEST_BODY = 64 * 2**20  # bytes


class FaultServer:
    """The server within the running event loop: ``async with FaultServer(FaultOptions()) as server: server.url``."""

    def __init__(self, options: FaultOptions | None = None) -> None:
        self.options = options or FaultOptions()
        self.url = ""
        """Base URL up to and including ``/v1``; empty until the server listens."""
        self._stats = Stats()
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
            reply = reply_to(self._known_model(parse(raw)), self.options)
        except Refused as refused:
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
            raise Refused(401, "incorrect API key", "invalid_api_key")

    def _known_model(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.options.strict_model and body["model"] not in self.options.models:
            raise Refused(404, f"the model {body['model']!r} does not exist", "model_not_found")
        return body

    async def _models(self, request: web.Request) -> web.Response:
        try:
            self._authorise(request)
        except Refused as refused:
            return _error(*refused.args)
        names = self.options.models
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "fault_server"} for name in names]
        return _json({"object": "list", "data": models})

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _get_stats(self, request: web.Request) -> web.Response:
        return _json(self.stats())

    async def _reset_stats(self, request: web.Request) -> web.Response:
        self._stats = Stats(self._stats.in_flight)
        return _json({"status": "ok"})


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    from aiohttp import web

    return web.Response(text=json.dumps(body), status=status, content_type="application/json")


def _error(status: int, message: str, code: str | None) -> web.Response:
    return _json(error_body(status, message, code), status)


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
        wait_for(_cancel_others())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_others() -> None:
    """End the requests whose clients hung up: they outlive the server, waiting for their latency."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


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
