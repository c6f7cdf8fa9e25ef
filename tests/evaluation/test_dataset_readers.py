"""Training data of every shape as conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.dataset_readers import Dataset
from synth.errors import UserError

CHAT = (("user", "Why?"), ("assistant", "So."))
SHAPES: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
    "mixed": {"conversations": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
    "alpaca": {"instruction": "Why?", "input": "", "output": "So."},
    "dolly": {"instruction": "Why?", "response": "So."},
    "completion": {"prompt": "Why?", "completion": "So."},
    "chats": {
        "prompt": [{"role": "user", "content": "Why?"}],
        "completion": [{"role": "assistant", "content": "So."}],
    },
}


def written(folder: Path, *rows: dict[str, Any], name: str = "data.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_the_same_conversation(shape: str, tmp_path: Path) -> None:
    [example] = Dataset(written(tmp_path, SHAPES[shape])).examples()
    assert example.turns == CHAT
    assert (example.text, example.replies) == ("Why?\nSo.", "So.")


@pytest.mark.parametrize("shape", SHAPES)
def test_parquet_says_the_same(shape: str, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([SHAPES[shape]]), tmp_path / "data.parquet")
    [example] = Dataset(tmp_path / "data.parquet").examples()
    assert example.turns == CHAT


def test_reasoning_stands_before_the_answer(tmp_path: Path) -> None:
    row = {"Question": "Why?", "Complex_CoT": "Let me see.", "Response": "So."}
    [example] = Dataset(written(tmp_path, row)).examples()
    assert example.turns == (("user", "Why?"), ("assistant", "Let me see.\n\nSo."))


def test_an_input_belongs_to_the_question(tmp_path: Path) -> None:
    row = {"instruction": "Why?", "input": "At night.", "output": "So."}
    [example] = Dataset(written(tmp_path, row)).examples()
    assert example.turns[0] == ("user", "Why?\n\nAt night.")


def test_csv_is_read(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("instruction,output\nWhy?,So.\n")
    [example] = Dataset(tmp_path / "data.csv").examples()
    assert example.turns == CHAT


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    written(tmp_path, SHAPES["messages"], name="train/b.jsonl")
    written(tmp_path, SHAPES["messages"], SHAPES["messages"], name="validation/a.jsonl")
    written(tmp_path, {"what": "else"}, name=".cache/c.jsonl")
    (tmp_path / "README.md").write_text("# data")
    assert [example.number for example in Dataset(tmp_path).examples()] == [0, 1, 2]


def test_rows_without_an_answer_are_counted(tmp_path: Path) -> None:
    rows = [SHAPES["alpaca"], {"instruction": "Why?", "output": " "}, {"instruction": "Why?", "output": None}]
    dataset = Dataset(written(tmp_path, *rows))
    assert len(list(dataset.examples())) == 1
    assert dataset.passed_over == 2
    assert len(list(dataset.examples())) == 1
    assert dataset.passed_over == 2


def test_our_consultations_keep_their_actions(tmp_path: Path) -> None:
    turn = {"speaker": "doctor", "text": "So.", "action": "diagnose", "argument": "gout"}
    [example] = Dataset(written(tmp_path, {**SHAPES["messages"], "turns": [turn], "case": "{}"})).examples()
    assert [dict(one) for one in example.consultation] == [turn]
    assert example.case == "{}"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"text": "Once upon a time", "id": 1}, "it has the columns text, id; known are messages"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "it has the columns prompt, chosen, rejected"),
    ],
)
def test_other_shapes_are_named(row: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=complaint):
        Dataset(written(tmp_path, row))


def test_a_folder_without_data_and_a_missing_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.parquet"):
        Dataset(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        Dataset(tmp_path / "data.jsonl")


TURN = st.fixed_dictionaries({"from": st.none() | st.text(max_size=5), "value": st.none() | st.text(max_size=8)})


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.none() | st.lists(st.none() | TURN, max_size=3), min_size=1, max_size=5))
def test_odd_conversations_never_raise(rows: list[Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        whole = {"conversations": [{"from": "gpt", "value": "So."}]}
        path = written(Path(folder), whole, *({"conversations": row} for row in rows))
        dataset = Dataset(path)
        found = list(dataset.examples())
        assert len(found) + dataset.passed_over == len(rows) + 1
        assert all(text.strip() for example in found for _, text in example.turns)
