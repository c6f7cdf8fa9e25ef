"""How a reply travels to the client when something is wrong on the way: the faults in ``fault_kinds.WAYS``.

Each ends when it is done or the client has gone, and waits in small steps, so that a stopping server can end it. What
the reply says is decided elsewhere; nothing is counted here.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

STEP = 0.05
"""Seconds between two bytes of a slow reply."""
BLANKS = 200
"""White space before the JSON of a blank drip: 10 seconds of it."""
HUGE = 200_000_000
"""Bytes in the content of a huge reply."""
_FILLER = b"word " * 13_107  # not quite 64 KiB


async def deliver(request: web.Request, way: str, data: bytes, kind: str) -> tuple[bool, web.StreamResponse]:
    """Send the bytes, of that content type, with that trouble.

    Returns:
        Whether the client was there until the last byte of a whole reply, and what a handler should return.
    """
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": kind})
    try:
        if way in ("reset", "reset-hard"):
            _break(request, hard=way == "reset-hard")
        elif way == "reset-body":
            await _half_of(request, response, data)
        elif way == "hang":
            while request.transport is not None:
                await asyncio.sleep(STEP)
        elif way == "slow-headers":
            return await _slow_headers(request, data, kind), web.Response()
        else:
            if way != "huge":  # whose length the client is not to know beforehand
                response.content_length = len(data) + (BLANKS if way == "blank-drip" else 0)
            pieces = {"drip": _bytewise, "blank-drip": _blanks_first, "huge": _stuffed}[way]
            await response.prepare(request)
            async for piece in pieces(data):
                await response.write(piece)
            await response.write_eof()
            return True, response
    except ConnectionError:  # the client has gone
        pass
    return False, response


def _break(request: web.Request, *, hard: bool) -> None:
    """Close the connection at once; hard: with a TCP reset, which also drops what the client has not read yet."""
    transport = request.transport
    if transport is None:
        return
    if hard:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _half_of(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    await asyncio.sleep(2 * STEP)  # so that the client has read what the reset would take away
    _break(request, hard=True)


async def _slow_headers(request: web.Request, data: bytes, kind: str) -> bool:
    """Write status line and headers byte by byte, past the framework, which sends them in one piece."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    for byte in head.encode():
        if request.transport is None:
            return False
        request.transport.write(bytes((byte,)))
        await asyncio.sleep(STEP)
    if request.transport is None:
        return False
    request.transport.write(data)
    request.transport.close()  # after what was written
    return True


async def _bytewise(data: bytes) -> AsyncIterator[bytes]:
    for byte in data:
        yield bytes((byte,))
        await asyncio.sleep(STEP)


async def _blanks_first(data: bytes) -> AsyncIterator[bytes]:
    for _ in range(BLANKS):
        yield b" "
        await asyncio.sleep(STEP)
    yield data


async def _stuffed(data: bytes) -> AsyncIterator[bytes]:
    """The same chat completion with a content of 200 MB, never held in memory; an unreadable one stays as it is."""
    try:
        reply: dict[str, Any] = json.loads(data)
        reply["choices"][0]["message"]["content"] = ""
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        yield data
        return
    before, mark, after = json.dumps(reply).encode().partition(b'"content": "')
    yield before + mark
    for _ in range(HUGE // len(_FILLER) + 1):
        yield _FILLER
    yield after
