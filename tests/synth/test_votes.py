"""Several votes of the judge: the median counts, all of them stand in the row, and their agreement is told."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from statistics import median_low

from synth.fault_server import FaultOptions, serving
from tests.runs import KINDS, generate, steps, write_spec
from tests.synth.test_export import read

SCORES = ("quality", "complexity", "relevance")


def run(folder: Path, *changes: str) -> Path:
    with serving(FaultOptions()) as server:
        spec = write_spec(folder, server.url, limit=6, shard_size=6)
        sets = [word for change in changes for word in ("--set", change)]
        ran = generate("--spec", spec, "--out", folder / "run", *sets)
        assert ran.code == 0, ran
    return folder / "run"


def test_three_votes_are_three_questions_and_one_median(tmp_path: Path) -> None:
    once, thrice = run(tmp_path / "once"), run(tmp_path / "thrice", "filters.quality.votes=3")
    rows = [row for kind in KINDS for row in read(thrice / "export", f"{kind}/*.parquet")]
    voted = [row for row in rows if row["votes"]]
    assert len(voted) > 5
    for row in voted:
        assert len(row["votes"]) == 3
        for name in SCORES:
            assert row[name] == median_low(vote[name] for vote in row["votes"])
    assert any(len({vote["quality"] for vote in row["votes"]}) > 1 for row in voted), "votes are asked for one by one"
    assert steps(thrice)["judge_dialogue"] == 3 * steps(once)["judge_dialogue"]
    assert all(not row["votes"] for kind in KINDS for row in read(once / "export", f"{kind}/*.parquet"))


def test_votes_are_drawn_and_not_one_vote_three_times(tmp_path: Path) -> None:
    def temperatures(folder: Path) -> set[float]:
        found = set()
        for path in (folder / "journal").glob("*.sqlite"):
            with closing(sqlite3.connect(path)) as journal:
                rows = journal.execute("SELECT request FROM entries WHERE step LIKE 'judge_dialogue%'").fetchall()
            found |= {json.loads(zlib.decompress(request))["temperature"] for (request,) in rows}
        return found

    assert temperatures(run(tmp_path / "once")) == {0.0}
    assert temperatures(run(tmp_path / "twice", "filters.quality.votes=2")) == {0.7}
    set_by_hand = ("filters.quality.votes=2", "sampling.judge_dialogue.temperature=0.2")
    assert temperatures(run(tmp_path / "by hand", *set_by_hand)) == {0.2}


def test_the_agreement_of_the_votes_is_told(tmp_path: Path) -> None:
    export = run(tmp_path, "filters.quality.votes=2") / "export"
    manifest = json.loads((export / "manifest.json").read_text("utf-8"))
    told = {(one["kind"], one["score"]): one for one in manifest["agreement"]}
    assert {score for _, score in told} == set(SCORES)
    assert all(-1 <= one["alpha"] <= 1 for one in told.values() if one["alpha"] is not None)
    assert "Krippendorff" in (export / "README.md").read_text("utf-8")
