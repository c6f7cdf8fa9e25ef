"""Dialogue-like documents with planted near-duplicates, and the exact truth about them.

A document is a cento: fragments of 3 to 12 words from real texts, in turns of a doctor and a patient, 150 to 300
words, about 1.2 kB. Of 100 documents 20 are variants of another one (2, 5, 10 or 20 % of the words replaced, turns
shuffled, an exact copy) and 2 belong to a family that fills one template (200 of each 10,000). Ids are row numbers.
Seeded; chunks of 10,000 documents are independent, so that memory holds one.
"""

from __future__ import annotations

import csv
import json
import random
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import PASSAGES

CHUNK = 10_000
_EDITS = (0.02, 0.05, 0.1, 0.2)
_FAMILY_EDITS = (0.01, 0.03, 0.06)
Turns = list[list[str]]


def source_words(data: Path | None) -> list[str]:
    """The words of the dialogues under ``data``, or of the demo's passages."""
    if data is None:
        lines = PASSAGES.read_text(encoding="utf-8").splitlines()
        return " ".join(json.loads(line)["text"] for line in lines).split()
    csv.field_size_limit(sys.maxsize)
    found: list[str] = []
    for path in sorted([*data.glob("mts_dialog/*.csv"), *data.glob("aci_bench/*.csv")]):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                text = row.get("dialogue") or ""
                found.extend(re.sub(r"\[\w+\]|\b(?:Doctor|Patient|Guest_\w+):", " ", text).split())
    return found


def write_corpus(path: Path, documents: int, data: Path | None, seed: int) -> None:
    """Write ``documents`` rows of ``id`` and ``text``, one row group for each chunk."""
    words = source_words(data)
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for start in range(0, documents, CHUNK):
            count = min(CHUNK, documents - start)
            texts = _chunk(words, random.Random(f"{seed} {start}"), count)
            file.write_table(
                pa.table({"id": [str(row) for row in range(start, start + count)], "text": texts}, schema=schema)
            )


def _chunk(words: list[str], rng: random.Random, count: int) -> list[str]:
    planted, family = count // 5, count // 50
    base = [_document(words, rng) for _ in range(count - planted - family)]
    variants = [_variant(rng.choice(base), words, rng) for _ in range(planted)]
    template = _document(words, rng)
    members = [_edited(template, rng.choice(_FAMILY_EDITS), words, rng) for _ in range(family)]
    texts = ["\n".join(" ".join(turn) for turn in turns) for turns in [*base, *variants, *members]]
    rng.shuffle(texts)
    return texts


def _document(words: list[str], rng: random.Random) -> Turns:
    wanted, have = rng.randint(150, 300), 0
    turns: Turns = []
    while have < wanted:
        turn = ["Doctor:" if len(turns) % 2 == 0 else "Patient:"]
        for _ in range(rng.randint(1, 4)):
            at = int(rng.random() * (len(words) - 13))
            turn += words[at : at + rng.randint(3, 12)]
        turns.append(turn)
        have += len(turn)
    return turns


def _variant(turns: Turns, words: list[str], rng: random.Random) -> Turns:
    kind = rng.randrange(len(_EDITS) + 2)
    if kind < len(_EDITS):
        return _edited(turns, _EDITS[kind], words, rng)
    return turns if kind == len(_EDITS) else rng.sample(turns, len(turns))


def _edited(turns: Turns, share: float, words: list[str], rng: random.Random) -> Turns:
    return [[rng.choice(words) if rng.random() < share else word for word in turn] for turn in turns]


def true_pairs(texts: list[str], n: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of texts with an exact Jaccard similarity of word n-grams from ``threshold`` on: i < j, similarity.

    Nothing of the package is used: grams are numbered by sorting, not hashed, and every pair that shares one counts.
    """
    from scipy import sparse

    numbers: dict[str, int] = {}
    cut = [[numbers.setdefault(word, len(numbers)) for word in re.findall(r"\w+", text.lower())] for text in texts]
    lengths = np.array([len(found) for found in cut])
    grams = np.concatenate([np.array(found, dtype=np.int64) for found in cut])
    flat = grams
    for place in range(1, n):
        _, grams = np.unique(grams[:-1] * len(numbers) + flat[place:], return_inverse=True)
    rows = np.repeat(np.arange(len(texts)), np.maximum(lengths - n + 1, 0))
    starts = np.cumsum(lengths) - lengths
    inside = np.concatenate(
        [np.arange(start, start + max(length - n + 1, 0)) for start, length in zip(starts, lengths, strict=True)]
    )
    sets = sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, grams[inside])))
    sets.data[:] = 1  # repeats in a text were summed
    sizes = np.diff(sets.indptr)
    turned, found = sets.T.tocsr(), []
    for start in range(0, len(texts), 1000):
        shared = (sets[start : start + 1000] @ turned).tocoo()
        i, j = shared.row + start, shared.col
        similarity = shared.data / (sizes[i] + sizes[j] - shared.data)
        pick = (i < j) & (similarity >= threshold)
        found.append((i[pick], j[pick], similarity[pick]))
    first, second, how = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, how
