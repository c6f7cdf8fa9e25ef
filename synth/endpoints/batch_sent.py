"""Batches at the service: which earlier processes have left, and what came of one that has ended.

Results are joined by custom_id, in any order, from the output file and the error file, either of which may be missing.
Lines that are unreadable, foreign (no such request was in the batch) or doubled are counted and passed over; a request
without a usable line has no verdict. Files are streamed to the disk, never held in memory.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from synth.endpoints.base import Attempt, Failure, Ledger, Outcome, Reply, Request
from synth.endpoints.batch_lines import Ids, Result, Verdict, input_ids, judge, read_lines, read_result
from synth.endpoints.batch_service import BatchService, Missing
from synth.endpoints.line import INVALID_IN_A_ROW
from synth.failpoints import failpoint

if TYPE_CHECKING:
    from openai.types import Batch

ENDED = {"completed", "expired", "cancelled"}
"""States of a batch that may have results and will have no more."""
_AT_ONCE = 100
"""Lines read before others have their turn."""


@dataclass(slots=True, eq=False)
class Question:
    """A request that waits for its reply."""

    custom_id: str
    request: Request
    ledger: Ledger
    answer: asyncio.Future[Outcome]
    attempts: list[Attempt] = field(default_factory=list)
    begun: bool = False
    """The ledger was told of an attempt that has not ended."""
    seen: set[str] = field(default_factory=set)
    """Ids of batches that have nothing for it."""

    def end(self, attempt: Attempt, reply: Reply | None = None) -> None:
        """End an attempt; with a reply, or with no further attempt to come, call :meth:`settle` next."""
        self.attempts.append(attempt)
        if self.begun:  # else an earlier process has sent it
            self.begun = False
            self.ledger.end(attempt, reply)

    def settle(self, reply: Reply | None) -> None:
        """Answer it with a reply, or with the last attempt as its failure."""
        last = self.attempts[-1]
        if not self.answer.done():  # else it was cancelled
            failure = None if reply is not None else Failure(last.outcome, last.detail)
            self.answer.set_result(Outcome(reply, failure, self.attempts))


@dataclass(slots=True, eq=False)
class Sent:
    """A batch at the service, ours or of an earlier process."""

    batch: Batch
    ids: Ids
    waiting: dict[str, Question] = field(default_factory=dict)
    """Whose replies are expected of it, by custom_id."""
    watched: bool = False
    validated: asyncio.Event = field(default_factory=asyncio.Event)
    """It was accepted, or was not."""
    replies: int = 0

    @property
    def ended(self) -> bool:
        """Whether there will be no more results than there are."""
        return self.batch.status in ENDED

    def without_result(self) -> Verdict:
        """What befell a request of which its files say nothing."""
        if self.batch.status == "completed":
            return Verdict(Attempt("bad_body", 0, f"the batch {self.batch.id} has no result for it"))
        return Verdict(Attempt("timeout", 0, f"the batch {self.batch.id} {self.batch.status} before its turn"))


@contextmanager
def temporary(folder: Path, kind: str) -> Iterator[Path]:
    """A path for a file that is removed in the end."""
    path = folder / f"clinsynth-{kind}-{uuid.uuid4().hex}.jsonl"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


async def earlier_batches(service: BatchService, folder: Path) -> list[Sent]:
    """Batches of this model that earlier processes have left and that have results or may get some, newest first."""
    found = []
    for batch in await service.mine_for_certain():
        if batch.status == "failed" or (batch.status in ENDED and not batch.output_file_id):
            continue
        with temporary(folder, "earlier") as path:
            try:
                await service.download(batch.input_file_id, path)
            except Missing:  # deleted: nobody knows what stood in it
                continue
            found.append(Sent(batch, await asyncio.to_thread(input_ids, path)))
    return found


class Reading:
    """Reads the results of one batch that has ended and hands its replies over."""

    def __init__(self, sent: Sent, wanted: dict[str, Question]) -> None:
        """Replies go to ``wanted``, which keeps those that got none."""
        self._sent = sent
        self._wanted = wanted
        self._verdicts: dict[str, Verdict] = {}
        self._odd: Counter[str] = Counter()
        self._done: set[str] = set()

    async def read(self, service: BatchService, folder: Path, say: Callable[[str], None]) -> None:
        """Read both files; ``say`` is told of lines of no use."""
        batch = self._sent.batch
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                number = 0
                async for line in _lines(service, file_id, folder):
                    self._take(read_result(line))
                    number += 1
                    if number % _AT_ONCE == 0:
                        await asyncio.sleep(0)
        for question in self._wanted.values():
            question.seen.add(batch.id)
        if self._odd:
            said = ", ".join(f"{count} {kind}" for kind, count in sorted(self._odd.items()))
            say(f"the results of the batch {batch.id} have lines of no use: {said}")

    def left(self) -> dict[str, Verdict]:
        """What befell those that got no reply, by custom_id."""
        return {name: self._verdicts.get(name) or self._sent.without_result() for name in self._wanted}

    def refusal(self) -> str | None:
        """Why the service would refuse all further requests too, if it would."""
        left = list(self.left().values())
        refused = [verdict.attempt.detail for verdict in left if verdict.refused]
        invalid = [verdict.attempt.detail for verdict in left if verdict.attempt.outcome == "bad_request"]
        if not refused and not self._sent.replies and len(invalid) == len(left) >= INVALID_IN_A_ROW:
            return (
                f"every request of the batch {self._sent.batch.id} is refused as invalid ({invalid[0]}); "
                f"compare model, structured and extra_body with what the service takes"
            )
        return min(refused, default=None)

    def _take(self, result: Result | None) -> None:
        if result is None:
            self._odd["unreadable"] += 1
        elif result.custom_id not in self._sent.ids:
            self._odd["foreign"] += 1
        elif result.custom_id in self._done:
            self._odd["doubled"] += 1
        elif (question := self._wanted.get(result.custom_id)) is not None:
            verdict = judge(result, question.request)
            if verdict.reply is None:
                self._verdicts.setdefault(result.custom_id, verdict)
                return
            failpoint("reply")
            self._done.add(result.custom_id)
            del self._wanted[result.custom_id]
            self._sent.replies += 1
            question.end(verdict.attempt, verdict.reply)
            question.settle(verdict.reply)


async def _lines(service: BatchService, file_id: str, folder: Path) -> AsyncIterator[bytes | None]:
    """The lines of a file of the service; none when it is not there."""
    with temporary(folder, "results") as path:
        try:
            await service.download(file_id, path)
        except Missing:
            return
        for line in read_lines(path):
            yield line
