"""Tokens, log probabilities, and the manual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.fault_kinds import ERRORS
from synth.fault_replies import reply_to
from synth.fault_server import FaultOptions, FaultServer
from synth.fault_tokens import logprobs
from tests.synth.fault_client import all_of, asking

# Tokens


async def tokenize(body: Any) -> tuple[int, Any]:
    async with (
        FaultServer() as server,
        aiohttp.ClientSession() as session,
        session.post(server.url.removesuffix("/v1") + "/tokenize", json=body) as response,
    ):
        return response.status, await response.json()


async def test_tokens_are_words_and_agree_with_usage() -> None:
    status, reply = await tokenize({"model": "m", "prompt": "one two one"})
    assert status == 200
    assert reply.keys() == {"count", "max_model_len", "tokens", "token_strs"}
    one, two, third = reply["tokens"]
    assert (reply["count"], one == third, one == two) == (3, True, False)
    messages = asking("how are you today?")["messages"] + [{"role": "user", "content": [{"text": "a b"}]}]
    _, by_messages = await tokenize({"model": "m", "messages": messages})
    usage = reply_to({"model": "m", "messages": messages}, FaultOptions())["usage"]
    assert by_messages["count"] == usage["prompt_tokens"] == 6


@pytest.mark.parametrize("body", [{}, [], 5, {"prompt": 5}, {"messages": "text"}, {"messages": [{"content": 1}]}])
async def test_what_cannot_be_tokenized_is_refused(body: Any) -> None:
    status, reply = await tokenize(body)
    assert (status, reply["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(("top", "given"), [(None, 0), (0, 0), (1, 1), (5, 5), (20, 20)])
def test_log_probabilities_have_the_usual_shape(top: int | None, given: int) -> None:
    body = asking("why?", logprobs=True, **({} if top is None else {"top_logprobs": top}))
    reply = reply_to(body, FaultOptions())
    assert reply == reply_to(body, FaultOptions(seed=4))
    choice = reply["choices"][0]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    assert len(entries) == reply["usage"]["completion_tokens"]
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["logprob"] <= 0
        ranked = entry["top_logprobs"]
        assert len(ranked) == given
        assert [one["logprob"] for one in ranked] == sorted((one["logprob"] for one in ranked), reverse=True)
        assert not ranked or ranked[0] == {key: entry[key] for key in ("token", "logprob", "bytes")}


@given(st.text())
def test_log_probabilities_leave_out_nothing(text: str) -> None:
    from random import Random

    assert "".join(entry["token"] for entry in logprobs(text, Random(0), 0)["content"]) == text


@pytest.mark.parametrize(
    "more",
    [{"logprobs": "yes"}, {"logprobs": 3}, {"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 21}],
)
async def test_nonsense_about_log_probabilities_is_refused(more: dict[str, Any]) -> None:
    ((status, body),) = await all_of(FaultOptions(), [asking("why?", **more)])
    assert status == "400"
    assert "logprobs" in json.loads(body)["error"]["message"]


async def test_no_log_probabilities_unless_asked_for() -> None:
    for more in ({}, {"logprobs": False}, {"logprobs": None}):
        assert reply_to(asking("why?", **more), FaultOptions())["choices"][0]["logprobs"] is None


# The manual


def test_the_manual_has_every_fault_in_its_table() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "fault_server.md").read_text(encoding="utf-8")
    cells = {line.split("|")[1].strip().strip("`") for line in manual.splitlines() if line.startswith("| `")}
    assert set(ERRORS) <= {name.strip(" `") for cell in cells for name in cell.split(",")}
