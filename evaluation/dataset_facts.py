"""What can be said of a data set without a judge: copies, variety, and what rules find in it.

Copies are looked for among all rows, by whole texts. Variety depends on how many texts there are, so it is measured on
samples of one size for all data sets that are compared. Rules look at what the assistant says; the checks of
consultations at rows with several turns of each side, as :mod:`filters.consultation_checks` means them: with our
``turns`` and ``case`` where these columns are there, else on the messages alone, which hides most of what they check.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from evaluation.dataset_readers import Dataset, Example
from evaluation.statistics import wilson
from filters.consultation_checks import check_consultation
from filters.duplicates import dedup
from filters.metrics import diversity
from filters.presets import PRESETS
from filters.quality import Rules, judge
from synth.errors import UserError

_SPEAKERS = {"user": "patient", "assistant": "doctor"}
_PRESET = "long"


def read_through(dataset: Dataset, most: int, seed: int) -> tuple[list[Example], pa.ChunkedArray]:
    """A random sample of ``most`` examples in order of the rows, and the texts of all of them.

    Raises:
        UserError: the data set holds no example.
    """
    draw, kept, count = random.Random(seed), list[Example](), 0
    chunks: list[pa.Array] = []
    texts: list[str] = []
    for example in dataset.examples():
        count += 1
        if len(kept) < most:
            kept.append(example)
        elif (place := draw.randrange(count)) < most:  # reservoir sampling: each row is as likely as any other
            kept[place] = example
        texts.append(example.text)
        if len(texts) == 10_000:
            chunks.append(pa.array(texts, pa.large_string()))
            texts = []
    chunks.append(pa.array(texts, pa.large_string()))
    if not count:
        raise UserError(f"{dataset.path}: holds no row with a turn of the assistant")
    return sorted(kept, key=lambda one: one.number), pa.chunked_array(chunks)


def facts(sample: Sequence[Example], texts: pa.ChunkedArray, size: int, seed: int) -> dict[str, Any]:
    """Copies, variety and rules of one data set.

    Args:
        sample: a random sample of it.
        texts: of all its examples.
        size: how many of the sample to measure variety on, the same for all data sets.
        seed: of that choice.
    """
    ngram, threshold = PRESETS[_PRESET]
    dropped = Counter(dedup(texts, ngram=ngram, threshold=threshold).verdicts.counts())
    verdicts = judge([one.replies for one in sample], Rules(stock_phrases=True))
    return {
        "duplicates": {
            "share": sum(dropped.values()) / len(texts), "of": len(texts), "ngram": ngram, "threshold": threshold,
            **dropped,
        },
        "diversity": asdict(diversity([one.text for one in sample], sample=size, seed=seed)),
        "rules": _shares(Counter(reason for reason in verdicts.reasons if reason), len(sample)),
        "consultations": _consultations(sample),
    }  # fmt: skip


def _consultations(sample: Sequence[Example]) -> dict[str, Any] | None:
    """Shares of consultations with each flag; None where there are none."""
    talks = [one for one in sample if one.consultation or sum(role == "user" for role, _ in one.turns) > 1]
    if not talks:
        return None
    flags: Counter[str] = Counter()
    for one in talks:
        spoken = one.consultation or tuple(
            {"speaker": _SPEAKERS.get(role, role), "text": text} for role, text in one.turns
        )
        flags.update({found["flag"] for found in check_consultation(spoken, _case(one.case))})
    return {"of": len(talks), "with_turns": sum(bool(one.consultation) for one in talks), **_shares(flags, len(talks))}


def _case(text: str) -> dict[str, Any] | None:
    try:
        case = json.loads(text) if text else None
    except ValueError:
        return None
    return case if isinstance(case, dict) else None


def _shares(counts: Counter[str], n: int) -> dict[str, Any]:
    return {name: {**asdict(wilson(count, n)), "n": n} for name, count in sorted(counts.items())}
