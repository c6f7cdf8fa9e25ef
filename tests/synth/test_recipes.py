"""The FineMed recipe and the pairs, played for real: what is asked, what is kept, and why the rest is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.ask import Desk, seeded
from synth.budget import Spending
from synth.engines import Engines
from synth.errors import BudgetReached
from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Journal
from synth.recipes.choice import choose_best
from synth.rows import KINDS
from synth.seeds import read_seeds
from synth.setup import prepare
from synth.shard import Shard
from tests.synth.scripted import (
    ALL_ORIGINS,
    DEFAULTS,
    MODELS,
    Asked,
    Played,
    Quiet,
    Script,
    grade,
    play,
    score,
)

ANSWERS: dict[str, Any] = {"questions": {}, "answers": {}}
HARD: dict[str, Any] = {"difficulty_above": 8}
REASONING: dict[str, Any] = {"questions": {}, "reasoning": HARD}
BOTH: dict[str, Any] = {"questions": {}, "answers": {}, "reasoning": HARD}
EVERYTHING: dict[str, Any] = {
    "questions": {},
    "answers": {},
    "reasoning": {"hardest": 0.4, "verify": True},
    "dialogues": {"max_turns": 4},
    "preferences": {"from": ALL_ORIGINS},
}


def pairs_from(*origins: str) -> dict[str, Any]:
    return {"preferences": {"from": list(origins)}}


def hard(*topics: str) -> Callable[[Asked], Any]:
    """Questions about these topics are judged more difficult than 8; the first question of each passage is better."""
    return lambda asked: score(8 if "How is" in asked.user else 6, 9 if asked.topic in topics else 8)


def seed_ids(played: Played, kind: str) -> list[str]:
    return [row["seed_id"] for row in played.rows[kind]]


# Which kinds are made and what is asked for them.


@pytest.mark.parametrize(
    ("produce", "steps"),
    [
        (ANSWERS, "department questions score answers reward"),
        (ANSWERS | pairs_from("reward"), "department questions score answers reward"),
        (REASONING, "department questions score reasoning reward"),
        (
            REASONING | {"reasoning": HARD | {"verify": True}},
            "department questions score reasoning reward recover agree",
        ),
        (
            REASONING | pairs_from("reasoning_over_answer"),
            "department questions score answers reasoning reward",
        ),
        (BOTH, "department questions score answers reasoning reward"),
        ({"dialogues": {}}, "department case patient doctor judge_dialogue"),
        (
            {"dialogues": {}} | pairs_from("dialogue_outcome"),
            "department case patient doctor diagnosis judge_dialogue judge_turn",
        ),
    ],
)
async def test_a_kind_that_is_not_wanted_asks_nothing(tmp_path: Path, produce: dict[str, Any], steps: str) -> None:
    script = Script(score=hard("topic-hard"))
    played = await play(tmp_path, script, produce, ["topic-hard", "topic-easy"])
    assert set(script.steps()) == set(steps.split())
    for kind in KINDS:
        assert (not played.rows[kind]) == (not played.setup.planned()[kind])


async def test_only_the_winning_question_goes_on(tmp_path: Path) -> None:
    script = Script()
    played = await play(tmp_path, script, ANSWERS | {"questions": {"per_seed": 3}}, ["topic-one", "topic-two"])
    assert script.steps() == {"department": 2, "questions": 2, "score": 6, "answers": 2, "reward": 4}
    for row in played.rows["sft"]:
        assert row["instruction"] == f"How is {row['seed_id']} treated in adults?"
        assert row["messages"][0]["content"] == row["instruction"]
        assert row["messages"][1]["content"] == row["response"]
    assert played.why("question") == [("score", "not_chosen")] * 4
    left = [json.loads(r["payload"]) for r in played.rejected if r["kind"] == "question"]
    assert {item["score"]["quality"] for item in left} == {6}


@pytest.mark.parametrize(
    ("judged", "outcome"),
    [
        ((score(9, details=True), score(1)), "Why"),
        (("no JSON", score(1)), "Why"),
        ((score(9), {"quality": 9}), "How"),
        ((score(9, details=True), score(9, details=True)), "case_specific"),
        (("no JSON", "I'm sorry, but I can't help with that."), "unscored"),
        ((score(9, details=True), "no JSON"), "unscored"),
        ((score(5, 5, 3), score(5, 5, 4)), "Why"),
        ((score(4, 6, 3), score(5, 5, 3)), "Why"),
    ],
)
async def test_the_judge_decides_between_questions(
    tmp_path: Path, judged: tuple[object, object], outcome: str
) -> None:
    script = Script(score=lambda asked: judged["How is" not in asked.user])
    played = await play(tmp_path, script, BOTH | pairs_from("reward"))
    if outcome in ("How", "Why"):
        assert played.rows["sft"][0]["instruction"].startswith(outcome)
    else:
        assert set(script.steps()) == {"questions", "score"}
        for kind in ("sft", "reasoning", "preference"):
            assert played.why(kind) == [("score", outcome)]
        assert played.why("question") == [("score", outcome)] * 2


async def test_a_question_like_an_earlier_one_goes_before_answers_are_paid_for(tmp_path: Path) -> None:
    same = {"questions": ["How is high blood pressure treated in adults?", "What is high blood pressure at all?"]}
    topics = ["topic-other", "topic-first", "topic-second", "topic-third"]
    outcomes = []
    for latency in ({}, {"latency_ms": 30, "jitter": 1, "seed": 1}, {"latency_ms": 30, "jitter": 1, "seed": 2}):
        script = Script(questions=lambda asked: DEFAULTS["questions"](asked) if "other" in asked.user else same)
        played = await play(tmp_path / f"{len(outcomes)}", script, BOTH, topics, server=latency)
        assert seed_ids(played, "sft") == ["topic-other", "topic-first"]
        assert script.steps()["answers"] == 2
        for seed in topics[2:]:
            assert played.why("sft", seed) == played.why("reasoning", seed) == [("gate", "near_duplicate_question")]
        assert all("topic-first" in r["detail"] for r in played.rejected if r["step"] == "gate")
        outcomes.append((played.rows, played.rejected))
    assert outcomes[0] == outcomes[1] == outcomes[2]


async def test_without_deduplication_equal_questions_pass(tmp_path: Path) -> None:
    same = {"questions": ["How is high blood pressure treated?", "What is high blood pressure at all?"]}
    played = await play(tmp_path, Script(questions=same), ANSWERS, ["topic-a", "topic-b"], filters={"dedup": None})
    assert seed_ids(played, "sft") == ["topic-a", "topic-b"]


# Common and complex questions.


async def test_complex_means_more_difficult_than_the_bound(tmp_path: Path) -> None:
    difficulty = {"topic-seven": 7, "topic-eight": 8, "topic-nine": 9, "topic-ten": 10}
    script = Script(score=lambda asked: score(8 if "How is" in asked.user else 6, difficulty[asked.topic]))
    played = await play(tmp_path, script, BOTH, list(difficulty))
    assert seed_ids(played, "sft") == ["topic-seven", "topic-eight"]
    assert seed_ids(played, "reasoning") == ["topic-nine", "topic-ten"]
    assert [played.why("sft", seed) for seed in ("topic-nine", "topic-ten")] == [[("score", "complex")]] * 2
    assert [played.why("reasoning", s) for s in ("topic-seven", "topic-eight")] == [[("score", "not_complex")]] * 2
    assert script.steps()["answers"] == 2  # complex questions get no common answers that nobody asked for
    assert script.steps()["reasoning"] == 4


async def test_the_hardest_of_each_shard_are_complex(tmp_path: Path) -> None:
    difficulty = dict(zip([f"topic-{n}" for n in range(8)], [5, 9, 9, 3, 7, 1, 7, 7], strict=True))
    quality = {"topic-2": 9}
    script = Script(score=lambda asked: score(quality.get(asked.topic, 5), difficulty[asked.topic]))
    produce = BOTH | {"reasoning": {"hardest": 0.25}}
    for latency in ({}, {"latency_ms": 20, "jitter": 1, "seed": 3}):
        played = await play(
            tmp_path / str(len(latency)), script, produce, list(difficulty), server=latency, shard_size=4
        )
        # ceil(0.25 * 4) = 1 of each shard: the better of two equally hard ones, then the earlier one
        assert seed_ids(played, "reasoning") == ["topic-2", "topic-4"]
        assert seed_ids(played, "sft") == [t for t in difficulty if t not in ("topic-2", "topic-4")]


async def test_dropped_passages_do_not_count_among_the_hardest(tmp_path: Path) -> None:
    topics = [f"topic-{n}" for n in range(6)]
    script = Script(
        score=lambda asked: score(6, 9 - int(asked.topic[-1]), details=asked.topic in ("topic-0", "topic-1"))
    )
    played = await play(tmp_path, script, BOTH | {"reasoning": {"hardest": 0.5}}, topics)
    assert seed_ids(played, "reasoning") == ["topic-2", "topic-3"]
    assert seed_ids(played, "sft") == ["topic-4", "topic-5"]


# Common answers and the reward.


async def test_the_answer_with_the_higher_reward_is_kept(tmp_path: Path) -> None:
    rewards = {
        "topic-a": (9, 4),
        "topic-b": (4, 9),
        "topic-c": (None, 2),
        "topic-d": (2, None),
        "topic-e": (None, None),
    }

    def reward(asked: Asked) -> object:
        value = rewards[asked.topic]["Answer 1" in asked.user]
        return {"quality": 99} if value is None else grade(value)

    produce = ANSWERS | pairs_from("reward")
    played = await play(tmp_path, Script(reward=reward), produce, list(rewards), reasks=0)
    kept = {row["seed_id"]: (row["response"].split()[1], row["quality"]) for row in played.rows["sft"]}
    assert kept == {"topic-a": ("0", 9), "topic-b": ("1", 9), "topic-c": ("1", 2), "topic-d": ("0", 2)}
    assert played.why("sft") == played.why("preference", "topic-e") == [("reward", "unscored")]
    pairs = {row["seed_id"]: row for row in played.rows["preference"]}
    assert set(pairs) == {"topic-a", "topic-b"}
    assert played.why("preference", "topic-c") == played.why("preference", "topic-d") == [("reward", "tie")]
    for topic, pair in pairs.items():
        (row,) = (row for row in played.rows["sft"] if row["seed_id"] == topic)
        assert pair["prompt"] + pair["chosen"] == row["messages"]
        assert pair["rejected"][0]["content"].startswith(f"Answer {1 - int(kept[topic][0])}")
        assert (pair["origin"], pair["margin"], pair["flags"]) == ("reward", 5, [])
        assert {entry.key for entry, _ in played.asked("reward", topic)} <= set(pair["calls"])
    lost = [json.loads(r["payload"]) for r in played.rejected if (r["kind"], r["seed_id"]) == ("answer", "topic-a")]
    assert lost == [{"answer": "Answer 1 about topic-a says what to do.", "reward": 4}]


async def test_of_more_than_two_answers_the_best_stands_against_the_worst(tmp_path: Path) -> None:
    rewards = [6, 9, 3, 3]
    script = Script(reward=lambda asked: grade(rewards[int(re.findall(r"Answer (\d)", asked.user)[0])]))
    produce = ANSWERS | {"answers": {"styles": 4}} | pairs_from("reward")
    played = await play(tmp_path, script, produce)
    (pair,) = played.rows["preference"]
    assert [pair["chosen"][0]["content"][:8], pair["rejected"][0]["content"][:8]] == ["Answer 1", "Answer 2"]
    assert pair["margin"] == 6
    assert played.why("answer") == [("reward", "not_chosen")] * 3


async def test_equal_rewards_are_drawn_from_the_seed(tmp_path: Path) -> None:
    topics, picks = [f"topic-{n}" for n in range(10)], []
    for number, seed in enumerate((7, 7, 8)):
        played = await play(
            tmp_path / str(number), Script(reward=grade(7)), ANSWERS | pairs_from("reward"), topics, seed=seed
        )
        picks.append([int(row["response"].split()[1]) for row in played.rows["sft"]])
        expected = [choose_best([7, 7], seeded(seed, topic, "choose_answer")) for topic in topics]
        assert picks[-1] == expected
        assert played.why("preference") == [("reward", "tie")] * len(topics)
    assert picks[0] == picks[1] != picks[2]
    assert set(picks[0]) == {0, 1}


async def test_answers_of_the_same_words_are_no_pair(tmp_path: Path) -> None:
    def reward(asked: Asked) -> object:
        return grade(1 + asked.seed % 10)

    script = Script(answers={"answers": ["Take your pills.", "Take your pills."]}, reward=reward)
    played = await play(tmp_path, script, ANSWERS | pairs_from("reward"))
    assert len({asked.seed % 10 for asked in script.served if asked.step == "reward"}) == 2  # so it is no equal score
    assert played.rows["preference"] == []
    assert [reason for _, reason in played.why("preference")] == ["tie"]


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
        calls = {played.entries[key].step for key in row["calls"]}
        assert {"recover", "agree", "reasoning"} <= calls


@pytest.mark.parametrize(("step", "reply"), [("recover", {"answer": ""}), ("agree", {"verdict": "perhaps"})])
async def test_a_verification_without_a_usable_reply_keeps_nothing(
    tmp_path: Path, step: str, reply: dict[str, str]
) -> None:
    played = await play(tmp_path, Script(score=score(6, 9), **{step: reply}), VERIFIED, reasks=0)
    assert played.why("reasoning") == played.why("preference") == [(step, "schema")]


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
    for number in range(5):
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


# Failures, resuming, accounting.


async def test_a_request_that_fails_for_good_fails_what_hangs_on_it(tmp_path: Path) -> None:
    def broken(asked: Asked) -> object:
        if asked.topic == "topic-b":
            raise RuntimeError("scripted")  # the server answers 500
        return DEFAULTS["answers"](asked)

    played = await play(tmp_path, Script(answers=broken), ANSWERS | pairs_from("reward"), ["topic-a", "topic-b"])
    assert seed_ids(played, "sft") == seed_ids(played, "preference") == ["topic-a"]
    assert played.why("sft") == played.why("preference") == [("answers", "server_error")]
    assert {r["status"] for r in played.rejected if r["seed_id"] == "topic-b" and r["kind"] in KINDS} == {"failed"}
    again = await play(tmp_path, Script(), ANSWERS | pairs_from("reward"), ["topic-a", "topic-b"])
    assert again.hits == 0  # a failure is journalled and replayed as a failure
    assert again.rejected == played.rejected


async def test_a_department_that_nobody_names_costs_no_row(tmp_path: Path) -> None:
    def broken(asked: Asked) -> object:
        if asked.topic == "topic-b":
            raise RuntimeError("scripted")
        return {"department": {"topic-a": "Nephrology", "topic-c": "Astrology"}[asked.topic]}

    played = await play(tmp_path, Script(department=broken), ANSWERS, ["topic-a", "topic-b", "topic-c"])
    labels = [(row["department"], row["subdepartment"]) for row in played.rows["sft"]]
    assert labels == [("Internal Medicine", "Nephrology"), ("unknown", "unknown"), ("unknown", "unknown")]


async def test_rows_of_one_passage_share_its_department(tmp_path: Path) -> None:
    script = Script()
    played = await play(tmp_path, script, EVERYTHING, ["topic-a", "topic-b"])
    assert script.steps()["department"] == 2
    rows = [row for kind in KINDS for row in played.rows[kind]]
    assert len(rows) > 5
    assert {row["subdepartment"] for row in rows} == {"Cardiology"}
    assert {row["prompt_hash"] for row in rows} == set(played.setup.prompt_hashes.values())


@pytest.mark.parametrize("sent", [1, 5, 17, 30, 47])
async def test_a_stopped_run_goes_on_where_it_was_stopped(tmp_path: Path, sent: int) -> None:
    topics = ["topic-a", "topic-b", "topic-c"]
    whole = await play(tmp_path / "whole", Script(), EVERYTHING, topics)
    assert sent < whole.hits
    first = await play(tmp_path / "stopped", Script(), EVERYTHING, topics, budget={"requests": sent})
    assert isinstance(first.finished.error, BudgetReached)
    assert first.hits <= sent  # what was reserved and not sent when another seed met the cap is not sent any more
    second = await play(tmp_path / "stopped", Script(), EVERYTHING, topics)
    assert first.hits + second.hits == whole.hits
    assert (second.rows, second.rejected) == (whole.rows, whole.rejected)
    third = await play(tmp_path / "stopped", Script(), EVERYTHING, topics)
    assert third.hits == 0
    assert (third.rows, third.rejected) == (whole.rows, whole.rejected)


async def test_what_a_model_babbles_and_when_it_comes_changes_nothing_of_the_rules(tmp_path: Path) -> None:
    """Nonsense, refusals, cut JSON, thoughts in a field: every row and rejection is the same under any latency."""
    topics = [f"topic-{n}" for n in range(14)]
    weather = {"reply": None, "bad_json_rate": 0.15, "refusal_rate": 0.05, "reasoning": "field"}
    found = []
    for number, latency in enumerate([{}, {"latency_ms": 10, "jitter": 1.0, "seed": 5}]):
        played = await play(
            tmp_path / str(number), Script(), EVERYTHING, topics, server=weather | latency, shard_size=5, reasks=1
        )
        found.append((played.rows, played.rejected))
    assert found[0] == found[1]
    assert all(found[0][0][kind] for kind in KINDS)
    reasons = {rejection["reason"] for rejection in found[0][1]}
    assert {"refusal", "truncated", "not_complex", "not_chosen", "complex"} <= reasons


async def test_what_is_pending_is_counted_too(tmp_path: Path) -> None:
    """A shard whose budget runs out: planned = kept + rejected + failed + pending."""
    topics = [f"topic-{n}" for n in range(6)]
    produce = EVERYTHING | {"reasoning": HARD}
    await play(tmp_path, Script(), produce, topics)  # writes the spec and the seeds
    for sent in (3, 40, 80):
        script = Script(score=lambda asked: score(6, 9, details=asked.topic == "topic-1"))
        async with FaultServer(FaultOptions(reply=script, models=tuple(MODELS.values()))) as server:
            overrides = [f"models.{role}.base_url={server.url}" for role in MODELS]
            setup = prepare(str(tmp_path / "spec.yaml"), tmp_path / "run", [*overrides, f"budget.requests={sent}"])
            engines, errors = Engines(setup.spec, lambda: None), list[BaseException]()
            desk = Desk(
                setup.spec, setup.templates, engines.pools, engines.declared, engines.prices, engines.extra,
                Spending(setup.spec.budget), Quiet(),
            )  # fmt: skip
            journal = Journal(tmp_path / f"{sent}.sqlite")
            shard = Shard(setup, 0, desk, journal, errors.append, lambda text: None)
            for position, seed in enumerate(read_seeds(setup.spec.seeds)):
                shard.open_seed(position, seed)
            for task in shard.tasks:
                await task
            kept, rejected = shard.results()
            settled = len(kept) + sum(r.kind in KINDS for r in rejected)
            assert shard.pending > 0
            assert settled + shard.pending == len(topics) * len(setup.slots)
            assert {type(error) for error in errors} == {BudgetReached}
            assert server.stats()["hits"] == journal.count() == sent
            await journal.close()
            await engines.close()


async def test_the_language_reaches_every_prompt(tmp_path: Path) -> None:
    verdicts = {"diagnosis": {"verdict": "no"}, "agree": {"verdict": "yes"}}
    script = Script(score=hard("topic-hard"), **verdicts)
    produce = EVERYTHING | {"reasoning": HARD | {"verify": True}}
    played = await play(tmp_path, script, produce, ["topic-hard", "topic-easy"], language="de")
    asked = {asked.step: asked for asked in script.served}
    assert set(asked) == set(DEFAULTS)
    assert [step for step, one in asked.items() if not re.search(r"\bde\b", one.system)] == []
    assert {row["language"] for kind in KINDS for row in played.rows[kind]} == {"de"}


def test_an_asker_draws_from_the_spec_the_seed_and_the_step_alone() -> None:
    assert [seeded(7, "a", "x").random() for _ in range(2)] == [seeded(7, "a", "x").random()] * 2
    drawn = {seeded(*parts).random() for parts in ((7, "a", "x"), (8, "a", "x"), (7, "b", "x"), (7, "a", "y"))}
    assert len(drawn) == 4
