"""Which rows of a table hold items of a benchmark: how much of an *item* stands in a row, not of a row in an item.

For each item the share of its distinct 8-grams, and of its 13-grams, that occur in the row is measured; a row is
flagged where either share reaches the threshold. What an item is compared by, which n-grams are ignored, and how short
questions are found, is told in :mod:`filters.item_index`. A share of the test item was the measure for Tülu 3, too
(Lambert et al. 2024); "any 13-gram in common" (Brown et al. 2020), also in use, flags every fifth exam vignette for
the way vital signs are written.

Words are compared as :func:`filters.text.words` gives them, so case, punctuation and line breaks do not matter. A
paraphrase or a translation is another text; :class:`Paraphrases` looks for those with a model that the caller brings.
An item scattered over several rows is not found. Nothing is written here: see :mod:`filters.decontaminate`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from filters.item_index import ItemIndex
from filters.ngram_tables import Codes, NgramTable, Numbers, WordCodes, rolling
from filters.text import normalise, words
from filters.verdicts import Verdicts

Embed = Callable[[list[str]], np.ndarray[Any, Any]]

THRESHOLD = 0.2
"""Share of an item from which on it counts as being in the row."""
REASON = "contaminated"

_ROWS = 2048  # searched at once: memory for the n-grams of so many rows
_EVIDENCE = 200  # characters


@dataclass(frozen=True, slots=True)
class Match:
    """An item found in a row."""

    row: int
    benchmark: str
    item: str
    """Its id."""
    containment: float
    """The share of its 8-grams in the row, or of its 13-grams where that is larger; 1.0 for a short item, found whole;
    the cosine of a paraphrase."""
    span: str
    """The longest stretch of the row that stands in the item, too, as :func:`filters.text.normalise` writes it; of a
    paraphrase the item's own text, which does not stand in the row."""
    paraphrase: bool = False

    @property
    def evidence(self) -> str:
        """For people, in one line."""
        how = "cosine" if self.paraphrase else "share"
        span = self.span if len(self.span) <= _EVIDENCE else self.span[:_EVIDENCE] + "…"
        return f"{self.item}, {how} {self.containment:.2f}: {' '.join(span.split())}"


def contaminated(
    texts: pa.Array, index: ItemIndex, threshold: float = THRESHOLD, paraphrases: Paraphrases | None = None
) -> Verdicts:
    """Drop rows that hold an item; the evidence is the best match of :func:`find_matches`.

    Args:
        texts: strings; null is an empty text.
        index: the items.
        threshold: share of an item, above 0 and up to 1.
        paraphrases: looks at the rows that are not flagged by words.

    Raises:
        ValueError: the threshold is out of range.
    """
    best = best_matches(find_matches(texts, index, threshold))
    if paraphrases is not None:
        best |= best_matches(paraphrases.find(texts, skip=best.keys()))
    found = [best.get(row) for row in range(len(texts))]
    return Verdicts([REASON if match else "" for match in found], [match.evidence if match else "" for match in found])


def best_matches(matches: Iterable[Match]) -> dict[int, Match]:
    """The match of the largest share for each row that has one; of equal ones the first."""
    best: dict[int, Match] = {}
    for match in matches:
        if match.row not in best or match.containment > best[match.row].containment:
            best[match.row] = match
    return best


def find_matches(texts: pa.Array, index: ItemIndex, threshold: float = THRESHOLD) -> list[Match]:
    """Every pair of a row and an item that stands in it, in the order of rows, then items; none twice.

    Raises:
        ValueError: the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    found: list[Match] = []
    for start in range(0, len(texts), _ROWS):
        rows = _Rows(texts.slice(start, _ROWS), start)
        parts = sorted({*_by_shares(rows, index, threshold), *_whole(rows, index)})
        best: dict[tuple[int, int], Match] = {}
        at, prepared = -1, None
        for row, part, share in parts:  # sorted by row
            if prepared is None or row != at:
                at, prepared = row, _Row(rows, row)
            for target, match in _reported(rows, index, row, prepared, part, share):
                if (row, target) not in best or match.containment > best[row, target].containment:
                    best[row, target] = match
        found += (best[place] for place in sorted(best))
    return found


class Paraphrases:
    """Items by meaning: a row whose vector has a cosine of ``cosine`` or more with that of an item's text.

    Args:
        index: the items; their vectors are computed at once and held.
        embed: texts to a matrix with a row of floats for each; rows need not have length 1.
        cosine: from which on texts mean the same, above 0 and up to 1; what a number means depends on the model.

    Raises:
        ValueError: ``cosine`` is out of range, or ``embed`` gives no matrix with a row for each text.
    """

    def __init__(self, index: ItemIndex, embed: Embed, cosine: float = 0.9) -> None:
        if not 0 < cosine <= 1:
            raise ValueError(f"cosine must be above 0 and at most 1, got {cosine}")
        self._targets, self._embed, self._cosine = index.targets, embed, cosine
        self._vectors = self._unit([target.text for target in self._targets])

    def find(self, texts: pa.Array, skip: Collection[int] = ()) -> list[Match]:
        """For each row the nearest item, if it is near enough; empty rows and those in ``skip`` are passed over."""
        rows = [row for row in range(len(texts)) if row not in skip and (texts[row].as_py() or "").strip()]
        found: list[Match] = []
        for start in range(0, len(rows) if self._targets else 0, _ROWS):
            some = rows[start : start + _ROWS]
            cosines = self._unit([texts[row].as_py() for row in some]) @ self._vectors.T
            for row, of_row in zip(some, cosines, strict=True):
                target, cosine = self._targets[int(np.argmax(of_row))], float(np.max(of_row))
                if cosine >= self._cosine:
                    found.append(Match(row, target.benchmark, target.id, cosine, target.text, paraphrase=True))
        return found

    def _unit(self, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        if not texts:
            return np.empty((0, 0))
        vectors = np.asarray(self._embed(texts), dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise ValueError(f"embed gave shape {vectors.shape} for {len(texts)} texts: a row for each is needed")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths == 0, 1, lengths)


class _Rows(WordCodes):
    """Texts that are searched at once; ``first`` is the number of the first of them among all."""

    def __init__(self, texts: pa.Array, first: int) -> None:
        super().__init__(texts)
        self.first = first
        self._texts = texts

    def text(self, row: int) -> str:
        """As it came; a null is empty."""
        return self._texts[row].as_py() or ""


def _by_shares(rows: _Rows, index: ItemIndex, threshold: float) -> Iterator[tuple[int, int, float]]:
    """``(row, part, share)`` of long parts, the larger share of the two lengths."""
    best: dict[int, float] = {}
    parts = len(index.sizes[8])
    for n, grams in rolling(rows.codes, index.shares):
        pairs, shares = _shares(index.shares[n], index.sizes[n], rows.text_of, grams)
        flagged = shares >= threshold
        for pair, share in zip(pairs[flagged].tolist(), shares[flagged].tolist(), strict=True):
            best[pair] = max(share, best.get(pair, 0.0))
    yield from ((pair // parts, pair % parts, share) for pair, share in best.items())


def _shares(
    table: NgramTable, sizes: Numbers, text_of: Numbers, grams: Codes
) -> tuple[Numbers, np.ndarray[Any, np.dtype[np.float64]]]:
    """Row and part as one number, row * parts + part, and the share of the part's n-grams in the row."""
    positions, keys = table.find(grams)
    hits = np.unique(text_of[positions] * len(table.keys) + keys)  # each n-gram counts once in a row
    rows, keys = np.divmod(hits, max(len(table.keys), 1))
    parts, place = table.holders(keys)
    pairs, counts = np.unique(rows[place] * len(sizes) + parts, return_counts=True)
    return pairs, counts / sizes[pairs % max(len(sizes), 1)]


def _whole(rows: _Rows, index: ItemIndex) -> Iterator[tuple[int, int, float]]:
    """``(row, part, 1.0)`` of short parts, whatever their options."""
    for n, grams in rolling(rows.codes, index.whole):
        positions, keys = index.whole[n].find(grams)
        parts, place = index.whole[n].holders(keys)
        pairs = zip(rows.text_of[positions][place].tolist(), parts.tolist(), strict=True)
        yield from ((row, part, 1.0) for row, part in set(pairs))


class _Row:
    """One row that holds items, prepared once for all of them."""

    def __init__(self, rows: _Rows, row: int) -> None:
        text = rows.text(row)
        self.text = normalise(text)
        self.words = words(text)
        self.spelt = f" {' '.join(self.words)} "
        self._codes = rows.of(row)
        self._begins: list[int] = []
        place = 0
        for word in self.words:
            begin = self.text.index(word, place)  # between two words stands no letter, so this is the word itself
            self._begins.append(begin)
            place = begin + len(word)
        self._rolled: dict[int, Codes] = {}

    def span(self, n: int, grams: Codes) -> str:
        """The longest stretch all of whose n-grams are the item's, cut out of the normalised text."""
        if not self.words:  # a text without words is equal or unlike as a whole
            return self.text
        if n not in self._rolled:
            self._rolled[n] = next(rolled for _, rolled in rolling(self._codes, {n}))
        hits = np.isin(self._rolled[n], grams)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], hits, [False])).astype(np.int8)))
        begins, ends = edges[::2], edges[1::2]
        longest = int(np.argmax(ends - begins))
        last = int(ends[longest]) + n - 2
        return self.text[self._begins[int(begins[longest])] : self._begins[last] + len(self.words[last])]


def _reported(
    rows: _Rows, index: ItemIndex, row: int, prepared: _Row, part: int, share: float
) -> Iterator[tuple[int, Match]]:
    """A match for each item of the part, with the number of the item; of a vague part where the answer is there."""
    n, grams = index.grams(part)
    vague = index.is_vague(part) and rows.counts[row] > index.length(part)
    span = None
    for number in index.owners(part):
        target = index.targets[number]
        if vague and not all(f" {answer} " in prepared.spelt for answer in target.answers if answer):
            continue
        span = prepared.span(n, grams) if span is None else span
        yield number, Match(rows.first + row, target.benchmark, target.id, share, span)
