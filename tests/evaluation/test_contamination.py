from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.contamination import contaminated_ids, read_contamination, training_texts, write_contamination
from evaluation.tasks import Question
from synth.errors import UserError

LONG = (
    "A 54-year-old carpenter notices that his left hand has become weak over six weeks and that he drops tools while "
    "working on ladders; his reflexes are brisk, his speech has slowed and his tongue flickers at rest"
)
OTHER = (
    "A girl of nine is brought in by her aunt after a weekend at a lake because both ankles have swollen, her urine "
    "is dark like tea and her eyelids are puffy in the morning, three weeks after a sore throat"
)


def question(name: str, text: str, context: str = "") -> Question:
    options = {"A": "Amyotrophic lateral sclerosis", "B": "Nephritis", "C": "Migraine", "D": "Gout"}
    return Question(f"medqa:{name}", f"medqa:{name}", text, context, options, "A", list("ABCD"), "")


def test_an_item_in_a_text_is_found_with_its_words() -> None:
    items = [question("one", LONG), question("two", OTHER)]
    found = contaminated_ids(items, ["Nothing here.", f"Here is a case.\n{LONG.upper()}, what is it?", ""])
    assert list(found) == ["medqa:one"]
    assert found["medqa:one"].startswith("share 1.00: a 54-year-old carpenter notices")


def test_the_fullest_text_is_the_evidence() -> None:
    half = " ".join(LONG.split()[:20])
    found = contaminated_ids([question("one", LONG)], [half, LONG, half])
    assert found["medqa:one"].startswith("share 1.00")


def test_what_is_to_be_read_first_counts_too() -> None:
    assert contaminated_ids([question("one", "Does it help?", context=OTHER)], [OTHER]).keys() == {"medqa:one"}


def test_texts_are_streamed_in_any_number() -> None:
    texts = (LONG if number == 9_000 else f"filler text number {number}" for number in range(9_001))
    assert contaminated_ids([question("one", LONG)], texts).keys() == {"medqa:one"}
    assert contaminated_ids([question("one", LONG)], []) == {}


def export(folder: Path) -> None:
    messages = [[{"role": "user", "content": LONG}, {"role": "assistant", "content": "It is ALS."}]]
    chosen = [[{"role": "assistant", "content": OTHER}]]
    sft = pa.table({"id": ["a"], "messages": messages, "instruction": ["not read twice"]})
    preference = pa.table({"prompt": [[{"role": "user", "content": "And?"}]], "chosen": chosen, "rejected": chosen})
    for kind, table in (("sft", sft), ("preference", preference)):
        (folder / "export" / kind).mkdir(parents=True)
        pq.write_table(table, folder / "export" / kind / "train-00000-of-00001.parquet")
    (folder / "spec.lock.yaml").write_text("name: x\n")
    (folder / "rejected").mkdir()
    pq.write_table(pa.table({"payload": ["x"]}), folder / "rejected" / "sft.parquet")


def test_every_kind_of_a_run_is_read_and_nothing_else(tmp_path: Path) -> None:
    export(tmp_path)
    texts = list(training_texts([tmp_path]))
    assert texts == [f"And?\n{OTHER}\n{OTHER}", f"{LONG}\nIt is ALS."]
    items = [question("one", LONG), question("two", OTHER)]
    assert contaminated_ids(items, texts).keys() == {"medqa:one", "medqa:two"}


def test_plain_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "Q", "answer": "A", "note": "n"}\n')
    assert list(training_texts([tmp_path / "rows.jsonl"])) == ["Q\nA"]


def test_what_cannot_be_searched_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.lock.yaml").write_text("name: x\n")
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.table({"number": [1]}), tmp_path / "numbers.parquet")
    for path, what in (
        ("run", "no finished export"),
        ("empty", "no Parquet file"),
        ("numbers.parquet", "no column of texts"),
        ("missing", "missing"),
    ):
        with pytest.raises(UserError, match=what) as error:
            list(training_texts([tmp_path / path]))
        assert "\n" not in str(error.value)


def test_sources_are_kept_apart_and_finding_nothing_is_kept(tmp_path: Path) -> None:
    assert read_contamination(tmp_path, "medqa") == {}
    write_contamination(tmp_path, "medqa", "training data a", {"x": "share 1.00: words"}, ["x", "y"])
    write_contamination(tmp_path, "medqa", "pool b", {}, ["x"])
    write_contamination(tmp_path, "medqa", "training data a", {"y": "share 0.50: wörds"}, ["y", "z"])
    assert read_contamination(tmp_path, "medqa") == {
        "training data a": {"x": "share 1.00: words", "y": "share 0.50: wörds", "z": ""},
        "pool b": {"x": ""},
    }
    (tmp_path / "contamination" / "medqa.json").write_text('{"a": [1')
    with pytest.raises(UserError, match="cannot be read"):
        read_contamination(tmp_path, "medqa")
