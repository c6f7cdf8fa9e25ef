"""A run on a Ray cluster: one task a shard, the same coroutines as on one machine, and the same bytes.

The driver plans, hands out shards, adds up what the nodes report, and exports at the end; everything between is
:mod:`synth.ray_worker`. A task whose node or process is lost is started again elsewhere by Ray and goes on from the
copied journal. When the driver or the head node is lost, the same command on another cluster goes on.

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
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.budget import Spending
from synth.engines import models_in_use
from synth.errors import BudgetReached, ClinsynthError, RunInterrupted, UserError
from synth.estimate import estimate
from synth.ledger import run_totals
from synth.progress import EVERY, Progress
from synth.ray_worker import Task, do_shard
from synth.run import Finished, is_staged
from synth.setup import Setup
from synth.shares import budgets
from synth.spec_models import BatchModel, VllmModel

COPY_EVERY = 5.0
"""Seconds between copies of a journal."""
RETRIES = 5
"""How often Ray starts a shard again whose node was lost."""
LOOK = 0.5
AHEAD = 2
"""Tasks handed out for each core of the cluster: so that none is idle, and Ray need not hold a million of them."""


@dataclass(frozen=True, slots=True)
class Command:
    """What the nodes need of the command line to prepare the same run."""

    spec: str
    overrides: Sequence[str] = ()
    limit: int | None = None
    retry_failed: bool = False
    address: str = "auto"


def run_on_ray(setup: Setup, command: Command, progress: Progress, shards: Sequence[int]) -> Finished:
    """Do the shards on a cluster; returns early when something stops the run.

    Raises:
        UserError: Ray is not installed, there is no cluster at the address, or a model belongs to one process.
        KeyboardInterrupt: interrupted for the second time.
    """
    for role, model in models_in_use(setup.spec).items():
        if isinstance(model, BatchModel) or (isinstance(model, VllmModel) and model.base_url is None):
            raise UserError(
                f"models.{role}: --runner ray cannot share engine {model.engine}; start servers on the cluster and "
                f"name them with base_url"
            )
    if not shards:
        return Finished(None)
    ray = connect(command.address)
    try:
        return _Driver(ray, setup, command, progress).execute(list(shards))
    finally:
        ray.shutdown()


def connect(address: str) -> Any:
    """Ray, connected to the cluster at ``address`` (``auto``: the one of this machine; ``local``: one made for us).

    Raises:
        UserError: it is not installed, or there is no such cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise UserError("--runner ray: Ray is not installed; pip install 'clinsynth[ray]'") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning", include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"--address {address}: no Ray cluster there ({reason}); start one with ray start --head, or pass "
            f"--address local"
        ) from None
    return ray


@dataclass(slots=True)
class _Driver:
    """Hands shards out and watches them."""

    ray: Any
    setup: Setup
    command: Command
    progress: Progress
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    finished: Finished = field(default_factory=lambda: Finished(None))
    _said: dict[int, int] = field(default_factory=dict)
    _interrupts: int = 0

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
        work = self.ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(do_shard)
        tasks = ((shard, self._task(shard, share[shard])) for shard in shards)
        with self._signals():
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
            room = AHEAD * max(int(self.ray.cluster_resources().get("CPU", 1)), 1)
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

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM once: nodes send nothing more, and what is in flight arrives; twice: do not wait."""

        def interrupt(*_: object) -> None:
            self._interrupts += 1
            if self._interrupts > 1:
                raise KeyboardInterrupt
            self.finished.error = RunInterrupted("interrupted; run the same command again to go on from here")
            self._say_stop()

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
