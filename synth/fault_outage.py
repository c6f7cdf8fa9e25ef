"""A server that is gone for a while: nothing listens, open connections are broken, then it listens again.

Between the two the port is held by a socket that does not listen, so that connections are refused and nobody else
takes the port. Requests in flight keep running: the caller decides what they count as.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

BACKLOG = 1024


async def be_gone(runner: web.AppRunner, seconds: float, host: str) -> None:
    """Stop listening on all sites of the runner for so many seconds, then listen on the same port again.

    Raises:
        OSError: another process has taken the port in the moment it was free.
    """
    from aiohttp import web

    address = runner.addresses[0]
    for site in list(runner.sites):
        await site.stop()
    with socket.socket(socket.AF_INET6 if len(address) == 4 else socket.AF_INET) as placeholder:
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        placeholder.bind(address)
        for connection in runner.server.connections if runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(seconds)
        await web.TCPSite(runner, host, address[1], backlog=BACKLOG).start()
