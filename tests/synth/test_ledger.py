"""Every try stands in the journal before it is sent, and what it may have cost after whatever happened."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from synth.ask import AskFailed
from synth.endpoints import health, waits
from synth.errors import BudgetReached, EndpointRefused
from synth.fault_server import FaultOptions, FaultServer
from synth.journal import Intent, Journal
from synth.journal_file import VERSION
from tests.synth.helpers import GOOD, asker, completion, open_desk, score, served, spec_for
from tests.synth.test_journal import make_entry


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "BACKOFF_CAP", 0.01)
    monkeypatch.setattr(health, "FIRST_REST", 0.02)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    made = Journal(tmp_path / "j.sqlite")
    yield made
    await made.close()


def rows(journal: Journal) -> list[tuple[str, int | None, int]]:
    """Outcome, arrived and settled of the attempts that the journal keeps."""
    with sqlite3.connect(journal.path) as connection:
        return connection.execute("SELECT outcome, arrived, settled FROM attempts ORDER BY id").fetchall()


def broken() -> web.Response:
    return web.Response(text='{"error": {"message": "busy"}}', status=500)


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_the_intent_is_on_disk_when_the_request_arrives(journal: Journal) -> None:
    seen: list[list[tuple[str, int | None, int]]] = []

    async def look(request: web.Request) -> web.StreamResponse:
        seen.append(rows(journal))
        return web.json_response(completion(GOOD))

    async with served(look) as server, open_desk(spec_for(server.url)) as desk:
        await score(asker(desk, journal))
    assert seen == [[("", None, 0)]]
    assert rows(journal) == [], "a reply takes its intent away"
    assert journal.lost() == []


async def test_the_ledger_balances_after_failures_of_every_kind(journal: Journal) -> None:
    chat = [broken(), reset, web.Response(text="<html>"), completion(GOOD)]
    async with served(*chat) as server, open_desk(spec_for(server.url, model={"retries": 5})) as desk:
        await score(asker(desk, journal))
        charged = desk.spending.tokens
    totals = journal.totals()
    assert len(server.hits) == totals.requests == 4
    assert (totals.answered, totals.uncertain) == (1, 1)
    assert rows(journal) == [("connection", None, 1), ("bad_body", 1, 1)]
    assert totals.lost_tokens > 0
    assert charged == totals.tokens_in + totals.tokens_out + totals.lost_tokens


async def test_what_found_no_server_is_no_request(journal: Journal) -> None:
    async with served(completion(GOOD)) as server:
        desk_of = open_desk(spec_for(server.url, model={"retries": 3}))
        desk = await desk_of.__aenter__()
        await score(asker(desk, journal))
    try:
        with pytest.raises(AskFailed, match="connection"):
            await score(asker(desk, journal), sample=1)
        assert desk.spending.requests == 1
    finally:
        await desk_of.__aexit__(None, None, None)
    totals = journal.totals()
    assert (totals.requests, totals.answered, totals.uncertain, totals.lost_tokens) == (1, 1, 0, 0)


async def test_a_refusal_in_the_middle_leaves_no_doubt(journal: Journal) -> None:
    no_key = web.Response(text='{"error": {"message": "no"}}', status=401)
    async with served(broken(), no_key) as server, open_desk(spec_for(server.url, model={"retries": 5})) as desk:
        with pytest.raises(EndpointRefused):
            await score(asker(desk, journal))
    await journal.close()
    again = Journal(journal.path)
    assert rows(again) == [("server_error", 1, 0), ("refused", 1, 0)]
    assert again.totals().requests == len(server.hits) == 2
    assert again.lost() == []
    await again.close()


async def test_a_retry_beyond_the_cap_is_not_sent_and_what_was_sent_counts(journal: Journal) -> None:
    async with served(broken(), completion(GOOD)) as server:
        spec = spec_for(server.url, model={"retries": 5}, budget={"requests": 1})
        async with open_desk(spec) as desk:
            with pytest.raises(BudgetReached, match=r"budget\.requests: 1 of 1"):
                await score(asker(desk, journal))
        assert len(server.hits) == 1
    await journal.close()
    again = Journal(journal.path)
    assert again.totals().requests == 1
    await again.close()


async def test_what_was_in_flight_at_a_kill_is_named_once_and_charged(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    first = await journal.intend(Intent(0, "k1", "s1", "score", 0, 0, 500, 0.25))
    await journal.intend(Intent(0, "k2", "s2", "answers", 1, 0, 700, 0.5))
    await journal.close()  # as a kill leaves it: nothing says how they ended
    again = Journal(path)
    assert [(one.seed_id, one.step, one.tokens) for one in again.lost()] == [
        ("s1", "score", 500),
        ("s2", "answers", 700),
    ]
    await again.put(make_entry(1))
    assert again.lost() == []
    totals = again.totals()
    assert (totals.uncertain, totals.lost_tokens, totals.lost_usd) == (2, 1200, 0.75)
    assert totals.requests == 2 + make_entry(1).requests
    assert await again.intend(Intent(0, "k3", "s3", "score", 0, 0, 1, 0.0)) > first + 1, "numbers are not used twice"
    await again.close()


async def test_a_journal_of_the_first_version_gets_its_table(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    await journal.put(make_entry(1))
    await journal.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE attempts; PRAGMA user_version = 1;")
    again = Journal(path)
    assert again.count() == 1
    await again.intend(Intent(0, "k", "s", "score", 0, 0, 1, 0.0))
    await again.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


async def test_intents_share_commits(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", group_wait=0.05)
    await asyncio.gather(*(journal.intend(Intent(0, str(n), "s", "score", 0, 0, 1, 0.0)) for n in range(64)))
    assert journal.commits <= 2
    await journal.close()


async def test_no_cap_is_overspent_under_faults(tmp_path: Path) -> None:
    """Requests and tokens, counted by the server and by the journal, at every end that a cap may bring."""
    options = FaultOptions(error_rate=0.3, errors=("429", "500", "reset", "truncated"), latency_ms=2)
    for cap in ({"requests": 25}, {"tokens": 20_000}):
        journal = Journal(tmp_path / f"{next(iter(cap))}.sqlite")
        async with FaultServer(options) as server:
            spec = spec_for(server.url, budget=cap, model={"retries": 12, "max_in_flight": 16})
            async with open_desk(spec) as desk:
                asking = asker(desk, journal)
                results = await asyncio.gather(
                    *(score(asking, sample=number) for number in range(300)), return_exceptions=True
                )
            hits = server.stats()["hits"]
        await journal.close()
        again = Journal(journal.path)
        totals = again.totals()
        await again.close()
        assert any(isinstance(result, BudgetReached) for result in results)
        assert totals.requests == hits
        assert hits <= cap.get("requests", hits)
        spent = totals.tokens_in + totals.tokens_out + totals.lost_tokens
        assert spent <= cap.get("tokens", spent)
