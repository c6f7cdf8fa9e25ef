"""How varied the texts of a data set are, in numbers that fit a report.

All of them depend on how many texts there are and how long they are: compare data sets by equal samples, which
:func:`diversity` draws. None of them says whether texts are good; noise is varied, too.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filters.semantic import Embed, Vectors
from filters.text import words

_BLEU_ORDER = 4


@dataclass(frozen=True, slots=True)
class Diversity:
    """Figures of one sample; None where too few texts, or no encoder, leave nothing to compute."""

    texts: int
    """Texts in the sample."""
    words: int
    distinct_1: float | None
    distinct_2: float | None
    distinct_3: float | None
    self_bleu: float | None
    """0 to 100; lower is more varied."""
    compression_ratio: float | None
    """Bytes over compressed bytes; lower is more varied."""
    vendi: float | None
    """How many different texts the sample is worth, 1 to ``texts``."""


def diversity(texts: Sequence[str], embed: Embed | None = None, sample: int = 500, seed: int = 0) -> Diversity:
    """Figures of a random sample, the same for the same texts, size and seed.

    Args:
        texts: one a row.
        embed: makes vectors for the Vendi score.
        sample: the most texts that are looked at, which caps time and memory.
        seed: of the choice.

    Raises:
        ValueError: ``sample`` is below 1.
    """
    if sample < 1:
        raise ValueError(f"sample must be at least 1, got {sample}")
    chosen = sorted(random.Random(seed).sample(range(len(texts)), min(sample, len(texts))))
    picked = [texts[row] for row in chosen]
    return Diversity(
        texts=len(picked),
        words=sum(len(words(text)) for text in picked),
        distinct_1=distinct_n(picked, 1),
        distinct_2=distinct_n(picked, 2),
        distinct_3=distinct_n(picked, 3),
        self_bleu=self_bleu(picked),
        compression_ratio=compression_ratio(picked),
        vendi=vendi(embed(picked)) if embed is not None and picked else None,
    )


def distinct_n(texts: Sequence[str], n: int) -> float | None:
    """Distinct word n-grams over all of them, above 0 and up to 1 (Li et al. 2016); None where there is no n-gram.

    Raises:
        ValueError: ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    grams: set[tuple[str, ...]] = set()
    count = 0
    for text in texts:
        found = _ngrams(words(text), n)
        grams.update(found)
        count += sum(found.values())
    return len(grams) / count if count else None


def compression_ratio(texts: Sequence[str]) -> float | None:
    """Bytes of the texts, a line each, over their size under zlib (Shaib et al. 2024); None without any text.

    zlib looks back 32 kB, so it sees what repeats nearby: the order of the texts counts a little.
    """
    raw = "\n".join(texts).encode("utf-8", "replace")
    return len(raw) / len(zlib.compress(raw, 9)) if raw else None


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean BLEU-4 of each text with all others as references, 0 to 100 (Zhu et al. 2018); None below two texts.

    BLEU as sacrebleu computes it for a sentence (Papineni et al. 2002; exponential smoothing, effective order), on the
    words of :func:`filters.text.words`. It is computed here because with the counts of all texts kept by n-gram it
    takes time linear in the words, and pairwise references take the square of it. A text without words is left out.
    """
    tokens = [found for found in map(words, texts) if found]
    if len(tokens) < 2:
        return None
    precisions = [[0.0] * _BLEU_ORDER for _ in tokens]
    totals = [[max(len(found) - n, 0) for n in range(_BLEU_ORDER)] for found in tokens]
    for n in range(_BLEU_ORDER):
        counted = [_ngrams(found, n + 1) for found in tokens]
        most = _two_most(counted)
        for row, grams in enumerate(counted):
            for gram, count in grams.items():
                (first, holder), second = most[gram]
                precisions[row][n] += min(count, second if holder == row else first)
    lengths = Counter(map(len, tokens))
    scores = [
        _bleu(precisions[row], totals[row], len(found), _closest(len(found), lengths))
        for row, found in enumerate(tokens)
    ]
    return sum(scores) / len(scores)


def vendi(vectors: Vectors) -> float | None:
    """The Vendi score: the exponential of the entropy of the similarity matrix's eigenvalues (Friedman, Dieng 2023).

    1.0 for texts that are all alike, the number of rows for texts that are all orthogonal. Time grows with the cube of
    rows or columns, whichever are fewer. None without rows; rows must have length 1.
    """
    if not len(vectors):
        return None
    wide = vectors.astype(np.float64)
    # Both products have the same eigenvalues but for zeros.
    gram = wide @ wide.T if len(wide) <= wide.shape[1] else wide.T @ wide
    shares = np.linalg.eigvalsh(gram / len(wide))
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _ngrams(found: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(found[start:] for start in range(n)), strict=False))


_Most = tuple[tuple[int, int], int]


def _two_most(counted: Sequence[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], _Most]:
    """For each n-gram the greatest count in a text with that text's row, and the greatest among the others."""
    most: dict[tuple[str, ...], _Most] = {}
    for row, grams in enumerate(counted):
        for gram, count in grams.items():
            (first, holder), second = most.get(gram, ((0, -1), 0))
            most[gram] = ((count, row), first) if count > first else ((first, holder), max(second, count))
    return most


def _closest(length: int, lengths: Counter[int]) -> int:
    """The length of another text that is closest, the shorter of two."""
    others = [other for other, count in lengths.items() if count > (other == length)]
    return min(others, key=lambda other: (abs(other - length), other))


def _bleu(matches: list[float], totals: list[int], length: int, reference: int) -> float:
    if not matches[0]:
        return 0.0
    logs, smooth = [], 1.0
    for match, total in zip(matches, totals, strict=True):
        if not total:
            break
        if not match:
            smooth *= 2
        logs.append(math.log((match or 1 / smooth) / total))
    brevity = 1.0 if length >= reference else math.exp(1 - reference / length)
    return 100 * brevity * math.exp(sum(logs) / len(logs))
