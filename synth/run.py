"""A whole run: seeds are opened as endpoints get hungry, shards are staged as they finish, the export comes last.

There is no barrier between steps and no checkpoint to keep in step: to resume is to run the same coroutines again,
with the journals answering what was asked before. At most two shards are open, so that the second one's first steps
fill the endpoints while the first one's gates are waiting.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from synth.ask import Desk
from synth.budget import Spending
from synth.engines import Engines
from synth.errors import RunInterrupted, UserError
from synth.estimate import estimate
from synth.journal import Intent, Journal
from synth.ledger import run_totals
from synth.progress import Progress
from synth.rows import Rejected, row_id
from synth.run_lock import RunLock
from synth.seeds import BadSeed, Seed, read_seeds
from synth.setup import Setup
from synth.shard import Shard
from synth.spec import Budget
from synth.staging import disk_errors, stage_facts, write_stage

OPEN_SHARDS = 2
LOST_SHOWN = 3


@dataclass(slots=True)
class Finished:
    """What became of a run."""

    error: BaseException | None
    """Why it stopped early; None when every shard it was given is staged."""
    staged: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """Some shards of a run, and how much of its budget is theirs (:mod:`synth.shares`)."""

    shards: tuple[int, ...]
    budget: Budget


def journal_path(run: Path, shard: int) -> Path:
    """Where a shard's journal lies."""
    return run / "journal" / f"{shard:05d}.sqlite"


def stage_path(run: Path, shard: int) -> Path:
    """Where a finished shard is staged."""
    return run / "staging" / f"{shard:05d}"


def is_staged(setup: Setup, shard: int) -> bool:
    """Whether the shard's staged rows are whole and what this spec and this code would make."""
    facts = stage_facts(stage_path(setup.run, shard))
    return facts is not None and facts.get("fingerprint") == setup.stage_fingerprint(shard)


class Run:
    """Asks for everything that the spec plans and stages it."""

    def __init__(
        self,
        setup: Setup,
        progress: Progress,
        *,
        shards: list[int],
        retry_failed: bool,
        replay_only: bool = False,
        part: Part | None = None,
    ) -> None:
        """``part``: the run is a part of a larger one, with a budget of its own."""
        self.setup = setup
        self.part = part
        self.progress = progress
        self.shards = shards
        self.replay_only = replay_only
        self._changed = asyncio.Event()
        self.engines = Engines(setup.spec, self._changed.set, logs=setup.run / "logs", say=progress.say)
        self.desk = Desk(
            spec=setup.spec,
            templates=setup.templates,
            pools=self.engines.pools,
            declared=self.engines.declared,
            prices=self.engines.prices,
            extra=self.engines.extra,
            spending=Spending(Budget()),
            watcher=progress,
            retry_failed=retry_failed,
            replay_only=replay_only,
        )
        self._error: BaseException | None = None
        self._interrupts = 0
        self._open: dict[int, Shard] = {}
        self._finishing: list[asyncio.Task[None]] = []
        self._locks: dict[int, RunLock] = {}
        self._finished = Finished(None)

    async def execute(self) -> Finished:
        """Run all shards; returns early, with everything paid for in the journals, when something stops the run."""
        self.desk.spending = await _spending(self.setup, self.part)
        seeds = sum(map(self.setup.seeds_in, self.shards))
        expected = sum(line.requests for line in estimate(self.setup)) * seeds / max(self.setup.seeds.count, 1)
        self.progress.begin(self.engines, self.desk.spending, seeds, expected)
        shown = asyncio.create_task(self.progress.show())
        try:
            with self._signals():
                await self._feed()
                await self._drain()
        finally:
            shown.cancel()
            for index in list(self._locks):
                self._unlock(index)
            await self.engines.close()
        self._finished.error = self._error
        return self._finished

    async def _feed(self) -> None:
        """Open shard after shard; an error here stops the run like any other, for replies are still on their way."""
        seeds = read_seeds(self.setup.spec.seeds)
        at = 0
        try:
            for index in self.shards:
                await self._wait(lambda: len(self._open) < OPEN_SHARDS)
                if self._error is not None:
                    return
                start, stop = self.setup.shard_bounds(index)
                await self._fill(self._open_shard(index), itertools.islice(seeds, start - at, stop - at))
                at = stop
        except Exception as err:
            self.stop(err)

    def _open_shard(self, index: int) -> Shard:
        path = journal_path(self.setup.run, index)
        if not self.replay_only:
            lock = RunLock(path.parent, name=f"{path.stem}.lock")
            lock.__enter__()
            self._locks[index] = lock
            if self.desk.retry_failed and stage_path(self.setup.run, index).exists():
                # Its failures are about to change: interrupted, it must not be exported as it was.
                stage = stage_path(self.setup.run, index)
                with disk_errors(stage):
                    shutil.rmtree(stage)
        journal = Journal(path)
        if not self.replay_only and (lost := journal.lost()):
            self.progress.say(_named(lost, path))
        shard = Shard(self.setup, index, self.desk, journal, self.stop, self.progress.warn)
        self._open[index] = shard
        return shard

    async def _fill(self, shard: Shard, seeds: Iterator[Seed]) -> None:
        """Open the seeds of a shard, each when the endpoints have room for it."""
        try:
            for position, seed in enumerate(seeds):
                await self._wait(self._hungry)
                if self._error is not None:
                    return
                shard.open_seed(position, seed).add_done_callback(self._seed_done)
                await asyncio.sleep(0)  # let it ask, so that the next look at the pools counts its requests
            if len(shard.tasks) < shard.size:
                # The gates would wait for the missing ones for ever.
                self.stop(
                    UserError("seeds.source: the seeds changed while the run was going on; run the same command again")
                )
        finally:
            self._finishing.append(asyncio.create_task(self._finish(shard)))

    def _hungry(self) -> bool:
        """Whether to open a seed: the engine that its first question goes to has room."""
        return self.engines.pools["generator"].hungry()

    async def _wait(self, condition: Callable[[], bool]) -> None:
        while self._error is None and not condition():
            self._changed.clear()
            await self._changed.wait()

    def _seed_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.stop(task.exception() or RunInterrupted("a seed failed"))
        if self._error is None:  # else it was stopped, not done
            self.progress.seed_done()
        self._changed.set()

    async def _finish(self, shard: Shard) -> None:
        """Wait for the shard's seeds; stage it when all of them came to an end by themselves."""
        try:
            await asyncio.gather(*shard.tasks, return_exceptions=True)
            whole = shard.done == shard.size and not shard.pending and self._error is None
            if whole and not self.replay_only:
                kept, rejected = shard.results()
                if shard.index == 0:
                    rejected = [*map(_bad_seed, self.setup.seeds.bad), *rejected]
                facts = {
                    "fingerprint": self.setup.stage_fingerprint(shard.index),
                    # Questions, not rows: one that failed may have cost a row no more than a column.
                    "failed": shard.journal.totals().failures,
                }
                await asyncio.to_thread(write_stage, stage_path(self.setup.run, shard.index), kept, rejected, facts)
                self._finished.staged.append(shard.index)
        except Exception as err:
            self.stop(err)
        finally:
            await shard.journal.close()
            del self._open[shard.index]
            self._unlock(shard.index)
            self._changed.set()

    def _unlock(self, index: int) -> None:
        if lock := self._locks.pop(index, None):
            lock.__exit__(None, None, None)

    async def _drain(self) -> None:
        """Wait for the open shards. Once stopped: let what is in flight arrive, then end those who wait for others."""
        while self._finishing:
            done, _ = await asyncio.wait(self._finishing, timeout=0.05 if self._error else 0.5)
            self._finishing = [task for task in self._finishing if task not in done]
            if self._error is not None and (self.engines.in_flight == 0 or self._interrupts > 1):
                # One more turn of the loop lets arrived replies reach the journal; put() outlives a cancelled task.
                await asyncio.sleep(0.05)
                for shard in self._open.values():
                    for task in shard.tasks:
                        task.cancel()

    def stop(self, error: BaseException) -> None:
        """End the run: nothing more is sent. The first reason counts."""
        if self._error is None:
            self._error = error
            self.engines.stop(error if isinstance(error, RunInterrupted) else RunInterrupted("the run was stopped"))
        self._changed.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM once: send nothing more and wait for what is in flight; twice: do not wait."""
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            self._interrupts += 1
            if self._interrupts == 1 and self.engines.in_flight:
                count = self.engines.in_flight
                self.progress.say(f"stopping: waiting for {count} requests in flight; press Ctrl-C again to drop them")
            self.engines.let_go(RunInterrupted("interrupted"))
            self.stop(RunInterrupted("interrupted; run the same command again to go on from here"))

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def _spending(setup: Setup, part: Part | None) -> Spending:
    """What earlier processes of this run, or of this part of it, have spent, as far as a budget asks."""
    budget = setup.spec.budget if part is None else part.budget
    if budget == Budget():
        return Spending(budget)
    sums = await run_totals(setup.run, None if part is None else part.shards)
    return Spending(
        budget,
        share=part is not None,
        requests=sums.requests,
        tokens=sums.tokens_in + sums.tokens_out + sums.lost_tokens,
        usd=sums.usd + sums.lost_usd,
    )


def _named(lost: list[Intent], path: Path) -> str:
    """What an earlier process may have paid for in vain: some by name, all of them in the journal."""
    places = ", ".join(f"{one.step} of {one.seed_id}" for one in lost[:LOST_SHOWN])
    more = f" and {len(lost) - LOST_SHOWN} more" if len(lost) > LOST_SHOWN else ""
    tokens, usd = sum(one.tokens for one in lost), sum(one.usd for one in lost)
    money = f", ${usd:,.4f}" if usd else ""
    return (
        f"{len(lost)} requests were in flight when the last run ended and may have been billed (at most {tokens:,} "
        f"tokens{money}): {places}{more}; the table attempts of {path} lists them"
    )


def _bad_seed(bad: BadSeed) -> Rejected:
    return Rejected(
        kind="seed",
        seed_id=bad.id or "",
        id=row_id("seed", bad.id or "", str(bad.line), bad.reason),
        step="read",
        reason=bad.reason,
        detail=f"line {bad.line}: {bad.detail}",
        payload={"line": bad.line, "text": bad.payload},
    )
