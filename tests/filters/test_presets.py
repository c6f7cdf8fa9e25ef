from __future__ import annotations

import random

import pyarrow as pa
import pytest

from filters.duplicates import dedup
from filters.presets import PRESETS


def changed(words: list[str], share: float, rng: random.Random) -> str:
    places = rng.sample(range(len(words)), round(share * len(words)))
    return " ".join(f"new{rng.random()}" if place in places else word for place, word in enumerate(words))


@pytest.mark.parametrize(
    ("preset", "length", "share", "dropped"),
    [
        ("questions", 30, 1 / 30, True),
        ("questions", 20, 4 / 20, False),
        ("dialogues", 220, 0.04, True),
        ("dialogues", 220, 0.2, False),
        ("long", 2000, 0.015, True),
        ("long", 2000, 0.05, False),
    ],
)
def test_a_preset_finds_the_changes_that_its_table_says(preset: str, length: int, share: float, dropped: bool) -> None:
    rng = random.Random(f"{preset} {share}")
    ngram, threshold = PRESETS[preset]
    right = 0
    for _ in range(20):
        words = [f"w{rng.randrange(3000)}" for _ in range(length)]
        found = dedup(pa.array([" ".join(words), changed(words, share, rng)]), threshold=threshold, ngram=ngram)
        right += found.verdicts.keep == [True, not dropped]
    assert right >= 18


def test_turns_in_another_order_are_found_in_dialogues_and_pass_in_long_texts() -> None:
    rng = random.Random(4)
    turns = [" ".join(f"w{rng.randrange(3000)}" for _ in range(rng.randint(8, 22))) for _ in range(14)]
    texts = pa.array(["\n".join(turns), "\n".join(rng.sample(turns, len(turns)))])
    for preset, keep in (("dialogues", False), ("long", True)):
        ngram, threshold = PRESETS[preset]
        assert dedup(texts, threshold=threshold, ngram=ngram).verdicts.keep == [True, keep]
