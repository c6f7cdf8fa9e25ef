"""Parts of a run: their budgets never add up to more than the whole, and together they make the files of one run."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.fault_server import FaultServer, serving
from synth.journal import NOTHING
from synth.shares import fair, shares, split
from synth.spec import Budget
from tests.runs import data_files, finish, generate, hits, start, write_spec

COUNTS = st.integers(0, 10**9)
PARTS = st.lists(st.tuples(st.integers(0, 1000), COUNTS), min_size=1, max_size=12)


@given(COUNTS, st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_a_split_is_whole_and_in_proportion(whole: int, weights: list[int]) -> None:
    parts = split(whole, weights)
    total = sum(weights)
    assert sum(parts) == (whole if total else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert not total or abs(part - whole * weight / total) < 1 + 1e-6 * whole


@pytest.mark.parametrize(
    ("whole", "weights", "parts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (2, [4, 4, 4, 1], [1, 1, 0, 0]),
        (100, [53, 24, 23], [53, 24, 23]),
        (7, [5, 3, 1], [4, 2, 1]),  # quotas 3.89, 2.33, 0.78
    ],
)
def test_largest_remainders(whole: int, weights: list[int], parts: list[int]) -> None:
    assert split(whole, weights) == parts


@given(COUNTS, PARTS)
def test_nothing_beyond_the_whole_is_given_out(whole: int, parts: list[tuple[int, int]]) -> None:
    weights, spent = [weight for weight, _ in parts], [used for _, used in parts]
    caps = fair(whole, weights, spent)
    assert all(cap >= used for cap, used in zip(caps, spent, strict=True))
    assert sum(caps) <= max(whole, sum(spent))


@given(COUNTS, PARTS, st.data())
def test_who_comes_later_finds_the_same_split(whole: int, parts: list[tuple[int, int]], data: st.DataObject) -> None:
    weights, spent = [weight for weight, _ in parts], [used for _, used in parts]
    caps = fair(whole, weights, spent)
    later = [data.draw(st.integers(used, cap)) for used, cap in zip(spent, caps, strict=True)]
    assert fair(whole, weights, later) == caps


def test_all_caps_are_split_and_lost_tries_count() -> None:
    used = dataclasses.replace(NOTHING, requests=9, tokens_in=10, tokens_out=20, lost_tokens=5, usd=0.5, lost_usd=0.25)
    first, second = shares(Budget(requests=10, tokens=100, usd=1.0), [1, 1], [used, NOTHING])
    assert (first.requests, first.tokens, first.usd) == (9, 50, 0.75)
    assert (second.requests, second.tokens, second.usd) == (1, 50, 0.25)
    assert shares(Budget(tokens=3), [1, 1], [NOTHING, NOTHING])[0] == Budget.model_construct(tokens=2)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with serving() as one:
        yield one


def test_parts_of_a_budget_and_then_the_rest_in_one_piece(tmp_path: Path, server: FaultServer) -> None:
    spec = write_spec(tmp_path, server.url, limit=9, shard_size=3)
    assert generate("--spec", spec, "--out", tmp_path / "one").code == 0
    whole = hits(server)
    cap = f"budget.requests={whole - 15}"
    parts = [start("--spec", spec, "--out", tmp_path / "run", "--set", cap, "--shard", f"{i}/2") for i in (1, 2)]
    ended = [finish(part) for part in parts]
    assert 3 in {one.code for one in ended}, ended
    assert any("share of budget.requests: " in one.err for one in ended)
    assert whole // 2 < hits(server) - whole <= whole - 15
    assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
    assert hits(server) == 2 * whole
    assert data_files(tmp_path / "run") == data_files(tmp_path / "one")


def test_parts_made_elsewhere_are_brought_together_by_copying(tmp_path: Path, server: FaultServer) -> None:
    """As on machines without a common disk; there are more parts than shards."""
    spec = write_spec(tmp_path, server.url, limit=8, shard_size=3)
    assert generate("--spec", spec, "--out", tmp_path / "one").code == 0
    for i in range(1, 6):
        ran = generate("--spec", spec, "--out", tmp_path / f"part{i}", "--shard", f"{i}/5")
        assert ran.code == 0, ran
        for folder in ("journal", "staging"):
            if (tmp_path / f"part{i}" / folder).exists():
                shutil.copytree(tmp_path / f"part{i}" / folder, tmp_path / "run" / folder, dirs_exist_ok=True)
    shutil.copy(tmp_path / "part1" / "spec.lock.yaml", tmp_path / "run")
    before = hits(server)
    assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
    assert hits(server) == before
    assert data_files(tmp_path / "run") == data_files(tmp_path / "one")
