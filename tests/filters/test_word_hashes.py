from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import shingles
from filters.shingles import block_shingles, blocks
from filters.text import normalise, spaced_words, words
from filters.word_hashes import word_hashes

# Words that meet, marks, scripts without spaces, words around 8, 16 and 64 bytes, and texts without words.
PIECES = [
    "a",
    "B",
    "_",
    " ",
    "\n",
    "?",
    "é",
    "\u0301",
    "糖",
    "ส",
    "–",
    "🙂",
    "İ",
    "Ⅳ",
    "ab" * 4,
    "x" * 9,
    "y" * 64,
    "z" * 65,
]
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=20))


def hashes(texts: list[str]) -> list[list[int]]:
    column = pa.array(texts, pa.large_string())
    flat, counts = zip(*(word_hashes(*block) for block in blocks(column)), strict=True) if texts else ((), ())
    ends = np.cumsum(np.concatenate(counts)) if texts else []
    return [part.tolist() for part in np.split(np.concatenate(flat), ends[:-1])] if texts else []


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=8))
def test_equal_words_and_only_they_have_equal_hashes(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    expected = [words(text) or ([("whole", whole)] if (whole := normalise(text)) else []) for text in texts]
    found = hashes(texts)
    assert [len(part) for part in found] == [len(part) for part in expected]
    pairs = {(word, value) for a, b in zip(expected, found, strict=True) for word, value in zip(a, b, strict=True)}
    assert len(pairs) == len({word for word, _ in pairs}) == len({value for _, value in pairs})


@settings(deadline=None)
@given(TEXTS)
def test_spaced_words_are_the_words(text: str) -> None:
    assert words(spaced_words(text)) == words(text)


@pytest.mark.parametrize("ngram", ["word:1", "word:3", "char:4"])
def test_where_blocks_end_does_not_matter(ngram: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["chest pain", "", "Brustschmerz – für 2 Tage", "胸痛两天", "a" * 200, "?!", "x y z " * 30] * 5
    column = pa.array(["left out", *texts], pa.large_string()).slice(1)
    seen = []
    for size in (1, 50, 300, 1 << 20):
        monkeypatch.setattr(shingles, "BLOCK", size)
        parts = [block_shingles(*block, ngram) for block in blocks(column)]
        seen.append([np.concatenate(part).tolist() for part in zip(*parts, strict=True)])
    assert len(parts) == 1
    assert seen[0] == seen[1] == seen[2] == seen[3]
    alone = [shingles.shingles(text, ngram).tolist() for text in texts]
    ends = np.cumsum(seen[0][1])[:-1]
    assert [np.unique(part).tolist() for part in np.split(np.array(seen[0][0], dtype=np.uint64), ends)] == alone


def test_a_long_document_without_a_space() -> None:
    (found,) = hashes(["x" * 10_000_000])
    assert len(found) == 1
