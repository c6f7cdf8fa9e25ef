"""What the Hub's viewer and storage see in the files: types in the card, row groups, page index, stable chunks."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from synth.card_front import front_matter
from synth.card_spec import spec_lines
from synth.rows import KINDS, SCHEMAS, kept_batch
from synth.staging import GROUP_ROWS, RowWriter
from tests.synth.factories import make_row, make_spec
from tests.synth.publishing import make_run, rows_of

MB = 1_000_000


def test_the_card_types_every_column_as_datasets_does() -> None:
    datasets = pytest.importorskip("datasets")
    meta = yaml.safe_load(front_matter(make_spec(), {kind: {"train": 3, "validation": 1} for kind in KINDS}))
    assert [info["config_name"] for info in meta["dataset_info"]] == list(KINDS)
    for info in meta["dataset_info"]:
        said = datasets.Features._from_yaml_list(info["features"])
        assert said == datasets.Features.from_arrow_schema(SCHEMAS[info["config_name"]])
        assert info["splits"] == [{"name": "train", "num_examples": 3}, {"name": "validation", "num_examples": 1}]


def test_the_spec_in_the_card_is_yaml_without_servers_and_folders(tmp_path: Path) -> None:
    model = {"engine": "openai", "model": "writer-1", "base_url": "http://10.0.0.7:8000/v1", "api_key_env": "OUR_KEY"}
    spec = make_spec(
        models={"generator": model},
        produce={"dialogues": {"personas": str(tmp_path / "who.yaml")}},
        filters={"decontaminate": {"against": [str(tmp_path / "medqa.jsonl")]}},
    )
    text = "\n".join(spec_lines(spec))
    said = yaml.safe_load(text)
    assert said["produce"]["dialogues"]["personas"] == "who.yaml"
    assert said["filters"]["decontaminate"]["against"] == ["medqa.jsonl"]
    assert said["seed"] == spec.seed
    for foreign in ("10.0.0.7", "OUR_KEY", str(tmp_path)):
        assert foreign not in text


def test_the_card_of_a_run_says_what_its_readers_need(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", rows_of(6, generator="teacher-9"))
    card = (run / "export" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "cc-by-4.0"
    flat = " ".join(body.split())
    for heading in ("Uses", "Seeds", "Filters", "Flags", "Decontamination", "People", "Licence and terms", "Versions"):
        assert f"## {heading}\n" in body
    assert "not medical advice" in flat
    assert "Not meant for: advice, triage, diagnosis or treatment" in flat
    assert "judge-1`, `teacher-9`. The terms of these models" in flat
    assert "@misc{cardiology," in body
    assert "title = {{cardiology: synthetic medical text}}" in body
    assert yaml.safe_load(re.search(r"```yaml\n(.*?)```", body, re.DOTALL)[1])["produce"]  # type: ignore[index]
    manifest = json.loads((run / "export" / "manifest.json").read_text())
    digest = {file["path"]: file["sha256"] for file in manifest["files"]}
    assert digest["README.md"] == hashlib.sha256(card.encode()).hexdigest()


def text(number: int, words: int) -> str:
    """Other text for each number, quick to make: random bytes in hex, the first of them repeated to the length."""
    own = random.Random(number).randbytes(2000).hex()
    return (own * (words // 1000 + 1))[: 4 * words]


def write(path: Path, texts: int, words: int, skip: int = -1) -> Path:
    rows = [make_row("sft", f"s{n}", response=text(n, words)) for n in range(texts) if n != skip]
    with RowWriter(path, SCHEMAS["sft"]) as file:
        for start in range(0, len(rows), 100):
            file.write(kept_batch("sft", rows[start : start + 100]))
    return path


def test_row_groups_and_page_index_suit_the_viewer(tmp_path: Path) -> None:
    metadata = pq.read_metadata(write(tmp_path / "many.parquet", 2500, 20))
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [GROUP_ROWS, GROUP_ROWS, 500]
    for group in groups:
        for at in range(group.num_columns):
            assert group.column(at).has_offset_index
            assert group.column(at).has_column_index


def test_long_rows_make_small_groups(tmp_path: Path) -> None:
    metadata = pq.read_metadata(write(tmp_path / "long.parquet", 600, 60_000))
    sizes = [metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups)]
    assert len(sizes) > 1
    assert max(sizes) < 286 * MB


def test_a_row_less_changes_few_chunks(tmp_path: Path) -> None:
    """Chunks are cut by content: most pages survive the loss of a row, where by default all of them are written anew,
    so that the Hub stores a later version for little."""
    one = pages(write(tmp_path / "one.parquet", 900, 2000))
    other = pages(write(tmp_path / "other.parquet", 900, 2000, skip=600))
    assert len(one) > 5
    assert len(one & other) >= len(one) / 2
    default = tmp_path / "default.parquet"
    pq.write_table(pq.read_table(tmp_path / "one.parquet"), default, compression="zstd")
    pq.write_table(pq.read_table(tmp_path / "other.parquet"), tmp_path / "less.parquet", compression="zstd")
    assert not pages(default) & pages(tmp_path / "less.parquet")


def pages(path: Path) -> set[str]:
    """Digests of the pages of the longest column, cut at the page index's offsets as the file has them."""
    data, metadata = path.read_bytes(), pq.read_metadata(path)
    found = set()
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            column = metadata.row_group(group).column(at)
            if column.path_in_schema == "response":
                start = column.dictionary_page_offset or column.data_page_offset
                chunk = data[start : start + column.total_compressed_size]
                # A Zstandard frame opens with its magic number: one frame a page.
                found |= {hashlib.sha256(b).hexdigest() for b in chunk.split(b"\x28\xb5\x2f\xfd")}
    return found
