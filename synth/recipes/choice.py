"""Choices between what models wrote, as FineMedLM-o1 makes them (arXiv 2501.09213 and its published code).

Where the original draws at random without a seed, these take a seeded generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from synth.recipes.forms import Score


def choose_question(scores: Sequence[Score | None], rng: random.Random) -> int | str:
    """Pick the question to go on with; ``scores`` holds None where the judge's reply did not parse.

    In this order: (a) questions that lean on details of one case go, and all of them doing so drops the passage;
    (b) questions without a score go, likewise; then the highest (c) quality + difficulty + relevance,
    (d) quality + difficulty, (e) quality; (f) one of the rest at random.

    Returns:
        The index of the question, or the reason why none is left: ``case_specific`` or ``unscored``.
    """
    left = [i for i, s in enumerate(scores) if s is None or not s.mention_specific_details]
    if not left:
        return "case_specific"
    scored = {i: s for i in left if (s := scores[i]) is not None}
    if not scored:
        return "unscored"
    keys: tuple[Callable[[Score], int], ...] = (
        lambda s: s.quality + s.difficulty + s.relevance_to_medicine,
        lambda s: s.quality + s.difficulty,
        lambda s: s.quality,
    )
    best = list(scored)
    for key in keys:
        top = max(key(scored[i]) for i in best)
        best = [i for i in best if key(scored[i]) == top]
        if len(best) == 1:
            return best[0]
    return rng.choice(best)


def choose_best(rewards: Sequence[float | None], rng: random.Random) -> int | None:
    """Index of the highest reward, a tie at random; None when nothing has a reward."""
    known = [r for r in rewards if r is not None]
    if not known:
        return None
    return rng.choice([i for i, r in enumerate(rewards) if r == max(known)])
