"""A bare client of the fault server: what came over the wire, and what the server counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from synth.fault_server import FaultOptions, FaultServer


def asking(text: str = "case", **more: Any) -> dict[str, Any]:
    return {"model": "fault-model", "messages": [{"role": "user", "content": text}], **more}


async def send(session: aiohttp.ClientSession, server: FaultServer, body: Any) -> tuple[str, bytes]:
    """Return the status, or how the connection ended, and the body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        async with session.post(f"{server.url}/chat/completions", data=data) as response:
            return str(response.status), await response.read()
    except aiohttp.ClientConnectorError:
        return "refused", b""
    except (aiohttp.ClientError, OSError):
        return "broken", b""


async def all_of(options: FaultOptions, bodies: list[Any]) -> list[tuple[str, bytes]]:
    async with FaultServer(options) as server, aiohttp.ClientSession() as session:
        return [await send(session, server, body) for body in bodies]


async def post(server: FaultServer, body: dict[str, Any]) -> tuple[int, Any, bytes]:
    url = f"{server.url}/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return response.status, response.headers, await response.read()


@asynccontextmanager
async def raw(server: FaultServer) -> AsyncIterator[asyncio.StreamReader]:
    """A bare connection on which one chat request has been sent."""
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(asking()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    try:
        yield reader
    finally:
        writer.close()


async def counts(server: FaultServer) -> tuple[dict[str, int], dict[str, int], int]:
    """(by_status, by_fault, distinct) once nothing is in flight."""
    async with asyncio.timeout(10):
        while server.stats()["in_flight"]:
            await asyncio.sleep(0.01)
    stats = server.stats()
    return stats["by_status"], stats["by_fault"], stats["distinct"]
