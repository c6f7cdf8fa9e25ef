"""The same replies make the same bytes: replayed, in any order of arrival, under faults, after kills and Ctrl-C.

The fault server's replies hang on the request alone, so two fresh runs must agree to the byte however the requests
were shuffled, and a resumed run must agree with one that was never disturbed.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synth.fault_server import FaultOptions, FaultServer, serving
from tests.runs import asked, data_files, finish, generate, hits, rows_on_disk, start, wait_until, write_spec

LIMIT = 20
IN_FLIGHT = 64
KILLS = 10


def agree(body: dict[str, Any]) -> str | None:
    """Every verdict is yes: the server's own are thrown dice and would leave hardly a chain to compare."""
    schema = body["response_format"]["json_schema"]["schema"]
    return '{"verdict": "yes"}' if list(schema["properties"]) == ["verdict"] else None


def served(**options: Any) -> AbstractContextManager[FaultServer]:
    return serving(FaultOptions(reply=agree, **options))


def write(folder: Path, url: str) -> Path:
    return write_spec(folder, url, limit=LIMIT, shard_size=8)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one request at a time: nothing can overtake anything. Do not write into it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with served() as server:
        spec = write(folder, server.url)
        ran = generate("--spec", spec, "--out", folder / "run", "--set", "models.generator.max_in_flight=1")
        assert ran.code == 0, ran
        assert hits(server) == server.stats()["distinct"] == len(asked(folder / "run"))
        assert server.stats()["max_in_flight"] == 1
    # The comparisons below are of little worth without every kind, and without work for the gates.
    assert all(rows_on_disk(folder / "run").values())
    assert reasons(folder / "run") >= {"near_duplicate_question", "near_duplicate", "complex", "not_complex"}
    return folder / "run"


def reasons(run: Path) -> set[str]:
    tables = [pq.read_table(path, columns=["reason"]) for path in (run / "rejected").glob("*.parquet")]
    return {reason for table in tables for reason in table["reason"].to_pylist()}


def test_a_replay_makes_the_same_bytes_without_a_server(undisturbed: Path, tmp_path: Path) -> None:
    spec = write(tmp_path, "http://127.0.0.1:9/v1")
    shutil.copytree(undisturbed / "journal", tmp_path / "run" / "journal")
    ran = generate("--spec", spec, "--out", tmp_path / "run")
    assert ran.code == 0, ran
    assert f"0 requests sent, {len(asked(undisturbed))} answered from the journal" in ran.out
    assert data_files(tmp_path / "run") == data_files(undisturbed)

    for lost in ("staging", "export", "rejected"):
        shutil.rmtree(tmp_path / "run" / lost)
        assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
        assert data_files(tmp_path / "run") == data_files(undisturbed)


@pytest.mark.parametrize(
    ("latency_ms", "jitter", "seed"), [(15, 1.0, 1), (40, 0.9, 2), (5, 1.0, 3)], ids=["one", "two", "three"]
)
def test_the_order_in_which_replies_arrive_does_not_matter(
    undisturbed: Path, tmp_path: Path, latency_ms: float, jitter: float, seed: int
) -> None:
    with served(latency_ms=latency_ms, jitter=jitter, seed=seed) as server:
        spec = write(tmp_path, server.url)
        ran = generate("--spec", spec, "--out", tmp_path / "run")
        assert ran.code == 0, ran
        assert server.stats()["max_in_flight"] > 10
    assert data_files(tmp_path / "run") == data_files(undisturbed)


def test_faults_on_the_way_leave_no_trace(undisturbed: Path, tmp_path: Path) -> None:
    """A fifth of the requests is refused for the moment, broken off or cut in the middle."""
    with served(latency_ms=5, jitter=1, error_rate=0.2, seed=11) as server:
        spec = write(tmp_path, server.url)
        ran = generate("--spec", spec, "--out", tmp_path / "run", "--set", "models.generator.retries=12")
        assert ran.code == 0, ran
        stats = server.stats()
    assert set(stats["by_status"]) == {"200", "429", "500", "503", "reset", "truncated"}
    assert stats["by_status"]["200"] == stats["distinct"] == len(asked(undisturbed))
    assert data_files(tmp_path / "run") == data_files(undisturbed)


def test_kill_9_costs_at_most_what_was_in_flight(undisturbed: Path, tmp_path: Path) -> None:
    rng = random.Random(26)
    with served(latency_ms=60, jitter=0.8, seed=5) as server:
        arguments = ("--spec", write(tmp_path, server.url), "--out", tmp_path / "run")
        for _ in range(KILLS):
            process = start(*arguments)
            # A share of what is missing, so that something is left for the last kill on a machine of any speed.
            missing = len(asked(undisturbed)) - server.stats()["distinct"]
            more = hits(server) + 1 + int(rng.random() * missing / 3)
            assert wait_until(lambda more=more: hits(server) >= more, process), finish(process)  # type: ignore[misc]
            time.sleep(rng.random() * 0.02)
            process.kill()
            assert finish(process).code == -signal.SIGKILL, "the run had ended before it could be killed"
        assert not (tmp_path / "run" / "export").exists()
        saved = len(asked(tmp_path / "run"))
        assert 0 < saved < len(asked(undisturbed))
        sent = hits(server)
        ran = finish(start(*arguments))
        assert ran.code == 0, ran
        assert hits(server) - sent == len(asked(undisturbed)) - saved
        paid_twice = server.stats()["by_status"]["200"] - server.stats()["distinct"]
        assert 0 < paid_twice <= KILLS * IN_FLIGHT
    assert asked(tmp_path / "run") == asked(undisturbed)
    assert data_files(tmp_path / "run") == data_files(undisturbed)


def test_a_kill_in_the_middle_of_the_export_is_mended_by_the_next_run(undisturbed: Path, tmp_path: Path) -> None:
    """Kills at moments of a run that only replays, stages and exports."""
    spec = write(tmp_path, "http://127.0.0.1:9/v1")
    shutil.copytree(undisturbed / "journal", tmp_path / "run" / "journal")
    rng = random.Random(4)
    for folder in ("staging", "rejected", "export"):
        shutil.rmtree(tmp_path / "run" / folder, ignore_errors=True)
        process = start("--spec", spec, "--out", tmp_path / "run")
        wait_until(lambda at=folder: any((tmp_path / "run").glob(f"{at}*")), process)  # type: ignore[misc]
        time.sleep(rng.random() * 0.02)
        process.kill()
        finish(process)
        assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
        assert data_files(tmp_path / "run") == data_files(undisturbed)
        assert not [path for path in (tmp_path / "run").glob("**/*.*-[0-9]*") if path.is_dir()], "leftovers"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_waits_for_what_is_in_flight(undisturbed: Path, tmp_path: Path, number: signal.Signals) -> None:
    with served(latency_ms=300, jitter=0.9, seed=6) as server:
        arguments = ("--spec", write(tmp_path, server.url), "--out", tmp_path / "run")
        process = start(*arguments)
        assert wait_until(lambda: hits(server) >= 30, process), finish(process)
        process.send_signal(number)
        ran = finish(process)
        assert ran.code == 130, ran
        assert "stopping: waiting for " in ran.err
        assert "run the same command again" in ran.err
        assert "Traceback" not in ran.err
        assert ran.out == ""
        saved = len(asked(tmp_path / "run"))
        assert hits(server) == saved, "what was in flight is in the journal"
    with served() as server:
        write(tmp_path, server.url)
        again = generate(*arguments)
        assert again.code == 0, again
        assert hits(server) == len(asked(undisturbed)) - saved, "nothing was paid for twice"
    assert data_files(tmp_path / "run") == data_files(undisturbed)


def test_an_interrupt_during_an_outage_waits_for_nothing(undisturbed: Path, tmp_path: Path) -> None:
    with served(latency_ms=60, jitter=0.5) as server:
        arguments = ("--spec", write(tmp_path, server.url), "--out", tmp_path / "run")
        process = start(*arguments)
        assert wait_until(lambda: hits(server) >= 30, process)
    time.sleep(1.5)  # the circuit is open: requests wait in line for a server that is gone
    process.send_signal(signal.SIGINT)
    ran = finish(process, timeout=20)
    assert ran.code == 130, ran
    assert "Traceback" not in ran.err
    with served() as server:
        spec = write(tmp_path, server.url)
        assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
    assert data_files(tmp_path / "run") == data_files(undisturbed)


def test_two_interrupts_drop_what_is_in_flight(undisturbed: Path, tmp_path: Path) -> None:
    with served() as server:
        arguments = ("--spec", write(tmp_path, server.url), "--out", tmp_path / "run")
        assert generate(*arguments, "--limit", 3).code == 0
        saved = asked(tmp_path / "run")
    with served(latency_ms=600_000) as stuck:
        write(tmp_path, stuck.url)
        process = start(*arguments)
        assert wait_until(lambda: hits(stuck) >= 10, process), finish(process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None, "the first interrupt waits"
        process.send_signal(signal.SIGINT)
        ran = finish(process, timeout=30)  # of the ten minutes that the replies would take
        assert ran.code == 130, ran
        assert "Traceback" not in ran.err
        assert asked(tmp_path / "run") == saved
    with served() as server:
        write(tmp_path, server.url)
        assert generate(*arguments).code == 0
    assert data_files(tmp_path / "run") == data_files(undisturbed)


def test_another_seed_makes_other_bytes(undisturbed: Path, tmp_path: Path) -> None:
    """The comparisons of this file can fail."""
    with served() as server:
        spec = write(tmp_path, server.url)
        assert generate("--spec", spec, "--out", tmp_path / "run", "--set", "seed=8").code == 0
    theirs, ours = data_files(undisturbed), data_files(tmp_path / "run")
    assert any(name.endswith(".parquet") and theirs.get(name) != digest for name, digest in ours.items())
