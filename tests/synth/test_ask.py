from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from synth.ask import Answer, journal_key, seeded
from synth.budget import cost
from synth.endpoints.base import Request
from synth.errors import UserError
from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Journal
from synth.recipes.forms import Score, questions_form
from synth.spec_models import Price
from tests.synth.helpers import (
    GOOD,
    MODEL,
    QUESTION,
    Script,
    asked,
    asker,
    completion,
    open_desk,
    request,
    score,
    served,
    spec_for,
    stored,
)

# --- one question


async def test_an_answer_is_checked_and_says_what_it_cost(journal: Journal) -> None:
    async with FaultServer(FaultOptions(reply=Script(GOOD))) as server:
        answer = await asked(server, journal)
    assert isinstance(answer.value, Score)
    assert (answer.value.quality, answer.value.difficulty) == (7, 9)
    assert answer.reply.text == GOOD
    assert answer.reply.model == MODEL
    (call,) = answer.calls
    entry = journal.get(call.key)
    assert entry is not None
    assert (call.tokens_in, call.tokens_out) == (answer.reply.tokens_in, answer.reply.tokens_out)
    assert (entry.tokens_in, entry.tokens_out) == (call.tokens_in, call.tokens_out)
    assert call.tokens_in > 0
    assert answer.flags == ()


async def test_a_question_reaches_the_server_as_template_schema_and_sampling_say(journal: Journal) -> None:
    script = Script(GOOD)
    sampling = {"score": {"temperature": 0.25, "max_tokens": 99}}
    async with FaultServer(FaultOptions(reply=script)) as server:
        await asked(server, journal, spec_for(server.url, sampling=sampling))
    (body,) = script.bodies
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert QUESTION in body["messages"][1]["content"]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.25, 0.9, 99)
    assert body["response_format"]["json_schema"]["schema"]["properties"]["quality"]["enum"] == list(range(1, 11))


async def test_sampling_of_zero_is_a_choice_and_not_a_default(journal: Journal) -> None:
    script = Script(GOOD)
    async with FaultServer(FaultOptions(reply=script)) as server:
        await asked(server, journal, spec_for(server.url, sampling={"score": {"temperature": 0.0}}))
    assert script.bodies[0]["temperature"] == 0.0


async def test_a_text_question_asks_for_no_schema(journal: Journal) -> None:
    script = Script("  The heart.\n")
    async with FaultServer(FaultOptions(reply=script)) as server, open_desk(spec_for(server.url)) as desk:
        answer = await asker(desk, journal).ask("questions", None, passage="The heart pumps.", count=2)
    assert answer.value == "The heart."
    assert "response_format" not in script.bodies[0]


async def test_a_missing_variable_is_an_error_before_anything_is_sent(journal: Journal) -> None:
    async with FaultServer() as server, open_desk(spec_for(server.url)) as desk:
        with pytest.raises(UserError, match="question"):
            await asker(desk, journal).ask("score", Score)
        assert server.stats()["hits"] == 0


async def test_flags_tell_of_repair_and_estimated_usage(journal: Journal) -> None:
    body = completion(f"```json\n{GOOD}\n```")
    del body["usage"]
    async with served(body) as server, open_desk(spec_for(server.url)) as desk:
        answer = await score(asker(desk, journal))
    assert set(answer.flags) == {"repaired", "usage_estimated"}
    assert answer.calls[0].tokens_out > 0


# --- the journal answers


@pytest.mark.parametrize("reasoning", ["none", "field", "field_old", "inline"])
async def test_the_journal_answers_the_second_time(journal: Journal, reasoning: str) -> None:
    async with FaultServer(FaultOptions(reasoning=reasoning)) as server:
        spec = spec_for(server.url)

        async def ask_both() -> list[Answer]:
            async with open_desk(spec) as desk:
                who = asker(desk, journal)
                text = await who.ask("questions", None, passage="The heart pumps.", count=2)
                return [await score(who), text]

        first = await ask_both()
        assert server.stats()["hits"] == 2
        second = await ask_both()
        assert server.stats()["hits"] == 2
    assert second == first
    assert (first[1].reply.reasoning is not None) == (reasoning in ("field", "field_old"))


async def test_a_complete_journal_needs_no_server_and_no_key(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultServer() as server:
        first = await asked(server, journal)
    spec = spec_for("http://127.0.0.1:1/v1", model={"api_key_env": "CLINSYNTH_TEST_KEY"})
    monkeypatch.delenv("CLINSYNTH_TEST_KEY", raising=False)
    async with open_desk(spec) as desk:
        assert await score(asker(desk, journal)) == first


async def test_a_reply_is_on_the_disk_before_its_answer_is_returned(journal: Journal) -> None:
    async with FaultServer() as server, open_desk(spec_for(server.url)) as desk:
        await score(asker(desk, journal), part="3", sample=1)
        assert stored(journal) == [("score/3", 1, 0, "ok")]


async def test_the_journal_keeps_the_whole_question_and_every_attempt(journal: Journal) -> None:
    options = FaultOptions(error_rate=0.5, errors=("429",), seed=3)
    price = {"input": 1.0, "output": 2.0}
    async with FaultServer(options) as server:
        answer = await asked(server, journal, spec_for(server.url, model={"retries": 9, "price": price}))
        hits = server.stats()["hits"]
    (call,) = answer.calls
    entry = journal.get(call.key)
    assert entry is not None
    assert (entry.seed_id, entry.step, entry.role, entry.model) == ("s1", "score", "judge", MODEL)
    assert len(entry.attempts) == hits
    assert entry.usd == pytest.approx(cost(Price(**price), call.tokens_in, call.tokens_out))
    kept = journal.request_of(call.key)
    assert kept is not None
    assert QUESTION in kept["messages"][1]["content"]
    assert set(kept) == {"messages", "temperature", "top_p", "max_tokens", "seed", "schema", "extra"}


@pytest.mark.parametrize("text", ["lone \ud800 surrogate", "β 💊 \u2028 \u0000", "{{ 7 * 7 }} {% if %}"])
async def test_odd_texts_are_found_again(journal: Journal, text: str) -> None:
    async with FaultServer() as server, open_desk(spec_for(server.url)) as desk:
        first = await score(asker(desk, journal), question=text)
        assert await score(asker(desk, journal), question=text) == first
        assert server.stats()["hits"] == 1


# --- what the key depends on


SAME: dict[str, dict[str, Any]] = {
    "another URL": {},
    "a price": {"model": {"price": {"input": 5.0, "output": 9.0}}},
    "concurrency": {"model": {"max_in_flight": 3}},
    "patience": {"model": {"timeout": 5.0, "retries": 0}},
    "the engine's kind": {"model": {"engine": "vllm"}},
    "a budget": {"budget": {"requests": 50}},
    "re-asks": {"reasks": 0},
    "shard size": {"shard_size": 3},
    "another step's sampling": {"sampling": {"answers": {"temperature": 0.1}}},
}
OTHER: dict[str, dict[str, Any]] = {
    "the spec's seed": {"seed": 8},
    "the model": {"model": {"model": "other-model"}},
    "temperature": {"sampling": {"score": {"temperature": 0.1}}},
    "top_p": {"sampling": {"score": {"top_p": 0.5}}},
    "max_tokens": {"sampling": {"score": {"max_tokens": 99}}},
    "extra keys": {"model": {"extra_body": {"min_p": 0.1}}},
}


@pytest.mark.parametrize("name", SAME)
async def test_what_does_not_decide_a_reply_asks_nothing_again(journal: Journal, name: str) -> None:
    async with FaultServer() as old, FaultServer() as new:
        first = await asked(old, journal)
        assert await asked(new, journal, spec_for(new.url, **SAME[name])) == first
        assert new.stats()["hits"] == 0


@pytest.mark.parametrize("name", OTHER)
async def test_what_decides_a_reply_asks_again(journal: Journal, name: str) -> None:
    async with FaultServer(FaultOptions(models=(MODEL, "other-model"))) as server:
        first = await asked(server, journal)
        second = await asked(server, journal, spec_for(server.url, **OTHER[name]))
        assert server.stats()["hits"] == 2
        assert first.calls[0].key != second.calls[0].key


@pytest.mark.parametrize(
    "change", [{"question": "What is asthma?"}, {"part": "1"}, {"sample": 1}], ids=["message", "part", "sample"]
)
async def test_another_question_part_or_sample_is_another_key(journal: Journal, change: dict[str, Any]) -> None:
    async with FaultServer() as server, open_desk(spec_for(server.url)) as desk:
        first, second = await score(asker(desk, journal)), await score(asker(desk, journal), **change)
        assert server.stats()["hits"] == 2
        assert first.calls[0].key != second.calls[0].key


async def test_another_seed_is_another_key(journal: Journal) -> None:
    async with FaultServer() as server, open_desk(spec_for(server.url)) as desk:
        first, second = await score(asker(desk, journal, "s1")), await score(asker(desk, journal, "s2"))
        assert server.stats()["hits"] == 2
        assert first.calls[0].key != second.calls[0].key


async def test_another_shape_of_reply_is_another_key(journal: Journal) -> None:
    async with FaultServer() as server, open_desk(spec_for(server.url)) as desk:
        for count in (2, 3, 2):
            answer = await asker(desk, journal).ask("questions", questions_form(count), passage="The heart.", count=2)
            assert len(answer.value.questions) == count
        assert server.stats()["hits"] == 2


ASKED = request(QUESTION, schema={"type": "object"}, extra={"min_p": 0.1})
KEY = {"seed_id": "s1", "step": "score", "sample": 0, "reask": 0, "model": "m-1", "request": ASKED}


@pytest.mark.parametrize(
    "change",
    [
        {"seed_id": "s2"},
        {"step": "score/1"},
        {"sample": 1},
        {"reask": 1},
        {"model": "m-2"},
        *(
            {"request": dataclasses.replace(ASKED, **change)}
            for change in (
                {"messages": [{"role": "system", "content": QUESTION}]},
                {"temperature": 0.6},
                {"top_p": 0.8},
                {"max_tokens": 65},
                {"seed": 12},
                {"schema": {"type": "string"}},
                {"extra": {"min_p": 0.2}},
            )
        ),
    ],
    ids=lambda change: str(change)[:60],
)
def test_every_part_of_the_key_counts(change: dict[str, Any]) -> None:
    assert journal_key(**(KEY | change)) != journal_key(**KEY)  # type: ignore[arg-type]


def test_every_field_of_a_request_counts() -> None:
    """A field that is added to Request later must not be forgotten here and in the test above."""
    names = {field.name for field in dataclasses.fields(Request)}
    assert names == {"messages", "temperature", "top_p", "max_tokens", "seed", "schema", "extra"}


def test_the_order_of_keys_in_a_schema_does_not_count() -> None:
    one, other = ({"type": "object", "required": ["a"]}, {"required": ["a"], "type": "object"})
    keys = {journal_key(**(KEY | {"request": dataclasses.replace(ASKED, schema=s)})) for s in (one, other)}  # type: ignore[arg-type]
    assert len(keys) == 1


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert (
        len({journal_key(seed, step, 0, 0, "m", ASKED) for seed, step in [("ab", "c"), ("a", "bc"), ("abc", "")]}) == 3
    )


def test_the_key_is_the_same_in_every_version_of_this_program() -> None:
    """A journal of years ago must still answer: change this number only with a way to carry old journals over."""
    assert journal_key(**KEY) == "2b3ff9c7598604468f6681fe8f148c2015414d0a9ffd0aace5461831ae5626a5"  # type: ignore[arg-type]


# --- seeds


def test_seeds_are_the_same_on_every_machine() -> None:
    golden = {
        (7, "s1", "score", 0, 0): 738173458,
        (7, "s1", "score", 0, 1): 1085411953,
        (0,): 879739616,
        (): 1351184267,
    }
    assert {parts: seeded(*parts).getrandbits(31) for parts in golden} == golden


@pytest.mark.parametrize("other", [(8, "s1", "score"), (7, "s2", "score"), (7, "s1", "scor", "e"), (7, "s1score")])
def test_seeds_differ_with_every_part(other: tuple[object, ...]) -> None:
    assert seeded(*other).getrandbits(64) != seeded(7, "s1", "score").getrandbits(64)


async def test_a_choice_of_ours_depends_on_seed_and_step_alone(journal: Journal) -> None:
    async with (
        open_desk(spec_for("http://127.0.0.1:1/v1")) as desk,
        open_desk(spec_for("http://127.0.0.1:2/v1", seed=8)) as other,
    ):
        who = asker(desk, journal)
        drawn = who.rng("choose").random()
        who.rng("another").random()
        assert who.rng("choose").random() == drawn
        assert asker(desk, journal, position=9).rng("choose").random() == drawn
        assert who.rng("another").random() != drawn
        assert asker(desk, journal, "s2").rng("choose").random() != drawn
        assert asker(other, journal).rng("choose").random() != drawn


async def test_samples_are_asked_with_seeds_of_their_own(journal: Journal) -> None:
    script = Script()
    async with FaultServer(FaultOptions(reply=script)) as server, open_desk(spec_for(server.url)) as desk:
        answers = [await score(asker(desk, journal), sample=n) for n in range(5)]
    seeds = [body["seed"] for body in script.bodies]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len({answer.calls[0].key for answer in answers}) == 5
    assert len({answer.reply.text for answer in answers}) > 1


async def test_samples_of_a_server_without_seeds_are_still_asked_one_by_one(journal: Journal) -> None:
    script = Script()
    async with FaultServer(FaultOptions(reply=script)) as server:
        spec = spec_for(server.url, model={"send_seed": False})
        async with open_desk(spec) as desk:
            keys = {(await score(asker(desk, journal), sample=n)).calls[0].key for n in range(5)}
    assert len(keys) == len(script.bodies) == journal.count() == 5
    assert all(body == script.bodies[0] for body in script.bodies)
