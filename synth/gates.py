"""Points where the seeds of a shard wait for each other, so that what passes does not depend on completion order.

The near-duplicate gate lets seed *i* through when all seeds before it are settled there: a question is compared with
the questions kept from earlier seeds of its shard. The gate of the hardest opens when every seed of the shard has
arrived or left. Seeds that end early leave both gates; seeds that wait use no request.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from fractions import Fraction

from filters.near_duplicates import Duplicate, NearDuplicates
from synth.recipes.forms import Score
from synth.spec_filters import Dedup


class NearDuplicateGate:
    """Questions of a shard, admitted in seed order."""

    def __init__(self, size: int, dedup: Dedup | None) -> None:
        self._index = NearDuplicates(dedup.questions, dedup.ngram, dedup.num_perm) if dedup else None
        self._texts: dict[int, tuple[str, str] | None] = {}
        self._waiting: dict[int, asyncio.Future[Duplicate | None]] = {}
        self._next = 0
        self._size = size

    async def enter(self, position: int, key: str, text: str) -> Duplicate | None:
        """Wait until all seeds before ``position`` are settled; None lets the text pass."""
        if self._index is None:
            return None
        verdict: asyncio.Future[Duplicate | None] = asyncio.get_running_loop().create_future()
        self._waiting[position] = verdict
        self._texts[position] = (key, text)
        self._advance()
        return await verdict

    def leave(self, position: int) -> None:
        """This seed brings no question (any more)."""
        if self._index is not None and position >= self._next and position not in self._texts:
            self._texts[position] = None
            self._advance()

    def _advance(self) -> None:
        while self._next in self._texts:
            entry = self._texts.pop(self._next)
            if entry is not None:
                assert self._index is not None
                verdict, duplicate = self._waiting.pop(self._next), self._index.add(*entry)
                if not verdict.done():
                    verdict.set_result(duplicate)
            self._next += 1


@dataclass(frozen=True, slots=True)
class _Arrived:
    score: Score
    decision: asyncio.Future[bool]


class HardestGate:
    """Decides which share of a shard's questions is the hardest."""

    def __init__(self, size: int, share: float | None) -> None:
        self._share = share
        self._missing = set(range(size)) if share is not None else set()
        self._arrived: dict[int, _Arrived] = {}

    async def enter(self, position: int, score: Score) -> bool:
        """Wait for the whole shard; True for the hardest (ties: higher quality, relevance, then the earlier seed)."""
        decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._arrived[position] = _Arrived(score, decision)
        self._seen(position)
        return await decision

    def leave(self, position: int) -> None:
        """This seed brings no question (any more)."""
        if position in self._missing:
            self._seen(position)

    def _seen(self, position: int) -> None:
        self._missing.discard(position)
        if self._missing or self._share is None:
            return
        order = sorted(self._arrived, key=lambda p: (_hardness(self._arrived[p].score), -p), reverse=True)
        # Exact decimals: 0.28 of 25 is 7, and 7.000000000000001 in floating point.
        hardest = set(order[: math.ceil(Fraction(str(self._share)) * len(order))])
        for place, arrived in self._arrived.items():
            if not arrived.decision.done():
                arrived.decision.set_result(place in hardest)


def _hardness(score: Score) -> tuple[int, int, int]:
    return score.difficulty, score.quality, score.relevance_to_medicine


class ShardGates:
    """Both gates of one shard."""

    def __init__(self, size: int, dedup: Dedup | None, hardest: float | None) -> None:
        self.questions = NearDuplicateGate(size, dedup)
        self.hardest = HardestGate(size, hardest)

    def leave(self, position: int) -> None:
        """The seed at ``position`` has ended or stopped: nobody shall wait for it."""
        self.questions.leave(position)
        self.hardest.leave(position)
