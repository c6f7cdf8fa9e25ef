"""Figures of report.json counted once more from the files of a run, with plain pandas, without the report's code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
import yaml

from synth.report import write_report
from tests.synth.factories import make_row
from tests.synth.reporting.conftest import Export

KINDS = ["sft", "reasoning", "dialogue", "preference"]
SCORES = ["quality", "complexity", "relevance"]


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((finished / "report.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def kept(finished: Path) -> pd.DataFrame:
    paths = sorted(finished.glob("export/*/*.parquet"))
    return pd.concat([pd.read_parquet(path).assign(kind=path.parent.name) for path in paths], ignore_index=True)


@pytest.fixture(scope="module")
def gone(finished: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in finished.glob("rejected/*.parquet")], ignore_index=True)


def words(text: str | None) -> int:
    """Words of prose in Latin letters."""
    return len(re.findall(r"\w+", text or ""))


def side(messages: Any) -> int:
    return sum(words(one["content"]) for one in messages)


def test_kinds(report: dict[str, Any], kept: pd.DataFrame, gone: pd.DataFrame, finished: Path) -> None:
    manifest = json.loads((finished / "export" / "manifest.json").read_text("utf-8"))
    status = gone.groupby(["kind", "status"]).size()
    assert {one["kind"] for one in report["kinds"]} == set(KINDS)
    for one in report["kinds"]:
        kind = one["kind"]
        assert one["kept"] == (kept["kind"] == kind).sum()
        for split in ("train", "validation"):
            files = finished.glob(f"export/{kind}/{split}-*.parquet")
            assert one[split] == sum(len(pd.read_parquet(path, columns=["id"])) for path in files)
        assert one["rejected"] == status.get((kind, "rejected"), 0)
        assert one["failed"] == status.get((kind, "failed"), 0)
        assert one["planned"] == manifest["counts"][kind]["planned"]


def test_losses(report: dict[str, Any], gone: pd.DataFrame) -> None:
    counted = gone.groupby(["kind", "step", "reason"]).size().to_dict()
    losses = [*report["funnel"]["losses"], *report["funnel"]["byproducts"]]
    assert {(one["kind"], one["step"], one["reason"]): one["count"] for one in losses} == counted


def test_examples_of_losses(report: dict[str, Any], gone: pd.DataFrame) -> None:
    by_id = gone.fillna({"payload": "{}", "detail": ""}).drop_duplicates("id").set_index("id")
    for one in [*report["funnel"]["losses"], *report["funnel"]["byproducts"]]:
        assert len(one["examples"]) == min(3, one["count"])
        for example in one["examples"]:
            row = by_id.loc[example["id"]]
            assert (row["kind"], row["step"], row["reason"]) == (one["kind"], one["step"], one["reason"])
            assert row["detail"].startswith(example["detail"].removesuffix("…"))
            said = words(str(json.loads(row["payload"])))
            assert bool(example["text"]) == bool(said)


def test_departments(report: dict[str, Any], kept: pd.DataFrame) -> None:
    """Quality by complexity in each of the largest departments."""
    both = kept.dropna(subset=["quality", "complexity", "department"])
    largest = both["department"].value_counts()
    shown = [grid["name"] for grid in report["scores"]["departments"]]
    assert len(shown) == min(8, len(largest)) > 1
    assert [largest[name] for name in shown] == sorted(largest, reverse=True)[:8]
    for grid in report["scores"]["departments"]:
        rows = both[both["department"] == grid["name"]]
        for quality, counts in zip(grid["rows"], grid["counts"], strict=True):
            same = rows[rows["quality"] == int(quality)]["complexity"]
            assert counts == [int((same == int(column)).sum()) for column in grid["columns"]]


def test_what_it_was_made_with(report: dict[str, Any], finished: Path) -> None:
    lock = yaml.safe_load((finished / "spec.lock.yaml").read_text("utf-8"))
    assert report["made"]["versions"] == lock["versions"]
    assert report["made"]["templates"] == lock["template_hashes"]
    spec = yaml.safe_load("\n".join(report["made"]["spec"]))
    assert spec["seed"] == lock["spec"]["seed"]
    assert spec["produce"]["dialogues"]["max_turns"] == lock["spec"]["produce"]["dialogues"]["max_turns"]
    assert "base_url" not in str(spec)


@pytest.mark.parametrize("score", SCORES)
def test_scores(report: dict[str, Any], kept: pd.DataFrame, gone: pd.DataFrame, score: str) -> None:
    curated = gone[(gone["step"] == "curation") & gone["kind"].isin(KINDS)]
    dropped = curated.assign(score=[json.loads(text).get(score) for text in curated["payload"]])
    found = {one["kind"]: one for one in report["scores"]["histograms"] if one["name"] == score}
    for kind, rows in kept.groupby("kind"):
        given = rows[score].dropna()
        one = found[str(kind)]
        bins = [int(label) for label in one["labels"]]
        assert one["counts"] == [int((given == value).sum()) for value in bins]
        lost = dropped.loc[dropped["kind"] == kind, "score"]
        assert one["dropped"] in ([], [int((lost == value).sum()) for value in bins])
        assert bool(one["dropped"]) or not len(lost.dropna())
        assert one["missing"] == rows[score].isna().sum()
        assert (one["mean"], one["median"]) == pytest.approx((given.mean(), given.median()))


def test_heat_maps(report: dict[str, Any], kept: pd.DataFrame) -> None:
    across = {
        "quality (rows) by complexity (columns)": "quality",
        "department (rows) by quality (columns)": "department",
    }
    assert {grid["name"] for grid in report["scores"]["grids"]} == set(across)
    for grid in report["scores"]["grids"]:
        down = across[grid["name"]]
        right = "complexity" if down == "quality" else "quality"
        for name, counts in zip(grid["rows"], grid["counts"], strict=True):
            rows = kept[kept[down].astype(str).str.removesuffix(".0") == name]
            assert counts == [int((rows[right] == int(column)).sum()) for column in grid["columns"]]


@pytest.mark.parametrize("dimension", ["department", "subdepartment"])
def test_coverage(report: dict[str, Any], kept: pd.DataFrame, dimension: str) -> None:
    (one,) = [one for one in report["coverage"] if one["dimension"] == dimension]
    known = kept.dropna(subset=[dimension])
    means = known.groupby(dimension)[["quality", "complexity"]].mean()
    counts = known[dimension].value_counts()
    assert {place["value"]: place["kept"] for place in one["places"]} == counts.to_dict()
    for place in one["places"]:
        assert place["share"] == pytest.approx(counts[place["value"]] / counts.sum())
        assert place["quality"] == pytest.approx(means.loc[place["value"], "quality"])
        assert place["complexity"] == pytest.approx(means.loc[place["value"], "complexity"])


def test_difficulty(report: dict[str, Any], kept: pd.DataFrame) -> None:
    (one,) = [one for one in report["coverage"] if one["dimension"] == "difficulty"]
    bands = pd.cut(kept["complexity"], [0, 3, 7, 10]).value_counts(sort=False)
    assert [place["kept"] for place in one["places"]] == [count for count in bands if count]


def test_flags(report: dict[str, Any], kept: pd.DataFrame) -> None:
    safety = report["safety"]
    assert safety["flagged"] == (kept["flags"].map(len) > 0).sum()
    each = kept.explode("flags").dropna(subset=["flags"]).drop_duplicates(["id", "kind", "flags"])
    for one in safety["flags"]:
        rows = each[each["flags"] == one["flag"]]
        assert one["rows"] == len(rows)
        assert one["by_kind"] == rows["kind"].value_counts().to_dict()
        assert one["share"] == pytest.approx(len(rows) / len(kept))
    assert {one["flag"] for one in safety["flags"]} == set(each["flags"]) - {"phi"}


def test_duplicates(report: dict[str, Any], kept: pd.DataFrame, gone: pd.DataFrame) -> None:
    rows = gone[gone["kind"].isin(KINDS)]
    curated = rows[rows["step"] == "curation"]
    twins = curated[curated["reason"].isin(["near_duplicate", "duplicate_id", "paraphrase"])]
    found = report["duplicates"]
    assert found["dropped"] == len(twins) > 0
    assert found["share"] == pytest.approx(len(twins) / (len(kept) + len(curated)))
    assert found["questions"] == (rows["reason"] == "near_duplicate_question").sum()
    around = pd.Series([next(iter(one))["fact"] for one in twins["evidence"]], index=twins["kind"])
    assert found["clusters"] == len(set(zip(around.index, around, strict=True)))


def test_lengths(report: dict[str, Any], kept: pd.DataFrame) -> None:
    answers = kept[kept["kind"] == "sft"]["response"].map(words)
    (one,) = [one for one in report["texts"] if one["kind"] == "sft"]
    assert one["words"]["mean"] == pytest.approx(answers.mean())
    assert one["words"]["median"] == pytest.approx(answers.median())
    turns = kept[kept["kind"] == "dialogue"]["turns"].map(len)
    (talk,) = [one for one in report["texts"] if one["kind"] == "dialogue"]
    assert talk["turns"]["mean"] == pytest.approx(turns.mean())


def test_pairs(report: dict[str, Any], kept: pd.DataFrame) -> None:
    pairs = kept[kept["kind"] == "preference"]
    pairs = pairs.assign(won=pairs["chosen"].map(side), lost=pairs["rejected"].map(side))
    for origin, rows in pairs.groupby("origin"):
        (one,) = [one for one in report["pairs"] if one["origin"] == origin]
        assert one["rows"] == len(rows)
        assert one["longer"] == pytest.approx((rows["won"] > rows["lost"]).mean())
        assert (one["chosen_words"], one["rejected_words"]) == pytest.approx((rows["won"].mean(), rows["lost"].mean()))
        assert one["margin"]["mean"] == pytest.approx(rows["margin"].mean())


def test_agreement_of_votes(export: Export) -> None:
    """Share of rows with equal votes, mean spread; alpha has tests of its own."""
    rng = Random(3)
    rows = []
    for n in range(40):
        votes = [{score: rng.choice([4, 5, 6, None]) for score in SCORES} for _ in range(rng.choice([1, 3]))]
        rows.append(make_row("sft", f"s{n}", votes=votes))
    run = export({"sft": rows})
    write_report(run)
    agreement = json.loads((run / "report.json").read_text("utf-8"))["scores"]["agreement"]
    assert {one["score"] for one in agreement} == set(SCORES)
    for one in agreement:
        given = [[vote[one["score"]] for vote in row["votes"] if vote[one["score"]] is not None] for row in rows]
        several = [votes for votes in given if len(votes) > 1]
        assert one["rows"] == len(several)
        assert one["same"] == pytest.approx(sum(len(set(votes)) == 1 for votes in several) / len(several))
        assert one["spread"] == pytest.approx(sum(max(votes) - min(votes) for votes in several) / len(several))
