"""A reward model in the judge's place: served by a real HTTP server, and a tiny one inside this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.endpoints.base import Request
from synth.endpoints.bodies import BadBody
from synth.endpoints.rewards import RewardEndpoint, parse_classes
from synth.errors import EndpointRefused, UserError
from synth.estimate import estimate
from synth.spec_checks import check as check_spec
from synth.spec_models import LocalReward
from tests.servers.classify_server import classify_server
from tests.synth.factories import make_spec
from tests.synth.played import ANSWERS, BOTH, hard, pairs_from, play
from tests.synth.scripted import Script, grade

REASONING = {"difficulty_above": 8, "chains": 3}


def served(url: str, **changes: Any) -> dict[str, Any]:
    return {"engine": "vllm", "base_url": url, "model": "reward-1", "retries": 2} | changes


def by_length(text: str) -> list[float]:
    return [-len(text) / 7]


async def test_the_reward_model_chooses_and_the_judge_scores_the_chosen(tmp_path: Path) -> None:
    long, short = "Rest, fluids and time are what helps here. " * 3, "Rest and time are what helps in this illness."
    script = Script(answers={"answers": [long, short]}, reward=grade(9))
    async with classify_server(by_length) as server:
        produce = ANSWERS | pairs_from("reward")
        played = await play(tmp_path, script, produce, ["topic-a", "topic-b"], reward=served(server.url))
    assert [row["response"] for row in played.rows["sft"]] == [short] * 2
    assert script.steps()["reward"] == 2, "the judge sees only what was chosen"
    assert [row["quality"] for row in played.rows["sft"]] == [9, 9]
    for pair in played.rows["preference"]:
        assert pair["chosen"][0]["content"] == short
        assert pair["margin"] == pytest.approx((len(long.strip()) - len(short)) / 7)
        models = {played.entries[key].model for key in pair["calls"]}
        assert models == {"writer-1", "judge-1", "reward-1"}
    assert len(played.asked("reward_model")) == 4
    body = server.bodies[0]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    assert body["use_activation"] is False
    assert {"temperature", "seed", "max_tokens"}.isdisjoint(body)
    line = next(line for line in estimate(played.setup) if line.step == "reward_model")
    assert (line.requests, line.model) == (4, "reward-1")
    assert next(line for line in estimate(played.setup) if line.step == "reward").requests == 2


async def test_chains_are_chosen_and_compared_by_the_reward_model(tmp_path: Path) -> None:
    produce = BOTH | {"reasoning": REASONING} | pairs_from("reasoning_over_answer")
    script = Script(score=hard("topic-a"))
    async with classify_server(by_length) as server:
        played = await play(tmp_path, script, produce, ["topic-a"], reward=served(server.url))
    assert played.finished.error is None
    (row,) = played.rows["reasoning"]
    texts = {entry.step: text for entry, text in played.asked("reward_model") if "chain" in entry.step}
    assert len(texts) == 3
    chosen = f"{row['reasoning']}\n\n{row['answer']}"
    shown = {text.partition("\n")[2] for text in texts.values()}
    assert chosen in shown
    assert len(chosen) == min(map(len, shown))
    (pair,) = played.rows["preference"]
    assert pair["margin"] == pytest.approx((len(pair["rejected"][0]["content"]) - len(chosen)) / 7)
    assert ("reward_model_prefers_rejected" in pair["flags"]) == (pair["margin"] < 0)
    assert script.steps()["reward"] == 2, "one answer and one chain"


async def test_a_tie_is_drawn_and_gives_no_pair(tmp_path: Path) -> None:
    topics = [f"topic-{n}" for n in range(12)]
    async with classify_server(lambda _: [0.25]) as server:
        played = await play(tmp_path, Script(), ANSWERS | pairs_from("reward"), topics, reward=served(server.url))
    first = {json.loads(r["payload"])["answer"] for r in played.rejected if r["kind"] == "answer"}
    assert len(played.rows["sft"]) == 12
    assert {("reward", "tie")} == set(played.why("preference"))
    places = {row["seed_id"]: r["id"] for row in played.rows["sft"] for r in played.rejected if r["kind"] == "answer"}
    assert first
    assert places


async def test_a_run_that_goes_on_asks_the_reward_model_nothing_again(tmp_path: Path) -> None:
    async with classify_server(by_length) as server:
        server.trouble = [503, 500]
        first = await play(tmp_path, Script(), ANSWERS, ["topic-a", "topic-b"], reward=served(server.url))
        asked = len(server.bodies)
        assert asked == 4 + 2, "what failed was tried again"
        again = await play(tmp_path, Script(), ANSWERS, ["topic-a", "topic-b"], reward=served(server.url))
        assert len(server.bodies) == asked
        other = served(server.url, model="reward-1", max_in_flight=1)
        moved = await play(tmp_path, Script(), ANSWERS, ["topic-a", "topic-b"], reward=other)
    assert again.rows == first.rows == moved.rows
    assert (again.hits, again.replayed["reward_model"]) == (0, 4)


async def test_a_budget_counts_rewards(tmp_path: Path) -> None:
    async with classify_server(by_length) as server:
        played = await play(
            tmp_path, Script(), ANSWERS, ["topic-a"], reward=served(server.url), budget={"requests": 6}
        )
        total = played.hits + len(server.bodies)
    assert "budget" in str(played.finished.error)
    assert total == 6
    assert len(server.bodies) >= 1


async def test_what_is_no_number_leaves_an_answer_unscored(tmp_path: Path) -> None:
    def worth(text: str) -> list[float]:
        return [float("nan") if "topic-a" in text else 1.5]

    async with classify_server(worth) as server:
        played = await play(tmp_path, Script(), ANSWERS, ["topic-a", "topic-b"], reward=served(server.url))
    assert [row["seed_id"] for row in played.rows["sft"]] == ["topic-b"]
    assert played.why("sft", "topic-a") == [("reward", "unscored")]
    assert len(server.bodies) == 4, "it would say the same again"


async def test_a_classifier_with_several_outputs_stops_the_run(tmp_path: Path) -> None:
    async with classify_server(lambda _: [0.1, 0.9]) as server:
        played = await play(tmp_path, Script(), ANSWERS, ["topic-a"], reward=served(server.url))
    assert isinstance(played.finished.error, EndpointRefused)
    assert "has 2 outputs; a reward model has one" in str(played.finished.error)


REQUEST = Request([{"role": "user", "content": "abcd"}], 0.0, 1.0, 1, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"{}", b'{"data": []}', b'{"data": [{"probs": null}]}', b'{"data": [{"probs": ["x"]}]}',
        b'{"error": {"message": "no"}}', b"[" * 100_000, b"\xff",
    ],
)  # fmt: skip
def test_a_body_that_is_no_classification_is_bad(raw: bytes) -> None:
    with pytest.raises(BadBody):
        parse_classes(raw, REQUEST, "host")


def test_a_body_without_usage_is_estimated() -> None:
    reply = parse_classes(b'{"data": [{"probs": [-3.5]}], "usage": null, "model": 3}', REQUEST, "host")
    assert (json.loads(reply.text), reply.model, reply.usage_estimated) == ({"reward": -3.5}, "unknown", True)
    assert reply.tokens_in > 0


def test_a_spec_with_nothing_to_choose_from_says_so() -> None:
    remote = {"engine": "openai", "model": "writer-1", "base_url": "http://127.0.0.1:1/v1"}
    models = {"generator": remote, "reward": served("http://127.0.0.1:1/v1?x=1", api_key_env="sk-123")}
    spec = make_spec(models=models, produce={"dialogues": {}}, budget={"usd": 1})
    found = {finding.loc: finding.message for finding in check_spec(spec)}
    assert "nothing to choose from" in found["models", "reward"]
    assert "query" in found["models", "reward", "base_url"]
    assert {("models", "reward", "api_key_env"), ("models", "reward", "price")} <= set(found)


@pytest.mark.train
class TestEmbedded:
    """A tiny random model inside this process."""

    @staticmethod
    def model(folder: Path, **changes: Any) -> str:
        pytest.importorskip("torch")
        from tests.filters.test_reward import save_model

        return save_model(folder, **changes)

    async def test_a_run_with_it_is_replayed_without_it(self, tmp_path: Path) -> None:
        from filters.reward import RewardModel

        name = self.model(tmp_path / "tiny-reward")
        reward = {"engine": "reward", "model": name, "device": "cpu"}
        played = await play(tmp_path, Script(), ANSWERS, [f"topic-{n}" for n in range(5)], reward=reward)
        scorer = RewardModel(name, device="cpu")
        said = {}
        for entry, _ in played.asked("reward_model"):
            assert entry.model == "tiny-reward"
            (wanted,) = scorer.score([entry.request["messages"]])
            said[entry.key] = json.loads((entry.reply or {})["text"])["reward"]
            assert said[entry.key] == pytest.approx(wanted, abs=1e-4)
            assert entry.tokens_in == scorer.tokens(entry.request["messages"])
        assert len(said) == 10
        for row in played.rows["sft"]:
            mine = {
                entry.request["messages"][1]["content"]: said[entry.key]
                for entry, _ in played.asked("reward_model", row["seed_id"])
            }
            assert mine[row["response"]] == max(mine.values())
        (tmp_path / "tiny-reward" / "model.safetensors").unlink()
        again = await play(tmp_path, Script(), ANSWERS, [f"topic-{n}" for n in range(5)], reward=reward)
        assert again.rows == played.rows

    @pytest.mark.parametrize(("changes", "problem"), [({"labels": 2}, "2 outputs"), ({"template": None}, "template")])
    async def test_what_is_no_reward_model_is_one_line(
        self, tmp_path: Path, changes: dict[str, Any], problem: str
    ) -> None:
        endpoint = RewardEndpoint(LocalReward(engine="reward", model=self.model(tmp_path, **changes), device="cpu"))
        with pytest.raises(UserError, match=problem) as raised:
            await endpoint.start()
        assert "\n" not in str(raised.value)

    async def test_a_model_that_cannot_be_found_stops_the_run(self, tmp_path: Path) -> None:
        reward = {"engine": "reward", "model": str(tmp_path / "nowhere")}
        played = await play(tmp_path, Script(), ANSWERS, ["topic-a"], reward=reward)
        assert str(played.finished.error).startswith("models.reward: cannot load nowhere")
