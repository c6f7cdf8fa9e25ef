from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from synth.endpoints.base import Outcome, Request
from synth.endpoints.local import PACKAGED, LocalEndpoint, _cores, model_file, model_name
from synth.errors import UserError
from synth.spec_models import LocalModel
from tests.synth.helpers import request

NEEDED = ("xllamacpp", PACKAGED)
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_model = [
    pytest.mark.model,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.asyncio(loop_scope="module"),
]
NAME = "SmolLM2-135M-Instruct.Q4_1"
VERDICT = {
    "type": "object",
    "properties": {"verdict": {"enum": ["yes", "no"]}, "why": {"type": "string", "maxLength": 40}},
    "required": ["verdict", "why"],
    "additionalProperties": False,
}


def local(**fields: Any) -> LocalModel:
    return LocalModel(engine="local", **fields)


def question(text: str, **changes: Any) -> Request:
    return request(text, **({"max_tokens": 24, "temperature": 0.8} | changes))


async def texts(model: LocalModel, questions: Sequence[Request]) -> list[str]:
    """Replies of a freshly loaded model, asked one after the other."""
    endpoint = LocalEndpoint(model)
    try:
        await endpoint.start()
        outcomes = [await endpoint.complete(one) for one in questions]
    finally:
        await endpoint.close()
    return [outcome.reply.text for outcome in outcomes if outcome.reply is not None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LocalEndpoint]:
    endpoint = LocalEndpoint(local(slots=2, context=512))
    await endpoint.start()
    yield endpoint
    await endpoint.close()


def replied(outcome: Outcome) -> Any:
    assert outcome.reply is not None, outcome.failure
    return outcome.reply


class TestEngine:
    pytestmark = needs_model

    async def test_a_plain_reply(self, engine: LocalEndpoint) -> None:
        reply = replied(await engine.complete(question("What does the heart do?", temperature=0.0)))
        assert reply.text.strip()
        assert 0 < reply.tokens_out <= 24
        assert reply.tokens_in > 5
        assert not reply.usage_estimated
        assert reply.finish_reason in ("stop", "length")

    async def test_the_model_is_named_without_a_path(self, engine: LocalEndpoint) -> None:
        reply = replied(await engine.complete(question("Hello", max_tokens=1)))
        assert reply.model == NAME

    async def test_a_reply_keeps_to_its_schema(self, engine: LocalEndpoint) -> None:
        asked = question("Is the heart a muscle? Reply with JSON.", schema=VERDICT, max_tokens=80)
        reply = replied(await engine.complete(asked))
        value = json.loads(reply.text)
        assert value["verdict"] in ("yes", "no")
        assert len(value["why"]) <= 40

    async def test_a_reply_is_cut_at_its_tokens_and_says_so(self, engine: LocalEndpoint) -> None:
        reply = replied(await engine.complete(question("Tell me a long story.", max_tokens=3)))
        assert (reply.tokens_out, reply.finish_reason) == (3, "length")

    async def test_a_prompt_that_is_too_long_fails_its_row_at_once(self, engine: LocalEndpoint) -> None:
        outcome = await engine.complete(question("chest pain " * 2000))
        assert outcome.failure is not None
        assert outcome.failure.kind == "bad_request"
        assert "context" in outcome.failure.detail
        assert len(outcome.attempts) == 1
        replied(await engine.complete(question("Hello", max_tokens=1)))

    async def test_extra_keys_reach_the_engine(self, engine: LocalEndpoint) -> None:
        """A grammar of one word leaves no choice."""
        asked = question("Say something.", max_tokens=4, extra={"grammar": 'root ::= "yes"'})
        assert replied(await engine.complete(asked)).text == "yes"

    async def test_nobody_else_on_the_machine_can_use_it(self, engine: LocalEndpoint) -> None:
        assert engine._http is not None
        body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        async with aiohttp.ClientSession() as session:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                async with session.post(
                    f"{engine.servers[0].url}/chat/completions", json=body, headers=headers
                ) as response:
                    assert response.status == 401
        assert engine.servers[0].url.startswith("http://127.0.0.1:")

    async def test_with_one_slot_and_no_cache_replies_depend_on_their_question_alone(self) -> None:
        asked = [
            question("What does the heart do?", seed=1),
            question("What does the liver do?", seed=2),
            question("What does the heart do? Be brief.", seed=3, schema=VERDICT, max_tokens=40),
        ]
        model = local(slots=1, context=512, cache_prompt=False)
        forth, back = await texts(model, asked), await texts(model, asked[::-1])
        assert forth == back[::-1]
        assert len(set(forth)) == 3

    @pytest.mark.parametrize("content", [b"", b"this is no model", b"GGUF\x03\x00\x00\x00", None])
    async def test_a_file_that_is_no_model(self, content: bytes | None, tmp_path: Path) -> None:
        path = tmp_path / "broken.gguf"
        if content is None:  # a download that was cut
            with model_file(local()).open("rb") as whole:
                content = whole.read(1_000_000)
        path.write_bytes(content)
        endpoint = LocalEndpoint(local(path=path, slots=1, context=256), role="judge")
        try:
            with pytest.raises(UserError, match=r"models\.judge: llama\.cpp cannot load broken\.gguf: ") as caught:
                await endpoint.start()
        finally:
            await endpoint.close()
        assert len(str(caught.value).splitlines()) == 1
        assert "whole GGUF file" in str(caught.value)

    async def test_a_model_may_be_given_as_a_path(self, tmp_path: Path) -> None:
        path = tmp_path / "my-model.gguf"
        path.symlink_to(model_file(local()))
        endpoint = LocalEndpoint(local(path=path, slots=1, context=256))
        try:
            await endpoint.start()
            reply = replied(await endpoint.complete(question("Hello", max_tokens=1)))
        finally:
            await endpoint.close()
        assert reply.model == "my-model"


@pytest.mark.parametrize("name", ["missing.gguf", "."])
async def test_a_path_to_no_file(name: str, tmp_path: Path) -> None:
    endpoint = LocalEndpoint(local(path=tmp_path / name), role="doctor")
    with pytest.raises(UserError, match=r"models\.doctor\.path: no such file: ") as caught:
        await endpoint.start()
    assert len(str(caught.value).splitlines()) == 1
    await endpoint.close()


@pytest.mark.parametrize("name", ["owner/name", "name:file.gguf", "owner/name:", "a/b/c:file.gguf", "file.gguf", ""])
def test_a_hub_model_is_named_with_owner_and_file(name: str) -> None:
    with pytest.raises(UserError, match=r"models\.generator\.model: .* is not of the form owner/name:file\.gguf"):
        model_file(local(model=name))


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")
def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    code = (
        "from synth.endpoints.local import model_file\n"
        "from synth.errors import UserError\n"
        "from synth.spec_models import LocalModel\n"
        "try:\n"
        "    model_file(LocalModel(engine='local', model='owner/name:file.gguf'))\n"
        "except UserError as err:\n"
        "    print(err)\n"
    )
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("models.generator.model: cannot get file.gguf of owner/name from the Hub: ")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, NAME),
        ({"path": "/secret/place/my.model.Q4.gguf"}, "my.model.Q4"),
        ({"model": "owner/name:file.Q8_0.gguf"}, "file.Q8_0"),
        ({"model": "owner/name:folder/file.gguf"}, "file"),
        ({"model": "owner/name:file.gguf", "path": "/a/b.gguf"}, "b"),
    ],
)
def test_the_declared_name_is_never_a_path(fields: dict[str, Any], name: str) -> None:
    assert model_name(local(**fields)) == name


@pytest.mark.parametrize(
    ("quota", "most"),
    [
        ("max 100000", None),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("9999900000 100000", None),
        ("1 0", None),
        ("", None),
    ],
)
def test_threads_keep_to_the_quota_of_a_container(quota: str, most: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    cores = len(os.sched_getaffinity(0))
    assert _cores(tmp_path / "cpu.max") == (cores if most is None else most)
    assert _cores(tmp_path / "nowhere") == cores


async def test_complete_before_start_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError, match="start"):
        await LocalEndpoint(local()).complete(question("Hello"))


async def test_close_may_come_twice_and_first() -> None:
    endpoint = LocalEndpoint(local())
    await endpoint.close()
    await endpoint.close()
