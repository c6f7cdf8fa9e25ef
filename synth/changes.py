"""A run folder that was made with another spec: what would be asked again, before any of it is asked.

The recipes are replayed with nothing but the journals. A question without a reply whose place (seed, step, sample,
re-ask) has one under another key is a changed question; what would follow from its new reply cannot be known and is
counted as the old replies that this replay no longer used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from synth.budget import cost
from synth.errors import UserError
from synth.journal import Journal
from synth.progress import Progress
from synth.run import Run, journal_path
from synth.setup import Setup


@dataclass(frozen=True, slots=True)
class Changes:
    """What a changed spec asks again."""

    by_step: dict[str, int]
    """Changed questions."""
    tokens: int
    """Tokens that their old replies took."""
    usd: float
    """What those tokens cost at the spec's prices."""

    def __str__(self) -> str:
        """One line for people."""
        steps = ", ".join(f"{count} {step}" for step, count in sorted(self.by_step.items()))
        money = f", ${self.usd:,.4f}" if self.usd else ""
        return (
            f"{sum(self.by_step.values())} answered questions have changed and would be asked again ({steps}; their "
            f"last replies took {self.tokens:,} tokens{money}), and after them whatever depends on their new replies"
        )


def check_lock(setup: Setup, lock: dict[str, Any]) -> None:
    """Refuse what cannot be resumed: journals are kept by shard, so the shards must stay the same."""
    before = lock["spec"].get("shard_size")
    if before != setup.spec.shard_size:
        raise UserError(
            f"{setup.spec_path}: shard_size: {setup.run} was made with {before} and its journals are kept by shard; "
            f"go back to {before}, or choose another folder with --out"
        )


async def find_changes(setup: Setup) -> Changes | None:
    """Replay from the journals; None when no answered question has changed."""
    shards = [s for s in range(setup.shards) if journal_path(setup.run, s).exists()]
    run = Run(setup, Progress(quiet=True), shards=shards, retry_failed=False, replay_only=True)
    await run.execute()
    missed = {(seed, step, sample, reask): role for seed, step, sample, reask, role in run.desk.missed}
    by_step: Counter[str] = Counter()
    tokens, usd = 0, 0.0
    for path in sorted((setup.run / "journal").glob("*.sqlite")):
        journal = Journal(path)
        for slot in journal.slots({place[0] for place in missed}):
            role = missed.get((slot.seed_id, slot.step, slot.sample, slot.reask))
            if role is not None:
                by_step[slot.step.partition("/")[0]] += 1
                tokens += slot.tokens_in + slot.tokens_out
                usd += cost(run.desk.prices[role], slot.tokens_in, slot.tokens_out)
        await journal.close()
    return Changes(dict(by_step), tokens, usd) if by_step else None
