"""A run on a Ray cluster gives the bytes of a run on one machine, whatever is killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synth.fault_server import FaultServer
from tests.ray.conftest import three_nodes
from tests.runs import ROOT, Ran, data_files, finish, funnel, generate, hits, rows_on_disk, wait_until, write_spec

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

SEEDS, SHARD = 20, 5
COPYING_OFTEN = (
    "import sys, synth.ray_runner as r; from synth.generate import main; r.COPY_EVERY = 0.3; sys.exit(main())"
)


@pytest.fixture(autouse=True)
def _ray_is_there() -> None:
    pytest.importorskip("ray")


@pytest.fixture
def spec(server: FaultServer, tmp_path: Path) -> Path:
    return write_spec(tmp_path, server.url, limit=SEEDS, shard_size=SHARD)


@pytest.fixture
def one_piece(spec: Path, tmp_path: Path) -> dict[str, str]:
    """SHA-256 of the files that one machine makes."""
    ran = generate("--spec", spec, "--out", tmp_path / "one")
    assert ran.code == 0, ran.err
    return data_files(tmp_path / "one")


def started(spec: Path, run: Path, address: str, *more: object) -> subprocess.Popen[str]:
    """The command on a cluster, with copies every 0.3 s."""
    arguments = ["--spec", spec, "--out", run, "--runner", "ray", "--address", address, *more]
    return subprocess.Popen(
        [sys.executable, "-c", COPYING_OFTEN, *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def copied(run: Path) -> int:
    """Replies in the journals of the run folder."""
    replies = 0
    for path in (run / "journal").glob("*.sqlite"):
        # immutable: to look must not leave a log beside a file that is about to be replaced.
        with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as journal:
            replies += journal.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
    return replies


def owners(run: Path) -> dict[str, str]:
    """Which try has which shard."""
    return {path.name: json.loads(path.read_text())["owner"] for path in (run / "ray").glob("*.json")}


def unsettled(server: FaultServer, run: Path, before: int, kill: Callable[[], None]) -> int:
    """Kill; how many requests had arrived whose replies were not in the run folder, at most."""
    at_risk = hits(server) - before - copied(run)
    kill()
    return at_risk + hits(server) - before - copied(run)


def same_and_paid_once(ran: Ran, run: Path, one_piece: dict[str, str]) -> None:
    assert ran.code == 0, ran.err
    assert data_files(run) == one_piece
    kept = {kind: row["kept"] for kind, row in funnel(ran.out).items()}
    assert {kind: rows for kind, rows in rows_on_disk(run).items() if rows} == {k: n for k, n in kept.items() if n}


@pytest.fixture
def before(one_piece: dict[str, str], server: FaultServer) -> int:
    """Requests of the run on one machine."""
    return hits(server)


def test_three_nodes_make_the_same_files(
    spec: Path, tmp_path: Path, address: str, server: FaultServer, one_piece: dict[str, str], before: int
) -> None:
    ran = finish(started(spec, tmp_path / "run", address), 120)
    same_and_paid_once(ran, tmp_path / "run", one_piece)
    assert hits(server) == 2 * before
    assert f"seeds {SEEDS}/{SEEDS} · requests {before}" in ran.err
    # Once more: everything is there, and no cluster is needed to see it.
    again = generate("--spec", spec, "--out", tmp_path / "run", "--runner", "ray", "--address", "127.0.0.1:1")
    same_and_paid_once(again, tmp_path / "run", one_piece)
    assert hits(server) == 2 * before


def test_a_node_that_is_killed_costs_what_was_not_copied(
    spec: Path, tmp_path: Path, server: FaultServer, one_piece: dict[str, str], before: int
) -> None:
    run = tmp_path / "run"
    with three_nodes() as cluster:
        process = started(spec, run, cluster.address)
        assert wait_until(lambda: len(owners(run)) >= 3 and copied(run) > 20, process), finish(process)
        first = owners(run)
        victim = cluster.list_all_nodes()[-1]
        at_risk = unsettled(server, run, before, lambda: cluster.remove_node(victim, allow_graceful=False))
        ran = finish(process, 180)
    same_and_paid_once(ran, run, one_piece)
    assert any(owners(run)[name] != owner for name, owner in first.items()), "no shard was on the node"
    assert 0 <= hits(server) - 2 * before <= at_risk


def test_after_the_head_is_lost_the_same_command_goes_on(
    spec: Path, tmp_path: Path, address: str, server: FaultServer, one_piece: dict[str, str], before: int
) -> None:
    run = tmp_path / "run"
    with three_nodes() as cluster:
        process = started(spec, run, cluster.address)
        assert wait_until(lambda: copied(run) > 30, process), finish(process)

        def kill() -> None:
            process.kill()
            process.communicate()
            cluster.shutdown()

        at_risk = unsettled(server, run, before, kill)
    time.sleep(0.5)
    assert not (run / "export").exists()
    assert hits(server) < 2 * before
    ran = finish(started(spec, run, address), 180)
    same_and_paid_once(ran, run, one_piece)
    assert 0 <= hits(server) - 2 * before <= at_risk


def test_interrupted_what_is_in_flight_arrives(
    spec: Path, tmp_path: Path, address: str, server: FaultServer, one_piece: dict[str, str], before: int
) -> None:
    run = tmp_path / "run"
    process = started(spec, run, address)
    assert wait_until(lambda: copied(run) > 20, process), finish(process)
    process.terminate()
    ran = finish(process, 120)
    assert ran.code == 130, ran
    assert "interrupted; run the same command again" in ran.err
    assert copied(run) == hits(server) - before < before
    same_and_paid_once(finish(started(spec, run, address), 120), run, one_piece)
    assert hits(server) == 2 * before


def test_a_budget_is_split_by_shard_and_the_rest_can_be_spent_in_one_piece(
    spec: Path, tmp_path: Path, address: str, server: FaultServer, one_piece: dict[str, str], before: int
) -> None:
    cap = before - 20
    run = tmp_path / "run"
    ran = finish(started(spec, run, address, "--set", f"budget.requests={cap}"), 120)
    assert ran.code == 3, ran
    assert "share of budget.requests: " in ran.err
    assert cap // 2 < hits(server) - before <= cap
    same_and_paid_once(generate("--spec", spec, "--out", run), run, one_piece)
    assert hits(server) == 2 * before


def test_another_image_on_a_node_is_told(spec: Path, tmp_path: Path, address: str) -> None:
    """What the node prepares must be what the driver planned: here its seeds change in between."""
    source = tmp_path / "seeds.jsonl"
    lines = (ROOT / "synth" / "specs" / "seeds" / "cardiology.jsonl").read_text().splitlines(keepends=True)
    source.write_text("".join(lines[:SEEDS]))
    script = (
        "import pathlib, sys, synth.ray_runner as r; from synth.generate import main\n"
        "real = r.connect\n"
        "def connect(address):\n"
        f"    path = pathlib.Path({str(source)!r})\n"
        "    path.write_text(path.read_text().replace('the', 'a'))\n"
        "    return real(address)\n"
        "r.connect = connect\n"
        "sys.exit(main())"
    )
    arguments = ["--spec", spec, "--out", tmp_path / "run", "--runner", "ray", "--address", address]
    arguments += ["--set", f"seeds.source={source}"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 2, ran
    assert "this node sees another spec, other seeds" in ran.stderr


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """No half-made copies beside the journals."""
    yield
    left = [path.name for path in tmp_path.glob("run/journal/.*") if path.suffix != ".lock"]
    assert not left or len(left) <= 3  # one for each node that was killed while it copied
