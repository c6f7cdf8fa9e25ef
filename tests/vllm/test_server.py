"""A real vLLM on a real, small model: answers, schemas, prefix caching, crashes and the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio

from synth.endpoints.base import Outcome, Request
from synth.endpoints.vllm import VllmEndpoint
from synth.spec_models import VllmModel
from tests.synth.helpers import request
from tests.vllm.conftest import ARGS, ENV, descendants, running

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
VERDICT = {
    "type": "object",
    "properties": {"verdict": {"enum": ["yes", "no"]}, "why": {"type": "string", "maxLength": 40}},
    "required": ["verdict", "why"],
    "additionalProperties": False,
}
LONG = " ".join(f"Fact {n}: a heart beats about {60 + n % 40} times in a minute." for n in range(45))
"""Some 800 tokens: more than is processed at once, and several blocks of the prefix cache."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(vllm_python: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    model = VllmModel(
        engine="vllm", model=str(weights), python=vllm_python, args=ARGS, env=ENV, max_in_flight=16, start_timeout=600
    )
    endpoint = VllmEndpoint(model, logs=tmp_path_factory.mktemp("logs"), say=print)
    started = time.monotonic()
    await endpoint.start()
    print(f"\nready after {time.monotonic() - started:.0f} s")
    started_here = descendants(os.getpid())
    assert any("EngineCore" in process.name() for process in started_here)
    yield endpoint
    started_here += descendants(os.getpid())
    await endpoint.close()
    assert running(started_here) == []


def question(number: int, **changes: Any) -> Request:
    return request(f"Question {number}: is the heart a muscle?", **({"max_tokens": 96, "temperature": 0.7} | changes))


async def answers(endpoint: VllmEndpoint, questions: Sequence[Request]) -> list[Outcome]:
    started = time.monotonic()
    outcomes = await asyncio.gather(*map(endpoint.complete, questions))
    seconds = time.monotonic() - started
    tokens = sum(outcome.reply.tokens_out for outcome in outcomes if outcome.reply)
    print(f"\n{len(outcomes)} replies, {tokens} tokens in {seconds:.1f} s: {tokens / seconds:.0f} tokens/s")
    assert [outcome.failure for outcome in outcomes if outcome.reply is None] == []
    return outcomes


async def test_sixteen_plain_replies(engine: VllmEndpoint) -> None:
    for outcome in await answers(engine, [question(n) for n in range(16)]):
        assert outcome.reply is not None
        assert outcome.reply.text.strip()
        assert 0 < outcome.reply.tokens_out <= 96
        assert outcome.reply.tokens_in > 10
        assert not outcome.reply.usage_estimated
        assert len(outcome.attempts) == 1


async def test_sixteen_replies_that_keep_to_a_schema(engine: VllmEndpoint) -> None:
    whole = 0
    for outcome in await answers(engine, [question(n, schema=VERDICT, max_tokens=200) for n in range(16)]):
        assert outcome.reply is not None
        if outcome.reply.finish_reason == "stop":
            value = json.loads(outcome.reply.text)
            assert value["verdict"] in ("yes", "no")
            assert len(value["why"]) <= 40
            whole += 1
    assert whole >= 12  # this model likes white space so much that some replies are cut


async def test_a_common_prefix_is_processed_once(engine: VllmEndpoint) -> None:
    """The prompts are longer than one chunk, which a seed in the request would turn into a crash of the CPU engine."""
    before = await metric(engine, "vllm:prefix_cache_hits_total")
    asked = [request(f"{LONG} Question {n}: how fast does it beat?", max_tokens=8, seed=n) for n in range(6)]
    await answers(engine, asked[:1])
    outcomes = await answers(engine, asked[1:])
    prompts = sum(outcome.reply.tokens_in for outcome in outcomes if outcome.reply)
    assert prompts / len(outcomes) > ARGS["max_num_batched_tokens"]
    assert await metric(engine, "vllm:prefix_cache_hits_total") - before > prompts / 2


async def metric(endpoint: VllmEndpoint, name: str) -> float:
    assert endpoint._http is not None
    url = endpoint._http.servers[0].url.removesuffix("/v1") + "/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


def api_server(process: psutil.Process) -> bool:
    words = process.cmdline()
    return "vllm.entrypoints.openai.api_server" in words and not any("supervisor" in word for word in words)


def engine_core(process: psutil.Process) -> bool:
    return "EngineCore" in process.name()


@pytest.mark.parametrize("chosen", [api_server, engine_core])
async def test_a_crash_costs_no_question(engine: VllmEndpoint, chosen: Callable[[psutil.Process], bool]) -> None:
    before = descendants(os.getpid())
    (victim,) = [process for process in before if chosen(process)]
    asking = asyncio.create_task(answers(engine, [question(n) for n in range(48)]))
    await asyncio.sleep(3)
    os.kill(victim.pid, signal.SIGKILL)
    outcomes = await asking
    assert max(len(outcome.attempts) for outcome in outcomes) > 1
    assert running(before) == []


async def test_the_key_is_in_no_log_and_no_process_list(engine: VllmEndpoint) -> None:
    logs = list(engine._logs.iterdir()) if engine._logs else []
    assert len(logs) == 1
    assert engine._key not in logs[0].read_text()
    assert not any(engine._key in word for process in descendants(os.getpid()) for word in process.cmdline())
