"""What decontamination finds, what it flags in vain, and how fast.

    python -m benchmarks.decontaminate            # about four minutes; needs the data folder (see tests/data.py)

Recall: each pair of benchmarks in the folder that share questions, equal as words; every such pair has to be reported.
False alarms: MEDIQ's vignettes (of MedQA's training and validation split) against MedQA's test split, beside the plain
rule "any 13-gram in common". Speed: rows of shuffled sentences from the seed passages, every thousandth with an item
and its options pasted into it, against all benchmarks but training splits; time and peak memory of the command.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import run_and_watch, save
from filters.contamination import contaminated, find_matches
from filters.item_index import ItemIndex
from filters.readers import Item, read_items
from filters.text import words
from tests.data import DATA

EXAMS = ("medqa_us_4opt", "medmcqa", "pubmedqa", "mmlu_pro_health", "medsss_eval", "mediq")
BENCHMARKS = (*EXAMS, "agentclinic")
EVERY = 1000
SENTENCES = 10


def equal_questions(items: dict[str, list[Item]]) -> dict[str, dict[str, int]]:
    """For each two benchmarks that share questions: how many pairs there are and how many are found."""
    result = {}
    for rows, against in permutations(EXAMS, 2):
        asked: dict[tuple[str, ...], set[str]] = {}
        for item in items[against]:
            asked.setdefault(tuple(words(item.question)), set()).add(item.id)
        equal = {
            (row, other)
            for row, item in enumerate(items[rows])
            for other in asked.get(tuple(words(item.question)), ())
        }
        if equal:
            texts = pa.array([item.question for item in items[rows]])
            matches = find_matches(texts, ItemIndex.from_items(items[against]))
            found = {(match.row, match.item) for match in matches}
            result[f"{rows} in {against}"] = {
                "equal": len(equal),
                "found": len(equal & found),
                "items": len({other for _, other in equal}),
                "items_found": len({other for _, other in equal & found}),
            }
    return result


def false_alarms(rows: Sequence[Item], against: Sequence[Item]) -> dict[str, float]:
    """The share of rows flagged by containment, and by any n-gram in common."""
    texts = [item.question for item in rows]
    kept = contaminated(pa.array(texts), ItemIndex.from_items(against)).keep
    shares = {"ours": kept.count(False) / len(texts)}
    for n in (8, 13):
        known = ngrams((item.question for item in against), n)
        shares[f"any_{n}gram"] = sum(not known.isdisjoint(ngrams([text], n)) for text in texts) / len(texts)
    return {"rows": len(texts), "items": len(against), **shares}


def ngrams(texts: Iterable[str], n: int) -> set[tuple[str, ...]]:
    """All word n-grams."""
    found = (words(text) for text in texts)
    return {tuple(text[place : place + n]) for text in found for place in range(len(text) - n + 1)}


def write_rows(path: Path, count: int, items: Sequence[Item]) -> dict[str, int]:
    """``count`` rows; returns how many words and planted items they have."""
    rng = random.Random(7)
    passages = (re.split(r"(?<=[.?!])\s+", seed) for seed in seeds())
    sentences = [sentence for passage in passages for sentence in passage if len(sentence) > 20]
    schema = pa.schema({"id": pa.int64(), "text": pa.string(), "planted": pa.string()})
    total = 0
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, count, 10_000):
            texts, planted = [], []
            for row in range(start, min(start + 10_000, count)):
                chosen = rng.choices(sentences, k=SENTENCES)
                item = rng.choice(items) if row % EVERY == 0 else None
                if item:
                    options = "\n".join(f"{letter}. {text}" for letter, text in item.options.items())
                    chosen.insert(rng.randrange(SENTENCES), f"{item.question}\n{options}\n")
                texts.append(" ".join(chosen))
                planted.append(item.id if item else None)
            total += sum(text.count(" ") + 1 for text in texts)
            columns = [pa.array(range(start, start + len(texts))), pa.array(texts), pa.array(planted, pa.string())]
            file.write_table(pa.table(columns, schema=schema))
    return {"words": total, "planted": -(-count // EVERY)}


def seeds() -> list[str]:
    """The texts of the seed passages."""
    with (DATA / "seeds" / "seed_passages.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def speed(folder: Path, count: int, items: Sequence[Item]) -> dict[str, Any]:
    """Run the command on ``count`` rows."""
    rows, out = folder / f"{count}.parquet", folder / f"out-{count}"
    written = write_rows(rows, count, items)
    against = [str(DATA / name) for name in BENCHMARKS]
    figures = run_and_watch(
        ["filters.decontaminate", str(rows), "--against", *against, "--exclude-split", "train", "--out", str(out)]
    )
    flagged = pq.read_table(out / "flagged.parquet", columns=["planted", "containment"]).to_pylist()
    found = sum(row["planted"] is not None for row in flagged)
    rows.unlink()
    return {"rows": count, **written, "planted_found": found, "others_flagged": len(flagged) - found, **figures}


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs=2, default=(100_000, 1_000_000))
    arguments = parser.parse_args()
    items = {name: list(read_items(DATA / name)) for name in EXAMS}
    planted = [item for of in items.values() for item in of if item.split != "train"]
    result: dict[str, Any] = {
        "equal_questions": equal_questions(items),
        "mediq_against_medqa": false_alarms(items["mediq"], items["medqa_us_4opt"]),
    }
    with tempfile.TemporaryDirectory() as name:
        result["speed"] = few, many = [speed(Path(name), count, planted) for count in arguments.rows]
    result["memory_growth"] = many["peak_rss_mb"] / few["peak_rss_mb"]
    save("decontaminate", result)


if __name__ == "__main__":
    main()
