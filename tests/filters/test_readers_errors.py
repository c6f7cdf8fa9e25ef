"""What benchmark readers say about files of other shapes: one line with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filters.readers import BenchmarkError, read_benchmark, read_cases, read_items
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
    jsonl,
)


def without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (MEDQA | {"answer_idx": "E"}, '"E" is not among the options A, B'),
        (MEDQA | {"options": {}}, "options: 0 given"),
        (MEDQA | {"options": ["x", "y"]}, "options: a list of {key, value} is needed"),
        (MEDQA | {"question": " "}, "question: is empty"),
        (MEDQA | {"question": ["x"]}, "question: a text is needed, not list"),
        (MEDMCQA | {"cop": 7}, "option number 7 does not exist"),
        (without(MEDMCQA, "opd"), "opd: is missing"),
        (PUBMEDQA | {"final_decision": "perhaps"}, '"perhaps" is not one of yes, no, maybe'),
        (PUBMEDQA_HUB | {"context": "x"}, "context: an object is needed"),
        (MMLU | {"answer": 4}, "option number 5 does not exist"),
        (MMLU | {"answer": "A"}, "answer: a whole number is needed"),
        (MMLU_PRO | {"answer": "A"}, 'is "A", but answer_index says "E"'),
        (MEDXPERTQA | {"label": []}, "answer: is empty"),
        (MEDXPERTQA | {"options": [{"letter": "A", "content": "x"}] * 2}, "a letter stands twice"),
        (CONVERSATION | {"conversations": []}, "conversations: a list with one message is needed"),
        (CONVERSATION | {"conversations": [{"value": "no options"}]}, 'no line begins with "A. "'),
        (without(MEDIQ, "facts"), "facts: is missing"),
        (MEDIQ | {"facts": []}, "facts: none given"),
        ({"OSCE_Examination": without(AGENTCLINIC["OSCE_Examination"], "Patient_Actor")}, "Patient_Actor: is missing"),
        ({"text": "a passage", "url": "x"}, "no known benchmark has these fields: text, url"),
        (MEDQA | {"answer_idx": ""}, "answer: is empty"),
    ],
)
def test_other_shapes_are_one_line_with_file_and_line(tmp_path: Path, row: dict[str, Any], error: str) -> None:
    good = next((good for good in (MEDQA, MEDMCQA, MEDIQ) if good.keys() == row.keys()), None)
    path = jsonl(tmp_path, *([good] if good else []), row)
    with pytest.raises(BenchmarkError) as caught:
        list(read_benchmark(path))
    assert error in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{2 if good else 1}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("x.jsonl", b'{"question": \n', "x.jsonl:1: is no JSON"),
        ("x.jsonl", json.dumps(MEDQA).encode() + b'\n{"question\n', "x.jsonl:2: is no JSON"),
        ("x.jsonl", json.dumps(MEDQA).encode() + b"\n[1, 2]\n", "x.jsonl:2: an object is needed, not list"),
        ("x.json", b'[\n{"a": 1},\n{]', "x.json:3: is no JSON"),
        ("x.json", b"[1]", "x.json, record 1: an object is needed"),
        ("x.jsonl", b'\xff\xfe{"a": 1}', "is not UTF-8"),
        ("x.parquet", b"PAR1 not", "is no readable Parquet file"),
        ("x.txt", b"", "benchmarks are read from"),
        ("x.jsonl", b"", "holds no questions"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchmarkError) as caught:
        list(read_items(tmp_path / name))
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_hold_nothing_of_the_kind(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no such file or folder"):
        list(read_items(tmp_path / "none"))
    with pytest.raises(BenchmarkError, match="no file in this folder"):
        list(read_items(tmp_path))
    with pytest.raises(BenchmarkError, match="holds no cases"):
        list(read_cases(jsonl(tmp_path, MEDQA)))
    with pytest.raises(BenchmarkError, match="holds no questions"):
        list(read_items(jsonl(tmp_path, AGENTCLINIC)))
