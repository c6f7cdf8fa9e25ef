"""An intent that an earlier process left is settled when the batch's reply is taken up, and only then."""

from __future__ import annotations

from pathlib import Path

from synth.journal import Ended, Intent, Journal
from tests.synth.test_journal import make_entry


async def lost_at_a_kill(path: Path, key: str) -> None:
    journal = Journal(path)
    await journal.intend(Intent(0, key, "s0", "questions", 1, 0, 500, 0.25))
    await journal.close()


async def test_a_reply_that_was_asked_for_before_takes_its_lost_intent_away(tmp_path: Path) -> None:
    path, entry = tmp_path / "j.sqlite", make_entry(1)
    await lost_at_a_kill(path, entry.key)
    for _ in range(2):  # a further process finds it among those that were named before
        journal = Journal(path)
        journal.lost()
        assert journal.totals().lost_tokens == 500
        await journal.close()
    journal = Journal(path)
    journal.lost()
    await journal.put(entry)
    totals = journal.totals()
    assert (totals.uncertain, totals.lost_tokens, totals.lost_usd) == (0, 0, 0.0)
    await journal.close()


async def test_a_reply_that_was_asked_for_again_does_not(tmp_path: Path) -> None:
    path, entry = tmp_path / "j.sqlite", make_entry(1)
    await lost_at_a_kill(path, entry.key)
    journal = Journal(path)
    journal.lost()
    number = await journal.intend(Intent(0, entry.key, "s0", "questions", 1, 0, 500, 0.25))
    await journal.put(entry, [Ended(number, "ok", True, 0, 0.0)])
    assert journal.totals().lost_tokens == 500, "both may have been billed"
    await journal.close()
