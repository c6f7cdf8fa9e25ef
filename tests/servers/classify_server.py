"""A server with vLLM's ``POST /classify``: messages in, raw outputs of a classifier out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Worth = Callable[[str], list[float]]
"""The last message's text to the outputs of the classifier."""


@dataclass
class ClassifyServer:
    """What was asked, and where."""

    worth: Worth
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    trouble: list[int] = field(default_factory=list)
    """Statuses of the next replies."""

    async def classify(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        await asyncio.sleep(0.005)
        if self.trouble:
            return web.json_response({"error": {"message": "in trouble"}}, status=self.trouble.pop(0))
        probs = self.worth(body["messages"][-1]["content"])
        item = {"index": 0, "label": "LABEL_0", "probs": probs, "num_classes": len(probs)}
        reply = {"id": "classify-1", "object": "list", "model": body["model"], "data": [item]}
        return web.Response(
            text=json.dumps(reply | {"usage": {"prompt_tokens": 21, "total_tokens": 21}}),
            content_type="application/json",
        )


@asynccontextmanager
async def classify_server(worth: Worth, model: str = "reward-1") -> AsyncIterator[ClassifyServer]:
    """Runs on a free port of this machine."""
    server = ClassifyServer(worth)

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": model, "object": "model"}]})

    app = web.Application()
    app.router.add_post("/classify", server.classify)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
