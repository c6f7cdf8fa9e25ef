from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from synth.engines import Engines
from synth.errors import EndpointRefused
from tests.synth.helpers import completion, request, served, spec_for


async def test_a_start_that_failed_is_told_to_all_who_wait_and_not_tried_again() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return web.json_response({"error": {"message": "who are you?"}}, status=401)

    async with served(completion(), models=refuse) as server:
        engines = Engines(spec_for(server.url), lambda: None)
        waiting = [engines.pools["judge"].complete((0, n), request()) for n in range(5)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, EndpointRefused) for result in results)
        with pytest.raises(EndpointRefused, match="who are you"):
            await engines.pools["generator"].complete((0, 0), request())
        await engines.close()
    assert server.other == ["GET /v1/models"]
    assert server.hits == []
