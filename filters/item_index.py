"""Benchmark items prepared for being found in other texts: what :mod:`filters.contamination` builds once.

An item is compared by its parts: the question, and, of PubMedQA, the context for itself; of a case without a question
everything that is known of the patient. Options alone are not compared, for "aspirin" says nothing.

- A part of 13 or more words is compared by its distinct 8-grams and 13-grams. n-grams that stand in ten or more
  different parts ("of the following is the most likely", vital signs) are **stock**: they count neither for nor
  against an item.
- A shorter part is compared whole.
- A part is **vague** where it has fewer than five words ("Gluten"), or is short and asked with different answers in
  one benchmark ("Which of the following is true?"), or has stock 13-grams alone, which then are all compared. It
  counts only where the row says nothing else, or holds the right option, too (all options, if none is published).

Memory is bounded by the items: measured, about 95 bytes for each of their words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.ngram_tables import Codes, NgramTable, Numbers, WordCodes, distinct_pairs, rolling
from filters.readers import Case, Item, read_benchmark
from filters.text import storable, words

Marks = NDArray[np.bool_]

SHARES = (8, 13)
"""Lengths of the n-grams whose share is measured."""
LONG = 13
"""Words from which on a part is compared by shares."""
TELLING = 5
"""Words from which on a question alone may name an item."""
STOCK = 10
"""An n-gram in so many different parts is stock."""


@dataclass(frozen=True, slots=True)
class Target:
    """An item as it is reported, with what is needed beside the tables."""

    id: str
    benchmark: str
    split: str
    text: str
    """The question, of a case the whole text."""
    answers: tuple[str, ...]
    """The right options, or all where none is published, as words with one space between: for vague questions."""


class ItemIndex:
    """Targets and the tables to find them by; see :meth:`from_items` and :meth:`from_files`."""

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.shares: dict[int, NgramTable] = {}
        """n: which n-grams that are not stock stand in which long parts."""
        self.sizes: dict[int, Numbers] = {}
        """n: how many there are in each part, 0 for a short one."""
        self.whole: dict[int, NgramTable] = {}
        """n: the short parts of n words."""
        self._codes: list[Codes] = []
        self._owners: list[list[int]] = []
        self._vague: set[int] = set()

    @classmethod
    def from_items(cls, items: Iterable[Item | Case], stock: int = STOCK) -> ItemIndex:
        """Index items; parts that are equal as words are held once, each of their items is reported.

        Args:
            items: questions, cases or both.
            stock: in how many different parts an n-gram has to stand to be ignored, at least 2.

        Raises:
            ValueError: ``stock`` is out of range.
        """
        if stock < 2:
            raise ValueError(f"stock must be at least 2, got {stock}")
        index = cls()
        parts: list[tuple[str, int]] = []
        for item in items:
            target, contexts = _target(item)
            parts += [(part, len(index.targets)) for part in (target.text, *contexts)]
            index.targets.append(target)
        index._number(parts)
        index._build(stock)
        return index

    @classmethod
    def from_files(cls, paths: Iterable[str | Path], exclude_splits: Collection[str] = ()) -> ItemIndex:
        """Index all items and cases of files and folders, but those of the given splits.

        Raises:
            filters.readers.BenchmarkError: one line that says which file cannot be read and why.
        """
        found = (item for path in paths for item in read_benchmark(path))
        return cls.from_items(item for item in found if item.split not in exclude_splits)

    def owners(self, part: int) -> list[int]:
        """Numbers of the targets that a part belongs to."""
        return self._owners[part]

    def is_vague(self, part: int) -> bool:
        """Whether a part names its items only together with their right options."""
        return part in self._vague

    def length(self, part: int) -> int:
        """The words of a part."""
        return len(self._codes[part])

    def grams(self, part: int) -> tuple[int, Codes]:
        """n and the n-grams of a part, stock ones included: 8 for a long part, else one, as long as itself."""
        codes = self._codes[part]
        length = min(SHARES) if len(codes) >= LONG else len(codes)
        return length, next(grams for _, grams in rolling(codes, {length}))

    def _number(self, parts: list[tuple[str, int]]) -> None:
        """Texts beside the numbers of their targets, made into distinct parts."""
        numbers: dict[bytes, int] = {}
        found = WordCodes(pa.array([storable(text) for text, _ in parts], pa.large_string()))
        for place, (_, target) in enumerate(parts):
            codes = found.of(place)
            number = numbers.setdefault(codes.tobytes(), len(numbers))
            if number == len(self._codes):
                self._codes.append(codes)
                self._owners.append([])
            self._owners[number].append(target)

    def _build(self, stock: int) -> None:
        lengths = np.array([len(codes) for codes in self._codes], dtype=np.int64)
        codes = np.concatenate([*self._codes, np.empty(0, dtype=np.uint64)])
        part_of = np.repeat(np.arange(len(lengths)), lengths)
        short = {int(length) for length in np.unique(lengths[lengths < LONG])}
        for n, grams in rolling(codes, short | set(SHARES)):
            begins, ends = part_of[: len(grams)], part_of[len(part_of) - len(grams) :]
            inside = begins == ends
            found, holders = grams[inside], begins[inside]
            order = np.lexsort((holders, found))
            found, holders = found[order], holders[order]
            new = distinct_pairs(found, holders)
            found, holders = found[new], holders[new]
            is_stock = _frequent(found, stock)
            if n in short:
                self._add_whole(n, found, holders, is_stock, lengths)
            if n in SHARES:
                self._add_shares(n, found, holders, is_stock, lengths)

    def _add_whole(self, n: int, grams: Codes, holders: Numbers, is_stock: Marks, lengths: Numbers) -> None:
        own = lengths[holders] == n
        self.whole[n] = NgramTable(grams[own], holders[own])
        self._vague.update(holders[own & (is_stock | (n < TELLING))].tolist())
        self._vague.update(part for part in holders[own].tolist() if self._is_asked_twice(part))

    def _is_asked_twice(self, part: int) -> bool:
        """Whether items of one benchmark ask this and expect different answers."""
        owners = [self.targets[owner] for owner in self.owners(part)]
        return len({(owner.benchmark, owner.answers) for owner in owners}) > len({owner.benchmark for owner in owners})

    def _add_shares(self, n: int, grams: Codes, holders: Numbers, is_stock: Marks, lengths: Numbers) -> None:
        long = lengths[holders] >= LONG
        counted = long & ~is_stock
        if n == max(SHARES):  # stock n-grams of this length are made of shorter ones that are stock, too
            bare = np.bincount(holders[counted], minlength=len(lengths)) == 0
            counted = long & (~is_stock | bare[holders])
            self._vague.update(holders[counted & is_stock].tolist())
        self.shares[n] = NgramTable(grams[counted], holders[counted])
        self.sizes[n] = np.bincount(holders[counted], minlength=len(lengths))


def _target(item: Item | Case) -> tuple[Target, list[str]]:
    """An item or case as it is looked for, and its texts beside the main one."""
    asked = item if isinstance(item, Item) else item.item
    if asked is None:
        assert isinstance(item, Case)
        return Target(item.id, item.benchmark, item.split, item.text, ()), []
    right = tuple(" ".join(words(asked.options[letter])) for letter in asked.answer or asked.options)
    contexts = [asked.context] if asked.context else []
    return Target(item.id, item.benchmark, item.split, asked.question, right), contexts


def _frequent(grams: Codes, least: int) -> Marks:
    """For sorted hashes, one for each text that holds it: whether ``least`` texts or more hold it."""
    _, place, counts = np.unique(grams, return_inverse=True, return_counts=True)
    return np.asarray(counts[place] >= least)
