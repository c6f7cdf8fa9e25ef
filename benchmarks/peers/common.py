"""What the peers' scripts share: reading, cutting into 5-grams in plain Python, writing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pyarrow.parquet as pq

WORD = re.compile(r"\w+")
THRESHOLD, PERMUTATIONS = 0.8, 128


def grams(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return list(map(" ".join, zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))


def main(keep: Callable[[list[str]], list[bool]]) -> None:
    """Read, let ``keep`` say of each text whether it stays, write."""
    table = pq.read_table(sys.argv[1])
    pq.write_table(table.filter(keep(table["text"].to_pylist())), sys.argv[2], compression="zstd")
