"""A run folder that was made with another spec: what would be asked again, before any of it is asked.

The recipes are replayed with nothing but the journals. A question without a reply whose place (seed, step, sample,
re-ask) has one under another key is a changed question. What would follow from its new reply cannot be known; the
tokens that the old replies of its seed took which this replay did not come to use stand for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.budget import cost
from synth.errors import UserError
from synth.fingerprint import read_lock, write_lock
from synth.journal import Journal
from synth.journal_rows import Slot
from synth.progress import Progress
from synth.run import Run, journal_path
from synth.setup import Setup, versions
from synth.steps import REWARD_STEP, role_of


@dataclass(frozen=True, slots=True)
class Changes:
    """What a changed spec asks again."""

    by_step: dict[str, int]
    """Changed questions."""
    tokens: int
    """Tokens that their old replies took, and those that followed from them."""
    usd: float
    """What those tokens cost at the spec's prices."""

    def __str__(self) -> str:
        """One line for people."""
        steps = ", ".join(f"{count} {step}" for step, count in sorted(self.by_step.items()))
        money = f", ${self.usd:,.4f}" if self.usd else ""
        return (
            f"{sum(self.by_step.values())} answered questions have changed and would be asked again ({steps}), and "
            f"with them what depends on their replies; all that took {self.tokens:,} tokens{money}"
        )


def check_lock(setup: Setup, lock: dict[str, Any]) -> None:
    """Refuse what cannot be resumed: journals are kept by shard, so the shards must stay the same."""
    before = lock["spec"].get("shard_size")
    if before != setup.spec.shard_size:
        raise UserError(
            f"{setup.spec_path}: shard_size: {setup.run} was made with {before} and its journals are kept by shard; "
            f"go back to {before}, or choose another folder with --out"
        )


def lock_spec(setup: Setup, *, accept: bool) -> None:
    """Compare with the lock of an earlier run in this folder, then write ours.

    Raises:
        UserError: answered questions have changed and ``accept`` is False, or the shards have.
    """
    path = setup.run / "spec.lock.yaml"
    # Looked for before the lock is read: another process of this run writes its lock first.
    journals = any((setup.run / "journal").glob("*.sqlite"))
    lock = read_lock(path)
    same = lock is not None and lock["fingerprint"] == setup.fingerprint
    if lock is not None and not same:
        check_lock(setup, lock)
    if not same and (lock is not None or journals):
        changes = None if accept else asyncio.run(find_changes(setup))
        if changes is not None:
            raise UserError(
                f"{setup.run}: made with another spec: {changes}; "
                f"pass --accept-changes to do so, or choose another folder with --out"
            )
    if lock is None or not same or lock["versions"] != versions():
        hashes = {template.name: template.sha256 for template in setup.templates.values()}
        write_lock(
            path,
            setup.spec,
            fingerprint=setup.fingerprint,
            template_hashes=hashes,
            seeds_digest=setup.seeds.digest,
            versions=versions(),
        )


async def find_changes(setup: Setup) -> Changes | None:
    """Replay from the journals; None when no answered question has changed.

    Raises what ended the replay early: Ctrl-C, a damaged journal.
    """
    shards = [s for s in range(setup.shards) if journal_path(setup.run, s).exists()]
    run = Run(setup, Progress(quiet=True), shards=shards, retry_failed=False, replay_only=True)
    finished = await run.execute()
    if finished.error is not None:
        raise finished.error
    missed = {place[:4] for place in run.desk.missed}
    known = {*setup.templates, *([REWARD_STEP] if setup.spec.models.reward else [])}
    by_step: Counter[str] = Counter()
    tokens, usd = 0, 0.0
    for shard in shards:
        for slots in await _slots(journal_path(setup.run, shard), {place[0] for place in missed}):
            changed = [_step(slot) for slot in slots if (slot.seed_id, slot.step, slot.sample, slot.reask) in missed]
            by_step.update(changed)
            # Steps that the spec has no longer are not asked again.
            unused = [s for s in slots if s.key not in run.desk.used and _step(s) in known]
            for slot in unused if changed else []:
                tokens += slot.tokens_in + slot.tokens_out
                usd += cost(run.desk.prices[role_of(_step(slot))], slot.tokens_in, slot.tokens_out)
    return Changes(dict(by_step), tokens, usd) if by_step else None


async def _slots(path: Path, seed_ids: set[str]) -> list[list[Slot]]:
    """What has been asked about some seeds, a list for each."""
    journal = Journal(path)
    try:
        return [list(journal.slots([seed_id])) for seed_id in sorted(seed_ids)]
    finally:
        await journal.close()


def _step(slot: Slot) -> str:
    return slot.step.partition("/")[0]
