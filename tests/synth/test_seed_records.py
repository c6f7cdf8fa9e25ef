"""Exam questions and cases as seeds: what they carry, what is refused, and that a test split never gets in."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from filters.readers import Case, Item
from synth.errors import UserError
from synth.seeds import Seed, plan_seeds, read_seeds
from synth.spec import SeedsSpec
from synth.spec_load import load_spec
from tests.data import DATA, needs_data


def question(number: int, **changed: Any) -> dict[str, Any]:
    options = {"A": "Measles", "B": f"Mumps {number}"}
    return {"id": f"q{number}", "question": "Which?", "options": options, "answer_idx": "B"} | changed


def patient(number: int, diagnosis: str = "Gout") -> dict[str, Any]:
    told = {
        "Demographics": f"{40 + number}-year-old male",
        "History": "My big toe hurts.",
        "Symptoms": {"Primary": "Pain"},
    }
    osce = {
        "Objective_for_Doctor": "Assess the patient with a painful toe.",
        "Patient_Actor": told,
        "Physical_Examination_Findings": {"Toe": "red and hot"},
        "Test_Results": {"Uric acid": "9.1 mg/dL"},
        "Correct_Diagnosis": diagnosis,
    }
    return {"OSCE_Examination": osce}


def spec_of(folder: Path, rows: list[Any], kind: str = "items", name: str = "train.jsonl", **more: Any) -> SeedsSpec:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return SeedsSpec(source=str(path), kind=kind, split="train", **more)


def test_a_question_becomes_a_seed_with_its_record(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("MIT License")
    [seed] = read_seeds(spec_of(tmp_path, [question(1)]))
    assert isinstance(seed.record, Item)
    assert seed == Seed(0, "medqa:q1", "Which?\nA. Measles\nB. Mumps 1", "medqa/train.jsonl", "mit", seed.record)
    assert seed.record.answer == "B"
    assert seed.record.options == {"A": "Measles", "B": "Mumps 1"}


def test_a_case_becomes_a_seed_whose_text_does_not_tell_the_diagnosis(tmp_path: Path) -> None:
    [seed] = read_seeds(spec_of(tmp_path, [patient(1, "Podagra")], "cases"))
    assert isinstance(seed.record, Case)
    assert seed.record.diagnosis == "Podagra"
    assert "41-year-old male" in seed.text
    assert "9.1 mg/dL" in seed.text
    assert "Podagra" not in seed.text
    assert seed.id == seed.record.id
    assert seed.source == "agentclinic/train.jsonl"


def test_a_question_without_an_answer_and_one_that_stands_twice_are_bad_rows(tmp_path: Path) -> None:
    hidden = {"question": "Which?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": -1, "id": "h"}
    shown = {**hidden, "cop": 4, "id": "s", "question": "What?"}
    plan = plan_seeds(spec_of(tmp_path, [hidden, shown, {**shown, "id": "again"}]))
    assert [(bad.line, bad.id, bad.reason) for bad in plan.bad] == [
        (1, None, "no_answer"),
        (3, "medmcqa:again", "duplicate_text"),
    ]
    assert plan.count == 1


@pytest.mark.parametrize("name", ["test.jsonl", "dev.jsonl", "questions_validation.jsonl"])
@pytest.mark.parametrize("kind", ["items", "cases"])
def test_a_test_or_validation_split_is_refused_with_the_reason(tmp_path: Path, name: str, kind: str) -> None:
    spec = spec_of(tmp_path, [question(1) if kind == "items" else patient(1)], kind, name)
    with pytest.raises(UserError) as caught:
        plan_seeds(spec)
    line = str(caught.value)
    assert "\n" not in line
    assert "becomes a training row" in line
    assert name in line
    with pytest.raises(UserError):
        list(read_seeds(spec))


def test_a_folder_with_a_test_file_beside_the_training_file_is_refused(tmp_path: Path) -> None:
    spec_of(tmp_path, [question(2)], name="test.jsonl")
    spec_of(tmp_path, [question(1)], name="train.jsonl")
    with pytest.raises(UserError, match="test split"):
        plan_seeds(SeedsSpec(source=str(tmp_path), kind="items", split="train"))


def test_the_limit_stops_the_reading_before_what_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(question(n)) + "\n" for n in range(3)) + "{broken", encoding="utf-8")
    spec = SeedsSpec(source=str(path), kind="items", split="train", limit=3)
    assert plan_seeds(spec).count == 3
    assert [seed.index for seed in read_seeds(spec, 1, 3)] == [1, 2]
    first = next(itertools.islice(read_seeds(spec.model_copy(update={"limit": None})), 1))
    assert first.id == "medqa:q0"
    with pytest.raises(UserError, match=r"train\.jsonl:4: is no JSON"):
        plan_seeds(spec.model_copy(update={"limit": None}))


def test_the_digest_covers_the_answer_and_the_diagnosis(tmp_path: Path) -> None:
    digests = {
        plan_seeds(spec_of(tmp_path, [question(1, answer_idx=answer)])).digest for answer in ("A", "B", "A")
    } | {plan_seeds(spec_of(tmp_path, [patient(1, name)], "cases")).digest for name in ("Gout", "Sepsis")}
    assert len(digests) == 4


def test_what_cannot_be_stored_is_mended_in_the_record_too(tmp_path: Path) -> None:
    [seed] = read_seeds(spec_of(tmp_path, [question(1, question="Wh\ud800ich\0?")]))
    assert isinstance(seed.record, Item)
    assert seed.record.question == "Wh\ufffdich?"
    assert seed.text.startswith("Wh\ufffdich?")


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        ([question(1)], "cases", "holds no patient cases, but questions: set `kind: items` under seeds"),
        ([patient(1)], "items", "holds no questions, but patient cases: set `kind: cases` under seeds"),
        ([question(1), question(2, id="q1\0")], "items", "`medqa:q1` (records 1, 2); give each record an id"),
        ([patient(1), {"OSCE_Examination": "x"}], "cases", "train.jsonl:2: OSCE_Examination: an object is needed"),
        ([{"text": "a passage"}], "items", "no known benchmark"),
        ([], "items", "holds no questions"),
    ],
)
def test_a_file_of_another_kind_is_one_line(tmp_path: Path, rows: list[Any], kind: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_seeds(spec_of(tmp_path, rows, kind))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def spec_lines(folder: Path, seeds: dict[str, Any], produce: dict[str, Any]) -> list[str]:
    (folder / "train.jsonl").write_text("{}")
    models = {"generator": {"engine": "local"}}
    path = folder / "s.yaml"
    path.write_text(json.dumps({"name": "a", "seeds": seeds, "models": models, "produce": produce}))
    try:
        load_spec(str(path))
    except UserError as error:
        return [line.partition(": ")[2] for line in str(error).splitlines()]
    return []


ITEMS = {"source": "train.jsonl", "kind": "items", "split": "train"}
CASES = ITEMS | {"kind": "cases"}


@pytest.mark.parametrize(
    ("seeds", "produce", "place"),
    [
        (CASES, {"dialogues": {}}, None),
        (CASES, {"dialogues": {}, "preferences": {"from": ["dialogue_outcome"]}}, None),
        (CASES | {"split": "test"}, {"dialogues": {}}, "seeds.split: no exam item"),
        ({k: v for k, v in CASES.items() if k != "split"}, {"dialogues": {}}, "seeds.split: no exam item"),
        (CASES | {"source": "hf://a/b"}, {"dialogues": {}}, "seeds.source: cases are read from local files"),
        (CASES | {"source": "s.csv"}, {"dialogues": {}}, "seeds.source: cases are read from files"),
        (CASES | {"source": "gone.jsonl"}, {"dialogues": {}}, "seeds.source: no such file"),
        (CASES | {"text": "body"}, {"dialogues": {}}, "seeds.text: is for passages"),
        (CASES, {}, "produce: from cases only dialogues"),
        (CASES, {"dialogues": {}, "questions": {}}, "produce.questions: cannot be made from cases"),
        (ITEMS, {"dialogues": {}, "reasoning": {}}, "produce.dialogues: cannot be made from items"),
        (ITEMS, {"reasoning": {}, "preferences": {"from": ["reward"]}}, "produce.preferences.from[0]: reward cannot"),
        (ITEMS | {"kind": "exams"}, {"reasoning": {}}, "seeds.kind: "),
    ],
)
def test_what_a_spec_may_ask_of_questions_and_cases(
    tmp_path: Path, seeds: dict[str, Any], produce: dict[str, Any], place: str | None
) -> None:
    found = spec_lines(tmp_path, seeds, produce)
    assert (not found) if place is None else any(line.startswith(place) for line in found), found


@needs_data
@pytest.mark.parametrize(
    ("file", "kind", "count"),
    [
        ("medqa_us_4opt/test.jsonl", "items", 100),
        ("agentclinic/agentclinic_medqa.jsonl", "cases", 107),
        ("mediq/all_dev_good.jsonl", "cases", 100),
    ],
)
def test_published_files_are_read_when_they_are_called_training_files(
    tmp_path: Path, file: str, kind: str, count: int
) -> None:
    (tmp_path / "train.jsonl").write_bytes((DATA / file).read_bytes())  # called so for this test alone
    spec = SeedsSpec(source=str(tmp_path / "train.jsonl"), kind=kind, split="train", limit=count)
    plan = plan_seeds(spec)
    assert (plan.count, plan.bad_count) == (count, 0)
    seeds = list(read_seeds(spec))
    assert len({seed.id for seed in seeds}) == count
    assert all(seed.record is not None for seed in seeds)
