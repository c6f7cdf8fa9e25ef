"""Decontamination on the published benchmarks: known overlaps are found, unlike texts are left alone."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pytest

from filters.contamination import contaminated, find_matches
from filters.item_index import ItemIndex
from filters.readers import read_items
from filters.text import words
from tests.data import DATA, needs_data

pytestmark = [pytest.mark.data, needs_data]
ALL = ("medqa_us_4opt", "medmcqa", "pubmedqa", "mmlu_pro_health", "medsss_eval", "mediq", "agentclinic")


@pytest.mark.parametrize("with_options", [False, True])
def test_every_question_of_mmlu_pro_that_mmlu_has_is_found_in_it(with_options: bool) -> None:
    rows = list(read_items(DATA / "medsss_eval"))
    items = list(read_items(DATA / "mmlu_pro_health"))
    equal = {
        (row, other.id)
        for row, item in enumerate(rows)
        for other in items
        if item.question.lower()[:20] == other.question.lower()[:20] and words(item.question) == words(other.question)
    }
    assert len(equal) > 150
    texts = [row.question + ("\n" + "\n".join(row.options.values()) if with_options else "") for row in rows]
    found = {(match.row, match.item) for match in find_matches(pa.array(texts), ItemIndex.from_items(items))}
    assert equal <= found


def test_vignettes_that_share_phrases_alone_are_left() -> None:
    texts = [item.question for item in read_items(DATA / "mediq")]
    keep = contaminated(pa.array(texts), ItemIndex.from_files([DATA / "medqa_us_4opt"])).keep
    assert 0 < keep.count(False) < 0.01 * len(texts)  # one pair of questions about the same newborn is alike


def test_passages_hold_training_items_of_pubmedqa_and_no_test_items() -> None:
    with (DATA / "seeds" / "seed_passages.jsonl").open(encoding="utf-8") as lines:
        texts = pa.array([json.loads(line)["text"] for line in lines])
    paths = [DATA / name for name in ALL]
    assert find_matches(texts, ItemIndex.from_files(paths, exclude_splits=["train"])) == []
    matches = find_matches(texts, ItemIndex.from_files(paths))
    assert {match.benchmark for match in matches} == {"pubmedqa"}
    assert len(matches) > 300


def test_real_dialogues_hold_no_item() -> None:
    with (DATA / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8", newline="") as file:
        texts = pa.array([row["dialogue"] for row in csv.DictReader(file)])
    assert contaminated(texts, ItemIndex.from_files([DATA / name for name in ALL])).counts() == {}
