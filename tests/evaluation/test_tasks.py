"""Benchmarks by name, and the order of their options."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.prompting import chat, chat_hash, continuations, load_template, plain
from evaluation.tasks import load_task
from synth.errors import UserError
from tests.data import DATA, needs_data
from tests.evaluation.tiny import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def test_seed_0_is_the_source(data: Path) -> None:
    task = load_task("medqa", data)
    assert len(task.items) == 12
    assert all(item.order == list("ABCD") for item in task.items)
    first = next(item for item in task.items if item.id == "medqa:q1")
    assert first.gold == "B"
    assert first.options["B"] == "finding 1 of kind b1"


def test_other_seeds_move_the_right_letter_along(data: Path) -> None:
    source = {item.id: item for item in load_task("medqa", data).items}
    orders = set()
    for seed in (1, 2):
        shown = load_task("medqa", data, seed=seed).items
        assert shown == load_task("medqa", data, seed=seed).items
        for item in shown:
            before = source[item.id]
            assert item.options[item.gold] == before.options[before.gold]
            assert [item.options[letter] for letter in "ABCD"] == [before.options[letter] for letter in item.order]
        orders |= {(item.id, tuple(item.order)) for item in shown}
    assert len(orders) > 16
    assert len({item.gold for item in shown}) == 4


def test_a_limit_takes_the_same_items_for_every_seed(data: Path) -> None:
    few = [item.id for item in load_task("medqa", data, limit=5).items]
    assert few == [item.id for item in load_task("medqa", data, limit=5, seed=3).items]
    assert set(few) < {item.id for item in load_task("medqa", data, limit=8).items}
    assert few != [f"medqa:q{number}" for number in range(5)]


def test_yes_no_maybe(data: Path) -> None:
    item = load_task("pubmedqa", data).items[0]
    assert item.options == {"A": "yes", "B": "no", "C": "maybe"}
    assert item.cluster != item.id
    assert plain(item).startswith("Abstract: Drug ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("medqua", "'medqua' is no task; did you mean 'medqa'?"),
        ("zzz", "there are medqa, medmcqa"),
        ("medmcqa", r"medmcqa is not there; get it from github.com/medmcqa/medmcqa, or mend --data"),
    ],
)
def test_mistakes_are_one_line(data: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_task(name, data)
    assert "\n" not in str(error.value)


def test_items_without_options(tmp_path: Path) -> None:
    (tmp_path / "medqa").mkdir()
    (tmp_path / "medqa" / "test.jsonl").write_text('{"question": "q", "options": {}, "answer_idx": "A"}\n', "utf-8")
    with pytest.raises(UserError, match=r"medqa: .*test.jsonl:1: options: 0 given, a question needs two or more"):
        load_task("medqa", tmp_path)


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "medqa").mkdir()
    row = '{"question": "q", "options": {"A": "x", "B": "y"}, "answer_idx": "A"}\n'
    (tmp_path / "medqa" / "train.jsonl").write_text(row, "utf-8")
    with pytest.raises(UserError, match="holds no question of the split test"):
        load_task("medqa", tmp_path)


def test_what_a_model_is_asked(data: Path) -> None:
    item = load_task("medqa", data).items[0]
    system, user = chat(load_template(), item, "German")
    assert "Answer: X" in system["content"]
    assert "German" in system["content"]
    assert all(f"{letter}. {text}\n" in user["content"] for letter, text in item.options.items())
    assert chat_hash(load_template(), "German") != chat_hash(load_template())
    options = "\n".join(f"{letter}. {text}" for letter, text in item.options.items())
    assert plain(item) == f"Question: {item.question}\n{options}\nAnswer:"
    assert continuations(item) == [" A", " B", " C", " D"]


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("name", ["medqa", "medmcqa", "pubmedqa", "mmlu_med", "mmlu_pro_health"])
def test_real_benchmarks(name: str) -> None:
    task = load_task(name, DATA, seed=1)
    assert len(task.items) >= 100
    assert all(item.gold in item.options for item in task.items)
    assert len({item.id for item in task.items}) == len(task.items)
