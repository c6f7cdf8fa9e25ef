"""Runs that fail, stop, resume and babble: every planned row is accounted for and nothing is paid for twice."""

from __future__ import annotations

from pathlib import Path

from synth.ask import Desk
from synth.budget import Spending
from synth.engines import Engines
from synth.errors import BudgetReached
from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Journal
from synth.rows import KINDS
from synth.seeds import read_seeds
from synth.setup import prepare
from synth.shard import Shard
from tests.synth.played import (
    ANSWERS,
    EVERYTHING,
    HARD,
    REASONING,
    Quiet,
    pairs_from,
    play,
    seed_ids,
)
from tests.synth.scripted import DEFAULTS, MODELS, Asked, Script, score


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


async def test_a_stopped_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    topics = ["topic-a", "topic-b", "topic-c"]
    whole = await play(tmp_path / "whole", Script(), EVERYTHING, topics)
    for sent in (1, whole.hits // 3, whole.hits - 2):
        folder = tmp_path / str(sent)
        first = await play(folder, Script(), EVERYTHING, topics, budget={"requests": sent})
        assert isinstance(first.finished.error, BudgetReached)
        assert first.hits <= sent  # what was reserved and not sent when another seed met the cap is not sent any more
        second = await play(folder, Script(), EVERYTHING, topics)
        assert first.hits + second.hits == whole.hits
        assert (second.rows, second.rejected) == (whole.rows, whole.rejected)
    third = await play(folder, Script(), EVERYTHING, topics)
    assert third.hits == 0
    assert (third.rows, third.rejected) == (whole.rows, whole.rejected)


async def test_a_cap_that_is_met_while_the_other_side_fails_still_stops_the_run(tmp_path: Path) -> None:
    def broken(asked: Asked) -> object:
        raise RuntimeError("scripted")

    produce = REASONING | {"reasoning": HARD | {"chains": 1}} | pairs_from("reasoning_over_answer")
    script = Script(score=score(6, 9), answers=broken)
    stopped = await play(tmp_path, script, produce, budget={"requests": 4})
    assert script.steps() == {"questions": 1, "score": 2, "answers": 1}
    assert isinstance(stopped.finished.error, BudgetReached)  # else the chain would never be asked for
    assert stopped.finished.staged == []
    resumed = await play(tmp_path, Script(), produce)
    assert seed_ids(resumed, "reasoning") == ["topic-one"]
    assert resumed.why("preference") == [("answers", "server_error")]


async def test_what_a_model_babbles_and_when_it_comes_changes_nothing_of_the_rules(tmp_path: Path) -> None:
    """Nonsense, refusals, cut JSON, thoughts in a field: every row and rejection is the same under any latency."""
    topics = [f"topic-{n}" for n in range(14)]
    weather = {"reply": None, "bad_json_rate": 0.25, "refusal_rate": 0.05, "reasoning": "field"}
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
