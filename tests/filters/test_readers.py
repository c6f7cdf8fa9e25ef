"""Benchmark readers on small files of every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filters.readers import BenchmarkError, Case, read_benchmark, read_cases, read_items
from filters.readers.exams import split_options
from filters.readers.files import split_of
from tests.filters.benchmark_samples import (
    AGENTCLINIC,
    CONVERSATION,
    MEDIQ,
    MEDMCQA,
    MEDQA,
    MEDXPERTQA,
    MMLU,
    MMLU_PRO,
    PUBMEDQA,
    PUBMEDQA_HUB,
    array,
    jsonl,
    parquet,
)


@pytest.mark.parametrize("write", [jsonl, array, parquet])
@pytest.mark.parametrize(
    ("row", "benchmark", "source_id", "question", "answer", "subject"),
    [
        (MEDQA, "medqa", None, "A man has chest pain. What now?", "ECG", ""),
        (MEDMCQA, "medmcqa", "m1", "Pellagra?", "B4", "Biochemistry"),
        (PUBMEDQA_HUB, "pubmedqa", "20000001", "Does it help?", "maybe", ""),
        (MMLU | {"choices": ["Skin", "Liver"]}, "mmlu", None, "Largest organ?", "Skin", "anatomy"),
        (MMLU_PRO, "mmlu_pro", "6002", "Which?", "e5", "health"),
        (MEDXPERTQA, "medxpertqa", "Text-0", "Which nerve?", "Median", "Nervous"),
        (CONVERSATION, "mmlu", "17", "True?\nI. this\nII. that", "II only", "virology"),
        (MEDIQ, "mediq", "2", "A 62-year-old man hears badly. He is dizzy. What is best?", "Surgery", ""),
    ],
)
def test_every_exam_from_every_kind_of_file(
    tmp_path: Path,
    write: Callable[..., Path],
    row: dict[str, Any],
    benchmark: str,
    source_id: str | None,
    question: str,
    answer: str,
    subject: str,
) -> None:
    (item,) = read_items(write(tmp_path, row))
    assert (item.benchmark, item.question, item.subject, item.split) == (benchmark, question, subject, "test")
    assert item.options[item.answer] == answer
    assert list(item.options) == sorted(item.options)
    assert item.id == f"{benchmark}:{source_id}" if source_id else item.id.startswith(f"{benchmark}:")
    assert item.licence in ("mit", "apache-2.0", "cc-by-4.0", "unknown")


def test_pubmedqa_under_its_ids(tmp_path: Path) -> None:
    (tmp_path / "ori.json").write_text(json.dumps({"11": PUBMEDQA, "12": PUBMEDQA}, indent=0))
    found = list(read_items(tmp_path / "ori.json"))
    assert [item.id for item in found] == ["pubmedqa:11", "pubmedqa:12"]
    assert found[0].context == "It was tried.\nIt was seen."
    assert {item.split for item in found} == {"unknown"}


@pytest.mark.parametrize("indent", [None, 0])
def test_pubmedqas_test_split_is_told_by_its_answer_key(tmp_path: Path, indent: int | None) -> None:
    (tmp_path / "ori.json").write_text(json.dumps({"11": PUBMEDQA, "12": PUBMEDQA}, indent=indent))
    key = tmp_path / "test_ground_truth.json"
    key.write_text(json.dumps({"12": "maybe"}, indent=indent))
    assert [item.split for item in read_items(tmp_path)] == ["train", "test"]
    with pytest.raises(BenchmarkError, match="holds answers only"):
        list(read_items(key))


@pytest.mark.parametrize(
    ("write", "numbers", "letters"),
    [
        (jsonl, [1, 4], "AD"),
        (parquet, [0, 3], "AD"),
        (jsonl, [2, 0], "CA"),  # a 0 proves the count, whatever the file
        (parquet, [2, 4], "BD"),
        (jsonl, [2], "B"),
        (parquet, [2], "C"),
    ],
)
def test_medmcqa_counts_from_1_or_0(
    tmp_path: Path, write: Callable[..., Path], numbers: list[int], letters: str
) -> None:
    path = write(tmp_path, *({**MEDMCQA, "cop": number, "id": str(number)} for number in numbers))
    assert "".join(item.answer for item in read_items(path)) == letters


@pytest.mark.parametrize("hidden", [{"cop": -1}, {"cop": None}])
def test_medmcqas_hidden_answers_are_empty(tmp_path: Path, hidden: dict[str, Any]) -> None:
    assert next(read_items(jsonl(tmp_path, MEDMCQA | hidden))).answer == ""


def test_several_right_letters(tmp_path: Path) -> None:
    assert next(read_items(jsonl(tmp_path, MEDXPERTQA | {"label": ["B", "A"]}))).answer == "AB"
    assert next(read_items(jsonl(tmp_path, MEDXPERTQA | {"label": "A"}))).answer == "A"


def test_a_mediq_case_with_its_question(tmp_path: Path) -> None:
    (case,) = read_cases(jsonl(tmp_path, MEDIQ, name="all_dev_good.jsonl"))
    assert case.opening == "A 62-year-old man hears badly."
    assert case.demographics == "62 years old, Male"
    assert case.facts == ("Patient is a man.", "Patient is dizzy.")
    assert case.item is not None
    assert case.text == case.item.question
    assert (case.split, case.item.answer, case.diagnosis) == ("validation", "B", "")


def test_a_mediq_record_without_a_patient_is_an_item(tmp_path: Path) -> None:
    path = jsonl(tmp_path, MEDIQ | {"context": [], "facts": []}, MEDIQ | {"id": 3})
    assert next(item.question for item in read_items(path)) == "What is best?"
    assert [case.id for case in read_cases(path)] == ["mediq:3"]


@pytest.mark.parametrize("write", [jsonl, array, parquet])
def test_an_agentclinic_case(tmp_path: Path, write: Callable[..., Path]) -> None:
    (case,) = read_cases(write(tmp_path, AGENTCLINIC))
    assert (case.opening, case.demographics) == ("Assess the tremor.", "50-year-old male")
    assert case.facts == (
        "History: Trembling hands for a year.",
        "Symptoms: Primary Symptom: Tremor",
        "Symptoms: Secondary Symptoms: Stiffness; Slow gait",
    )
    assert case.examination == {"Vital Signs: Heart Rate": "72 bpm", "Rigidity": "yes"}
    assert case.tests == {"Imaging: Head CT: Findings": "Normal"}
    assert (case.diagnosis, case.item) == ("Parkinson disease", None)
    assert "Normal" in case.text
    assert "Parkinson" not in case.text


def test_ids_are_stable_and_unique(tmp_path: Path) -> None:
    path = jsonl(tmp_path, MEDQA, MEDQA | {"answer_idx": "B"}, MEDQA)
    first, second, again = (item.id for item in read_items(path))
    assert first != second
    assert again == f"{first}#2"
    assert [item.id for item in read_items(jsonl(tmp_path, MEDQA, name="other.jsonl"))] == [first]


def test_a_folder_is_read_whole_in_the_order_of_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    jsonl(tmp_path / "b", MMLU_PRO, name="test.jsonl")
    jsonl(tmp_path, MEDQA, name="a.jsonl")
    jsonl(tmp_path, AGENTCLINIC, name="c.jsonl")
    (tmp_path / "README.md").write_text("read me")
    found = list(read_benchmark(tmp_path))
    assert [record.benchmark for record in found] == ["medqa", "mmlu_pro", "agentclinic"]
    assert [record.benchmark for record in read_items(tmp_path)] == ["medqa", "mmlu_pro"]
    assert all(isinstance(case, Case) for case in read_cases(tmp_path))


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({}, "mit"),
        ({"SOURCE.txt": "github.com/x\nlicence: CC BY 4.0 (repo LICENSE; parts MIT)\n"}, "cc-by-4.0"),
        ({"SOURCE.txt": "github.com/x\n", "LICENSE": "Apache License\nVersion 2.0, January 2004"}, "mit"),
    ],
)
def test_the_licence_stated_beside_the_data_or_the_published_one(
    tmp_path: Path, files: dict[str, str], licence: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert next(read_items(jsonl(tmp_path, MEDQA))).licence == licence


@pytest.mark.parametrize(
    ("text", "licence"),
    [("MIT License", "mit"), ("Apache License\n Version 2.0", "apache-2.0"), ("All rights reserved", "unknown")],
)
def test_a_licence_file_counts_where_nothing_is_known(tmp_path: Path, text: str, licence: str) -> None:
    (tmp_path / "LICENSE").write_text(text)
    assert next(read_items(jsonl(tmp_path, CONVERSATION | {"id": "own_1"}))).licence == licence


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("health_test.jsonl", "test"),
        ("all_dev_good.jsonl", "validation"),
        ("validation-00000-of-00001.parquet", "validation"),
        ("train.json", "train"),
        ("train_and_test.json", "test"),
        ("medqa_testset.jsonl", "test"),
        ("latest.json", "unknown"),
        ("test/0000.parquet", "test"),
        ("latest/0000.parquet", "unknown"),
    ],
)
def test_the_split_comes_from_the_names_of_file_and_folder(name: str, split: str) -> None:
    assert split_of(Path("data") / name) == split


@pytest.mark.parametrize(
    ("message", "question", "options"),
    [
        ("Q?\nA. x\nB. y", "Q?", ["x", "y"]),
        ("Q:\nA. first\nA. x\nB. y\nstill y\nC. z", "Q:\nA. first", ["x", "y\nstill y", "z"]),
        ("A. x\nB. \nD. no C", "", ["x", "D. no C"]),
    ],
)
def test_options_at_the_end_of_a_message(message: str, question: str, options: list[str]) -> None:
    asked, found = split_options(message)
    assert (asked, list(found.values())) == (question, options)


def test_null_options_of_a_parquet_struct_are_left_out(tmp_path: Path) -> None:
    five = MEDQA | {"options": {"A": "x", "B": "y", "C": "z"}, "answer_idx": "C"}
    two, three = read_items(parquet(tmp_path, MEDQA, five))
    assert (list(two.options), list(three.options)) == (["A", "B"], ["A", "B", "C"])
