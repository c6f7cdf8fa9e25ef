from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from synth.engines import Engines
from synth.errors import EndpointRefused, RunInterrupted, UserError
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


async def test_what_is_quick_to_refuse_starts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key of the judge shows before a model is loaded."""
    monkeypatch.delenv("CLINSYNTH_NO_SUCH_KEY", raising=False)
    url, key = "http://127.0.0.1:9/v1", "CLINSYNTH_NO_SUCH_KEY"
    judge = {"engine": "openai", "model": "m", "base_url": url, "api_key_env": key}
    local = {"engine": "local", "path": "/no/such/model.gguf"}
    spec = spec_for(url, models={"generator": local, "judge": judge})
    engines = Engines(spec, lambda: None)
    with pytest.raises(UserError, match="CLINSYNTH_NO_SUCH_KEY"):
        await engines.pools["generator"].complete((0, 0), request())
    await engines.close()


async def test_a_stop_does_not_wait_for_a_model_that_is_loading() -> None:
    loading = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        loading.set()
        await asyncio.sleep(30)
        return web.Response()

    async with served(completion(), models=slow) as server:
        engines = Engines(spec_for(server.url), lambda: None)
        waiting = asyncio.create_task(engines.pools["judge"].complete((0, 0), request()))
        await loading.wait()
        assert engines.in_flight == 0, "nothing has been sent"
        engines.stop(RunInterrupted("enough"))
        with pytest.raises(RunInterrupted):
            await asyncio.wait_for(waiting, 5)
        await engines.close()
