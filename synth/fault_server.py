"""A small deterministic OpenAI-compatible server with faults, for tests and rehearsals without a model.

    python -m synth.fault_server --port 8000 --latency-ms 200 --jitter 0.5 --error-rate 0.1

What a reply says depends on the request's body alone (the hash of its JSON with sorted keys), never on the time, the
order of requests or the server's state; so do ``--content-faults``. How it travels (latency, ``--errors``) is drawn
from a counter seeded with ``--seed``, so a run sees the same faults in the same order of arrival, whichever request
they hit; ``--script`` names them one by one. Tokens are words. The faults are in :mod:`synth.fault_kinds`.

``POST /v1/chat/completions`` (not streamed, one choice), ``GET /v1/models``, ``POST /tokenize``, ``GET /health``,
``GET /stats``, ``POST /stats/reset``. A client that hangs up does not stop its request: it counts as answered, as with
a vendor who bills it. The server does not read what messages mean: its prose is nonsense, its judgements do not agree
with each other. ``max_tokens`` cuts JSON as well as text. Not a server to put on a network.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from synth.errors import ClinsynthError, UserError
from synth.fault_args import options_from
from synth.fault_chat import Chat, in_json, refusal
from synth.fault_options import FaultOptions
from synth.fault_outage import BACKLOG, be_gone
from synth.fault_replies import Refused
from synth.fault_stats import HitLog, Stats
from synth.fault_tokens import tokenize

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
        self._chat = Chat(self.options)
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen; raises UserError if the address or the hit log cannot be had."""
        from aiohttp import web

        self._chat.log = HitLog(self.options.hit_log) if self.options.hit_log is not None else None
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/health", self._health)
        app.router.add_get("/stats", self._get_stats)
        app.router.add_post("/stats/reset", self._reset_stats)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        host, port = self.options.host, self.options.port
        try:
            await web.TCPSite(self._runner, host, port, backlog=BACKLOG).start()
        except OSError as error:
            await self.stop()
            raise UserError(f"--port {port}: {error.strerror or error}; 0 takes a free port") from error
        self.url = f"http://{host}:{self._runner.addresses[0][1]}/v1"
        self._tasks.append(asyncio.create_task(self._sample()))

    async def stop(self) -> None:
        """Stop listening; requests in flight are cut off."""
        for task in self._tasks:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._chat.cut_open()
        self._tasks, self._runner = [], None

    async def __aenter__(self) -> FaultServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def stats(self) -> dict[str, Any]:
        """Return what ``GET /stats`` returns; may be called from another thread and after the end.

        ``hits``: chat requests received; ``by_status``: how they ended ("200", "429", …, the fault's name where there
        was no whole chat completion, "cut" where the server was stopped); ``by_fault``: faults given, by name;
        ``distinct``: different bodies among those with a whole reply, so the rest of the "200" were asked again;
        ``seconds_at``: seconds spent with so many requests in flight, the number as a string; ``samples``: [seconds,
        in flight] every 50 ms, the last hour; ``seconds``: since the start or the last reset.
        """
        return self._chat.stats.snapshot()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            self._chat.stats.samples.append((time.monotonic() - self._chat.stats.start, self._chat.stats.in_flight))

    async def _outage(self, start: float, seconds: float) -> None:
        await asyncio.sleep(start)
        self._chat.lose_open()
        if self._runner is not None:
            await be_gone(self._runner, seconds, self.options.host)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if not self._chat.arrived and self.options.outage is not None:
            self._tasks.append(asyncio.create_task(self._outage(*self.options.outage)))
        return await self._chat.handle(request)

    async def _models(self, request: web.Request) -> web.Response:
        try:
            self._chat.authorise(request)
        except Refused as refused:
            return refusal(*refused.args)
        names = self.options.models
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "fault_server"} for name in names]
        return in_json({"object": "list", "data": models})

    async def _tokenize(self, request: web.Request) -> web.Response:
        try:
            return in_json(tokenize(await request.json()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return refusal(400, f"bad request body: {type(error).__name__}: {error}", None)

    async def _health(self, request: web.Request) -> web.Response:
        return in_json({"status": "ok"})

    async def _get_stats(self, request: web.Request) -> web.Response:
        return in_json(self.stats())

    async def _reset_stats(self, request: web.Request) -> web.Response:
        self._chat.stats = Stats(self._chat.stats.in_flight)
        return in_json({"status": "ok"})


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


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    try:
        asyncio.run(_serve(options_from(argv, (__doc__ or "").split("\n")[0])))
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
