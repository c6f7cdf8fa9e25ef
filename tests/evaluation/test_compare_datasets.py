"""Data sets against each other by a judge behind a real server: fair, blind, and nothing asked twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from evaluation.blind import LONGEST, Compared, Scored
from evaluation.compare_datasets import PAIRS, SCORES, SUMMARY, main
from evaluation.compare_sums import position_bias, preference, summarise
from evaluation.dataset_readers import Example
from evaluation.statistics import wilson
from synth.fault_server import FaultOptions, FaultServer

Reply = Callable[[str, str], Any]
WORDS = (
    *("fever", "cough", "rash", "angina", "asthma", "gout", "sepsis"),
    *("anaemia", "stroke", "reflux", "colic", "migraine", "vertigo", "glaucoma"),
)


class Judge:
    """Hands the parts of the question to two functions, and keeps what it was asked."""

    def __init__(self, grade: Callable[[str], Any], prefer: Reply) -> None:
        self.grade, self.prefer = grade, prefer
        self.asked: list[str] = []

    def __call__(self, body: dict[str, Any]) -> str:
        user = body["messages"][1]["content"]
        self.asked.append("\n".join(message["content"] for message in body["messages"]))
        parts = user.split("==========")
        said = self.prefer(parts[1], parts[3]) if "second example" in user else self.grade(parts[1])
        return said if isinstance(said, str) else json.dumps(said)


def grades(text: str) -> dict[str, int]:
    return {"quality": 9 if "GOOD" in text else 4, "complexity": 5, "relevance": 6}


def better(first: str, second: str) -> dict[str, str]:
    if ("GOOD" in first) == ("GOOD" in second):
        return {"reason": "Alike.", "better": "tie"}
    return {"reason": "One is good.", "better": "first" if "GOOD" in first else "second"}


def always_first(first: str, second: str) -> dict[str, str]:
    return {"reason": "It came first.", "better": "first"}


def dataset(folder: Path, name: str, mark: str, count: int = 12) -> Path:
    path = folder / f"{name}.jsonl"
    rows = [
        {"instruction": f"What is {WORDS[n]} number {n}?", "output": f"It is {mark} to know about {WORDS[n]} {n}."}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def compare(folder: Path, judge: Judge, *paths: Path, sample: int = 8, out: str = "out") -> tuple[int, int]:
    """Exit code, and how many requests the server got."""
    async with FaultServer(FaultOptions(reply=judge, models=("judge-1",))) as server:
        model = f"{{engine: openai, base_url: '{server.url}', model: judge-1, retries: 0}}"
        arguments = [*map(str, paths), "--judge", model, "--sample", str(sample), "--out", str(folder / out)]
        return await asyncio.to_thread(main, arguments), len(judge.asked)


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / SUMMARY).read_text())
    return found


async def test_the_better_data_set_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = dataset(tmp_path, "ours", "GOOD"), dataset(tmp_path, "theirs", "hard")
    code, asked = await compare(tmp_path, Judge(grades, better), ours, theirs)
    assert (code, asked) == (0, 8 + 8 + 2 * 8)
    summary = summary_of(tmp_path / "out")
    assert summary["judge"] == "judge-1"
    assert set(summary["prompts"]) == {"example", "prefer"}
    assert summary["datasets"]["ours.jsonl"]["quality"]["value"] == 9
    assert summary["datasets"]["theirs.jsonl"]["quality"]["value"] == 4
    [pair] = summary["preferences"]
    assert (pair["points"]["value"], pair["won"], pair["lost"], pair["p"]) == (1.0, 8, 0, 2 / 2**8)
    assert summary["position"]["flipped"]["value"] == 0.0
    assert summary["position"]["first"]["value"] == 0.5
    assert len(pq.read_table(tmp_path / "out" / SCORES)) == 16
    assert set(pq.read_table(tmp_path / "out" / PAIRS)["points"].to_pylist()) == {1.0}
    assert "ours.jsonl over theirs.jsonl" in capsys.readouterr().out


async def test_a_judge_that_goes_by_place_prefers_nobody(tmp_path: Path) -> None:
    ours, theirs = dataset(tmp_path, "ours", "GOOD"), dataset(tmp_path, "theirs", "hard")
    await compare(tmp_path, Judge(grades, always_first), ours, theirs)
    summary = summary_of(tmp_path / "out")
    [pair] = summary["preferences"]
    assert (pair["points"]["value"], pair["undecided"], pair["p"]) == (0.5, 8, 1.0)
    assert summary["position"]["flipped"]["value"] == 1.0
    assert summary["position"]["first"]["value"] == 1.0


async def test_the_judge_never_sees_whose_it_is(tmp_path: Path) -> None:
    ours, theirs = dataset(tmp_path, "brandname", "GOOD"), dataset(tmp_path, "rivalname", "hard")
    judge = Judge(grades, better)
    await compare(tmp_path, judge, ours, theirs)
    assert not any("brandname" in text or "rivalname" in text or "jsonl" in text for text in judge.asked)


async def test_again_asks_nothing_and_a_third_asks_only_its_own(tmp_path: Path) -> None:
    ours, theirs = dataset(tmp_path, "ours", "GOOD"), dataset(tmp_path, "theirs", "hard")
    await compare(tmp_path, Judge(grades, better), ours, theirs)
    before = (tmp_path / "out" / SUMMARY).read_bytes()
    assert await compare(tmp_path, Judge(grades, better), ours, theirs) == (0, 0)
    assert (tmp_path / "out" / SUMMARY).read_bytes() == before
    third = dataset(tmp_path, "third", "odd")
    assert await compare(tmp_path, Judge(grades, better), ours, theirs, third) == (0, 8 + 2 * 2 * 8)
    assert len(summary_of(tmp_path / "out")["preferences"]) == 3


async def test_replies_of_no_use_are_unscored(tmp_path: Path) -> None:
    ours, theirs = dataset(tmp_path, "ours", "GOOD"), dataset(tmp_path, "theirs", "hard")
    code, _ = await compare(tmp_path, Judge(lambda text: "no", lambda a, b: "no"), ours, theirs, sample=3)
    assert code == 0
    summary = summary_of(tmp_path / "out")
    assert summary["datasets"]["ours.jsonl"]["unscored"] == 3
    assert summary["datasets"]["ours.jsonl"]["quality"] is None
    [pair] = summary["preferences"]
    assert (pair["unscored"], pair["points"], pair["p"]) == (3, None, None)
    assert summary["position"] is None


async def test_copies_loops_and_length_are_seen_without_a_judge(tmp_path: Path) -> None:
    ours = dataset(tmp_path, "ours", "GOOD")
    copies = tmp_path / "copies.jsonl"
    long = "This sentence is one of many about the heart. " * 2000
    texts = [*["It is the same answer, word for word, in every single row."] * 6, "I'm sorry, but I can't help.", long]
    copies.write_text("".join(json.dumps({"prompt": f"Q {text[:9]}", "completion": text}) + "\n" for text in texts))
    judge = Judge(grades, better)
    await compare(tmp_path, judge, ours, copies)
    found = summary_of(tmp_path / "out")["datasets"]
    assert found["ours.jsonl"]["duplicates"]["share"] == 0
    assert found["copies.jsonl"]["duplicates"]["exact_duplicate"] == 5
    assert found["copies.jsonl"]["duplicates"]["share"] == 5 / 8
    assert found["copies.jsonl"]["rules"]["refusal"]["value"] == 1 / 8
    assert found["copies.jsonl"]["rules"]["repetitive"]["value"] == 1 / 8
    assert found["copies.jsonl"]["diversity"]["texts"] == found["ours.jsonl"]["diversity"]["texts"] == 8
    assert found["copies.jsonl"]["cut"] == 1
    assert max(map(len, judge.asked)) < 2 * 4 * LONGEST + 4000


async def test_consultations_are_checked(tmp_path: Path) -> None:
    turns = [
        {"speaker": "patient", "text": "My toe hurts."},
        {"speaker": "doctor", "text": "Do you have a fever?", "action": "ask", "argument": "fever"},
        {"speaker": "patient", "text": "No, I have no fever."},
        {"speaker": "doctor", "text": "Do you have a fever?", "action": "ask", "argument": "fever"},
    ]
    messages = [
        {"role": "user" if turn["speaker"] == "patient" else "assistant", "content": turn["text"]} for turn in turns
    ]
    path = tmp_path / "talks.jsonl"
    path.write_text(json.dumps({"messages": messages, "turns": turns, "case": None}) + "\n")
    await compare(tmp_path, Judge(grades, better), path)
    found = summary_of(tmp_path / "out")["datasets"]["talks.jsonl"]["consultations"]
    assert (found["of"], found["with_turns"]) == (1, 1)
    assert found["question_repeated"]["value"] == 1.0


@pytest.mark.parametrize(
    ("ours_first", "theirs_first", "points", "flipped"),
    [
        ("first", "second", 1.0, False),
        ("second", "first", 0.0, False),
        ("first", "first", 0.5, True),
        ("second", "second", 0.5, True),
        ("tie", "tie", 0.5, False),
        ("first", "tie", 0.75, False),
        ("tie", "first", 0.25, False),
        (None, "first", None, False),
        ("first", None, None, False),
    ],
)
def test_a_pair_is_worth_the_mean_of_both_orders(
    ours_first: str | None, theirs_first: str | None, points: float | None, flipped: bool
) -> None:
    pair = Compared(ours_first, theirs_first)
    assert (pair.points, pair.flipped) == (points, flipped)


def test_position_bias_and_preference_leave_out_what_has_no_verdict() -> None:
    pairs = [Compared("first", "second"), Compared("first", "first"), Compared("first", None)]
    bias = position_bias(pairs)
    assert bias is not None
    assert (bias["flipped"]["value"], bias["flipped"]["n"]) == (0.5, 2)
    assert (bias["first"]["value"], bias["first"]["n"]) == (0.75, 2)
    found = preference(pairs)
    assert (found["won"], found["lost"], found["undecided"], found["unscored"]) == (1, 0, 1, 1)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("pair", [Compared("first", "second"), Compared("tie", "tie"), Compared("first", "tie")])
def test_pairs_that_all_went_one_way_leave_room_for_others(pair: Compared, count: int) -> None:
    found = preference([pair] * count)["points"]
    expected = wilson((pair.points or 0.0) * count, count)
    assert (found["n"], found["value"]) == (count, pair.points)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))


def test_both_orders_of_a_pair_are_one_piece_of_evidence() -> None:
    """A judge that goes by place says the same twice: twenty pairs are twenty, not forty."""
    pairs = [Compared("first", "first")] * 15 + [Compared("second", "second")] * 5
    first = (position_bias(pairs) or {})["first"]
    assert (first["n"], first["value"]) == (20, 0.75)
    expected = wilson(15, 20)
    assert first["low"] == pytest.approx(expected.low, abs=0.02)
    assert first["high"] == pytest.approx(expected.high, abs=0.02)


def test_means_of_few_scores_have_the_width_that_few_scores_have() -> None:
    """Of samples of six, 95 % intervals hold the truth about as often as they say; a plain bootstrap does not."""
    names, draw, held = ["a"], random.Random(1), 0
    examples = [Example(0, (("user", "x"),))] * 6
    for _ in range(300):
        scored = [Scored(max(1, min(10, round(draw.gauss(6, 1.5)))), 5, 5) for _ in examples]
        quality = summarise(names, [examples], [scored], {})["datasets"]["a"]["quality"]
        held += quality["low"] <= 6 <= quality["high"]
    assert held >= 0.92 * 300


def test_one_score_says_next_to_nothing() -> None:
    examples = [Example(0, (("user", "x"),))]
    quality = summarise(["a"], [examples], [[Scored(7, 5, 5)]], {})["datasets"]["a"]["quality"]
    assert (quality["value"], quality["low"], quality["high"], quality["n"]) == (7, 1, 10, 1)


async def test_results_that_cannot_be_written_are_one_line_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = dataset(tmp_path, "ours", "GOOD")
    (tmp_path / "out" / PAIRS).mkdir(parents=True)
    code, asked = await compare(tmp_path, Judge(grades, better), ours)
    assert (code, asked) == (1, 8)
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"{tmp_path / 'out'}: not written: ")
    (tmp_path / "out" / PAIRS).rmdir()
    assert await compare(tmp_path, Judge(grades, better), ours) == (0, 0)


def test_one_data_set_named_twice_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(dataset(tmp_path, "ours", "GOOD"))
    assert main([path, path, "--judge", "packaged", "--out", str(tmp_path / "out")]) == 2
    assert "named twice" in capsys.readouterr().err


def test_a_data_set_without_examples_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jsonl").write_text(json.dumps({"instruction": "a", "output": ""}) + "\n")
    assert main([str(tmp_path / "empty.jsonl"), "--judge", "packaged", "--out", str(tmp_path / "out")]) == 2
    assert "holds no row with a turn of the assistant" in capsys.readouterr().err
