"""The FineMed recipe, played for real: what is asked, which question and answer win, and why others do not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from synth.ask import seeded
from synth.recipes.choice import choose_best
from synth.rows import KINDS
from synth.steps import RECIPES
from tests.synth.played import (
    ANSWERS,
    BOTH,
    EVERYTHING,
    HARD,
    REASONING,
    hard,
    pairs_from,
    play,
    seed_ids,
)
from tests.synth.scripted import DEFAULTS, Asked, Script, doctor, grade, score

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
        ({"dialogues": {"rubric": None}}, "department case patient doctor judge_dialogue"),
        ({"dialogues": {}}, "department case patient doctor judge_dialogue rubric_judge"),
        (
            {"dialogues": {"rubric": {"written": 2}}} | pairs_from("dialogue_outcome"),
            "department case patient doctor diagnosis judge_dialogue judge_turn rubric_judge rubric_write",
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


async def test_the_judge_decides_between_questions(tmp_path: Path) -> None:
    table: dict[str, tuple[object, object, str]] = {
        "topic-a": (score(9, details=True), score(1), "Why"),
        "topic-b": ("no JSON", score(1), "Why"),
        "topic-c": (score(1), {"quality": 9}, "How"),
        "topic-d": (score(9, details=True), score(9, details=True), "case_specific"),
        "topic-e": ("no JSON", "I'm sorry, but I can't help with that.", "unscored"),
        "topic-f": (score(9, details=True), "no JSON", "unscored"),
        "topic-g": (score(5, 5, 3), score(5, 5, 4), "Why"),
        "topic-h": (score(4, 6, 3), score(5, 5, 3), "Why"),
    }
    script = Script(score=lambda asked: table[asked.topic]["How is" not in asked.user])
    played = await play(tmp_path, script, BOTH | pairs_from("reward"), list(table))
    rows = {row["seed_id"]: row for row in played.rows["sft"]}
    for topic, (*_, outcome) in table.items():
        if outcome in ("How", "Why"):
            assert rows[topic]["instruction"].startswith(outcome)
            why = {"topic-a": "case_specific", "topic-b": "unscored", "topic-c": "unscored"}.get(topic, "not_chosen")
            assert played.why("question", topic) == [("score", why)]
        else:
            assert not played.asked("answers", topic)
            for kind in ("sft", "reasoning", "preference"):
                assert played.why(kind, topic) == [("score", outcome)]
            expected = {
                "topic-d": ["case_specific"] * 2,
                "topic-e": ["unscored"] * 2,
                "topic-f": ["case_specific", "unscored"],
            }
            assert [reason for _, reason in played.why("question", topic)] == expected[topic]


async def test_a_question_like_an_earlier_one_goes_before_answers_are_paid_for(tmp_path: Path) -> None:
    same = {"questions": ["How is high blood pressure treated in adults?", "What is high blood pressure at all?"]}
    topics = ["topic-other", "topic-first", "topic-second", "topic-third"]
    outcomes: list[object] = []
    for latency in ({}, {"latency_ms": 30, "jitter": 1, "seed": 1}):
        script = Script(questions=lambda asked: DEFAULTS["questions"](asked) if "other" in asked.user else same)
        played = await play(tmp_path / f"{len(outcomes)}", script, BOTH, topics, server=latency)
        assert seed_ids(played, "sft") == ["topic-other", "topic-first"]
        assert script.steps()["answers"] == 2
        for seed in topics[2:]:
            assert played.why("sft", seed) == played.why("reasoning", seed) == [("gate", "near_duplicate_question")]
        assert all("topic-first" in r["detail"] for r in played.rejected if r["step"] == "gate")
        outcomes.append((played.rows, played.rejected))
    assert outcomes[0] == outcomes[1]


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


async def test_questions_do_not_wait_for_the_dialogues_of_other_passages(tmp_path: Path) -> None:
    script = Script(
        score=lambda asked: score(6, 5, details=asked.topic == "topic-a"),
        doctor=lambda asked: (
            doctor("diagnose", "Angina", "It is angina.")
            if asked.actions == ["diagnose"]
            else doctor("ask", "more", f"What of item {asked.turn}?")
        ),
    )
    produce = BOTH | {"reasoning": {"hardest": 0.5}, "dialogues": {"max_turns": 12}}
    played = await play(tmp_path, script, produce, ["topic-a", "topic-b"])
    order = [(asked.step, asked.topic) for asked in script.served]
    talked = len(order) - order[::-1].index(("doctor", "topic-a"))
    assert order.index(("reasoning", "topic-b")) < talked - 10  # topic-a, which is dropped, has talked on for long
    assert seed_ids(played, "dialogue") == ["topic-a", "topic-b"]


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


# What all rows share.


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


async def test_the_language_reaches_every_prompt(tmp_path: Path) -> None:
    verdicts = {"diagnosis": {"verdict": "no"}, "agree": {"verdict": "yes"}}
    script = Script(score=hard("topic-hard"), **verdicts)
    produce = EVERYTHING | {"reasoning": HARD | {"verify": True}}
    produce["dialogues"] = EVERYTHING["dialogues"] | {"review": True}
    played = await play(tmp_path, script, produce, ["topic-hard", "topic-easy"], language="de")
    asked = {asked.step: asked for asked in script.served}
    of_items = {*RECIPES["verified"]} - {*RECIPES["finemed"][:8]}
    assert set(asked) == set(DEFAULTS) - of_items
    assert [step for step, one in asked.items() if not re.search(r"\bde\b", one.system)] == []
    assert {row["language"] for kind in KINDS for row in played.rows[kind]} == {"de"}
