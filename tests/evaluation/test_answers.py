"""Answers on disk: appended, resumed, refused when they are not what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.answers import SCHEMA, Answer, Answers, list_runs, list_tasks, read_answers, read_run
from synth.errors import UserError

ABOUT = {"model": "m", "method": "generate", "temperature": 0.0}


def one(number: int, seed: int = 0, answer: str | None = "A") -> Answer:
    name = f"q{number:02d}"
    return Answer(
        task="medqa",
        id=name,
        cluster=name,
        gold="A",
        answer=answer,
        method="generate",
        seed=seed,
        order=["A", "B"],
        prompt_hash="0" * 16,
        model="m",
        text="Answer: A",
    )


def test_a_run_is_written_and_read(tmp_path: Path) -> None:
    with Answers(tmp_path, "base", "medqa", ABOUT) as answers:
        answers.add([one(2), one(1)])
        answers.add([one(3, answer=None), one(1, seed=1, answer="B")])
    table = read_answers(tmp_path, "base", "medqa")
    assert table.schema == SCHEMA
    assert [(row["id"], row["seed"]) for row in table.to_pylist()] == [("q01", 0), ("q02", 0), ("q03", 0), ("q01", 1)]
    assert table.column("correct").to_pylist() == [True, True, False, False]
    assert table.column("parsed").to_pylist() == [True, True, False, True]
    assert (list_runs(tmp_path), list_tasks(tmp_path, "base"), read_run(tmp_path, "base")) == (
        ["base"],
        ["medqa"],
        ABOUT,
    )
    assert not (tmp_path / "answers" / "base" / "medqa.parts").exists()


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    killed = Answers(tmp_path, "base", "medqa", ABOUT)
    killed.add([one(1), one(2)])  # and never closed
    assert read_answers(tmp_path, "base", "medqa").num_rows == 2
    with Answers(tmp_path, "base", "medqa", ABOUT) as answers:
        assert answers.done == {("q01", 0), ("q02", 0)}
        answers.add([one(3)])
    assert read_answers(tmp_path, "base", "medqa").num_rows == 3
    with Answers(tmp_path, "base", "medqa", ABOUT) as answers:
        assert len(answers.done) == 3
    assert read_answers(tmp_path, "base", "medqa").num_rows == 3


def test_rows_that_stand_in_the_whole_and_in_a_batch_are_read_once(tmp_path: Path) -> None:
    with Answers(tmp_path, "base", "medqa", ABOUT) as answers:
        answers.add([one(1)])
    again = Answers(tmp_path, "base", "medqa", ABOUT)
    again.add([one(1)])
    assert read_answers(tmp_path, "base", "medqa").num_rows == 1


def test_another_run_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with Answers(tmp_path, "base", "medqa", ABOUT | {"temperature": 2.0}):
        pass  # it has no answer and binds nobody
    with Answers(tmp_path, "base", "medqa", ABOUT) as answers:
        answers.add([one(1)])
    with pytest.raises(UserError, match=r"had temperature 0.0, this one has 1.0: give this one another --name"):
        Answers(tmp_path, "base", "medqa", ABOUT | {"temperature": 1.0})


@pytest.mark.parametrize("broken", ["answers/base/medqa.parquet", "answers/base/medqa.parts/000001.parquet"])
def test_a_torn_file_is_refused(tmp_path: Path, broken: str) -> None:
    answers = Answers(tmp_path, "base", "medqa", ABOUT)
    answers.add([one(1)])
    if broken.endswith("medqa.parquet"):
        answers.close()
    path = tmp_path / broken
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="cannot be read, delete it to ask again"):
        Answers(tmp_path, "base", "medqa", ABOUT)
    with pytest.raises(UserError, match="cannot be read"):
        read_answers(tmp_path, "base", "medqa")


@pytest.mark.parametrize("name", ["", "../base", "a/b", ".hidden", "x" * 101])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be a name"):
        Answers(tmp_path, name, "medqa", ABOUT)


def test_no_answers_at_all(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(UserError, match="no such answers"):
        read_answers(tmp_path, "base", "medqa")
