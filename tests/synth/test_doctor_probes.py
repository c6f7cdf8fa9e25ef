"""What the doctor's probes plan to send, what they make of tokenizer routes, and the embedded engine."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from synth import doctor
from synth.doctor_wire import SAMPLE, Wire, shape_of
from synth.endpoints.local import PACKAGED
from synth.fault_server import FaultServer
from synth.probes import levels, most
from synth.spec_models import Price
from tests.runs import SEEDS

WORDS = len(SAMPLE.split())


@given(st.integers(1, 4096))
def test_levels_go_up_to_the_slots(slots: int) -> None:
    found = levels(slots)
    assert found[0] == 1
    assert found == sorted(set(found))
    assert found[-1] == min(slots, 64)


@given(st.integers(1, 4096))
def test_an_endpoint_gets_eighty_requests_at_most(slots: int) -> None:
    bound = most(slots, {}, Price(input=1, output=1))
    assert bound.requests <= 80
    assert bound.tokens < 10_000
    assert bound.usd == pytest.approx(bound.tokens / 1e6)


@asynccontextmanager
async def tokenizing(answer: Any, key: str) -> AsyncIterator[str]:
    """A server whose /tokenize answers bodies that have ``key``."""

    async def tokenize(request: web.Request) -> web.StreamResponse:
        return web.json_response(answer if key in await request.json() else {"tokens": []})

    app = web.Application()
    app.router.add_post("/tokenize", tokenize)
    async with TestServer(app) as server:
        yield str(server.make_url("/v1"))


NUMBERS = list(range(WORDS + 2))


@pytest.mark.parametrize(
    ("answer", "key", "expected"),
    [
        ({"tokens": NUMBERS, "count": len(NUMBERS), "max_model_len": 4096}, "prompt", ("vllm", 4096)),
        ({"tokens": NUMBERS, "count": 3}, "prompt", ("none", None)),
        ({"tokens": NUMBERS}, "content", ("llama.cpp", None)),
        ({"tokens": [1]}, "content", ("none", None)),
        ({"tokens": "many"}, "content", ("none", None)),
        (["ok"], "prompt", ("none", None)),
        ({"status": "ok"}, "prompt", ("none", None)),
    ],
)
async def test_a_tokenizer_route_counts_when_it_counts(
    answer: Any, key: str, expected: tuple[str, int | None]
) -> None:
    async with tokenizing(answer, key) as url, Wire(url, "m", "", 10) as wire:
        assert await wire.tokenizer(10) == expected


async def test_a_server_without_the_route() -> None:
    async with TestServer(web.Application()) as server, Wire(str(server.make_url("/v1")), "m", "", 10) as wire:
        assert await wire.tokenizer(10) == ("none", None)


async def test_the_fault_server_tokenizes_as_vllm_does() -> None:
    async with FaultServer() as server, Wire(server.url, "fault-model", "", 10) as wire:
        kind, context = await wire.tokenizer(10)
    assert kind == "vllm"
    assert context


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "reasoning", "usage", "logprobs", "token", "logprob"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_body_has_a_shape_or_none(body: Any) -> None:
    for value in (body, {"choices": [body]}, {"choices": [{"message": body, "logprobs": body}], "usage": body}):
        shape = shape_of(value)
        assert shape is None or shape.tokens_out >= 0 or isinstance(shape.tokens_out, int)


@pytest.mark.model
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("xllamacpp", PACKAGED)), reason="no embedded engine"
)
def test_the_embedded_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {
        "name": "trial",
        "seeds": {"source": str(SEEDS)},
        "models": {"generator": {"engine": "local", "slots": 2, "context": 1024}},
        "produce": {"questions": {}, "answers": {}},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    code = doctor.main(["--spec", str(tmp_path / "spec.yaml"), "--json"])
    out, err = capsys.readouterr()
    (found,) = json.loads(out)["endpoints"]
    assert code == 0, found
    assert (found["engine"], found["url"], found["reachable"], found["json_schema"]) == ("local", None, True, True)
    assert found["usage"] is True
    assert found["logprobs"] is True
    assert found["reasoning"] == "none"
    assert found["tokenizer"] == "llama.cpp"
    assert [level["in_flight"] for level in found["levels"]] == [1, 2]
    assert "started here" in err
    assert any("the context of 1,024" in line for line in found["advice"])
