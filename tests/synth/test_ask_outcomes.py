from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from synth.ask import Answer, AskFailed, AskRejected, NotAnswered, together
from synth.budget import Spending
from synth.errors import BudgetReached, EndpointRefused, RunInterrupted
from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Journal, JournalWriteError
from synth.spec import Budget
from tests.synth.helpers import (
    GOOD,
    WRONG,
    Script,
    Watched,
    asked,
    asker,
    completion,
    open_desk,
    score,
    served,
    spec_for,
    stored,
)


def fails(*errors: str) -> FaultOptions:
    return FaultOptions(error_rate=1.0, errors=errors)


# --- bad replies


@pytest.mark.parametrize("bad", ["No idea.", WRONG, GOOD[:-1]], ids=["text", "schema", "cut off"])
async def test_a_bad_reply_is_asked_again_with_its_error(journal: Journal, bad: str) -> None:
    script = Script(bad, GOOD)
    async with FaultServer(FaultOptions(reply=script)) as server:
        answer = await asked(server, journal)
    assert answer.value.quality == 7
    assert len(answer.calls) == 2
    assert answer.calls[0].key != answer.calls[1].key
    first, second = script.messages
    assert second[:-1] == first[:-1]
    assert [message["role"] for message in second] == ["system", "user"], "many templates take no other order"
    added = second[-1]["content"].removeprefix(first[-1]["content"])
    assert added != second[-1]["content"]
    assert ("quality" if bad == WRONG else "JSON") in added
    assert script.bodies[0]["seed"] != script.bodies[1]["seed"]


async def test_only_the_last_error_is_told(journal: Journal) -> None:
    script = Script("No idea.", WRONG, GOOD)
    async with FaultServer(FaultOptions(reply=script)) as server:
        answer = await asked(server, journal)
    assert len(answer.calls) == 3
    assert "valid JSON" in script.messages[1][-1]["content"]
    assert "valid JSON" not in script.messages[2][-1]["content"]
    assert "quality" in script.messages[2][-1]["content"].removeprefix(script.messages[0][-1]["content"])


@pytest.mark.parametrize("reasks", [0, 1, 3])
async def test_a_question_is_asked_again_as_often_as_the_spec_allows(journal: Journal, reasks: int) -> None:
    script = Script(*(f"No idea, for the {n}. time." for n in range(10)))
    async with FaultServer(FaultOptions(reply=script)) as server:
        with pytest.raises(AskRejected) as caught:
            await asked(server, journal, spec_for(server.url, reasks=reasks))
        assert server.stats()["hits"] == reasks + 1
    error = caught.value
    assert (error.step, error.reason) == ("score", "not_json")
    assert error.text == f"No idea, for the {reasks}. time."
    assert error.detail
    assert [call.key for call in error.calls] == list(dict.fromkeys(call.key for call in error.calls))
    assert len(error.calls) == reasks + 1
    assert stored(journal) == [("score", 0, n, "ok") for n in range(reasks + 1)]


async def test_a_rejection_is_replayed_without_a_hit(journal: Journal) -> None:
    async with FaultServer(FaultOptions(reply=Script(WRONG))) as server:
        for _ in range(2):
            with pytest.raises(AskRejected, match="quality"):
                await asked(server, journal)
        assert server.stats()["hits"] == 3


async def test_more_reasks_go_on_where_the_last_run_gave_up(journal: Journal) -> None:
    script = Script(WRONG, WRONG, GOOD)
    async with FaultServer(FaultOptions(reply=script)) as server:
        with pytest.raises(AskRejected):
            await asked(server, journal, spec_for(server.url, reasks=1))
        answer = await asked(server, journal, spec_for(server.url, reasks=2))
    assert answer.value.quality == 7
    assert len(script.bodies) == 3


async def test_a_truncated_reply_is_asked_again_without_being_shown(journal: Journal) -> None:
    script = Script("word " * 500, GOOD)
    spec = {"sampling": {"score": {"max_tokens": 20}}}
    async with FaultServer(FaultOptions(reply=script)) as server:
        answer = await asked(server, journal, spec_for(server.url, **spec))
    assert answer.value.quality == 7
    assert "word word" not in json.dumps(script.messages[1])
    assert "cut off" in script.messages[1][-1]["content"]


async def test_a_reply_that_stays_truncated_is_rejected(journal: Journal) -> None:
    """The cut reply looks like a whole one: it must not be taken for it."""
    script = Script(GOOD.replace(" ", "") + " and so on")
    async with FaultServer(FaultOptions(reply=script)) as server:
        spec = spec_for(server.url, reasks=1, sampling={"score": {"max_tokens": 2}})
        with pytest.raises(AskRejected) as caught:
            await asked(server, journal, spec)
    assert caught.value.reason == "truncated"
    assert caught.value.text == GOOD.replace(" ", "") + " and"
    assert len(script.bodies) == 2


async def test_a_truncated_text_is_rejected(journal: Journal) -> None:
    async with FaultServer(FaultOptions(reply=Script("one two three"))) as server:
        spec = spec_for(server.url, reasks=0, sampling={"questions": {"max_tokens": 2}})
        async with open_desk(spec) as desk:
            with pytest.raises(AskRejected) as caught:
                await asker(desk, journal).ask("questions", None, passage="The heart.", count=2)
    assert (caught.value.reason, caught.value.text) == ("truncated", "one two")


async def test_an_empty_reply_is_asked_again(journal: Journal) -> None:
    script = Script(" ", GOOD)
    async with FaultServer(FaultOptions(reply=script)) as server:
        assert (await asked(server, journal)).value.quality == 7
    assert "empty" in script.messages[1][-1]["content"].removeprefix(script.messages[0][-1]["content"])


async def test_a_refusal_is_final_at_once(journal: Journal) -> None:
    async with FaultServer(FaultOptions(refusal_rate=1.0)) as server:
        for _ in range(2):
            with pytest.raises(AskRejected) as caught:
                await asked(server, journal, spec_for(server.url, reasks=3))
            assert caught.value.reason == "refusal"
            assert caught.value.text
        assert server.stats()["hits"] == 1


async def test_a_content_filter_is_final_at_once(journal: Journal) -> None:
    async with served(completion("", finish_reason="content_filter")) as server:
        async with open_desk(spec_for(server.url)) as desk:
            with pytest.raises(AskRejected) as caught:
                await score(asker(desk, journal))
        assert caught.value.reason == "content_filter"
        assert len(server.hits) == 1


# --- failures


async def test_a_request_that_the_server_rejects_fails_its_row_and_is_replayed(journal: Journal) -> None:
    async with FaultServer(fails("400")) as server:
        for _ in range(2):
            with pytest.raises(AskFailed) as caught:
                await asked(server, journal)
            assert (caught.value.step, caught.value.kind) == ("score", "bad_request")
            assert "injected fault" in caught.value.detail
        assert server.stats()["hits"] == 1
    assert stored(journal) == [("score", 0, 0, "bad_request")]
    async with FaultServer() as healthy:
        with pytest.raises(AskFailed, match="bad_request"):
            await asked(healthy, journal)
        assert healthy.stats()["hits"] == 0


async def test_a_server_that_stays_broken_fails_the_row_with_all_attempts_kept(journal: Journal) -> None:
    async with FaultServer(fails("500")) as server:
        with pytest.raises(AskFailed, match="server_error"):
            await asked(server, journal)
    (slot,) = journal.slots(["s1"])
    entry = journal.get(slot.key)
    assert entry is not None
    assert [attempt["status"] for attempt in entry.attempts] == [500, 500]
    assert (entry.reply, entry.tokens_in, entry.tokens_out, entry.usd) == (None, 0, 0, 0.0)


async def test_retry_failed_asks_failures_again(journal: Journal) -> None:
    async with FaultServer(fails("400")) as broken:
        with pytest.raises(AskFailed):
            await asked(broken, journal)
        with pytest.raises(AskFailed):
            await asked(broken, journal, retry_failed=True)
        assert broken.stats()["hits"] == 2
    async with FaultServer() as healthy:
        answer = await asked(healthy, journal, retry_failed=True)
        assert await asked(healthy, journal) == answer
        assert healthy.stats()["hits"] == 1
    assert stored(journal) == [("score", 0, 0, "ok")]


async def test_retry_failed_does_not_ask_again_what_was_answered_or_refused(journal: Journal) -> None:
    async with FaultServer(FaultOptions(reply=Script(WRONG))) as server:
        for _ in range(2):
            with pytest.raises(AskRejected):
                await asked(server, journal, retry_failed=True)
        assert server.stats()["hits"] == 3


async def test_a_failure_on_the_way_to_a_good_reply_fails_the_row(journal: Journal) -> None:
    """The re-ask fails, not the first question: what was paid for stays in the journal."""
    async with FaultServer(FaultOptions(reply=Script(WRONG))) as server:
        with pytest.raises(AskRejected):
            await asked(server, journal, spec_for(server.url, reasks=0))
    async with FaultServer(fails("422")) as server:
        with pytest.raises(AskFailed):
            await asked(server, journal, spec_for(server.url, reasks=1))
    assert stored(journal) == [("score", 0, 0, "ok"), ("score", 0, 1, "bad_request")]


@pytest.mark.parametrize("error", ["401", "403", "404"])
async def test_a_refusal_of_all_work_is_no_failure_of_the_row(journal: Journal, error: str) -> None:
    async with FaultServer(fails(error)) as server:
        spec = spec_for(server.url)
        async with open_desk(spec) as desk:
            with pytest.raises(EndpointRefused):
                await score(asker(desk, journal))
            assert desk.spending.requests <= 1
        assert server.stats()["hits"] == 1
    assert journal.count() == 0, "the question must be asked again with a better key"


async def test_a_stopped_pool_sends_nothing_and_gives_its_money_back(journal: Journal) -> None:
    async with FaultServer() as server:
        spec = spec_for(server.url, budget={"requests": 5, "tokens": 100_000})
        async with open_desk(spec) as desk:
            desk.pools["judge"].stop(RunInterrupted("enough"))
            with pytest.raises(RunInterrupted):
                await score(asker(desk, journal))
            assert journal.lost() == []
            assert (desk.spending.requests, desk.spending.tokens) == (0, 0)
        assert server.stats()["hits"] == 0
    assert journal.count() == 0


# --- replay only


async def test_replay_only_sends_nothing_and_records_what_is_missing(journal: Journal) -> None:
    async with served(completion(GOOD)) as server:
        spec = spec_for(server.url)
        async with open_desk(spec, replay_only=True) as desk:
            for part in ("", "1"):
                with pytest.raises(NotAnswered):
                    await score(asker(desk, journal), part=part, sample=2)
            assert desk.missed == [("s1", "score", 2, 0, "judge"), ("s1", "score/1", 2, 0, "judge")]
            assert desk.spending.requests == 0
        assert server.hits == []
        assert server.other == [], "the engines need not even start"
    assert journal.count() == 0


async def test_replay_only_answers_from_the_journal_up_to_the_first_gap(journal: Journal) -> None:
    async with FaultServer(FaultOptions(reply=Script(WRONG))) as server:
        with pytest.raises(AskRejected):
            await asked(server, journal, spec_for(server.url, reasks=1))
        async with open_desk(spec_for(server.url, reasks=2), replay_only=True) as desk:
            with pytest.raises(NotAnswered):
                await score(asker(desk, journal))
            assert desk.missed == [("s1", "score", 0, 2, "judge")]
        assert server.stats()["hits"] == 2


# --- money


async def test_a_request_that_the_budget_does_not_cover_is_not_sent(journal: Journal) -> None:
    async with FaultServer() as server:
        spec = spec_for(server.url, budget={"requests": 2})
        async with open_desk(spec) as desk:
            for sample in range(2):
                await score(asker(desk, journal), sample=sample)
            with pytest.raises(BudgetReached, match=r"budget\.requests"):
                await score(asker(desk, journal), sample=2)
            assert desk.spending.requests == 2
            await score(asker(desk, journal), sample=1)  # answered by the journal, for nothing
        assert server.stats()["hits"] == 2
    assert journal.count() == 2


async def test_many_questions_at_once_never_overspend_a_budget_of_tokens(journal: Journal) -> None:
    cap = 6_000
    async with FaultServer(FaultOptions(latency_ms=2, jitter=0.9)) as server:
        spec = spec_for(server.url, budget={"tokens": cap}, sampling={"score": {"max_tokens": 300}})
        async with open_desk(spec) as desk:
            who = asker(desk, journal)
            results = await asyncio.gather(*(score(who, sample=n) for n in range(60)), return_exceptions=True)
        hits = server.stats()["hits"]
    answers = [result for result in results if isinstance(result, Answer)]
    assert all(isinstance(result, Answer | BudgetReached) for result in results)
    assert 1 < len(answers) == hits < 60
    assert sum(a.calls[0].tokens_in + a.calls[0].tokens_out for a in answers) == desk.spending.tokens <= cap


async def test_spending_of_earlier_tries_counts(journal: Journal) -> None:
    async with FaultServer() as server:
        spending = Spending(Budget(requests=10), requests=10)
        with pytest.raises(BudgetReached):
            await asked(server, journal, spending=spending)
        assert server.stats()["hits"] == 0


async def test_every_question_is_watched_whoever_answers(journal: Journal) -> None:
    watcher = Watched()
    async with FaultServer(FaultOptions(reply=Script(WRONG, GOOD))) as server:
        spec = spec_for(server.url, model={"price": {"input": 1.0, "output": 1.0}})
        await asked(server, journal, spec, watcher=watcher)
        assert watcher.sent_steps == ["score", "score"]
        assert watcher.outcomes == [("score", "ok", False)] * 2
        spent = watcher.usd
        assert spent > 0
        await asked(server, journal, spec, watcher=watcher)
    assert watcher.sent_steps == ["score", "score"]
    assert watcher.outcomes[2:] == [("score", "ok", True)] * 2


# --- several at once


async def test_together_gives_results_in_the_order_asked(journal: Journal) -> None:
    async with FaultServer(FaultOptions(latency_ms=10, jitter=0.9)) as server, open_desk(spec_for(server.url)) as desk:
        who = asker(desk, journal)
        several = await together(*(score(who, sample=n) for n in range(8)))
        one_by_one = [await score(who, sample=n) for n in range(8)]
    assert several == one_by_one


async def test_together_of_nothing() -> None:
    assert await together() == []


async def test_together_raises_the_first_error_in_the_order_given(journal: Journal) -> None:
    """And only when all others have ended, so that what was paid for is in the journal."""
    go = asyncio.Event()

    def say(body: dict[str, Any]) -> str:
        return GOOD if "sepsis" in json.dumps(body["messages"]) else "No idea."

    async def late(question: asyncio.Future[Any] | Any) -> Any:
        await go.wait()
        return await question

    async with FaultServer(FaultOptions(reply=say)) as server:
        spec = spec_for(server.url, reasks=0)
        async with open_desk(spec) as desk:
            who = asker(desk, journal)
            task = asyncio.create_task(
                together(
                    late(score(who, question="What is sepsis?", part="good")),
                    late(score(who, question="What is gout?", part="first")),
                    score(who, question="What is asthma?", part="second"),
                )
            )
            while journal.count() < 1:
                await asyncio.sleep(0.01)
            assert not task.done()
            go.set()
            with pytest.raises(AskRejected) as caught:
                await task
    assert caught.value.step == "score/first"
    assert [row[0] for row in stored(journal)] == ["score/first", "score/good", "score/second"]


async def test_together_raises_what_ends_the_run_before_what_is_data_of_a_row() -> None:
    async def fails(error: Exception) -> None:
        raise error

    row, other = AskFailed("score", "timeout", ""), AskFailed("agree", "timeout", "")
    for end in (BudgetReached("no more"), RunInterrupted("interrupted"), JournalWriteError("disk full")):
        with pytest.raises(type(end)):
            await together(fails(row), fails(end), fails(RunInterrupted("later")))
    with pytest.raises(AskFailed) as caught:
        await together(fails(row), fails(other))
    assert caught.value is row


async def test_a_question_that_waits_for_its_turn_reserves_nothing(journal: Journal) -> None:
    """One window, eight questions: the worst case of all at once would not fit the cap, what they take does."""
    watched = Watched()
    async with FaultServer(FaultOptions(latency_ms=5, reply=lambda body: GOOD)) as server:
        spec = spec_for(server.url, model={"max_in_flight": 1}, budget={"tokens": 3_000})
        async with open_desk(spec, watcher=watched) as desk:
            who = asker(desk, journal)
            await together(*(score(who, sample=n) for n in range(8)))
            assert 0 < desk.spending.tokens <= 3_000
    assert [outcome for _, outcome, _ in watched.outcomes] == ["ok"] * 8


async def test_together_takes_an_error_that_was_returned_for_a_result() -> None:
    error = AskFailed("score", "timeout", "")

    async def gives() -> AskFailed:
        return error

    assert await together(gives()) == [error]


async def test_together_lets_a_cancellation_through() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    task = asyncio.create_task(together(waits(), waits()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_cancelled_question_stays_charged_and_named(journal: Journal) -> None:
    async with FaultServer(FaultOptions(latency_ms=200)) as server:
        spec = spec_for(server.url, budget={"tokens": 100_000})
        async with open_desk(spec) as desk:
            task = asyncio.create_task(score(asker(desk, journal)))
            while not server.stats()["hits"]:
                await asyncio.sleep(0.01)
            assert desk.spending.tokens > 0
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (lost,) = journal.lost()
            assert (lost.seed_id, lost.step) == ("s1", "score")
            assert (desk.spending.requests, desk.spending.tokens) == (1, lost.tokens)
            assert desk.pools["judge"].in_flight == 0
