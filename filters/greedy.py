"""Which of many texts stay: by exact similarity, among candidates that share a bucket (:mod:`filters.bands`).

Two ways, both in the order of the texts' ranks (the first is the best):

- :func:`greedy`: a text goes if it is ``threshold`` similar to a text that stayed before. So every dropped text is
  that similar to a kept one, and no two kept ones are (that share a bucket).
- :func:`components`: links between similar texts are followed from text to text, and the best of each connected
  component stays. It drops more: of A ~ B ~ C with A unlike C only one stays, and the similarity of a dropped text to
  the kept one may be anything. No two kept texts are similar here either.

In both the best of each family stays: no family vanishes. Texts that were kept in an earlier run come first ("prior");
they always stay, even where they are similar to one another.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from filters.bands import Buckets
from filters.minhash import Signatures
from filters.shingles import jaccard
from filters.word_hashes import Hashes

Members = Callable[[int], Hashes]
"""The distinct shingles of a text, sorted."""

_FEW = 8


@dataclass(frozen=True, slots=True)
class Likeness:
    """Exact similarity from a threshold on, with what makes it quick to decide that there is none."""

    threshold: float
    members: Members
    signatures: Signatures

    def most_similar(self, text: int, candidates: list[int]) -> tuple[int, float]:
        """The most similar of the candidates (of equally similar ones the first), or -1 where none is similar."""
        best, most = -1, 0.0
        for candidate in self.plausible(text, candidates):
            own, other = self.members(text), self.members(candidate)
            few, many = sorted((len(own), len(other)))
            if many and few / many < max(self.threshold, most):  # the similarity is at most this ratio
                continue
            similarity = jaccard(own, other)
            if similarity >= self.threshold and similarity > most:
                best, most = candidate, similarity
        return best, most

    def similarity(self, one: int, other: int) -> float:
        """The Jaccard similarity of two texts."""
        return jaccard(self.members(one), self.members(other))

    def any_similar(self, text: int, candidates: list[int]) -> bool:
        """Whether any of the candidates is similar."""
        return any(
            self.similarity(text, candidate) >= self.threshold for candidate in self.plausible(text, candidates)
        )

    def plausible(self, text: int, candidates: list[int]) -> list[int]:
        """The candidates whose signatures do not rule them out.

        The share of equal places estimates the similarity s with variance s (1 - s) / num_perm; five deviations below
        the threshold are taken as none: once in three million pairs that is wrong.
        """
        places, own = self.signatures.shape[1], self.signatures[text]
        least = places * self.threshold - 5 * math.sqrt(places * self.threshold * (1 - self.threshold))
        if len(candidates) < _FEW:  # one by one is quicker
            return [other for other in candidates if np.count_nonzero(self.signatures[other] == own) >= least]
        equal = np.sum(self.signatures[candidates] == own, axis=1).tolist()
        return [other for other, count in zip(candidates, equal, strict=True) if count >= least]


def greedy(buckets: Buckets, likeness: Likeness, prior: int) -> dict[int, tuple[int, float]]:
    """For each text that goes the most similar kept one before it, and the similarity; texts below ``prior`` stay."""
    dropped: dict[int, tuple[int, float]] = {}
    kept: defaultdict[int, list[int]] = defaultdict(list)
    numbers, offsets = buckets.buckets.tolist(), buckets.offsets.tolist()
    for place, text in enumerate(buckets.texts.tolist()):
        own = numbers[offsets[place] : offsets[place + 1]]
        if text >= prior:
            candidates = sorted({other for bucket in own for other in kept.get(bucket, ())})
            of, similarity = likeness.most_similar(text, candidates) if candidates else (-1, 0.0)
            if of >= 0:
                dropped[text] = of, similarity
                continue
        for bucket in own:
            kept[bucket].append(text)
    return dropped


def components(buckets: Buckets, likeness: Likeness, prior: int) -> dict[int, tuple[int, float]]:
    """For each text that goes the best of its component, and the exact similarity to that one, whatever it is."""
    best: dict[int, int] = {}  # towards a better text of the same component

    def root(text: int) -> int:
        while (above := best.get(text, text)) != text:
            best[text] = best.get(above, above)  # halve the path
            text = above
        return text

    families: defaultdict[int, dict[int, list[int]]] = defaultdict(dict)  # of a bucket: texts by a root they had
    numbers, offsets = buckets.buckets.tolist(), buckets.offsets.tolist()
    for place, text in enumerate(buckets.texts.tolist()):
        compared: set[int] = set()
        for bucket in numbers[offsets[place] : offsets[place + 1]]:
            current: dict[int, list[int]] = {}
            for former, family in families[bucket].items():
                current.setdefault(root(former), []).extend(family)
            for head, family in list(current.items()):
                fresh = [other for other in family if other not in compared]
                if root(head) != root(text) and likeness.any_similar(text, fresh):
                    first, second = sorted((root(head), root(text)))
                    best[second] = first
                compared.update(fresh)
            current.setdefault(root(text), []).append(text)
            families[bucket] = current
    heads = {text: root(text) for text in buckets.texts.tolist() if text >= prior and root(text) != text}
    return {text: (head, likeness.similarity(text, head)) for text, head in heads.items()}
