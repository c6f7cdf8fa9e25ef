"""The doctor against real servers of every shape: what it finds, what it advises, what it ends with."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from synth import doctor, doctor_examine, probes
from synth.fault_server import FaultOptions, FaultServer
from tests.runs import ROOT, SEEDS
from tests.synth.helpers import MODEL, Served, completion, served

DOWN = "http://127.0.0.1:1/v1"
KEY = "a-very-secret-key-0123456789"
FORM = {"colour": "teal", "beats": 22}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (probes, doctor_examine):
        monkeypatch.setattr(module, "PAUSE", 0.01)


@dataclass
class Seen:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.out)["endpoints"]
        return found

    @property
    def only(self) -> dict[str, Any]:
        (endpoint,) = self.endpoints
        return endpoint

    @property
    def advice(self) -> str:
        return "\n".join(self.only["advice"])

    @property
    def problems(self) -> str:
        return "\n".join(self.only["problems"])


Diagnose = Callable[..., Awaitable[Seen]]


@pytest.fixture
def diagnose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Diagnose:
    async def run(url: str | list[str] | None, *, table: bool = False, sections: Any = None, **model: Any) -> Seen:
        """Run the command on a spec whose generator is at ``url``; ``model`` are further keys of it."""
        generator: dict[str, Any] = {"engine": "openai", "model": MODEL, "max_in_flight": 4, **model}
        spec = {
            "name": "trial",
            "seeds": {"source": str(SEEDS)},
            "models": {"generator": generator | ({"base_url": url} if url else {})},
            "produce": {"questions": {}, "answers": {}},
            **(sections or {}),
        }
        path = tmp_path / "spec.yaml"
        path.write_text(json.dumps(spec))  # JSON is YAML
        options = [] if table else ["--json"]
        code = await asyncio.to_thread(doctor.main, ["--spec", str(path), *options])
        return Seen(code, *capsys.readouterr())

    return run


NATIVE = {"produce": {"questions": {}, "answers": {}, "reasoning": {"hardest": 0.5}}}
SECTIONS = {"produce": {"questions": {}, "answers": {}, "reasoning": {"hardest": 0.5, "trace": "sections"}}}


@dataclass
class Traits:
    """How a server behaves."""

    schema: str = "honoured"
    seed: str = "honoured"
    logprobs: Any = None
    message: dict[str, Any] = field(default_factory=dict)
    """Further fields of the message; ``content`` goes before what would have been said."""
    usage: dict[str, Any] | None = field(default_factory=dict)
    """Further fields of the usage; None: no usage."""
    seconds: Callable[[int], float] = lambda in_flight: 0.0
    """How long a reply takes with so many in flight."""
    most_in_flight: int = 10_000
    """Above this many 429 is answered."""
    models: dict[str, Any] | None = None
    """The list of models; None: 404."""


def refused(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


@asynccontextmanager
async def shaped(**traits: Any) -> AsyncIterator[Served]:
    """A server of these traits, whose prose depends on the request unless its traits say otherwise."""
    is_ = Traits(**traits)
    count = flying = 0

    async def chat(request: web.Request) -> web.StreamResponse:
        nonlocal count, flying
        body = await request.json()
        count += 1
        flying += 1
        try:
            if flying > is_.most_in_flight:
                return refused(429, "slow down")
            await asyncio.sleep(is_.seconds(flying))
        finally:
            flying -= 1
        asked = body.get("response_format", {}).get("type")
        if is_.seed == "refused" and "seed" in body:
            return refused(400, "unknown key seed")
        if is_.schema == "refused" and asked:
            return refused(400, "response_format is not supported")
        if is_.logprobs == "refused" and "logprobs" in body:
            return refused(400, "logprobs are not supported")
        decides = {"honoured": body.get("seed"), "ignored": count, "constant": 0, "refused": 0}[is_.seed]
        text = f"The lamp went out {decides}."
        if asked == "json_schema" and is_.schema in ("honoured", "fenced"):
            text = json.dumps(FORM) if is_.schema == "honoured" else f"```json\n{json.dumps(FORM)}\n```"
        elif asked and is_.schema in ("object", "another form"):
            text = '{"answer": "It pumps.", "colour": "red"}'
        answer = completion(text, **is_.message)
        answer["choices"][0]["logprobs"] = is_.logprobs
        answer["usage"] = {"prompt_tokens": 9, "completion_tokens": 32, **is_.usage} if is_.usage is not None else None
        return web.json_response(answer)

    async def listed(request: web.Request) -> web.StreamResponse:
        return web.json_response(is_.models) if is_.models is not None else refused(404, "no such route")

    async with served(chat, models=listed) as server:
        yield server


# A good server


async def test_a_server_that_can_do_everything(diagnose: Diagnose) -> None:
    async with FaultServer(FaultOptions(latency_ms=20, reasoning="field")) as server:
        seen = await diagnose(server.url, sections=NATIVE, max_in_flight=64, price={"input": 1, "output": 2})
        hits = server.stats()["hits"]
    found = seen.only
    assert seen.code == 0
    assert found["fit"] is True
    assert found["problems"] == []
    assert found["roles"] == ["generator", "judge", "reasoner"]
    expected = {
        "reachable": True, "model_there": True, "json_schema": True, "seed": "yes", "logprobs": True, "key": None,
        "reasoning": "reasoning", "tokenizer": "vllm", "usage": True, "url": server.url, "model": MODEL,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert found["max_context"] > 0
    assert 0 < found["latency_s"] < 5
    assert [level["in_flight"] for level in found["levels"]] == [1, 8, 64]
    assert all(level["tokens_per_s"] > 0 and level["failed"] == {} for level in found["levels"])
    assert found["requests"] == hits <= 80
    assert found["usd"] == pytest.approx((found["tokens_in"] + 2 * found["tokens_out"]) / 1e6)


async def test_what_is_sent_is_said_beforehand_and_is_no_more(diagnose: Diagnose) -> None:
    async with FaultServer() as server:
        seen = await diagnose(server.url, price={"input": 1, "output": 2}, max_in_flight=16)
        said = re.search(r"at most (\d+) short requests, ([\d,]+) tokens, \$(\d\.\d+) at most", seen.err)
        assert said is not None, seen.err
        assert server.stats()["hits"] <= int(said[1]) <= 80
    assert seen.only["tokens_in"] + seen.only["tokens_out"] <= int(said[2].replace(",", ""))
    assert 0 < seen.only["usd"] <= float(said[3])


async def test_no_price_is_said(diagnose: Diagnose) -> None:
    async with FaultServer() as server:
        assert "names no price" in (await diagnose(server.url)).err


async def test_the_table_has_a_line_for_each_url(diagnose: Diagnose) -> None:
    async with FaultServer() as one, FaultServer() as two:
        seen = await diagnose([one.url, two.url], table=True)
        assert seen.code == 0
        head, columns, *lines = seen.out.splitlines()
        assert head == f"generator+judge: {MODEL} (openai)"
        assert columns.split()[:3] == ["where", "reachable", "key"]
        for server, line in zip((one, two), lines, strict=False):
            assert line.split()[:4] == [server.url.split("/")[2], "yes", "-", "yes"]
        assert one.stats()["hits"] == two.stats()["hits"] > 0


# JSON


@pytest.mark.parametrize(
    ("schema", "honoured", "problem"),
    [
        ("honoured", True, ""),
        ("ignored", False, "structured: json_schema does not work: the reply does not keep .* set structured: none"),
        ("fenced", False, "set structured: none"),
        ("object", False, "set structured: json_object"),
        ("refused", False, r"the server refuses it \(HTTP 400: response_format is not supported\); set .*: none"),
    ],
)
async def test_a_schema_counts_when_the_reply_keeps_to_it(
    schema: str, honoured: bool, problem: str, diagnose: Diagnose
) -> None:
    async with shaped(schema=schema) as server:
        seen = await diagnose(server.url)
    assert seen.only["json_schema"] is honoured
    assert seen.code == (4 if problem else 0)
    assert re.search(problem, seen.problems)


@pytest.mark.parametrize(
    ("schema", "structured", "code"),
    [
        ("ignored", "none", 0),
        ("object", "json_object", 0),
        ("ignored", "json_object", 4),
        ("honoured", "none", 0),
    ],
)
async def test_what_the_spec_asks_for_decides(schema: str, structured: str, code: int, diagnose: Diagnose) -> None:
    async with shaped(schema=schema) as server:
        seen = await diagnose(server.url, structured=structured)
    assert seen.code == code, seen.problems
    assert ("the server honours JSON schemas" in seen.advice) == (schema == "honoured")


# Seeds


@pytest.mark.parametrize(
    ("seed", "said", "advice"),
    [
        ("honoured", "yes", ""),
        ("ignored", "no", "send_seed: false loses nothing"),
        ("constant", "constant", "every seed gives the same text"),
    ],
)
async def test_seeds_are_judged_by_the_texts(seed: str, said: str, advice: str, diagnose: Diagnose) -> None:
    async with shaped(seed=seed) as server:
        seen = await diagnose(server.url)
    assert seen.only["seed"] == said
    assert seen.code == 0
    assert advice in seen.advice
    assert ("seed" in seen.advice) == bool(advice)


async def test_a_server_that_refuses_seeds_is_probed_without(diagnose: Diagnose) -> None:
    async with shaped(seed="refused") as server:
        seen = await diagnose(server.url)
        assert len(server.hits) <= 80
    assert seen.code == 4
    assert seen.only["seed"] == "refused"
    assert "set send_seed: false" in seen.problems
    assert seen.only["json_schema"] is True
    assert len(seen.only["levels"]) == 2


async def test_a_seed_that_is_not_to_be_sent_is_not(diagnose: Diagnose) -> None:
    async with shaped(seed="refused") as server:
        seen = await diagnose(server.url, send_seed=False)
        assert not any("seed" in hit.body for hit in server.hits)
    assert (seen.code, seen.only["seed"]) == (0, "not sent")


# Reasoning and log probabilities


@pytest.mark.parametrize(
    ("traits", "where", "native"),
    [
        ({"message": {"reasoning": "206 or so."}}, "reasoning", 0),
        ({"message": {"reasoning_content": "206 or so."}}, "reasoning_content", 0),
        ({"message": {"content": "<think>206</think> It has 206."}}, "<think>", 0),
        ({"message": {"content": "<think>It was cut"}}, "<think>", 0),
        ({"message": {"content": "The template opened it</think> It has 206."}}, "<think>", 0),
        ({"message": {"reasoning": " ", "reasoning_content": None}}, "none", 4),
        ({"usage": {"completion_tokens_details": {"reasoning_tokens": 0}}}, "none", 4),
        ({"usage": {"completion_tokens_details": {"reasoning_tokens": 20}}}, "hidden", 4),
    ],
)
async def test_where_a_model_reasons(traits: dict[str, Any], where: str, native: int, diagnose: Diagnose) -> None:
    content = traits.get("message", {}).get("content")
    form = {"schema": "ignored"} if content else {}
    async with shaped(**traits, **form) as server:
        seen = await diagnose(server.url, sections=NATIVE, structured="none" if content else "json_schema")
        asked = await diagnose(server.url, sections=SECTIONS, structured="none" if content else "json_schema")
    assert seen.only["reasoning"] == where
    assert seen.code == native, seen.problems
    assert ("produce.reasoning.trace: sections" in seen.problems) == bool(native)
    assert asked.code == 0
    assert ("trace: native would keep it" in asked.advice) == (native == 0)
    assert ("reasons before it answers" in asked.advice) == (where != "none")


TOKEN = {"token": "The", "logprob": -0.1}


@pytest.mark.parametrize(
    ("logprobs", "given"),
    [
        ({"content": [TOKEN]}, True),
        ({"content": []}, False),
        ({"content": [TOKEN, {"token": "lamp", "logprob": None}]}, False),
        ({"content": [{"token": "The", "logprob": 0.9}]}, False),
        (None, False),
        ("refused", False),
    ],
)
async def test_logprobs_count_when_they_are_some(logprobs: Any, given: bool, diagnose: Diagnose) -> None:
    async with shaped(logprobs=logprobs) as server:
        seen = await diagnose(server.url)
    assert seen.only["logprobs"] is given
    assert seen.only["reasoning"] == "none"
    assert seen.code == 0


# Under load


async def test_a_rate_limit_by_requests_in_flight(diagnose: Diagnose) -> None:
    async with shaped(most_in_flight=20, seconds=lambda _: 0.1) as server:
        seen = await diagnose(server.url, max_in_flight=64)
        assert len(server.hits) <= 80
    last = seen.only["levels"][-1]
    assert last["in_flight"] == 64
    assert last["failed"]["rate_limit"] >= 30
    assert "with 64 in flight" in seen.advice
    assert "max_in_flight: 8 passed whole" in seen.advice
    assert seen.code == 0


async def test_where_most_fail_no_more_are_sent(diagnose: Diagnose) -> None:
    async with shaped(most_in_flight=1, seconds=lambda _: 0.1) as server:
        seen = await diagnose(server.url, max_in_flight=64)
    assert [level["in_flight"] for level in seen.only["levels"]] == [1, 8]
    assert "max_in_flight: 1 passed whole" in seen.advice


async def test_a_server_that_is_slow_with_many(diagnose: Diagnose) -> None:
    async with shaped(seconds=lambda flying: 0.1 if flying <= 8 else 1.5) as server:
        seen = await diagnose(server.url, max_in_flight=64)
    assert re.search(r"throughput falls beyond 8 in flight \(1: \d+, 8: \d+, 64: \d+ tokens/s\)", seen.advice)
    assert "max_in_flight: 8 would do" in seen.advice


async def test_a_server_that_takes_one_after_the_other(diagnose: Diagnose) -> None:
    async with shaped(seconds=lambda flying: 0.02 * flying) as server:
        seen = await diagnose(server.url, max_in_flight=64)
    assert "would do" in seen.advice
    assert "max_in_flight: 64" not in seen.advice


async def test_throughput_that_still_grows(diagnose: Diagnose) -> None:
    async with shaped(seconds=lambda _: 0.1) as server:
        seen = await diagnose(server.url, max_in_flight=16)
    assert [level["in_flight"] for level in seen.only["levels"]] == [1, 8, 16]
    assert "throughput still grows at max_in_flight: 16" in seen.advice


# Sizes, usage, money


async def test_a_server_without_usage(diagnose: Diagnose) -> None:
    async with shaped(usage=None) as server:
        seen = await diagnose(server.url, sections={"budget": {"tokens": 1000}})
        zero = await diagnose(server.url)
    assert seen.only["usage"] is False
    assert "the budget is kept by estimates" in seen.advice
    assert "they are estimated" in zero.advice
    assert "budget is kept" not in zero.advice
    assert seen.code == 0


async def test_a_count_of_nothing_is_no_count(diagnose: Diagnose) -> None:
    async with shaped(usage={"completion_tokens": 0}) as server:
        assert (await diagnose(server.url)).only["usage"] is False


@pytest.mark.parametrize(("size", "fits"), [(4096, False), (131_072, True)])
@pytest.mark.parametrize("name", ["max_model_len", "context_length", "context_window"])
async def test_the_context_that_the_list_of_models_tells(name: str, size: int, fits: bool, diagnose: Diagnose) -> None:
    async with shaped(models={"data": [{"id": "other", name: 1}, {"id": MODEL, name: size}]}) as server:
        seen = await diagnose(server.url)
    assert seen.only["max_context"] == size
    assert ("do not fit into the context of 4,096" in seen.advice) == (not fits)


async def test_a_timeout_shorter_than_the_longest_reply(diagnose: Diagnose) -> None:
    async with shaped(seconds=lambda _: 0.2) as server:
        short = await diagnose(server.url, timeout=5)
        long = await diagnose(server.url, timeout=600)
        changed = await diagnose(server.url, timeout=5, sections={"sampling": {"answers": {"max_tokens": 64}}})
    assert re.search(r"a reply of 4,096 tokens \(step answers\) takes .* longer than timeout: 5; set", short.advice)
    assert "timeout" not in long.advice
    assert "4,096" not in changed.advice


async def test_a_longer_limit_in_extra_body_is_held(diagnose: Diagnose) -> None:
    async with shaped() as server:
        await diagnose(server.url, extra_body={"max_completion_tokens": 9000, "top_k": 3})
        assert all(hit.body["max_completion_tokens"] <= 512 for hit in server.hits)
        assert all(hit.body["top_k"] == 3 for hit in server.hits)


# What stops it


async def test_nobody_listens(diagnose: Diagnose) -> None:
    seen = await diagnose(DOWN)
    assert seen.code == 4
    assert seen.only["reachable"] is False
    assert re.fullmatch(
        r"models\.generator\.base_url: no answer from 127\.0\.0\.1:1 \(.+\); is the server running\?", seen.problems
    )
    assert seen.only["advice"] == []
    assert seen.only["requests"] == 0


async def test_one_of_two_urls_is_down(diagnose: Diagnose) -> None:
    async with FaultServer() as server:
        seen = await diagnose([DOWN, server.url])
    assert seen.code == 4
    down, up = seen.endpoints
    assert (down["url"], down["reachable"], down["fit"]) == (DOWN, False, False)
    assert (up["url"], up["reachable"], up["fit"], up["json_schema"]) == (server.url, True, True, True)


async def test_a_model_that_is_not_listed(diagnose: Diagnose) -> None:
    async with FaultServer(FaultOptions(models=("fault-models",))) as server:
        seen = await diagnose(server.url)
        assert server.stats()["hits"] == 0
    assert seen.code == 4
    assert (seen.only["reachable"], seen.only["model_there"]) == (True, False)
    assert "has no model 'fault-model'; did you mean 'fault-models'?" in seen.problems


async def test_a_model_that_shows_missing_only_when_it_is_asked(diagnose: Diagnose) -> None:
    async with served(refused(404, "the model does not exist")) as server:
        seen = await diagnose(server.url)
        assert len(server.hits) <= 3
    assert (seen.code, seen.only["reachable"], seen.only["model_there"]) == (4, True, False)
    assert "answers 404: the model does not exist" in seen.problems


@pytest.mark.parametrize("key", [KEY, "short1"])
@pytest.mark.parametrize("listing", [True, False])
@pytest.mark.parametrize("table", [True, False])
async def test_a_wrong_key_is_named_and_never_shown(
    key: str, listing: bool, table: bool, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAL_KEY", key)

    async def answer(request: web.Request) -> web.StreamResponse:
        return refused(401, f"wrong key {request.headers['Authorization']} {key}")

    async with served(answer, models=answer if listing else None) as server:
        seen = await diagnose(server.url, api_key_env="TRIAL_KEY", table=table)
    assert seen.code == 4
    assert key not in seen.out + seen.err
    assert "refuses the key in TRIAL_KEY (HTTP 401" in seen.out
    if not table:
        assert seen.only["key"] is False


async def test_a_key_that_is_not_set(diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAL_KEY", raising=False)
    async with FaultServer() as server:
        seen = await diagnose(server.url, api_key_env="TRIAL_KEY")
        assert server.stats()["hits"] == 0
    assert seen.code == 4
    assert "the environment variable TRIAL_KEY is not set" in seen.problems


async def test_a_good_key(diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_KEY", KEY)
    async with FaultServer(FaultOptions(api_key=KEY)) as server:
        seen = await diagnose(server.url, api_key_env="TRIAL_KEY")
    assert (seen.code, seen.only["key"]) == (0, True)
    assert "names no price" in seen.advice


async def test_a_redirect_is_not_followed(diagnose: Diagnose) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/v1/models"})

    async with served(completion(), models=elsewhere) as server:
        seen = await diagnose(server.url)
        assert server.hits == []
    assert seen.code == 4
    assert "redirects (HTTP 307); give the final URL" in seen.problems


async def test_a_failure_in_passing_hides_nothing(diagnose: Diagnose) -> None:
    async with FaultServer(FaultOptions(script=("500", None, None, "reset"))) as server:
        seen = await diagnose(server.url)
    assert seen.code == 0
    assert (seen.only["logprobs"], seen.only["json_schema"], seen.only["seed"]) == (True, True, "yes")


async def test_a_server_that_always_fails(diagnose: Diagnose) -> None:
    async with served(refused(500, "no\nmemory")) as server:
        seen = await diagnose(server.url)
        assert len(server.hits) <= 6
    assert seen.code == 4
    assert seen.problems == "models.generator: a short request fails: HTTP 500: no memory"


async def test_an_answer_that_is_no_completion(diagnose: Diagnose) -> None:
    async with served({"hello": "world"}) as server:
        seen = await diagnose(server.url)
    assert seen.code == 4
    assert "a short request fails: no choices in the response" in seen.problems


# Other engines


async def test_a_batch_service_is_only_asked_for_its_models(
    diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with FaultServer(FaultOptions(api_key=KEY)) as server:
        seen = await diagnose(server.url, engine="openai-batch", max_in_flight=1000)
        missing = await diagnose(server.url, engine="openai-batch", model="other")
        assert server.stats()["hits"] == 0
    assert seen.code == 0
    assert (seen.only["key"], seen.only["model_there"], seen.only["json_schema"]) == (True, True, None)
    assert "a batch may take hours" in seen.advice
    assert "a batch may take hours" in seen.err
    assert missing.code == 4


def fake_vllm(folder: Path, faults: str = "") -> dict[str, str]:
    path = f"{ROOT / 'tests' / 'synth' / 'fake_vllm'}{os.pathsep}{ROOT}"
    return {"PYTHONPATH": path, "FAKE_VLLM": str(folder), "FAKE_VLLM_FAULTS": faults}


async def test_a_vllm_of_ours_is_started_probed_and_stopped(diagnose: Diagnose, tmp_path: Path) -> None:
    seen = await diagnose(None, engine="vllm", python=sys.executable, env=fake_vllm(tmp_path))
    found = seen.only
    assert seen.code == 0, found["problems"]
    assert "starting vLLM, which may take minutes" in seen.err
    assert (found["url"], found["reachable"], found["json_schema"]) == (None, True, True)
    assert (found["logprobs"], found["tokenizer"], found["reasoning"]) == (True, "vllm", "none")
    (started,) = tmp_path.glob("*.json")
    assert not Path(f"/proc/{started.stem}").exists()


async def test_a_vllm_of_ours_that_does_not_start(diagnose: Diagnose, tmp_path: Path) -> None:
    seen = await diagnose(None, engine="vllm", python=sys.executable, env=fake_vllm(tmp_path, "crash"))
    assert seen.code == 4
    assert "models.generator: vLLM's server ended while starting" in seen.problems
    assert len(seen.problems.splitlines()) == 1


# Mistakes


async def test_a_budget_in_dollars_without_a_price(diagnose: Diagnose) -> None:
    seen = await diagnose(DOWN, sections={"budget": {"usd": 1}})
    assert seen.code == 2
    assert seen.out == ""
    (line,) = seen.err.splitlines()
    assert "price is missing" in line


def test_no_such_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--spec", "nowhere.yaml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
