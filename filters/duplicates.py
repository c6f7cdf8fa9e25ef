"""Near-duplicates among the texts of a column, all at once: which stay, which go, and what they repeat.

Texts are sets of n-grams (:mod:`filters.shingles`), two of them similar from a Jaccard similarity of ``threshold`` on.
What a threshold means depends on the n-gram: see :mod:`filters.presets`.

- Exact copies (equal after :func:`filters.text.normalise`) are found first, by a hash, and count as one text, the
  best of them. Two empty texts are copies of each other. A null is no text and goes as ``no_text``.
- MinHash with banding proposes pairs; the exact similarity decides. See :mod:`filters.greedy` for which of similar
  texts stay: no family of duplicates vanishes, and what a dropped text is a duplicate of has stayed.
- A pair exactly at the threshold is missed with a probability below 1 in 1,000, one well above it far less often.

The first of similar texts stays, or with ``scores`` the one with the highest, of equals the first; a score that is
null or NaN comes last. The verdicts depend on the texts, their order and the scores alone: not on threads or blocks.

Memory, besides the texts: 8 bytes a shingle and 4 a permutation, for 1.4 kB of English under ``word:5`` 2.5 kB a text.
It knows nothing of meaning (a paraphrase is another text) and writes nothing.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from filters.bands import choose_bands, shared_buckets
from filters.dedup_index import DedupIndex, Making
from filters.greedy import Likeness, components, greedy
from filters.minhash import Permutations
from filters.sketches import Sketches, sketch
from filters.text import normalise
from filters.verdicts import Verdicts
from filters.word_hashes import Hashes, Places

RECALL = 0.999
"""The least probability that a pair exactly at the threshold is compared."""

_CACHED = 1 << 16  # texts whose sorted sets are held: 2 kB each for 250 words


@dataclass(frozen=True, slots=True)
class Duplicates:
    """One verdict a text, and what stands beside it; arrays have one place a text."""

    verdicts: Verdicts
    """Reasons: ``exact_duplicate``, ``near_duplicate``, ``no_text``."""
    duplicate_of: pa.StringArray
    """The id of the kept text, null where a text is kept or null."""
    similarity: pa.DoubleArray
    """The exact Jaccard similarity to that text, null as above."""
    cluster: pa.Int64Array
    """The number of the family a text belongs to, from 0 in the order of their first texts; null where it is alone."""
    sketches: Sketches
    making: Making
    """Both are what an index of the kept texts is made of."""


def dedup(
    texts: pa.Array | pa.ChunkedArray,
    *,
    threshold: float = 0.8,
    ngram: str = "word:5",
    scores: pa.Array | pa.ChunkedArray | None = None,
    ids: pa.Array | pa.ChunkedArray | None = None,
    connected: bool = False,
    against: DedupIndex | None = None,
    num_perm: int = 128,
    seed: int = 1,
) -> Duplicates:
    """Find the near-duplicates in a column.

    Args:
        texts: strings; a null is dropped.
        threshold: the Jaccard similarity from which on two texts are duplicates, above 0 and up to 1.
        ngram: ``word:N`` or ``char:N``.
        scores: numbers; of duplicates the one with the highest stays.
        ids: what texts are called in ``duplicate_of``; without it their row numbers, from 0.
        connected: follow links from text to text and keep the best of each connected component.
        against: an index of texts kept earlier; what is similar to one of them goes.
        num_perm: length of a signature.
        seed: of the permutations; another seed may miss other pairs, and drops no pair wrongly either.

    Raises:
        ValueError: an argument is out of range, ``num_perm`` is too small for so low a threshold, the lengths of the
            columns differ, or ``against`` was made with another n-gram, ``num_perm`` or seed.
    """
    making = Making(ngram, num_perm, seed, choose_bands(threshold, num_perm, RECALL), threshold)
    if against is not None:
        against.check(making)
    names = range(len(texts)) if ids is None else ids
    if len(names) != len(texts) or (scores is not None and len(scores) != len(texts)):
        raise ValueError(f"{len(texts)} texts, but another number of ids or scores")
    order = _order(texts, scores)
    sketches = sketch(texts, ngram, Permutations(num_perm, seed))
    copies = _exact_copies(texts, sketches.sums, order)
    active = order[~np.isin(order, np.fromiter(copies, dtype=np.int64, count=len(copies)))] if copies else order

    prior = 0 if against is None else len(against)
    signatures = sketches.signatures[active]
    if against is not None:
        signatures = np.concatenate([against.signatures, signatures])
    buckets = shared_buckets(signatures, making.bands)
    earlier = {} if against is None else against.members(buckets.beside(prior))

    @functools.lru_cache(_CACHED)
    def members(place: int) -> Hashes:
        return earlier[place] if place < prior else sketches.shingles.members(active[place - prior])

    choose = components if connected else greedy
    dropped = choose(buckets, Likeness(threshold, members, signatures), prior)
    # A text kept earlier is -1, -2 ... from here on, a row its number.
    twins = {int(active[place - prior]): (_row(of, prior, active), how) for place, (of, how) in dropped.items()}
    earlier_names = () if against is None else against.ids

    def called(row: int) -> str:
        return str(names[row] if row >= 0 else earlier_names[-1 - row])

    return _duplicates(texts, twins, copies, called, sketches, making)


def _row(place: int, prior: int, active: Places) -> int:
    return int(active[place - prior]) if place >= prior else -1 - place


def _order(texts: pa.Array | pa.ChunkedArray, scores: pa.Array | pa.ChunkedArray | None) -> Places:
    """The rows that have a text, the best first."""
    rows = (
        np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False)) if texts.null_count else np.arange(len(texts))
    )
    if scores is None:
        return rows
    values = np.asarray(
        scores.to_numpy(zero_copy_only=False) if isinstance(scores, pa.Array) else scores.to_numpy(), dtype=np.float64
    )
    worst = np.where(np.isnan(values), np.inf, -values)[rows]
    return rows[np.argsort(worst, kind="stable")]


def _exact_copies(texts: pa.Array | pa.ChunkedArray, sums: Hashes, order: Places) -> dict[int, int]:
    """Each row that repeats a better one, and that one. Only texts of the same words are read and normalised."""
    by_sum = np.argsort(sums[order], kind="stable")
    ordered = sums[order][by_sum]
    equal = ordered[1:] == ordered[:-1]
    suspects = by_sum[np.append(equal, False) | np.append(False, equal)] if len(order) else by_sum
    rows = order[np.sort(suspects)]  # the best first
    digests = _digests(texts, np.sort(rows))
    first: dict[bytes, int] = {}
    firsts = ((row, first.setdefault(digests[row], row)) for row in rows.tolist())
    return {row: of for row, of in firsts if of != row}


def _digests(texts: pa.Array | pa.ChunkedArray, rows: Places) -> dict[int, bytes]:
    """Of each of these rows, rising, a hash of the normalised text."""
    digests: dict[int, bytes] = {}
    seen: dict[str, bytes] = {}  # copies are mostly equal as they stand
    start = 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        for row in rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + len(chunk))].tolist():
            text = chunk[row - start].as_py()
            if text not in seen:
                seen[text] = hashlib.blake2b(normalise(text).encode(), digest_size=16).digest()
            digests[row] = seen[text]
        start += len(chunk)
    return digests


def _duplicates(
    texts: pa.Array | pa.ChunkedArray,
    twins: dict[int, tuple[int, float]],
    copies: dict[int, int],
    called: Callable[[int], str],
    sketches: Sketches,
    making: Making,
) -> Duplicates:
    """Put together what was found; exact copies share the fate of the text they repeat."""
    reasons, evidence = [""] * len(texts), [""] * len(texts)
    of: list[str | None] = [None] * len(texts)
    similarity: list[float | None] = [None] * len(texts)
    family: dict[int, int] = {}  # of each row that is not alone the one that stays
    for row, best in [*((row, row) for row in twins), *copies.items()]:
        head, how = twins.get(best, (best, 1.0))
        reasons[row] = "near_duplicate" if best in twins else "exact_duplicate"
        of[row], similarity[row] = called(head), how
        evidence[row] = f"similarity {how:.2f} to {of[row]}"
        family[row] = family[head] = head
    for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist() if texts.null_count else ():
        reasons[row] = "no_text"
    numbers: dict[int, int] = {}
    cluster: list[int | None] = [None] * len(texts)
    for row in sorted(row for row in family if row >= 0):
        cluster[row] = numbers.setdefault(family[row], len(numbers))
    return Duplicates(
        Verdicts(reasons, evidence),
        pa.array(of, pa.string()),
        pa.array(similarity, pa.float64()),
        pa.array(cluster, pa.int64()),
        sketches,
        making,
    )
