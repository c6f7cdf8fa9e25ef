"""A budget split among the parts of a run that cannot see each other: their caps never add up to more than the whole.

A part gets its share by its number of seeds, counts by the method of largest remainders, dollars in millionths of a
cent. A part that has spent more than its share already (in a run in one piece, or under a larger budget) keeps what it
has spent and gets nothing more; what is left is split anew among the others. No part ever passes its cap, so a part
that starts later comes to the same split, whatever the others have spent by then.

What one part leaves over does not go to another. A run in one piece afterwards counts all journals against the whole
budget, so that it can spend what the parts left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from synth.journal import Totals
from synth.ledger import run_totals
from synth.setup import Setup
from synth.spec import Budget

_PARTS_OF_A_DOLLAR = 10**8


def split(whole: int, weights: Sequence[int]) -> list[int]:
    """Split ``whole`` in proportion to ``weights``; the parts add up to it.

    Method of largest remainders (Hare quota): each gets its share rounded down, then those with the largest
    remainders one more each, of equals the first. Where all weights are 0 nobody gets anything.
    """
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    parts = [whole * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda part: -(whole * weights[part] % total))
    for part in by_remainder[: whole - sum(parts)]:
        parts[part] += 1
    return parts


def fair(whole: int, weights: Sequence[int], spent: Sequence[int]) -> list[int]:
    """The caps of parts, each at least what that part has spent; beyond that they add up to at most ``whole``."""
    over: set[int] = set()
    while True:
        left = max(whole - sum(spent[part] for part in over), 0)
        among = [part for part in range(len(weights)) if part not in over]
        shares = dict(zip(among, split(left, [weights[part] for part in among]), strict=True))
        passed = {part for part, share in shares.items() if spent[part] > share}
        if not passed:
            return [shares.get(part, spent[part]) for part in range(len(weights))]
        over |= passed


def shares(budget: Budget, weights: Sequence[int], spent: Sequence[Totals]) -> list[Budget]:
    """The budget of each part, by seeds and by what its journals say it has spent. A share may be 0."""
    requests = [sums.requests for sums in spent]
    tokens = [sums.tokens_in + sums.tokens_out + sums.lost_tokens for sums in spent]
    money = [math.ceil((sums.usd + sums.lost_usd) * _PARTS_OF_A_DOLLAR) for sums in spent]
    dollars = None if budget.usd is None else math.floor(budget.usd * _PARTS_OF_A_DOLLAR)
    caps: dict[str, list[int] | list[None]] = {
        name: [None] * len(weights) if whole is None else fair(whole, weights, used)
        for name, whole, used in (
            ("requests", budget.requests, requests),
            ("tokens", budget.tokens, tokens),
            ("usd", dollars, money),
        )
    }
    return [
        # Not checked: of a small budget a share can be 0, which no spec may ask for.
        Budget.model_construct(requests=requests, tokens=tokens, usd=None if usd is None else usd / _PARTS_OF_A_DOLLAR)
        for requests, tokens, usd in zip(caps["requests"], caps["tokens"], caps["usd"], strict=True)
    ]


async def budgets(setup: Setup, parts: Sequence[Sequence[int]]) -> list[Budget]:
    """The budget of each part of a run, given by its shards.

    Raises:
        UserError: a journal cannot be read.
    """
    if setup.spec.budget == Budget():
        return [Budget()] * len(parts)
    weights = [sum(map(setup.seeds_in, part)) for part in parts]
    return shares(setup.spec.budget, weights, [await run_totals(setup.run, part) for part in parts])
