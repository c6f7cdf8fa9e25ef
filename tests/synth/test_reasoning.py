"""Long reasoning, played for real: where the trace is read, which chain is kept, verification, and its pairs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.synth.played import (
    ALL_ORIGINS,
    BOTH,
    HARD,
    REASONING,
    pairs_from,
    play,
    seed_ids,
)
from tests.synth.scripted import Asked, Script, grade, score

# Long reasoning.


@pytest.mark.parametrize(
    "server", [{"reasoning": "field"}, {"reasoning": "field_old"}, {"reasoning": "inline"}, {}], ids=str
)
async def test_a_native_trace_is_read_wherever_it_comes(tmp_path: Path, server: dict[str, Any]) -> None:
    inline = "<think>Weighing it. Wait.</think>The end of it." if not server else "The end of it."
    script = Script(score=score(6, 9), reasoning=inline)
    played = await play(tmp_path, script, REASONING, server=server)
    (row,) = played.rows["reasoning"]
    assert row["answer"] == "The end of it."
    assert row["messages"][1]["content"] == f"<think>\n{row['reasoning']}\n</think>\n\nThe end of it."
    assert row["messages"][0]["content"] == row["question"]
    assert "think>" not in row["reasoning"]
    assert row["reasoning"] == "Weighing it. Wait." if not server else len(row["reasoning"].split()) > 4
    assert (row["verified"], row["verification"], row["generator"]) == (None, None, "thinker-1")
    assert played.said == []


async def test_a_model_that_does_not_think_is_told_of_once(tmp_path: Path) -> None:
    topics = ["topic-a", "topic-b", "topic-c"]
    script = Script(score=score(6, 9), reasoning="Just an answer.")
    played = await play(tmp_path, script, BOTH | pairs_from("reasoning_over_answer"), topics)
    for topic in topics:
        assert played.why("reasoning", topic) == played.why("preference", topic) == [("reasoning", "no_reasoning")]
        assert played.why("chain", topic) == [("reasoning", "no_reasoning")] * 2
    assert len(played.said) == 1
    assert "trace: sections" in played.said[0]


async def test_sections_are_for_models_without_a_thinking_mode(tmp_path: Path) -> None:
    script = Script(score=score(6, 9), reasoning={"thought": "Let me weigh this.", "summarization": "That is it."})
    produce = REASONING | {"reasoning": HARD | {"trace": "sections", "chains": 1}}
    played = await play(tmp_path, script, produce)
    (row,) = played.rows["reasoning"]
    assert (row["reasoning"], row["answer"]) == ("Let me weigh this.", "That is it.")
    assert row["messages"][1]["content"] == "<think>\nLet me weigh this.\n</think>\n\nThat is it."
    assert played.said == []


@pytest.mark.parametrize("part", ["thought", "summarization"])
async def test_a_section_that_would_break_the_block_is_refused(tmp_path: Path, part: str) -> None:
    sections = {"thought": "Let me weigh this.", "summarization": "That is it."} | {part: "So </think> it is."}
    produce = REASONING | {"reasoning": HARD | {"trace": "sections"}}
    played = await play(tmp_path, Script(score=score(6, 9), reasoning=sections), produce)
    assert played.why("reasoning") == [("reasoning", "no_reasoning")]
    assert played.said == []


def draft(asked: Asked) -> int:
    """The number of a chain, by which its reward is judged."""
    return int(re.findall(r"draft (\d+)", asked.text)[-1])


async def test_the_best_chain_is_kept(tmp_path: Path) -> None:
    script = Script(score=score(6, 9), reward=lambda asked: grade(1 + draft(asked) % 10))
    topics = [f"topic-{n}" for n in range(5)]
    played = await play(tmp_path, script, REASONING | {"reasoning": HARD | {"chains": 3}}, topics)
    for row in played.rows["reasoning"]:
        drafts = [
            int(re.findall(r"draft (\d+)", (entry.reply or {})["text"])[0])
            for entry, _ in played.asked("reasoning", row["seed_id"])
        ]
        best = max(1 + number % 10 for number in drafts)
        assert row["quality"] == best
        assert 1 + int(row["answer"].rstrip(".").split()[-1]) % 10 == best
        assert len(played.why("chain", row["seed_id"])) == 2
    assert seed_ids(played, "reasoning") == topics


async def test_a_chain_that_was_cut_is_never_used(tmp_path: Path) -> None:
    def runs_away_at_times(asked: Asked) -> str:
        return f"<think>On {'and on ' * (300 if asked.seed % 2 else 1)}.</think>The end."

    script = Script(score=score(6, 9), reasoning=runs_away_at_times)
    produce = REASONING | {"reasoning": HARD | {"chains": 6}}
    played = await play(tmp_path, script, produce, reasks=0, sampling={"reasoning": {"max_tokens": 100}})
    asked = [entry for entry, _ in played.asked("reasoning")]
    cut = {entry.key for entry in asked if (entry.reply or {})["finish_reason"] == "length"}
    assert 0 < len(cut) < 6
    (row,) = played.rows["reasoning"]
    assert row["reasoning"] == "On and on ."
    assert not cut & set(row["calls"])
    lost = [("reasoning", "truncated")] * len(cut) + [("reward", "not_chosen")] * (5 - len(cut))
    assert sorted(played.why("chain")) == lost


async def test_without_a_whole_chain_there_is_no_row(tmp_path: Path) -> None:
    script = Script(score=score(6, 9), reasoning="<think>On " + "and on " * 300 + "</think>The end.")
    produce = REASONING | pairs_from("reasoning_over_answer")
    played = await play(tmp_path, script, produce, reasks=1, sampling={"reasoning": {"max_tokens": 100}})
    assert played.why("reasoning") == played.why("preference") == [("reasoning", "truncated")]
    assert [entry.reask for entry, _ in played.asked("reasoning")] == [0, 1, 0, 1]


async def test_chains_without_a_score_are_no_rows(tmp_path: Path) -> None:
    script = Script(score=score(6, 9), reward="no JSON")
    played = await play(tmp_path, script, REASONING, reasks=0)
    assert played.why("reasoning") == [("reward", "unscored")]


# Verification.

VERIFIED = REASONING | {"reasoning": HARD | {"verify": True, "chains": 1}} | pairs_from("reasoning_over_answer")


async def test_a_chain_is_kept_only_when_its_answer_is_recovered(tmp_path: Path) -> None:
    verdicts = {"topic-a": "yes", "topic-b": "no", "topic-c": "yes"}
    script = Script(
        score=score(6, 9),
        recover=lambda asked: {"answer": f"Somebody else's answer on {asked.topic}."},
        agree=lambda asked: {"verdict": verdicts[asked.topic]},
    )
    played = await play(tmp_path, script, VERIFIED, list(verdicts))
    assert seed_ids(played, "reasoning") == seed_ids(played, "preference") == ["topic-a", "topic-c"]
    assert played.why("reasoning") == played.why("preference") == [("agree", "not_verified")]
    for row in played.rows["reasoning"]:
        assert row["verified"] is True
        assert row["verification"]
        ((_, seen),) = played.asked("recover", row["seed_id"])
        assert row["reasoning"] in seen
        assert row["answer"] not in seen  # without its conclusion
        ((_, compared),) = played.asked("agree", row["seed_id"])
        assert row["answer"] in compared
        assert f"Somebody else's answer on {row['seed_id']}." in compared
        calls = {played.entries[key].step.partition("/")[0] for key in row["calls"]}
        assert {"recover", "agree", "reasoning"} <= calls


@pytest.mark.parametrize(("step", "reply"), [("recover", {"answer": ""}), ("agree", {"verdict": "perhaps"})])
async def test_a_verification_without_a_usable_reply_keeps_nothing(
    tmp_path: Path, step: str, reply: dict[str, str]
) -> None:
    played = await play(tmp_path, Script(score=score(6, 9), **{step: reply}), VERIFIED, reasks=0)
    assert played.why("reasoning") == played.why("preference") == [(step, "schema")]


async def test_the_next_best_chain_is_tried_when_the_best_is_not_verified(tmp_path: Path) -> None:
    rewards: dict[int, int] = {}

    def reward(asked: Asked) -> object:
        return grade(rewards.setdefault(draft(asked), 9 - len(rewards)))

    def agree(asked: Asked) -> object:
        return {"verdict": "yes" if rewards[draft_of(asked)] == 8 else "no"}

    def draft_of(asked: Asked) -> int:
        return int(re.findall(r"of draft (\d+)", asked.user)[0])

    script = Script(score=score(6, 9), reward=reward, agree=agree)
    produce = REASONING | {"reasoning": HARD | {"verify": True, "chains": 3}}
    played = await play(tmp_path, script, produce)
    (row,) = played.rows["reasoning"]
    assert (row["quality"], row["verified"]) == (8, True)
    assert len(played.asked("agree")) == len(played.asked("recover")) == 2  # in the order of rewards: 9, then 8
    assert sorted(played.why("chain")) == [("reward", "not_chosen"), ("reward", "not_verified")]


async def test_no_chain_verified_names_the_best(tmp_path: Path) -> None:
    script = Script(score=score(6, 9), agree={"verdict": "no"})
    produce = REASONING | {"reasoning": HARD | {"verify": True, "chains": 3}}
    played = await play(tmp_path, script, produce)
    assert played.why("reasoning") == [("agree", "not_verified")]
    assert played.why("chain") == [("reward", "not_verified")] * 2
    assert len(played.asked("agree")) == 3


async def test_a_hardly_written_chain_is_flagged_with_its_text(tmp_path: Path) -> None:
    played = await play(tmp_path, Script(score=score(6, 9), reasoning="<think>Easy.</think>Rest."), REASONING)
    (row,) = played.rows["reasoning"]
    assert row["flags"] == ["short"]
    assert {e["text"] for e in row["evidence"]} == {"Easy.", "Rest."}


@pytest.mark.parametrize("side", ["chain", "answer"])
async def test_loops_on_either_side_of_a_pair_are_flagged(tmp_path: Path, side: str) -> None:
    loop = "It is the same thing again and again. " * 20
    bad: dict[str, Any] = {"answers": {"answers": [loop, loop]}}
    if side == "chain":
        bad = {"reasoning": f"<think>{loop}</think>The end of it is to rest."}
    produce = REASONING | pairs_from("reasoning_over_answer")
    played = await play(tmp_path, Script(score=score(6, 9), **bad), produce)
    (pair,) = played.rows["preference"]
    assert "repetitive" in pair["flags"]


# Preference pairs of long reasoning.


async def test_long_reasoning_stands_over_the_better_common_answer(tmp_path: Path) -> None:
    chains = {"topic-high": 10, "topic-low": 5}
    script = Script(
        score=score(6, 9),
        reward=lambda asked: (
            grade(8 if "Answer 1" in asked.user else 6) if "Answer" in asked.user else grade(chains[asked.topic])
        ),
    )
    produce = REASONING | pairs_from("reasoning_over_answer")
    played = await play(tmp_path, script, produce, list(chains))
    for pair, row in zip(played.rows["preference"], played.rows["reasoning"], strict=True):
        assert pair["prompt"] + pair["chosen"] == row["messages"]
        assert pair["chosen"][0]["content"].startswith("<think>")
        assert pair["rejected"][0]["content"] == f"Answer 1 about {pair['seed_id']} says what to do."
        assert pair["origin"] == "reasoning_over_answer"
    assert [pair["margin"] for pair in played.rows["preference"]] == [2, -3]
    assert [pair["flags"] for pair in played.rows["preference"]] == [[], ["judge_prefers_rejected"]]


async def test_reward_pairs_of_complex_questions_come_with_their_common_answers_only(tmp_path: Path) -> None:
    script = Script(score=score(6, 9))
    alone = await play(tmp_path / "alone", script, BOTH | pairs_from("reward"))
    assert alone.why("preference") == alone.why("sft") == [("score", "complex")]
    assert script.steps()["answers"] == 0
    together = await play(tmp_path / "both", Script(score=score(6, 9)), BOTH | pairs_from(*ALL_ORIGINS[:2]))
    assert [row["origin"] for row in together.rows["preference"]] == ["reasoning_over_answer", "reward"]


@pytest.mark.parametrize("fails", ["both", "answers", "chain"])
async def test_why_there_is_no_pair_does_not_depend_on_which_side_was_slower(tmp_path: Path, fails: str) -> None:
    bad: dict[str, Any] = {}
    if fails != "chain":
        bad["answers"] = {"answers": ["only one"]}
    if fails != "answers":
        bad["reasoning"] = "Just an answer."
    produce = BOTH | {"reasoning": HARD | {"chains": 1}} | pairs_from(*ALL_ORIGINS[:2])
    found = []
    for number in range(3):
        server = {"latency_ms": 20, "jitter": 1, "seed": number}
        played = await play(tmp_path / str(number), Script(score=score(6, 9), **bad), produce, server=server, reasks=0)
        found.append((played.rows, played.rejected))
    replayed = await play(tmp_path / "0", Script(), produce, reasks=0)
    assert replayed.hits == 0
    assert all(one == (replayed.rows, replayed.rejected) for one in found)
    answers, chain = ("answers", "schema"), ("reasoning", "no_reasoning")
    expected = {"both": [chain, answers], "answers": [answers, answers], "chain": [chain]}
    assert replayed.why("preference") == expected[fails]  # of the long pair first, then of the reward pair
    assert replayed.why("reasoning") == ([] if fails == "answers" else [chain])
