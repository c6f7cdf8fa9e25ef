"""A local server of OpenAI's Files and Batches API with faults, for tests: what it did is its own to tell.

What it paid for stands in :attr:`BatchServer.paid`: how often it worked on each custom_id. Replies are those of the
fault server, so equal requests get equal replies. Time passes for a batch by the clock (``delay``) and each time
somebody looks at it (``per_look``); what would happen by itself at a vendor's happens here at the next look.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiohttp import web

from synth.fault_kinds import error_body
from synth.fault_replies import Refused, parse, reply_to
from tests.servers.batch_faults import BatchFaults


@dataclass
class _Batch:
    number: int
    input_file_id: str
    metadata: dict[str, str]
    lines: list[dict[str, Any]]
    created_at: float = field(default_factory=time.time)
    status: str = "validating"
    done: int = 0
    hidden: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    output: list[bytes] = field(default_factory=list)
    failed: list[bytes] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def open(self) -> bool:
        return self.status in ("validating", "in_progress")

    def as_json(self) -> dict[str, Any]:
        errors = [{"code": code, "message": message, "line": None, "param": None} for code, message in self.errors]
        return {
            "id": f"batch_{self.number}",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "created_at": int(self.created_at) + self.number,
            "status": self.status,
            "input_file_id": self.input_file_id,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "errors": {"object": "list", "data": errors} if errors else None,
            "metadata": self.metadata,
            "request_counts": {"total": len(self.lines), "completed": len(self.output), "failed": len(self.failed)},
        }


class BatchServer:
    """The server within the running event loop: ``async with BatchServer(BatchFaults()) as server: server.url``."""

    def __init__(self, faults: BatchFaults | None = None) -> None:
        self.faults = faults or BatchFaults()
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.batches: list[_Batch] = []
        self.paid: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        """Calls by name, as in ``hang``."""
        self.keys: set[str] = set()
        """Authorization headers seen."""
        self._runner: web.AppRunner | None = None

    @property
    def created(self) -> int:
        return len(self.batches)

    def sent(self, number: int = 0) -> list[dict[str, Any]]:
        """The lines of a batch's input file."""
        return self.batches[number].lines

    async def __aenter__(self) -> BatchServer:
        app = web.Application(client_max_size=256 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._download)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._look)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _called(self, request: web.Request, name: str) -> web.Response | None:
        """Count a call; a response when it goes wrong."""
        self.calls[name] += 1
        self.keys.add(request.headers.get("Authorization", ""))
        if self.faults.key is not None and request.headers.get("Authorization") != f"Bearer {self.faults.key}":
            return _error(401, f"incorrect API key: {request.headers.get('Authorization')}", "invalid_api_key")
        if name in ("list", "look", "download") and self.faults.get_errors:
            self.faults.get_errors -= 1
            return _error(503, "overloaded", "overloaded")
        return None

    async def _answer(self, request: web.Request, name: str, body: Any) -> web.StreamResponse:
        while self.faults.hang == name:
            await asyncio.sleep(0.01)
        return web.json_response(body)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        names = self.faults.replies.models
        body = {
            "object": "list",
            "data": [{"id": n, "object": "model", "created": 0, "owned_by": "us"} for n in names],
        }
        return await self._called(request, "models") or web.json_response(body)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if (wrong := await self._called(request, "upload")) is not None:
            return wrong
        form = await request.post()
        content = form["file"]
        assert isinstance(content, web.FileField)
        assert form["purpose"] == "batch"
        if self.faults.upload_errors:
            self.faults.upload_errors -= 1
            return _error(500, "no", "server_error")
        name = f"file-in-{len(self.files)}"
        self.files[name] = content.file.read()
        return await self._answer(request, "upload", {"id": name, "object": "file", "purpose": "batch"})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if (wrong := await self._called(request, "create")) is not None:
            return wrong
        body = await request.json()
        if self.faults.create_losses:
            self.faults.create_losses -= 1
            return _reset(request)
        assert body["completion_window"] == "24h"
        assert body["endpoint"] == "/v1/chat/completions"
        assert all(isinstance(v, str) and len(v) <= 512 for v in body["metadata"].values())
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        batch = _Batch(len(self.batches), body["input_file_id"], body["metadata"], lines, hidden=self.faults.lag)
        assert len({line["custom_id"] for line in lines}) == len(lines)
        self.batches.append(batch)
        if self.faults.create_resets:
            self.faults.create_resets -= 1
            return _reset(request)
        if self.faults.create_errors:
            self.faults.create_errors -= 1
            return _error(503, "overloaded", "overloaded")
        return await self._answer(request, "create", batch.as_json())

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if (wrong := await self._called(request, "list")) is not None:
            return wrong
        after = request.query.get("after")
        seen = []
        for batch in reversed(self.batches):
            if batch.hidden and not after:
                batch.hidden -= 1
            elif not batch.hidden:
                seen.append(batch)
        start = next((at + 1 for at, batch in enumerate(seen) if f"batch_{batch.number}" == after), 0)
        page = seen[start : start + min(self.faults.page, int(request.query.get("limit", "20")))]
        more = start + len(page) < len(seen)
        body = {"object": "list", "data": [batch.as_json() for batch in page], "has_more": more}
        return await self._answer(request, "list", body)

    async def _look(self, request: web.Request) -> web.StreamResponse:
        if (wrong := await self._called(request, "look")) is not None:
            return wrong
        number = int(request.match_info["id"].removeprefix("batch_"))
        if number >= len(self.batches):
            return _error(404, "no such batch", "not_found")
        self.work(self.batches[number])
        return await self._answer(request, "look", self.batches[number].as_json())

    async def _download(self, request: web.Request) -> web.StreamResponse:
        if (wrong := await self._called(request, "download")) is not None:
            return wrong
        content = self.files.get(request.match_info["id"])
        if content is None:
            return _error(404, "no such file", "not_found")
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        if self.faults.cut_downloads:
            self.faults.cut_downloads -= 1
            await response.write(content[: len(content) // 2])
            return _reset(request)
        while self.faults.hang == "download":
            await asyncio.sleep(0.01)
        await response.write(content)
        return response

    # --- work

    def work(self, batch: _Batch) -> None:
        """Let a batch go on."""
        if batch.status == "validating":
            self._validate(batch)
        if batch.status != "in_progress" or time.time() < batch.created_at + self.faults.delay:
            return
        last = self.faults.expire[batch.number] if batch.number < len(self.faults.expire) else len(batch.lines)
        stop = min(last, batch.done + (self.faults.per_look or len(batch.lines)))
        for line in batch.lines[batch.done : stop]:
            self._do(batch, line)
        batch.done = stop
        if batch.done == last:
            for line in batch.lines[last:]:
                error = {"code": "batch_expired", "message": "This request could not be executed in time."}
                batch.failed.append(_result(line["custom_id"], None, error))
            batch.status = "expired" if last < len(batch.lines) else "completed"
            self._write(batch)

    def _validate(self, batch: _Batch) -> None:
        waiting = sum(len(other.lines) for other in self.batches if other.status == "in_progress")
        batch.status = "in_progress"
        if batch.number < len(self.faults.invalid):
            batch.status, batch.errors = "failed", [self.faults.invalid[batch.number]]
        elif self.faults.queue is not None and waiting + len(batch.lines) > self.faults.queue:
            limit = "Enqueued token limit reached for the model. Please try again once some batches are completed."
            batch.status, batch.errors = "failed", [("token_limit_exceeded", limit)]

    def _do(self, batch: _Batch, line: dict[str, Any]) -> None:
        custom_id, refusal = line["custom_id"], self.faults.refuse(batch.number, line)
        try:
            assert line["method"] == "POST"
            assert line["url"] == "/v1/chat/completions"
            body = reply_to(parse(json.dumps(line["body"]).encode()), self.faults.replies)
        except Refused as refused:
            refusal = refused.args
        if refusal is not None:
            failure = {"status_code": refusal[0], "request_id": "r", "body": error_body(*refusal)}
            batch.failed.append(_result(custom_id, failure, None))
            return
        self.paid[custom_id] += 1
        if self.faults.silent:
            self.faults.silent -= 1
            return
        batch.output.append(_result(custom_id, {"status_code": 200, "request_id": "r", "body": body}, None))

    def _write(self, batch: _Batch) -> None:
        lines, faults = list(batch.output), self.faults
        lines += lines[: faults.doubled]
        lines += [line.replace(b'"custom_id": "', b'"custom_id": "foreign-') for line in lines[: faults.foreign]]
        lines += [line[: len(line) // 2] + b"\n" for line in lines[: faults.broken]]
        faults.doubled = faults.foreign = faults.broken = 0
        if faults.shuffle:
            Random(batch.number).shuffle(lines)
        if lines:
            batch.output_file_id = f"file-out-{batch.number}"
            self.files[batch.output_file_id] = b"".join(lines)
        if batch.failed:
            batch.error_file_id = f"file-err-{batch.number}"
            self.files[batch.error_file_id] = b"".join(batch.failed)


def _result(custom_id: str, response: Any, error: Any) -> bytes:
    return json.dumps({"id": "r", "custom_id": custom_id, "response": response, "error": error}).encode() + b"\n"


def _error(status: int, message: str, code: str) -> web.Response:
    return web.json_response(error_body(status, message, code), status=status)


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextmanager
def batch_serving(faults: BatchFaults | None = None) -> Iterator[BatchServer]:
    """Run a server in a thread with an event loop of its own."""
    loop = asyncio.new_event_loop()
    server = BatchServer(faults)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        yield server
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
