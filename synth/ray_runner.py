"""A run on a Ray cluster: one task a shard, the same coroutines as on one machine, and the same bytes.

The driver plans, hands out shards (:mod:`synth.ray_worker`), adds up what the nodes report, has them screen the rows
(:mod:`synth.ray_screens`) and exports at the end. A task whose node or process is lost is started again by Ray and
goes on from the copied journal. When driver or head are lost, the same command on another cluster goes on.

A budget is split by shard (:mod:`synth.shares`); a shard that has used its share up stops alone, the others go on.
Every task has endpoints of its own: ``max_in_flight`` holds for each of them.

What it does not do: ship code, seeds or keys. All nodes need the same image and environment variables, and see the
spec, the seeds and the run folder under the driver's paths. Servers of ours and batches belong to one process, so they
are refused; name servers by ``base_url`` instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.budget import Spending
from synth.errors import BudgetReached, ClinsynthError, RunInterrupted, UserError
from synth.estimate import estimate
from synth.ledger import run_totals
from synth.progress import EVERY, Progress
from synth.ray_cluster import connect, cores_of_a_task, interrupts, refuse_engines
from synth.ray_screens import screened_on
from synth.ray_worker import Task, do_shard
from synth.run import Finished, is_staged, stage_path
from synth.screens import Screens
from synth.setup import Setup
from synth.shares import budgets

COPY_EVERY = 5.0
"""Seconds between copies of a journal."""
RETRIES = 5
"""How often Ray starts a shard again whose node was lost."""
LOOK = 0.5
AHEAD = 2
"""Tasks handed out for each that can run: so that no core is idle, and Ray need not hold a million of them."""


@dataclass(frozen=True, slots=True)
class Command:
    """What the nodes need of the command line to prepare the same run."""

    spec: str
    overrides: Sequence[str] = ()
    limit: int | None = None
    retry_failed: bool = False
    address: str = "auto"


def run_on_ray(
    setup: Setup, command: Command, progress: Progress, shards: Sequence[int], screens: Screens
) -> tuple[Finished, Screens]:
    """Do the shards on a cluster, then screen all staged rows there, unless something stops the run before.

    Where all is exported already and no shard is to be done, no cluster is needed. The screens that come back are to
    be used for the export.

    Raises:
        UserError: Ray is not installed, there is no cluster at the address, or a model belongs to one process.
        ClinsynthError: rows could not be screened.
        KeyboardInterrupt: interrupted for the second time.
    """
    refuse_engines(setup.spec)
    if not shards and (setup.run / "export").exists():
        return Finished(None), screens
    ray = connect(command.address)
    try:
        finished = _Driver(ray, setup, command, progress).execute(list(shards)) if shards else Finished(None)
        if finished.error is None:
            progress.say("screening rows on the nodes")
            screens = screened_on(ray, screens, [stage_path(setup.run, n) for n in range(setup.shards)])
        return finished, screens
    finally:
        ray.shutdown()


@dataclass(slots=True)
class _Driver:
    """Hands shards out and watches them."""

    ray: Any
    setup: Setup
    command: Command
    progress: Progress
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    finished: Finished = field(default_factory=lambda: Finished(None))
    cores: int = 1
    """Of a task."""
    _said: dict[int, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.setup.run / "ray"

    def execute(self, shards: list[int]) -> Finished:
        # Opened and closed, a journal is one file again, whatever killed its last process: nodes copy files.
        asyncio.run(run_totals(self.setup.run))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        share = asyncio.run(budgets(self.setup, [[shard] for shard in range(self.setup.shards)]))
        seeds = sum(map(self.setup.seeds_in, shards))
        expected = sum(line.requests for line in estimate(self.setup)) * seeds / max(self.setup.seeds.count, 1)
        self.progress.begin(None, Spending(self.setup.spec.budget), seeds, expected)
        self.cores = cores_of_a_task(self.ray, self.setup.spec)
        work = self.ray.remote(num_cpus=self.cores, max_retries=RETRIES, scheduling_strategy="SPREAD")(do_shard)
        tasks = ((shard, self._task(shard, share[shard])) for shard in shards)
        # Once: nodes send nothing more, and what is in flight arrives; twice: do not wait.
        with interrupts(self._interrupt):
            self._watch(work, tasks)
        return self.finished

    def _task(self, shard: int, budget: Any) -> Task:
        command = self.command
        return Task(
            spec=command.spec,
            folder=os.getcwd(),
            run=str(self.setup.run.absolute()),
            overrides=tuple(command.overrides),
            limit=command.limit,
            shard=shard,
            fingerprint=self.setup.stage_fingerprint(shard),
            budget=budget,
            retry_failed=command.retry_failed,
            copy_every=COPY_EVERY,
            driver=self.name,
        )

    def _watch(self, work: Any, tasks: Iterator[tuple[int, Task]]) -> None:
        open_tasks: dict[Any, int] = {}
        shown = self.progress.elapsed
        while True:
            room = AHEAD * max(int(self.ray.cluster_resources().get("CPU", 1)) // self.cores, 1)
            while len(open_tasks) < room and not self._stopping and (following := next(tasks, None)):
                open_tasks[work.remote(following[1])] = following[0]
            if not open_tasks:
                break
            done, _ = self.ray.wait(list(open_tasks), timeout=LOOK)
            for task in done:
                self._ended(open_tasks.pop(task), task)
            self._add_up()
            if self.progress.elapsed - shown >= EVERY:
                shown = self.progress.elapsed
                self.progress.draw()
        self._add_up()
        self.progress.draw()

    @property
    def _stopping(self) -> bool:
        return self.finished.error is not None and not isinstance(self.finished.error, BudgetReached)

    def _ended(self, shard: int, task: Any) -> None:
        try:
            error = self.ray.get(task)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as lost:
            reason = " ".join(str(lost).split())[:160]
            error = ClinsynthError(f"shard {shard}: its node was lost {RETRIES + 1} times ({reason}); run again")
        if error is None and not is_staged(self.setup, shard):
            error = UserError(f"{self.setup.run}: shard {shard} is not there: nodes see another disk under this path")
        if error is None:
            self.finished.staged.append(shard)
        elif self.finished.error is None or (not self._stopping and not isinstance(error, BudgetReached)):
            self.finished.error = error
            if self._stopping:
                self._say_stop()

    def _say_stop(self) -> None:
        (self.folder / f"stop-{self.name}").touch()

    def _add_up(self) -> None:
        """Sum up what the nodes report, and say what they have to say."""
        counts = []
        for path in sorted(self.folder.glob("*.json")):
            state = json.loads(path.read_text("utf-8"))
            counts.append(state["counts"])
            shard = int(path.stem)
            for text in state["said"][self._said.get(shard, 0) :]:
                self.progress.say(f"shard {shard} ({state['node']}): {text}")
            self._said[shard] = len(state["said"])
        if counts:
            self.progress.take(counts)

    def _interrupt(self) -> None:
        self.finished.error = RunInterrupted("interrupted; run the same command again to go on from here")
        self._say_stop()
