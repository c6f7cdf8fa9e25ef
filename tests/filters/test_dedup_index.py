from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash

from filters.dedup_index import SIDECAR, DedupIndex, write_index
from filters.duplicates import Duplicates, dedup
from filters.shingles import shingles
from tests.filters.test_near_duplicates import corpus

TEXTS = corpus(random.Random(3), 120)


def indexed(folder: Path, texts: list[str], first: int = 0, before: DedupIndex | None = None) -> Duplicates:
    """Deduplicate, and write an index of what stays."""
    folder.mkdir(exist_ok=True)
    ids = pa.array([f"t{first + row}" for row in range(len(texts))])
    found = dedup(pa.array(texts), threshold=0.7, ngram="word:3", ids=ids, against=before)
    keep = np.flatnonzero(found.verdicts.keep)
    write_index(folder, found.making, before, pa.chunked_array([ids]), found.sketches, keep)
    return found


def test_in_two_goes_as_in_one(tmp_path: Path) -> None:
    whole = indexed(tmp_path / "whole", TEXTS)
    half = len(TEXTS) // 2
    one = indexed(tmp_path / "one", TEXTS[:half])
    two = indexed(tmp_path / "two", TEXTS[half:], half, DedupIndex(tmp_path / "one"))
    assert one.verdicts.keep + two.verdicts.keep == whole.verdicts.keep
    assert sum(not keep for keep in two.verdicts.keep) > 10
    assert any(of.as_py() is not None and int(of.as_py()[1:]) < half for of in two.duplicate_of)
    first, second = DedupIndex(tmp_path / "whole"), DedupIndex(tmp_path / "two")
    assert first.ids.to_pylist() == second.ids.to_pylist()
    assert np.array_equal(first.signatures, second.signatures)
    for place, name in enumerate(second.ids.to_pylist()):
        members = second.members(np.array([place]))[place]
        assert members.tolist() == shingles(TEXTS[int(name[1:])], "word:3").tolist()


def test_in_place(tmp_path: Path) -> None:
    indexed(tmp_path, TEXTS[:50])
    before = len(DedupIndex(tmp_path))
    again = dedup(pa.array(TEXTS[:50]), threshold=0.7, ngram="word:3", against=DedupIndex(tmp_path), connected=True)
    assert again.verdicts.keep == [False] * 50
    assert before > 10


def test_datasketch_answers_from_it(tmp_path: Path) -> None:
    found = indexed(tmp_path, TEXTS)
    index = DedupIndex(tmp_path)
    lsh = index.lsh()
    plain = dict(zip(range(len(TEXTS)), TEXTS, strict=True))
    for row, text in plain.items():
        signature = MinHash(num_perm=128, seed=1, hashfunc=int, scheme="affine32")
        signature.update_batch([int(member) >> 32 for member in shingles(text, "word:3")])
        answers = lsh.query(signature)
        of = found.duplicate_of[row].as_py()
        assert (of or f"t{row}") in answers
    lsh.insert("new", signature)
    assert "new" in lsh.query(signature)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shingles": 1}, r"made by another version \(scheme affine32, shingles 1"),
        ({"scheme": "legacy"}, "made by another version"),
        ({"ngram": "word:5"}, "its index was made with ngram word:5, not word:3: use word:5"),
        ({"seed": 2}, "made with seed 2, not 1"),
        ({"new": 1}, "index.json: cannot be read"),
    ],
)
def test_an_index_made_otherwise_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    indexed(tmp_path, TEXTS[:5])
    sidecar = tmp_path / SIDECAR
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        dedup(pa.array(["a"]), threshold=0.7, ngram="word:3", against=DedupIndex(tmp_path))


def test_a_folder_without_an_index_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no index in it; name the --out folder"):
        DedupIndex(tmp_path)
    indexed(tmp_path, TEXTS[:5])
    (tmp_path / "index.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"index.parquet: cannot be read"):
        DedupIndex(tmp_path)
