"""What benchmark readers say about files of other shapes: one line with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.readers import BenchmarkError, Case, Item, read_benchmark, read_cases, read_items
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
        (MEDQA | {"answer_idx": "E\n" * 900}, "is not among the options"),
        (MEDQA | {"id": ["x"]}, "id: a text is needed, not list"),
        (MMLU | {"answer": 10**4000}, "answer: the number is far too large"),
        (MMLU | {"subject": {"a": 1}}, "subject: a text is needed, not dict"),
        (MEDIQ | {"patient": "62 years old, Male"}, "patient: an object is needed, not str"),
        (MEDIQ | {"patient": {"age": ["62"]}}, "age: a text is needed, not list"),
        (PUBMEDQA_HUB | {"pubid": [1]}, "pubid: a text is needed, not list"),
        (MMLU_PRO | {"answer": 4}, 'is "4", but answer_index says "E"'),
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
        ("x.jsonl", b"", "holds no questions: the file is empty"),
        (
            "x.jsonl",
            json.dumps(MEDQA).encode() + b'\n{"id": ' + b"7" * 5000 + b"}",
            "x.jsonl:2: holds a number of too",
        ),
        ("x.json", b'[\n{"a": 1},\n{"id": ' + b"7" * 5000 + b"}]", "x.json:3: holds a number of too many digits"),
        ("x.jsonl", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "x.jsonl:1: is nested too deeply"),
        ("x.json", b"[" * 100_000 + b"]" * 100_000, "x.json:1: is nested too deeply"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchmarkError) as caught:
        list(read_items(tmp_path / name))
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def outcome(path: Path) -> list[Item | Case] | str:
    """What a file holds, or the error."""
    try:
        return list(read_benchmark(path))
    except BenchmarkError as error:
        return str(error)


@pytest.mark.parametrize("levels", [300, 900, 960, 990, 20_000])
def test_a_case_is_read_or_refused_in_one_line_however_deep_it_is(tmp_path: Path, levels: int) -> None:
    marked = json.dumps({"OSCE_Examination": AGENTCLINIC["OSCE_Examination"] | {"Test_Results": "DEEP"}})
    path = jsonl(tmp_path, AGENTCLINIC)
    deep = '{"a": ' * levels + '"Normal"' + "}" * levels
    path.write_text(path.read_text("utf-8") + marked.replace('"DEEP"', deep), "utf-8")
    found = outcome(path)
    if isinstance(found, str):
        assert found.startswith(f"{path}:2: is nested too deeply")
        assert levels > 300
    else:
        assert len(found) == 2


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**4000, -(10**4000), float("nan"), float("inf"), "", "A", "\ud800", "a\nb"])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
SHAPES = (MEDQA, MEDMCQA, PUBMEDQA, PUBMEDQA_HUB, MMLU, MMLU_PRO, MEDXPERTQA, CONVERSATION, MEDIQ, AGENTCLINIC)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a record, its own fields and those inside of them."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([above] if above else []), *(place for key, member in inner for place in places(member, (*above, key)))]


def changed(record: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(record) if isinstance(record, dict) else list(record)
    copy[place[0]] = changed(record[place[0]], place[1:], value)
    return copy


@pytest.mark.parametrize("good", SHAPES)
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_value_in_any_field_is_read_or_refused_in_one_line(
    tmp_path: Path, good: dict[str, Any], data: st.DataObject
) -> None:
    bad = changed(good, data.draw(st.sampled_from(places(good))), data.draw(ANY_JSON))
    path = jsonl(tmp_path, good, bad)
    found = outcome(path)
    if isinstance(found, str):
        assert found.startswith(f"{path}:2: ")
        assert "\n" not in found
        assert len(found) < len(str(path)) + 400
    else:
        assert len({one.id for one in found}) == 2
        for one in found:
            texts = [one.question, *one.options.values()] if isinstance(one, Item) else [one.text, *one.facts]
            assert all(isinstance(text, str) for text in texts)


def test_ids_that_stand_twice_stay_apart_from_those_of_others(tmp_path: Path) -> None:
    rows = [MEDMCQA | {"id": name} for name in ("a", "a", "a#2", "a", "a#2")]
    ids = [one.id for one in read_items(jsonl(tmp_path, *rows))]
    assert ids == ["medmcqa:a", "medmcqa:a#2", "medmcqa:a#2#2", "medmcqa:a#3", "medmcqa:a#2#3"]


def test_paths_that_hold_nothing_of_the_kind(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no such file or folder"):
        list(read_items(tmp_path / "none"))
    with pytest.raises(BenchmarkError, match="no file in this folder"):
        list(read_items(tmp_path))
    with pytest.raises(BenchmarkError, match="holds no patient cases, but questions"):
        list(read_cases(jsonl(tmp_path, MEDQA)))
    with pytest.raises(BenchmarkError, match="holds no questions, but patient cases"):
        list(read_items(jsonl(tmp_path, AGENTCLINIC)))
