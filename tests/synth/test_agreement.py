"""Questions of passages, which have no gold answer: agreement of samples, pass rates by it, pairs of chains."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.synth.played import HARD, REASONING, pairs_from, play
from tests.synth.scripted import Asked, Script, grade, score, thinks


def says(*answers: str) -> dict[str, Any]:
    """A reasoner that gives these answers one after the other, and a judge who goes by their first word."""
    given = itertools.cycle(answers)

    def agree(asked: Asked) -> dict[str, str]:
        first, second = asked.user.split("First answer:\n")[1].split("\n\nSecond answer:\n")
        return {"verdict": "yes" if first.split()[0] == second.split()[0] else "no"}

    return {"score": score(6, 9), "agree": agree, "reasoning": lambda asked: thinks(asked, next(given))}


def wanted(samples: int = 5, **reasoning: Any) -> dict[str, Any]:
    return REASONING | {"reasoning": HARD | {"agreement": {"samples": samples}} | reasoning}


async def test_the_answer_of_most_samples_is_kept(tmp_path: Path) -> None:
    script = Script(**says("Rest is best.", "Heat helps.", "Rest I say.", "rest is best", "Cold helps."))
    played = await play(tmp_path, script, wanted())
    (row,) = played.rows["reasoning"]
    assert row["answer"].lower().startswith("rest")
    assert (row["verified"], row["verification"]) == (True, "agreement of 3 of 5 samples, no gold answer")
    assert (row["attempts"], row["pass_rate"]) == (None, None)
    assert sorted(played.why("chain")) == [("agree", "not_agreed")] * 2 + [("reward", "not_chosen")] * 2
    assert script.steps()["reward"] == 3  # only those that agree are judged
    # 1 with 2, 1 with 3, then the fourth word for word, and the fifth with both groups
    assert script.steps()["agree"] == 4
    assert {"agree", "reasoning"} <= {played.entries[key].step.partition("/")[0] for key in row["calls"]}


@pytest.mark.parametrize(
    "answers", [("Rest.", "Heat.", "Rest.", "Heat.", "Cold."), ("Rest.", "Rest.", "Heat.", "Cold.", "Salt.")]
)
async def test_without_a_majority_there_is_no_row(tmp_path: Path, answers: tuple[str, ...]) -> None:
    played = await play(tmp_path, Script(**says(*answers)), wanted() | pairs_from("reasoning_over_answer"))
    assert played.why("reasoning") == played.why("preference") == [("agree", "no_agreement")]
    (lost,) = [r for r in played.rejected if r["kind"] == "reasoning"]
    assert lost["detail"] == "agreement of 2 of 5 samples, no gold answer"
    assert json.loads(lost["payload"])["answer"] == "Rest."
    assert played.why("chain") == [("agree", "not_agreed")] * 3


async def test_a_sample_that_was_lost_agrees_with_nobody(tmp_path: Path) -> None:
    lost = says("Rest.", "Rest.")
    replies = iter(["Just an answer.", "Just an answer.", "Just an answer."])
    script = Script(**lost | {"reasoning": lambda asked: next(replies, None) or thinks(asked, "Rest.")})
    played = await play(tmp_path, script, wanted())
    assert played.why("reasoning") == [("agree", "no_agreement")]  # 2 of 5, though both that came say the same


async def test_agreement_and_recovery_are_both_told(tmp_path: Path) -> None:
    script = Script(**says("Rest.") | {"agree": {"verdict": "yes"}})
    played = await play(tmp_path, script, wanted(2, verify=True))
    (row,) = played.rows["reasoning"]
    assert row["verification"] == (
        "agreement of 2 of 2 samples, no gold answer; "
        "a second pass drew the same answer from the chain without its final answer"
    )


@pytest.mark.parametrize(("right", "kept"), [(2, True), (4, False)])
async def test_a_pass_rate_goes_by_the_answer_that_samples_agree_on(tmp_path: Path, right: int, kept: bool) -> None:
    answers = iter(["Rest!"] * right + ["No idea."] * (4 - right))
    script = Script(**says("Rest."), weak_answer=lambda asked: {"answer": next(answers)})
    played = await play(tmp_path, script, wanted(2, pass_rate={"keep": [0, 0.5]}))
    if kept:
        assert played.rows["reasoning"][0]["pass_rate"] == 0.5
    else:
        assert played.why("reasoning") == [("weak_answer", "too_easy")]
        assert played.why("chain") == [("weak_answer", "too_easy")] * 2


async def test_a_verified_chain_stands_over_one_that_failed(tmp_path: Path) -> None:
    rewards = iter([9, 7])
    verdicts = iter(["no", "yes"])
    script = Script(
        score=score(6, 9),
        reward=lambda asked: grade(next(rewards)),
        agree=lambda asked: {"verdict": next(verdicts)},
    )
    produce = REASONING | {"reasoning": HARD | {"verify": True}} | pairs_from("verified_over_unverified")
    played = await play(tmp_path, script, produce)
    (row,), (pair,) = played.rows["reasoning"], played.rows["preference"]
    assert pair["prompt"] + pair["chosen"] == row["messages"]
    assert pair["rejected"][0]["content"].startswith("<think>")
    assert (pair["margin"], pair["flags"]) == (-2.0, ["judge_prefers_rejected"])


async def test_a_chain_that_was_verified_at_once_has_nothing_to_stand_over(tmp_path: Path) -> None:
    produce = REASONING | {"reasoning": HARD | {"verify": True}} | pairs_from("verified_over_unverified")
    played = await play(tmp_path, Script(score=score(6, 9)), produce)
    assert played.why("preference") == [("check_answer", "no_wrong_chain")]
    easy = await play(tmp_path / "easy", Script(), produce)
    assert easy.why("preference") == [("score", "not_complex")]


@pytest.mark.parametrize(("bounds", "reason"), [({"min": 1000}, "under_budget"), ({"max": 3}, "over_budget")])
async def test_chains_outside_of_the_budget_are_dropped(tmp_path: Path, bounds: dict[str, int], reason: str) -> None:
    produce = REASONING | {"reasoning": HARD | {"thinking_tokens": bounds}}
    played = await play(tmp_path, Script(score=score(6, 9)), produce)
    assert played.why("reasoning") == [("reasoning", reason)]
    assert played.why("chain") == [("reasoning", reason)] * 2
    within = REASONING | {"reasoning": HARD | {"thinking_tokens": {"min": 3, "max": 200}}}
    assert len((await play(tmp_path / "within", Script(score=score(6, 9)), within)).rows["reasoning"]) == 1
