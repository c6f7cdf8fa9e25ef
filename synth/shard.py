"""One shard: its seeds run through the recipes as tasks of their own, and its results in seed order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from synth.ask import Asker, Desk, NotAnswered, together
from synth.errors import ClinsynthError
from synth.gates import ShardGates
from synth.journal import Journal
from synth.recipes.dialogue import dialogues
from synth.recipes.finemed import finemed
from synth.recipes.job import Job
from synth.recipes.slots import Slots
from synth.recipes.verified import verified
from synth.rows import Kept, Rejected
from synth.seeds import Seed
from synth.setup import Setup


@dataclass(slots=True)
class Shard:
    """A shard at work."""

    setup: Setup
    index: int
    desk: Desk
    journal: Journal
    stop: Callable[[BaseException], None]
    """Called with an error that must end the whole run."""
    warn: Callable[[str], None]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    done: int = 0
    pending: int = 0
    """Slots of ended seeds that were left open: the run was stopped before they could be settled."""
    _gates: ShardGates = field(init=False)
    _results: dict[int, tuple[list[Kept], list[Rejected]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = self.setup.spec
        hardest = spec.produce.reasoning.hardest if spec.produce.reasoning else None
        self._gates = ShardGates(self.size, spec.filters.dedup, hardest)

    @property
    def size(self) -> int:
        """Number of seeds."""
        return self.setup.seeds_in(self.index)

    def open_seed(self, position: int, seed: Seed) -> asyncio.Task[None]:
        """Start the seed at ``position`` of this shard."""
        task = asyncio.create_task(self._run(position, seed))
        self.tasks.append(task)
        return task

    async def _run(self, position: int, seed: Seed) -> None:
        slots = Slots(seed.id, self.setup.slots)
        job = Job(
            seed=seed,
            position=position,
            spec=self.setup.spec,
            asker=Asker(self.desk, self.journal, seed.id, (self.index, position)),
            slots=slots,
            gates=self._gates,
            taxonomy=self.setup.taxonomy,
            personas=self.setup.personas,
            prompt_hashes=self.setup.prompt_hashes,
            warn=self.warn,
        )
        try:
            await together(self._questions(job), dialogues(job))
        except NotAnswered:
            pass
        except ClinsynthError as err:
            self.stop(err)
        finally:
            self._gates.leave(position)
            self._results[position] = slots.results()
            self.pending += len(slots.open())
            self.done += 1

    async def _questions(self, job: Job) -> None:
        try:
            await (verified if job.spec.seeds.kind == "items" else finemed)(job)
        finally:
            # Others wait at the gates for this seed's question, not for its dialogues.
            self._gates.leave(job.position)

    def results(self) -> tuple[list[Kept], list[Rejected]]:
        """All rows and rejections of the shard, in seed order."""
        ordered = [self._results[position] for position in sorted(self._results)]
        return [row for kept, _ in ordered for row in kept], [r for _, rejected in ordered for r in rejected]
