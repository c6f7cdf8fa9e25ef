"""The benchmarks by name: which file holds them, which split is asked, and the options in the order of a seed.

=================  ==================================================  ==========
medqa              MedQA, United States, four options                  test
medmcqa            MedMCQA (its test split has no published answers)   validation
pubmedqa           PubMedQA, labelled by experts: yes, no, maybe       test
mmlu_med           the medical subjects of MMLU                        test
mmlu_pro_health    the category health of MMLU-Pro, up to ten options  test
medxpertqa         MedXpertQA, text                                    test
general            ours: what every schoolchild can answer             all
=================  ==================================================  ==========

Seed 0 shows the options as the source has them, so that scores can be held against published ones; any other seed
gives each item an order of its own, from the seed and the item's id alone. A limit takes the same items for every
seed and model: those whose hashed ids come first, since files are often sorted by subject.

Knows nothing about prompts or models.
"""

from __future__ import annotations

import difflib
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from filters.readers import BenchmarkError, Item, read_items
from synth.errors import UserError


@dataclass(frozen=True, slots=True)
class Question:
    """An item with its options in the order in which they are shown."""

    id: str
    cluster: str
    """Items about the same abstract share it; else the id."""
    question: str
    context: str
    """What is to be read before answering; mostly empty."""
    options: Mapping[str, str]
    """Letter as shown to text, from A on."""
    gold: str
    """The right letter as shown."""
    order: Sequence[str]
    """The source's letters in the order shown: ``order[0]`` is shown as A."""
    subject: str


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark, ready to be asked."""

    name: str
    items: Sequence[Question]
    licence: str
    source: str
    """The file or folder it was read from."""
    left_out: int
    """Items of the split with no published answer, or with several right options."""


@dataclass(frozen=True, slots=True)
class _Place:
    paths: tuple[str, ...]
    """Under the data folder, the first that is there."""
    splits: tuple[str, ...]
    upstream: str


_FROM_JSON = ("test", "unknown")

PLACES = {
    "medqa": _Place(("medqa_us_4opt", "medqa"), ("test",), "github.com/jind11/MedQA"),
    "medmcqa": _Place(("medmcqa",), ("validation",), "github.com/medmcqa/medmcqa"),
    "pubmedqa": _Place(("pubmedqa",), ("test",), "github.com/pubmedqa/pubmedqa"),
    "mmlu_med": _Place(("medsss_eval/med_mmlu.json", "mmlu_med"), _FROM_JSON, "github.com/hendrycks/test"),
    "mmlu_pro_health": _Place(("mmlu_pro_health",), ("test",), "github.com/TIGER-AI-Lab/MMLU-Pro"),
    "medxpertqa": _Place(("medxpertqa",), ("test",), "github.com/TsinghuaC3I/MedXpertQA"),
    # An absolute path stands by itself whatever folder it is joined to: these items come with the package.
    "general": _Place((str(Path(__file__).parent / "data" / "general.jsonl"),), _FROM_JSON, "this package"),
}
"""Every task there is."""


def load_task(name: str, data: Path, *, limit: int | None = None, seed: int = 0) -> Task:
    """Read a benchmark; ``limit`` is the most items to take, ``seed`` decides the order of the options.

    Raises:
        UserError: no such task, its files are not under ``data``, cannot be read, or hold nothing to ask.
    """
    place = PLACES.get(name)
    if place is None:
        near = difflib.get_close_matches(name, PLACES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(PLACES)}"
        raise UserError(f"--tasks: {name!r} is no task; {hint}")
    path = next((data / part for part in place.paths if (data / part).exists()), None)
    if path is None:
        where = " or ".join(str(data / part) for part in place.paths)
        raise UserError(f"--tasks: {name}: {where} is not there; get it from {place.upstream}, or mend --data")
    try:
        found = [item for item in read_items(path) if item.split in place.splits]
    except BenchmarkError as error:
        raise UserError(f"--tasks: {name}: {error}") from None
    items = [item for item in found if len(item.answer) == 1]
    if not items:
        splits = " or ".join(place.splits)
        raise UserError(f"--tasks: {name}: {path} holds no question of the split {splits} with one right option")
    if limit is not None:
        items = sorted(sorted(items, key=_rank)[:limit], key=lambda item: item.id)
    questions = [as_shown(item, seed) for item in items]
    return Task(name, questions, items[0].licence, str(path), len(found) - len(items) if limit is None else 0)


def as_shown(item: Item, seed: int) -> Question:
    """Return the item with its options in the order of ``seed``, the right letter moved along."""
    letters = list(item.options)
    if seed:
        random.Random(f"{seed} {item.id}").shuffle(letters)
    shown = dict(zip(ascii_uppercase, letters, strict=False))
    return Question(
        id=item.id,
        cluster=_hash(item.context) if item.context else item.id,
        question=item.question,
        context=item.context,
        options={letter: item.options[source] for letter, source in shown.items()},
        gold=next(letter for letter, source in shown.items() if source == item.answer),
        order=letters,
        subject=item.subject,
    )


def _rank(item: Item) -> str:
    return _hash(item.id)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
