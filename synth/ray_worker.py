"""One shard on a node of a Ray cluster: its journal on the node's own disk, copied to the shared run folder.

SQLite's log wants a local disk, so a shard is worked on in a folder of its own under the node's temporary folder. It
starts from the journal in the run folder, if there is one, and that is replaced by a copy of ours, whole, every
``copy_every`` seconds (less often when a copy takes long) and at the end. Then the staged shard goes there too.

What a lost node costs: the requests in flight there, and the replies since the last copy of each of its shards. They
are asked for again, and a budget does not know of them: its caps hold for what the journals know.

``ray/NNNNN.json`` in the run folder names the try that owns the shard and holds its counts. A try that finds another
name there has been given up for lost: it writes nothing more and ends.

What it does not do: import Ray, or choose nodes (:mod:`synth.ray_runner`).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import socket
import sqlite3
import tempfile
import time
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

from synth.errors import ClinsynthError, RunInterrupted, UserError
from synth.progress import Progress
from synth.run import Part, Run, journal_path, stage_path
from synth.setup import Setup, prepare
from synth.spec import Budget
from synth.staging import disk_errors, recover_folder, replace_folder, temporary

LOOK = 0.25
"""Seconds between looks at the driver's word to stop."""
COPY_SHARE = 0.05
"""At most this share of the time goes into copies."""


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What a node must know to do one shard; all paths on a disk that every node sees."""

    spec: str
    folder: str
    """The driver's working directory, from which options name paths."""
    run: str
    overrides: tuple[str, ...]
    limit: int | None
    shard: int
    fingerprint: str
    """What the stage will depend on, as the driver sees it."""
    budget: Budget
    retry_failed: bool
    copy_every: float
    """Seconds."""
    driver: str
    """Names this run of the driver: its word to stop is ``ray/stop-<driver>``."""


class Quiet(Progress):
    """Counts, and keeps what is said for the driver."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep a line."""
        self.said.append(text)


def state_path(run: Path, shard: int) -> Path:
    """Where the owner of a shard keeps its name and its counts."""
    return run / "ray" / f"{shard:05d}.json"


def do_shard(task: Task) -> ClinsynthError | None:
    """Do the shard and put its journal and stage into the run folder; return what stopped it."""
    try:
        if os.path.isdir(task.folder):
            os.chdir(task.folder)
        setup = _setup(task.spec, Path(task.run), task.overrides, task.limit)
        if setup.stage_fingerprint(task.shard) != task.fingerprint:
            raise UserError(
                f"{socket.gethostname()}: this node sees another spec, other seeds, templates or versions of packages "
                f"than the driver; give all nodes the same files and the same image"
            )
        with tempfile.TemporaryDirectory(prefix="clinsynth-") as scratch:
            return asyncio.run(_Attempt(task, setup, Path(scratch)).execute())
    except ClinsynthError as error:
        return error


@lru_cache(maxsize=1)
def _setup(spec: str, run: Path, overrides: tuple[str, ...], limit: int | None) -> Setup:
    """Prepared once for all shards that this process gets: it reads all seeds."""
    return prepare(spec, run, overrides, limit)


class _Attempt:
    """One try at a shard."""

    def __init__(self, task: Task, setup: Setup, scratch: Path) -> None:
        self.task = task
        self.name = uuid.uuid4().hex
        self.shared = setup.run
        self.local = dataclasses.replace(setup, run=scratch)
        self.journal = journal_path(scratch, task.shard)
        self.progress = Quiet()

    async def execute(self) -> ClinsynthError | None:
        shard = self.task.shard
        with disk_errors(self.shared):
            self._report()
            self._restore()
        part = Part((shard,), self.task.budget)
        run = Run(self.local, self.progress, shards=[shard], retry_failed=self.task.retry_failed, part=part)
        ended = asyncio.Event()
        copies = asyncio.create_task(self._copies(run, ended))
        try:
            finished = await run.execute()
        finally:
            # Not cancelled: a thread may be copying, and the last copy must be the last.
            ended.set()
            await copies
        with disk_errors(self.shared):
            self._copy()
            if finished.error is None:
                self._copy_stage()
        if finished.error is not None and not isinstance(finished.error, ClinsynthError):
            raise finished.error
        return finished.error

    async def _copies(self, run: Run, ended: asyncio.Event) -> None:
        """Copy now and then; end the run when the driver says so, when another has the shard, or on a full disk."""
        stop = self.shared / "ray" / f"stop-{self.task.driver}"
        due = time.monotonic() + self.task.copy_every
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), min(LOOK, self.task.copy_every))
            if stop.exists():
                run.stop(RunInterrupted("interrupted; run the same command again to go on from here"))
            if time.monotonic() < due or ended.is_set():
                continue
            began = time.monotonic()
            try:
                with disk_errors(self.shared):
                    await asyncio.to_thread(self._copy)
            except ClinsynthError as error:
                run.stop(error)
                return
            now = time.monotonic()
            due = now + max(self.task.copy_every, (now - began) / COPY_SHARE)

    def _restore(self) -> None:
        """Start from the journal in the run folder, and take away a stage whose failures are asked for again."""
        shared = journal_path(self.shared, self.task.shard)
        self.journal.parent.mkdir(parents=True)
        if shared.exists():
            shutil.copyfile(shared, self.journal)
        if self.task.retry_failed:
            shutil.rmtree(stage_path(self.shared, self.task.shard), ignore_errors=True)

    def _copy(self) -> None:
        """Put the journal as it stands into the run folder, in one step, if the shard is still ours."""
        if not self.journal.exists():
            return
        target = journal_path(self.shared, self.task.shard)
        target.parent.mkdir(parents=True, exist_ok=True)
        work = target.with_name(f".{target.name}.{self.name}")
        try:
            with (
                contextlib.closing(sqlite3.connect(self.journal)) as ours,
                contextlib.closing(sqlite3.connect(work)) as copy,
            ):
                ours.backup(copy)
            self._check_owner()
            os.replace(work, target)
        except sqlite3.Error as error:
            raise ClinsynthError(f"{target}: the journal was not copied: {error}; free space and run again") from error
        finally:
            work.unlink(missing_ok=True)
        self._report()

    def _copy_stage(self) -> None:
        folder = stage_path(self.shared, self.task.shard)
        folder.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(folder)
        with temporary(folder) as work:
            shutil.copytree(stage_path(self.local.run, self.task.shard), work, dirs_exist_ok=True)
            self._check_owner()
            replace_folder(work, folder)

    def _check_owner(self) -> None:
        owner = json.loads(state_path(self.shared, self.task.shard).read_text("utf-8"))["owner"]
        if owner != self.name:
            raise RunInterrupted(f"shard {self.task.shard}: another node has taken it over")

    def _report(self) -> None:
        """Write our name and counts."""
        path = state_path(self.shared, self.task.shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "owner": self.name,
            "driver": self.task.driver,
            "node": socket.gethostname(),
            "counts": self.progress.counts(),
            "said": self.progress.said,
        }
        work = path.with_name(f".{path.name}.{self.name}")
        work.write_text(json.dumps(state), "utf-8")
        os.replace(work, path)
