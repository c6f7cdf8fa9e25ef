"""Consultations, played for real: who is shown what, one action a turn, how they end, and where they are resumed."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import BudgetReached
from synth.fault_server import FaultOptions, FaultServer
from synth.recipes.consultation import normalised
from synth.recipes.forms import Suspicion
from synth.recipes.personas import load_personas
from tests.synth.scripted import MODELS, PLAN, Asked, Played, Script, case, consultation, doctor, grade, play

ALONE: dict[str, Any] = {"dialogues": {}}
WITH_PAIRS: dict[str, Any] = {"dialogues": {}, "preferences": {"from": ["dialogue_outcome"]}}

# Words that stand nowhere else, so that a leak shows wherever it happens.
MARKED = case(
    complaint="COMPLAINTMARK hurts.",
    diagnosis="DIAGNOSISMARK fever",
    differential=["DIFFERENTIALMARK fever"],
    history=["It began at HISTORYMARK."],
    medication=["MEDICATIONMARK"],
    allergies=["ALLERGYMARK"],
    findings=["abdomen: FINDINGMARK rigid", "skin: UNSEENFINDINGMARK pale"],
    tests=["lactate: TESTMARK 4 mmol/l", "lipase: UNSEENTESTMARK 900 U/l"],
    red_flags=["REDFLAGMARK collapse"],
)
KNOWN = ("COMPLAINTMARK", "HISTORYMARK", "MEDICATIONMARK", "ALLERGYMARK")
NEVER_SAID = ("DIAGNOSISMARK", "DIFFERENTIALMARK", "UNSEENFINDINGMARK", "UNSEENTESTMARK", "REDFLAGMARK", "PASSAGEMARK")
MARKED_PLAN = (
    doctor("ask", "onset", "When did it begin?"),
    doctor("examine", "the abdomen", "May I feel your abdomen?"),
    doctor("ask", "food", "What have you eaten?"),
    doctor("test", "lactate", "I will take some blood."),
    doctor("diagnose", "Colic", "This is a colic."),
)


def by(plan: tuple[dict[str, Any], ...]) -> Callable[[Asked], dict[str, Any]]:
    """Follow the plan, turn by turn; close with its last turn when asked to."""
    return lambda asked: plan[-1] if asked.actions == ["diagnose"] else plan[min(asked.turn, len(plan) - 1)]


async def test_nobody_is_shown_what_they_cannot_know(tmp_path: Path) -> None:
    thoughtful = tuple({**turn, "thought": "THOUGHTMARK"} for turn in MARKED_PLAN)
    script = Script(case=MARKED, doctor=by(thoughtful))
    played = await play(tmp_path, script, WITH_PAIRS)
    doctors, patients = played.asked("doctor"), played.asked("patient")
    assert [entry.step for entry, _ in doctors] == [f"doctor/0/{n}" for n in (1, 2, 3, 4, 5, "again")]
    for turn, (_, shown) in enumerate(doctors):
        assert not [mark for mark in (*NEVER_SAID, *KNOWN, "THOUGHTMARK") if mark in shown]
        assert ("FINDINGMARK" in shown) == (turn >= 2)
        assert ("TESTMARK" in shown) == (turn >= 4)
    assert [entry.step for entry, _ in patients] == ["patient/0/0", "patient/0/1", "patient/0/3"]
    for (_, shown), revealed in zip(patients, (False, False, True), strict=True):
        assert all(mark in shown for mark in KNOWN)
        assert not [mark for mark in (*NEVER_SAID, "TESTMARK", "THOUGHTMARK") if mark in shown]
        assert ("FINDINGMARK" in shown) == revealed
    judged = played.asked("judge_dialogue") + played.asked("judge_turn")
    assert not [mark for _, shown in judged for mark in (*NEVER_SAID, "THOUGHTMARK") if mark in shown]


async def test_the_patient_plays_the_persona_that_is_stored(tmp_path: Path) -> None:
    topics = ["topic-one", "topic-two", "topic-three", "topic-four"]
    played = await play(tmp_path, Script(), ALONE | {"dialogues": {"per_seed": 2}}, topics)
    personas = set()
    for row in played.rows["dialogue"]:
        persona = json.loads(row["persona"])
        assert {
            trait: value in values for trait, values in load_personas().traits.items() for value in [persona[trait]]
        }
        asked = played.asked("patient", row["seed_id"])
        own = [shown for entry, shown in asked if entry.key in row["calls"]]
        assert own
        assert all(value in shown for shown in own for value in persona.values())
        assert all("female" in shown and "54" in shown for shown in own)
        personas.add(row["persona"])
    assert len(personas) > 4
    again = await play(tmp_path / "again", Script(), ALONE | {"dialogues": {"per_seed": 2}}, topics)
    assert again.rows == played.rows


async def test_each_turn_offers_the_actions_that_are_open(tmp_path: Path) -> None:
    script = Script(
        doctor=by((*PLAN, doctor("ask", "food", "What did you eat?"), doctor("diagnose", "x y", "It is.")))
    )
    await play(tmp_path, script, {"dialogues": {"max_turns": 5}})
    turns = [asked for asked in script.served if asked.step == "doctor"]
    some, every = ["ask", "examine", "test"], ["ask", "examine", "test", "diagnose"]
    assert [asked.actions for asked in turns] == [some, every, every, every, ["diagnose"]]
    for asked in turns[:-1]:
        assert ", ".join(asked.actions) in asked.user
    assert "last turn" in turns[-1].user


async def test_the_first_turn_cannot_diagnose(tmp_path: Path) -> None:
    hasty = doctor("diagnose", "Stable angina", "I know it already.")
    script = Script(doctor=hasty)
    played = await play(tmp_path, script, WITH_PAIRS, reasks=2)
    assert played.rows["dialogue"] == []
    assert played.why("dialogue") == [("doctor/0/1", "schema")]
    assert played.why("preference") == [("doctor/0/1", "schema")]
    assert script.steps() == {"case": 1, "patient": 1, "doctor": 3}  # asked three times, each with the error
    assert [entry.reask for entry, _ in played.asked("doctor")] == [0, 1, 2]


async def test_a_refused_action_can_be_mended_by_asking_again(tmp_path: Path) -> None:
    refused: list[Asked] = []

    def hasty_once(asked: Asked) -> dict[str, Any]:
        if asked.turn == 0 and not refused:
            refused.append(asked)
            return doctor("diagnose", "Stable angina", "I know it already.")
        return consultation(asked)

    played = await play(tmp_path, Script(doctor=hasty_once), ALONE)
    (row,) = played.rows["dialogue"]
    assert "I know it already." not in [m["content"] for m in row["messages"]]
    assert len([e for e, _ in played.asked("doctor") if e.key in row["calls"]]) == len(row["turns"]) / 2 + 1


@pytest.mark.parametrize("most", [2, 3, 6])
async def test_the_last_turn_must_diagnose(tmp_path: Path, most: int) -> None:
    def curious(asked: Asked) -> dict[str, Any]:
        if asked.actions == ["diagnose"]:
            return doctor("diagnose", "Stable angina", "It is angina.")
        return doctor("ask", "more", f"What is your answer to question {asked.turn}?")

    played = await play(tmp_path, Script(doctor=curious), {"dialogues": {"max_turns": most}})
    (row,) = played.rows["dialogue"]
    doctors = [turn for turn in row["turns"] if turn["speaker"] == "doctor"]
    assert [turn["action"] for turn in doctors] == ["ask"] * (most - 1) + ["diagnose"]
    assert row["flags"] == ["closed_at_max_turns"]
    assert len(row["messages"]) == 2 * most


async def test_a_doctor_who_repeats_himself_must_come_to_an_end(tmp_path: Path) -> None:
    said = ["When did it begin?", "Does it hurt?", "WHEN did  it begin?", "never said"]
    plan = (*(doctor("ask", "onset", text) for text in said), doctor("diagnose", "Stable angina", "It is angina."))
    script = Script(doctor=by(plan))
    played = await play(tmp_path, script, ALONE)
    (row,) = played.rows["dialogue"]
    spoken = [turn["text"] for turn in row["turns"] if turn["speaker"] == "doctor"]
    assert spoken == [*said[:3], "It is angina."]
    assert row["flags"] == ["question_repeated"]
    assert [a.actions for a in script.served if a.step == "doctor"][-1] == ["diagnose"]


def wandering(asked: Asked) -> dict[str, Any]:
    """Any open action, drawn from the request."""
    rng = random.Random(asked.seed)
    subject = rng.choice(["blood pressure", "ECG", "sleep", "resting pressure", "kidneys"])
    shares = [("Angina", rng.choice([0.1, 0.5, 0.9])), ("Reflux", 0.3), ("angina", 0.95)]
    return doctor(rng.choice(asked.actions), subject, f"Let us go on with {subject}, {asked.seed}.", *shares)


async def test_every_talk_is_a_chat_that_trainers_take(tmp_path: Path) -> None:
    topics = [f"topic-{n}" for n in range(12)]
    played = await play(tmp_path, Script(doctor=wandering), {"dialogues": {"max_turns": 6}}, topics)
    assert len(played.rows["dialogue"]) == len(topics)
    assert len({len(row["turns"]) for row in played.rows["dialogue"]}) > 2
    for row in played.rows["dialogue"]:
        turns = row["turns"]
        speakers = {"user": ("patient", "result"), "assistant": ("doctor",)}
        for message, turn in zip(row["messages"], turns, strict=True):
            assert turn["text"] == message["content"]
            assert turn["speaker"] in speakers[message["role"]]
        assert len(turns) >= 4
        assert (turns[0]["speaker"], turns[-1]["action"]) == ("patient", "diagnose")
        assert [t["action"] for t in turns[1:-1:2] if t["action"] == "diagnose"] == []
        assert row["diagnosis"] == turns[-1]["argument"]
        for said, answered in zip(turns[1::2], turns[2::2], strict=False):
            assert answered["speaker"] == ("patient" if said["action"] == "ask" else "result")
            label = {"examine": "[Examination: ", "test": "[Test: "}.get(said["action"], "")
            assert answered["text"].startswith(label)
        for turn in turns:
            assert bool(turn["differential"]) == bool(turn["thought"]) == (turn["speaker"] == "doctor")
            shares = [entry["probability"] for entry in turn["differential"]]
            assert sorted(shares, reverse=True) == shares
            assert not shares or sum(shares) == pytest.approx(1, abs=0.001)
        stored = json.loads(row["case"])
        assert {f["id"] for f in stored["facts"]} == {"p1", "p2", "p3", "f1", "t1"}


PROBABILITIES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
SUSPICIONS = st.lists(
    st.builds(
        lambda name, share: Suspicion.model_validate({"diagnosis": name, "probability": share}),
        st.sampled_from(["Angina", "angina", "ANGINA ", "Reflux", "Gout", "ﬂu", "flu"]),
        st.sampled_from(PROBABILITIES),
    ),
    min_size=1,
    max_size=6,
)


@given(SUSPICIONS)
def test_a_differential_has_distinct_names_that_sum_to_one(suspicions: list[Suspicion]) -> None:
    found = normalised(suspicions)
    first: dict[str, float] = {}
    for suspicion in suspicions:
        first.setdefault(suspicion.diagnosis.strip().casefold().replace("ﬂ", "fl"), float(suspicion.probability))
    names = [entry["diagnosis"].strip().casefold().replace("ﬂ", "fl") for entry in found]
    assert sorted(names) == sorted(first)
    assert [entry["probability"] for entry in found] == sorted((e["probability"] for e in found), reverse=True)
    for name, entry in zip(names, found, strict=True):
        assert entry["probability"] == pytest.approx(first[name] / sum(first.values()), abs=1e-4)


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
        assert json.loads(rejected["payload"])["case"] == card


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


async def test_who_falls_silent_ends_the_talk(tmp_path: Path) -> None:
    def silent(asked: Asked) -> dict[str, Any]:
        return {"say": ""} if asked.turn else {"say": "Hello, I feel ill."}

    played = await play(tmp_path, Script(patient=silent), WITH_PAIRS, reasks=1)
    assert played.why("dialogue") == played.why("preference") == [("patient/0/1", "schema")]
    assert {r["status"] for r in played.rejected} == {"rejected"}


async def test_an_endpoint_that_fails_fails_the_row(tmp_path: Path) -> None:
    def broken(asked: Asked) -> dict[str, Any]:
        if asked.turn == 2:
            raise RuntimeError("scripted")  # the server answers 500
        return consultation(asked)

    played = await play(tmp_path, Script(doctor=broken), WITH_PAIRS)
    assert played.why("dialogue") == played.why("preference") == [("doctor/0/3", "server_error")]
    assert {r["status"] for r in played.rejected} == {"failed"}


RIGHT, WRONG = "Stable angina", "Reflux disease"


ENDINGS: dict[str, tuple[str, str, int | None, float | str, list[str]]] = {
    "topic-a": (f"{RIGHT}: score 8", f"{WRONG}: score 4", 0, 4, []),
    "topic-b": (f"{WRONG}: score 4", f"{RIGHT}: score 8", 1, 4, []),
    "topic-c": (f"{WRONG}: score 8", f"{RIGHT}: score 5", 1, -3, ["judge_prefers_rejected"]),
    "topic-d": (f"{WRONG}: score 8", f"{RIGHT}: score 8", 1, 0, []),
    "topic-e": (f"{WRONG}: score 3", f"{WRONG} again: score 4", 1, 1, []),
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
            assert topic not in pairs
            continue
        pair, said = pairs[topic], [f"It is {first}.", f"It is {second}."]
        assert pair["prompt"] == messages[:-1]
        assert [m["content"] for m in pair["chosen"] + pair["rejected"]] == [said[chosen], said[1 - chosen]]
        assert (pair["origin"], pair["margin"], pair["flags"]) == ("dialogue_outcome", margin, flags)
        scored = {entry.key for entry, _ in played.asked("judge_turn", topic)}
        assert len(scored & set(pair["calls"])) == 2  # the margin comes from both


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


async def test_a_talk_goes_on_where_its_process_was_killed(tmp_path: Path) -> None:
    script = Script()
    whole = await play(tmp_path, script, WITH_PAIRS)
    kills: list[asyncio.subprocess.Process] = []
    bodies: list[str] = []

    def reply(body: dict[str, Any]) -> str:
        bodies.append(json.dumps(body, sort_keys=True))
        if kills and Asked(body).step == "doctor" and Asked(body).turn == 2:
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


def texts(played: Played) -> list[str]:
    return [message["content"] for row in played.rows["dialogue"] for message in row["messages"]]


async def test_the_diagnosis_stands_in_the_row_and_in_no_message_before_the_end(tmp_path: Path) -> None:
    played = await play(tmp_path, Script(case=MARKED, doctor=by(MARKED_PLAN)), ALONE)
    (row,) = played.rows["dialogue"]
    assert json.loads(row["case"])["diagnosis"] == "DIAGNOSISMARK fever"
    assert "DIAGNOSISMARK" not in " ".join(texts(played))
    assert "DIAGNOSISMARK" in played.asked("diagnosis")[0][1]  # only the judge compares with it
