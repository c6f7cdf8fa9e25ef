from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import logging
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.endpoints.base import Reply, Request
from synth.endpoints.bodies import parse_response
from synth.errors import ClinsynthError, UserError
from synth.journal import Entry, Journal, JournalWriteError, Slot, Totals
from synth.journal_file import VERSION
from tests.synth.helpers import completion

ROOT = Path(__file__).resolve().parents[2]


def make_entry(number: int = 0, **changes: Any) -> Entry:
    text = f"A patient with chest pain, number {number}. " * 20
    entry = Entry(
        key=hashlib.sha256(str(number).encode()).hexdigest(),
        seed_id=f"s{number // 10}",
        step="questions",
        sample=number % 10,
        reask=0,
        role="generator",
        model="m-1",
        request={"messages": [{"role": "user", "content": text}], "temperature": 0.7, "seed": number},
        outcome="ok",
        reply={"text": text, "finish_reason": "stop", "model": "m-1-0926"},
        tokens_in=100,
        tokens_out=10,
        usd=0.25,
        attempts=[{"outcome": "server_error", "status": 503}, {"outcome": "ok", "status": 200}],
    )
    return dataclasses.replace(entry, **changes)


def without_request(entry: Entry) -> Entry:
    return dataclasses.replace(entry, request={})


def edit(path: Path, sql: str, *values: object) -> None:
    """Change the file behind the journal's back."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql, values)
    connection.close()


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


# --- what goes in comes out ---------------------------------------------------------------------------------------


def as_utf8(value: Any) -> Any:
    """The same value as UTF-8 can hold it, found the slow way: pairs joined, what is left replaced."""
    if isinstance(value, str):
        pair = re.compile("[\ud800-\udbff][\udc00-\udfff]")
        joined = pair.sub(lambda m: chr(0x10000 + (ord(m[0][0]) - 0xD800) * 1024 + ord(m[0][1]) - 0xDC00), value)
        return re.sub("[\ud800-\udfff]", "\ufffd", joined)
    if isinstance(value, list):
        return [as_utf8(item) for item in value]
    if isinstance(value, dict):
        return {as_utf8(key): as_utf8(item) for key, item in value.items()}
    return value


any_text = st.text(st.characters(), max_size=40) | st.text(st.sampled_from('\0\ud83d\ude00\udfffa\u2028"\\é😀'))
any_json = st.dictionaries(
    any_text,
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text | st.lists(any_text, max_size=3),
    max_size=4,
)
counts = st.integers(min_value=0, max_value=2**63 - 1)
entries = st.builds(
    Entry,
    key=st.binary(min_size=32, max_size=32).map(bytes.hex),
    seed_id=any_text,
    step=any_text,
    sample=counts,
    reask=counts,
    role=any_text,
    model=any_text,
    request=any_json,
    outcome=any_text,
    reply=st.none() | any_json,
    tokens_in=counts,
    tokens_out=counts,
    usd=st.floats(min_value=0, allow_nan=False, allow_infinity=False) | st.just(-0.0),
    attempts=st.lists(any_json, max_size=3),
)


async def survives(entry: Entry) -> None:
    kept = {name: getattr(entry, name) for name in Entry.__slots__}
    # JSON escapes NUL, columns would be cut there
    kept |= {name: value.replace("\0", "") for name, value in kept.items() if isinstance(value, str)}
    expected = Entry(**as_utf8(kept))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "00000.sqlite"
        for step in ("written", "reopened"):
            journal = Journal(path, group_wait=0)
            if step == "written":
                await journal.put(entry)
            assert journal.get(entry.key) == without_request(expected)
            assert journal.request_of(entry.key) == expected.request
            assert [slot.seed_id for slot in journal.slots([entry.seed_id])] == [expected.seed_id]
            assert journal.damaged == 0
            await journal.close()


@settings(max_examples=40, deadline=None)
@given(entries)
def test_any_entry_comes_back(entry: Entry) -> None:
    asyncio.run(survives(entry))


async def test_a_reply_is_the_same_live_and_from_the_journal(tmp_path: Path) -> None:
    odd = "a\0b \ud83d \ud83d\0\udc8a 😀"
    asked = Request([{"role": "user", "content": odd}], temperature=0.0, top_p=1.0, max_tokens=9, seed=1)
    body = completion(odd, finish_reason=odd, reasoning=odd, refusal=odd) | {"model": odd}
    live = parse_response(json.dumps(body).encode(), asked)
    journal = Journal(tmp_path / "j.sqlite")
    await journal.put(make_entry(1, reply=dataclasses.asdict(live)))
    found = journal.get(make_entry(1).key)
    assert found is not None
    assert found.reply is not None
    assert Reply(**found.reply) == live
    await journal.close()


async def test_a_megabyte_of_text_comes_back() -> None:
    text = "Ödem 😀\0 " * 125_000
    await survives(make_entry(reply={"text": text}, request={"messages": [{"role": "user", "content": text}]}))


@pytest.mark.parametrize("change", [{"usd": float("nan")}, {"usd": float("inf")}, {"tokens_out": 2**63}])
async def test_an_impossible_number_spoils_its_own_row_only(tmp_path: Path, change: dict[str, Any]) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    puts = journal.put(make_entry(1)), journal.put(make_entry(2, **change)), journal.put(make_entry(3))
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert journal.count() == 2
    await journal.close()


async def test_a_key_never_asked_is_absent(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "folder" / "j.sqlite")
    assert journal.get("0" * 64) is None
    assert journal.request_of("0" * 64) is None
    assert journal.totals() == Totals(0, 0, 0, 0, 0, 0, 0.0, 0, 0, 0.0)
    assert (journal.count(), journal.damaged, list(journal.slots(["s0"]))) == (0, 0, [])
    await journal.close()


# --- sums, slots, retries -----------------------------------------------------------------------------------------


async def test_a_retry_replaces_the_failure_and_what_it_cost_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    failed = make_entry(1, outcome="server_error", reply=None, tokens_in=7, tokens_out=0, usd=0.5)
    await journal.put(failed)
    await journal.put(make_entry(2))
    assert journal.get(failed.key) == without_request(failed)
    assert journal.totals() == Totals(4, 1, 1, 1, 107, 10, 0.75, 0, 0, 0.0)
    await journal.put(make_entry(1))
    assert journal.get(failed.key) == without_request(make_entry(1))
    assert journal.count() == 2
    assert journal.totals() == Totals(6, 2, 2, 0, 207, 20, 1.0, 0, 0, 0.0)
    await journal.close()


async def test_of_two_rows_of_a_key_in_one_group_the_later_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", group_wait=0.3)
    first = asyncio.create_task(journal.put(make_entry(1, outcome="timeout")))
    await asyncio.sleep(0.02)
    await journal.put(make_entry(1))
    await first
    assert journal.commits == 1
    assert journal.get(make_entry(1).key) == without_request(make_entry(1))
    assert journal.totals() == Totals(4, 1, 1, 0, 200, 20, 0.5, 0, 0, 0.0)
    await journal.close()


async def test_slots_of_the_seeds_asked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    await asyncio.gather(*(journal.put(make_entry(number)) for number in random.Random(5).sample(range(40), 40)))
    changed = make_entry(12, key="f" * 64, model="m-2", tokens_out=99)
    await journal.put(changed)
    slots = list(journal.slots(["s3", "s1", "nobody"]))
    assert [slot[:4] for slot in slots if slot.key != changed.key] == [
        (seed, "questions", sample, 0) for seed in ("s3", "s1") for sample in range(10)
    ]
    assert Slot("s1", "questions", 2, 0, changed.key, 100, 99, 0.25) in slots
    assert Slot("s1", "questions", 2, 0, make_entry(12).key, 100, 10, 0.25) in slots
    assert len(slots) == 21
    await journal.close()


# --- groups, cancelling, closing ----------------------------------------------------------------------------------


async def test_rows_that_arrive_together_share_commits_and_other_processes_see_them(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    numbers = iter(range(400))

    async def worker() -> None:
        for number in numbers:
            await journal.put(make_entry(number))

    await asyncio.gather(*(worker() for _ in range(40)))
    assert 1 <= journal.commits <= 200
    code = """if True:
        import sqlite3, sys
        print(*sorted(key for (key,) in sqlite3.connect(sys.argv[1]).execute("SELECT key FROM entries")))
    """
    seen = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True).stdout
    assert seen.split() == sorted(make_entry(number).key for number in range(400))
    await journal.close()


async def test_a_cancelled_put_keeps_its_row_and_its_group(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", group_wait=0.05)
    tasks = [asyncio.create_task(journal.put(make_entry(number))) for number in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False, False, True, False]
    assert all(journal.get(make_entry(number).key) is not None for number in range(5))
    await journal.put(make_entry(5))
    await journal.close()


async def test_closing_drains_and_leaves_one_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", group_wait=0.05)
    puts = [asyncio.create_task(journal.put(make_entry(number))) for number in range(20)]
    await asyncio.sleep(0)
    await journal.close()
    await asyncio.gather(*puts)
    await journal.close()
    assert [file.name for file in tmp_path.iterdir()] == ["j.sqlite"]
    with pytest.raises(RuntimeError, match="closed"):
        await journal.put(make_entry(99))
    again = Journal(tmp_path / "j.sqlite")
    assert again.count() == 20
    await again.close()


def test_rows_survive_a_loop_that_ends_without_waiting(tmp_path: Path) -> None:
    async def put_and_leave() -> Journal:
        journal = Journal(tmp_path / "j.sqlite", group_wait=0.05)
        task = asyncio.create_task(journal.put(make_entry(1)))
        await asyncio.sleep(0)
        task.cancel()
        return journal

    journal = asyncio.run(put_and_leave())
    asyncio.run(journal.close())
    again = Journal(tmp_path / "j.sqlite")
    assert again.get(make_entry(1).key) is not None
    asyncio.run(again.close())


# --- kill -9 ------------------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from synth.journal import Journal
from tests.synth.test_journal import make_entry

async def main(path, first):
    journal = Journal(Path(path))
    numbers = iter(range(first, first + 1_000_000))
    async def worker():
        for number in numbers:
            entry = make_entry(number)
            await journal.put(entry)
            print(entry.key, flush=True)
    await asyncio.gather(*(worker() for _ in range(16)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_kill_9_loses_no_acknowledged_row(tmp_path: Path) -> None:
    path, rng = tmp_path / "j.sqlite", random.Random(11)
    expected = {
        make_entry(number).key: number for start in range(5) for number in range(start * 10**6, start * 10**6 + 9)
    }
    acknowledged: list[str] = []
    for moment in range(5):
        command = [sys.executable, "-c", WRITER, str(path), str(moment * 1_000_000)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        writer.kill()
        lines = [first, *writer.stdout]
        writer.stdout.close()
        writer.wait()
        acknowledged += [line.strip() for line in lines if line.endswith("\n")]
        assert path.with_name("j.sqlite-wal").stat().st_size > 0  # it was interrupted, not closed
        journal = Journal(path)
        found = {key: journal.get(key) for key in acknowledged}
        assert [key for key, entry in found.items() if entry is None] == []
        for key in expected.keys() & found.keys():
            assert found[key] == without_request(make_entry(expected[key]))
        assert journal.damaged == 0
        await journal.close()
        assert integrity(path) == "ok"
    assert len(set(acknowledged)) == len(acknowledged) > 5


# --- damage -------------------------------------------------------------------------------------------------------

FLIPS = {
    "reply": "body = CAST(replace(body, 'chest', 'chesu') AS BLOB)",
    "body cut": "body = substr(body, 1, length(body) - 1)",
    "body of another type": "body = 'text'",
    "tokens": "tokens_in = tokens_in + 1",
    "dollars": "usd = 'much'",
    "requests": "requests = 0",
    "seed": "seed_id = 's1'",
    "broken UTF-8": "model = CAST(X'6dff' AS TEXT)",
    "blob for text": "step = X'00'",
    "outcome": "outcome = 'oj'",
    "checksum": "checksum = checksum + 1",
    "no checksum": "checksum = 'none'",
}


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
async def test_a_damaged_row_is_absent_removed_and_reported_once(
    tmp_path: Path, flip: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    await asyncio.gather(*(journal.put(make_entry(number)) for number in range(4)))
    await journal.close()
    for number in (0, 2):
        edit(path, f"UPDATE entries SET {flip} WHERE key = ?", make_entry(number).key)

    journal = Journal(path)
    with caplog.at_level(logging.WARNING):
        found = [[journal.get(make_entry(number).key) for number in range(4)] for _ in range(2)]
    intact = [None, without_request(make_entry(1)), None, without_request(make_entry(3))]
    assert found == [intact, intact]
    assert journal.damaged == 2
    assert [str(path) in message for message in caplog.messages] == [True]
    await journal.put(make_entry(2))
    assert journal.get(make_entry(2).key) == without_request(make_entry(2))
    await journal.close()

    journal = Journal(path)
    assert journal.count() == 3
    assert journal.get(make_entry(0).key) is None
    assert journal.damaged == 0
    await journal.close()


async def test_a_new_row_on_its_way_is_not_removed_in_place_of_the_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    await journal.put(make_entry(1))
    await journal.close()
    edit(path, "UPDATE entries SET body = X'00'")
    journal = Journal(path, group_wait=0.1)
    put = asyncio.create_task(journal.put(make_entry(1)))
    await asyncio.sleep(0)
    assert journal.get(make_entry(1).key) is None
    await put
    await journal.close()
    journal = Journal(path)
    assert journal.get(make_entry(1).key) == without_request(make_entry(1))
    assert journal.totals().requests == 4  # what the damaged row had cost still counts
    await journal.close()


async def test_a_damaged_request_does_not_spoil_the_reply(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    await journal.put(make_entry(1))
    edit(path, "UPDATE entries SET request = X'789c0102' || substr(request, 5)")
    assert journal.request_of(make_entry(1).key) is None
    assert journal.get(make_entry(1).key) == without_request(make_entry(1))
    await journal.close()


async def a_closed_journal(path: Path) -> None:
    journal = Journal(path)
    await asyncio.gather(*(journal.put(make_entry(number)) for number in range(50)))
    await journal.close()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    path.write_bytes(b"id,text\n" + path.read_bytes())


def foreign(path: Path) -> None:
    path.unlink()
    edit(path, "CREATE TABLE notes (text)")


def newer(path: Path) -> None:
    edit(path, f"PRAGMA user_version = {VERSION + 1}")


def without_table(path: Path) -> None:
    edit(path, "DROP TABLE entries")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (cut, "malformed.*move j.sqlite"),
        (overwrite, "not a database.*--out"),
        (foreign, "another program's database.*--out"),
        (newer, f"version {VERSION + 1}.*newer clinsynth"),
        (without_table, "no such table.*asked for again"),
        (a_folder, "unable to open"),
    ],
)
async def test_a_file_that_is_no_good_journal_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, harm: Callable[[Path], None], says: str
) -> None:
    path = tmp_path / "j.sqlite"
    await a_closed_journal(path)
    harm(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(UserError, match=says) as caught:
        Journal(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


async def test_pages_lost_in_the_middle_are_named_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    await a_closed_journal(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) // 2))
    journal = Journal(path)
    with pytest.raises(UserError, match=r"malformed.*asked for again"):
        assert [journal.get(make_entry(number).key) for number in range(50)]
    await journal.close()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(UserError, match="cannot open the journal"):
        Journal(tmp_path / "journal" / "00000.sqlite")


@pytest.mark.parametrize("content", [b"", None], ids=["empty", "killed while it was made"])
async def test_an_empty_file_becomes_a_journal(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "j.sqlite"
    if content is None:
        edit(path, "PRAGMA journal_mode = WAL")
        assert path.stat().st_size > 0
    else:
        path.write_bytes(content)
    await a_closed_journal(path)


# --- a disk that is full ------------------------------------------------------------------------------------------


async def fill(journal: Journal) -> tuple[list[int], list[BaseException]]:
    """Put rows from 8 workers until the disk refuses; return what was acknowledged and the errors."""
    numbers, acknowledged = iter(range(100_000)), []

    async def worker() -> None:
        for number in numbers:
            await journal.put(make_entry(number))
            acknowledged.append(number)

    results = await asyncio.gather(*(worker() for _ in range(8)), return_exceptions=True)
    return acknowledged, [result for result in results if isinstance(result, BaseException)]


async def check_full(journal: Journal) -> list[int]:
    acknowledged, errors = await fill(journal)
    assert len(acknowledged) > 50
    assert [type(error) for error in errors] == [JournalWriteError] * 8
    message = str(errors[0])
    assert isinstance(errors[0], ClinsynthError)
    assert message.startswith(f"{journal.path}: ")
    assert "full" in message
    assert "free space" in message
    assert "\n" not in message
    with pytest.raises(JournalWriteError, match="full"):
        await journal.put(make_entry(0, usd=9.0))
    assert all(journal.get(make_entry(number).key) is not None for number in acknowledged)
    await journal.close()
    return acknowledged


async def test_a_full_disk_reaches_every_waiting_put_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    journal._writer._connection.execute(
        "PRAGMA max_page_count = 200"
    )  # this connection only: SQLite then reports a full disk
    acknowledged = await check_full(journal)
    assert integrity(path) == "ok"
    again = Journal(path)
    await again.put(make_entry(200_000))
    assert all(again.get(make_entry(number).key) is not None for number in [*acknowledged, 200_000])
    await again.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip(f"may not mount a small disk: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 500_000)
    path = small_disk / "j.sqlite"
    acknowledged = await check_full(Journal(path))
    ballast.unlink()
    again = Journal(path)
    await again.put(make_entry(200_000))
    assert all(again.get(make_entry(number).key) is not None for number in [*acknowledged, 200_000])
    await again.close()
    assert integrity(path) == "ok"
