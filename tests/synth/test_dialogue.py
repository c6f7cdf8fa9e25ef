"""The dialogue recipe, played for real: cards, endings, pairs, failures, and where a stopped talk goes on."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dialogue_flags import is_found
from benchmarks.plants import Script as PlantedScript
from synth.errors import BudgetReached
from synth.fault_server import FaultOptions, FaultServer
from tests.synth.played import play
from tests.synth.scripted import MODELS, PLAN, Asked, Script, case, consultation, doctor, grade

ALONE: dict[str, Any] = {"dialogues": {}}
WITH_PAIRS: dict[str, Any] = {"dialogues": {}, "preferences": {"from": ["dialogue_outcome"]}}


async def test_a_diagnosis_is_right_by_name_or_by_the_judge(tmp_path: Path) -> None:
    table: dict[str, tuple[object, bool | None, int]] = {
        "stable ANGINA": ("never asked", True, 0),
        "Angina, stable.": ("never asked", True, 0),
        "Angina pectoris": ({"verdict": "yes"}, True, 1),
        "Reflux disease": ({"verdict": "no"}, False, 1),
        "Reflux": ({"verdict": "maybe"}, None, 3),
        "Heartburn": ("I'm sorry, but I can't help with that.", None, 1),
    }
    named = dict(zip([f"topic-{n}" for n in range(len(table))], table, strict=True))

    def speak(asked: Asked) -> dict[str, Any]:
        return PLAN[asked.turn] if asked.turn < 2 else doctor("diagnose", named[asked.topic], "This is it.")

    def judge(asked: Asked) -> object:
        return table[next(name for name in table if asked.user.splitlines()[1] == f"Given: {name}")][0]

    played = await play(tmp_path, Script(doctor=speak, diagnosis=judge), ALONE, list(named))
    assert len(played.rows["dialogue"]) == len(table)
    for row in played.rows["dialogue"]:
        _, correct, judged = table[named[row["seed_id"]]]
        assert (row["diagnosis"], row["diagnosis_correct"]) == (named[row["seed_id"]], correct)
        assert len(played.asked("diagnosis", row["seed_id"])) == judged


async def test_a_dialogue_without_a_score_is_kept_and_flagged(tmp_path: Path) -> None:
    played = await play(tmp_path, Script(judge_dialogue={"quality": 11, "complexity": 5, "relevance": 6}), ALONE)
    (row,) = played.rows["dialogue"]
    assert (row["flags"], row["quality"], row["judge"]) == (["unscored"], None, None)


async def test_a_bad_card_costs_one_question(tmp_path: Path) -> None:
    cards = {
        "topic-a": (case(subject="other"), "no_case"),
        "topic-b": (case(complaint="none."), "bad_case"),
        "topic-c": (case(diagnosis="Unknown"), "bad_case"),
        "topic-d": (case(complaint="Angina, stable", diagnosis="stable angina"), "bad_case"),
    }
    script = Script(case=lambda asked: cards[asked.topic][0])
    played = await play(tmp_path, script, WITH_PAIRS, list(cards))
    assert script.steps() == {"case": 4}
    for topic, (card, reason) in cards.items():
        assert played.why("dialogue", topic) == played.why("preference", topic) == [("case", reason)]
        (rejected,) = (r for r in played.rejected if (r["seed_id"], r["kind"]) == (topic, "dialogue"))
        assert json.loads(rejected["payload"])["case"] == card | {"pregnant": False}


async def test_dialogues_of_one_passage_do_not_share_their_fate(tmp_path: Path) -> None:
    def second_is_bad(asked: Asked) -> dict[str, Any]:
        return case(subject="other") if len([a for a in script.served if a.step == "case"]) == 2 else case()

    script = Script(case=second_is_bad)
    played = await play(tmp_path, script, WITH_PAIRS | {"dialogues": {"per_seed": 3}})
    asked = played.asked("case")
    assert [entry.sample for entry, _ in asked] == [0, 1, 2]
    assert len({shown for _, shown in asked}) == 1
    assert len({entry.key for entry, _ in asked}) == 3
    assert len(played.rows["dialogue"]) == 2
    assert played.why("dialogue") == [("case", "no_case")]


@pytest.mark.parametrize("nothing", ["", "  ", "…", "?", ".", "-"])
async def test_who_falls_silent_ends_the_talk(tmp_path: Path, nothing: str) -> None:
    def silent(asked: Asked) -> dict[str, Any]:
        return {"say": nothing} if asked.turn else {"say": "Hello, I feel ill."}

    played = await play(tmp_path, Script(patient=silent), WITH_PAIRS, reasks=1)
    assert played.why("dialogue") == played.why("preference") == [("patient/0/1", "turn_empty")]
    assert {r["status"] for r in played.rejected} == {"rejected"}
    assert [entry.reask for entry, _ in played.asked("patient") if entry.step == "patient/0/1"] == [0, 1]
    planted = PlantedScript("silence", "none", "turn_empty", {}, (), due=2)
    (reason,) = [reason for _, reason in played.why("dialogue")]
    assert is_found(planted, {"rejected": reason, "evidence": []})


async def test_a_turn_that_is_said_at_the_second_asking_counts(tmp_path: Path) -> None:
    script = Script(patient=lambda asked: {"say": "I feel ill." if "could not be used" in asked.user else "…"})
    played = await play(tmp_path, script, ALONE, reasks=1)
    (row,) = played.rows["dialogue"]
    assert {turn["text"] for turn in row["turns"] if turn["speaker"] == "patient"} == {"I feel ill."}


async def test_an_endpoint_that_fails_fails_the_row(tmp_path: Path) -> None:
    def broken(asked: Asked) -> dict[str, Any]:
        if asked.turn == 2:
            raise RuntimeError("scripted")  # the server answers 500
        return consultation(asked)

    played = await play(tmp_path, Script(doctor=broken), WITH_PAIRS)
    assert played.why("dialogue") == played.why("preference") == [("doctor/0/3", "server_error")]
    assert {r["status"] for r in played.rejected} == {"failed"}
    for rejected in played.rejected:  # what had been said by then is not lost
        payload = json.loads(rejected["payload"])
        assert payload["case"]["diagnosis"] == "Stable angina"
        assert [t["speaker"] for t in payload["turns"]] == ["patient", "doctor", "patient", "doctor", "result"]


RIGHT, WRONG = "Stable angina", "Reflux disease"


ENDINGS: dict[str, tuple[str, str, int | None, float | str, list[str]]] = {
    "topic-a": (f"{RIGHT}: score 8", f"{WRONG}: score 4", 0, 4, []),
    "topic-b": (f"{WRONG}: score 4", f"{RIGHT}: score 8", 1, 4, []),
    "topic-c": (f"{WRONG}: score 8", f"{RIGHT}: score 5", 1, -3, ["judge_prefers_rejected"]),
    "topic-d": (f"{WRONG}: score 8", f"{RIGHT}: score 8", 1, 0, []),
    "topic-e": (f"{WRONG}: score 3", f"{WRONG} again: score 4", 1, 1, ["chosen_diagnosis_wrong"]),
    "topic-f": (f"{RIGHT}: score 9", f"{RIGHT}, sure: score 4", 0, 5, []),
    "topic-g": (f"{WRONG}: score 4", f"{WRONG} again: score 4", None, "tie", []),
    "topic-h": (f"{RIGHT}: score 4", f"{RIGHT}: score 4", None, "tie", []),
    "topic-i": (f"{RIGHT}: score 8", f"{WRONG}: no mark", None, "unscored", []),
    "topic-j": (f"{RIGHT}: no mark", f"{WRONG}: score 8", None, "unscored", []),
}
"""How a talk ends and how it ends when written once more, which one is chosen, and the margin or why neither is."""


async def test_a_pair_prefers_the_right_diagnosis_then_the_judges_score(tmp_path: Path) -> None:
    def speak(asked: Asked) -> dict[str, Any]:
        if asked.turn < 2:
            return PLAN[asked.turn]
        first, second, *_ = ENDINGS[asked.topic]
        said = second if asked.actions == ["diagnose"] else first
        return doctor("diagnose", said.partition(":")[0], f"It is {said}.")

    def judge(asked: Asked) -> object:
        mark = asked.user.partition("to be judged:")[2].partition("score ")[2][:1]
        return grade(int(mark)) if mark else {"quality": 0}

    played = await play(tmp_path, Script(doctor=speak, judge_turn=judge), WITH_PAIRS, list(ENDINGS), reasks=0)
    dialogues = {row["seed_id"]: row for row in played.rows["dialogue"]}
    pairs = {row["seed_id"]: row for row in played.rows["preference"]}
    for topic, (first, second, chosen, margin, flags) in ENDINGS.items():
        messages = dialogues[topic]["messages"]
        assert messages[-1]["content"] == f"It is {first}."  # the row is the talk as it was held
        if chosen is None:
            assert played.why("preference", topic) == [("judge_turn", margin)]
            (lost,) = (r for r in played.rejected if (r["kind"], r["seed_id"]) == ("preference", topic))
            ends = [end["text"] for end in json.loads(lost["payload"])["endings"]]
            assert ends == [f"It is {first}.", f"It is {second}."]
            assert topic not in pairs
            continue
        pair, said = pairs[topic], [f"It is {first}.", f"It is {second}."]
        assert pair["prompt"] == messages[:-1]
        assert [m["content"] for m in pair["chosen"] + pair["rejected"]] == [said[chosen], said[1 - chosen]]
        assert (pair["origin"], pair["margin"], pair["flags"]) == ("dialogue_outcome", margin, flags)
        scored = {entry.key for entry, _ in played.asked("judge_turn", topic)}
        assert len(scored & set(pair["calls"])) == 2  # the margin comes from both


async def test_a_diagnosis_without_a_verdict_makes_no_pair(tmp_path: Path) -> None:
    played = await play(tmp_path, Script(diagnosis={"verdict": "maybe"}), WITH_PAIRS, reasks=0)
    assert played.why("preference") == [("diagnosis", "unscored")]
    assert [row["diagnosis_correct"] for row in played.rows["dialogue"]] == [True]


async def test_a_pair_carries_what_was_noticed_before_it(tmp_path: Path) -> None:
    plan = (doctor("test", "urine", "I need some urine."), *PLAN[1:])
    script = Script(
        doctor=lambda asked: plan[asked.turn] if asked.turn < 3 and len(asked.actions) > 1 else consultation(asked)
    )
    played = await play(tmp_path, script, WITH_PAIRS)
    (row,), (pair,) = played.rows["dialogue"], played.rows["preference"]
    assert row["flags"] == pair["flags"] == ["result_not_in_case"]
    assert pair["evidence"] == row["evidence"]


async def test_the_judge_of_a_diagnosis_hears_what_the_patient_was_told(tmp_path: Path) -> None:
    said = doctor("diagnose", "Angina", "It is your\nheart.")
    script = Script(doctor=lambda asked: PLAN[asked.turn] if asked.turn < 2 else said)
    await play(tmp_path, script, ALONE)
    (asked,) = (a for a in script.served if a.step == "diagnosis")
    assert asked.user.splitlines() == [
        "Expected: Stable angina",
        "Given: Angina",
        "The doctor's words: It is your heart.",
    ]


async def test_two_endings_of_the_same_words_are_a_tie(tmp_path: Path) -> None:
    def same(asked: Asked) -> dict[str, Any]:
        return PLAN[asked.turn] if asked.turn < 2 else doctor("diagnose", ["x1", RIGHT][len(asked.actions) > 1], "So.")

    played = await play(tmp_path, Script(doctor=same), WITH_PAIRS)
    assert played.rows["preference"] == []
    assert [reason for _, reason in played.why("preference")] == ["tie"]


def served(script: Script) -> list[tuple[str, int]]:
    return [(asked.step, asked.turn) for asked in script.served]


async def test_a_talk_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    undisturbed = Script()
    whole = await play(tmp_path / "whole", undisturbed, ALONE)
    order = served(undisturbed)
    for sent in range(1, whole.hits):
        first, second = Script(), Script()
        stopped = await play(tmp_path / str(sent), first, ALONE, budget={"requests": sent})
        assert isinstance(stopped.finished.error, BudgetReached)
        assert stopped.finished.staged == []
        resumed = await play(tmp_path / str(sent), second, ALONE)
        assert stopped.hits + resumed.hits == whole.hits
        assert served(first) + served(second) == order
        assert (resumed.rows, resumed.rejected) == (whole.rows, whole.rejected)
        assert sum(resumed.replayed.values()) == sent


def long_talk(asked: Asked) -> dict[str, Any]:
    """Ten questions, no two alike, then the diagnosis."""
    topics = ("onset", "food", "sleep", "stairs", "smoking", "family", "work", "cold air", "cough", "swelling")
    if asked.turn < len(topics) and asked.actions != ["diagnose"]:
        return doctor("ask", topics[asked.turn], f"Please tell me about this: {topics[asked.turn]}?")
    return consultation(asked)


@pytest.mark.parametrize("turn", [3, 9])
async def test_a_talk_goes_on_where_its_process_was_killed(tmp_path: Path, turn: int) -> None:
    script = Script(doctor=long_talk) if turn > 3 else Script()
    whole = await play(tmp_path, script, WITH_PAIRS | {"dialogues": {"max_turns": 12}})
    assert f"doctor/0/{turn}" in {entry.step for entry, _ in whole.asked("doctor")}
    kills: list[asyncio.subprocess.Process] = []
    bodies: list[str] = []

    def reply(body: dict[str, Any]) -> str:
        bodies.append(json.dumps(body, sort_keys=True))
        if kills and Asked(body).step == "doctor" and Asked(body).turn == turn - 1:
            kills.pop().kill()
        return script(body)

    async with FaultServer(FaultOptions(reply=reply, models=tuple(MODELS.values()))) as server:
        spec = json.loads((tmp_path / "spec.yaml").read_text())
        for model in spec["models"].values():
            model["base_url"] = server.url
        (tmp_path / "spec.yaml").write_text(json.dumps(spec))
        command = ["-m", "synth.generate", "--spec", str(tmp_path / "spec.yaml"), "--out", str(tmp_path / "killed")]

        async def generate() -> asyncio.subprocess.Process:
            quiet = asyncio.subprocess.DEVNULL
            return await asyncio.create_subprocess_exec(sys.executable, *command, stdout=quiet, stderr=quiet)

        first = await generate()
        kills.append(first)
        assert await asyncio.wait_for(first.wait(), 60) == -9
        before = len(bodies)
        second = await generate()
        assert await asyncio.wait_for(second.wait(), 60) == 0
    # Of all requests, the one that was under way when the process died was sent twice, and nothing else was.
    assert bodies[before] == bodies[before - 1]
    assert len(set(bodies)) == len(bodies) - 1 == whole.hits
