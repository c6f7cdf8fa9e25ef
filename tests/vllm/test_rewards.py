"""A reward model behind a real vLLM: the same numbers as in this process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from filters.reward import RewardModel
from synth.endpoints.http import http_endpoint
from synth.endpoints.rewards import ClassifyEndpoint
from synth.spec_models import ServedReward
from tests.filters.test_reward import save_model, talk
from tests.synth.helpers import request
from tests.vllm.conftest import ENV

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]
TEMPLATE = "{% for m in messages %}<|start|>{{ m.role }} {{ m.content }}<|end|>{% endfor %}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("reward"), template=TEMPLATE, width=128)  # heads of 64, which CPUs take


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(vllm_python: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(vllm_python), "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += ["--served-model-name", "tiny-reward", "--runner", "pooling", "--convert", "classify"]
    command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "64"]
    log = tmp_path_factory.mktemp("logs") / "vllm.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **ENV}) as process,
    ):
        try:
            async with aiohttp.ClientSession() as session:
                for _ in range(500):
                    if process.poll() is not None:
                        break
                    try:
                        async with session.get(f"http://127.0.0.1:{port}/health") as answer:
                            if answer.status == 200:
                                break
                    except aiohttp.ClientError:
                        await asyncio.sleep(0.5)
            assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


async def test_its_rewards_are_those_of_this_process(server: str, model: str) -> None:
    spec = ServedReward.model_validate({"engine": "vllm", "base_url": server, "model": "tiny-reward"})
    endpoint = http_endpoint(spec, [server], "reward", kind=ClassifyEndpoint)
    talks = [talk("no", "hi"), talk("yes yes", "hi"), talk("it hurts", "hi")]
    try:
        await endpoint.start()
        outcomes = await asyncio.gather(*(endpoint.complete(request(messages=one)) for one in talks))
    finally:
        await endpoint.close()
    told = [outcome.reply.text if outcome.reply else str(outcome.failure) for outcome in outcomes]
    wanted = RewardModel(model, device="cpu").score(talks)
    assert [float(text.removeprefix('{"reward": ').removesuffix("}")) for text in told] == pytest.approx(
        wanted, abs=1e-3
    )
    assert len({round(reward, 3) for reward in wanted}) == 3
