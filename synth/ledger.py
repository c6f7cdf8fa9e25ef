"""The ledger of one question: every try is reserved and journalled before it is sent, and settled when it has ended.

So a budget holds for retries too, and what a kill may have cost stands in the journal. A try that may have been billed
without a reply of use (cut off, timed out, unreadable) is charged at its worst case: prompt and ``max_tokens``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synth.budget import Reservation, Spending
from synth.endpoints.base import Attempt, Reply, Request
from synth.journal import NOTHING, Ended, Intent, Journal, Totals
from synth.spec_models import Price


class QuestionLedger:
    """See :class:`synth.endpoints.base.Ledger`."""

    def __init__(
        self,
        journal: Journal,
        spending: Spending,
        price: Price | None,
        request: Request,
        *,
        key: str,
        seed_id: str,
        step: str,
        sample: int,
        reask: int,
    ) -> None:
        self.key = key
        self.ended: list[Ended] = []
        """The tries so far; goes into the journal with the question's entry."""
        self._journal, self._spending, self._price, self._request = journal, spending, price, request
        self._place = (seed_id, step, sample, reask)
        self._open: tuple[int, Reservation] | None = None

    async def begin(self) -> None:
        """Reserve the worst case of a try and journal the intent to send it."""
        if self.ended:
            self._journal.end(self.ended[-1])  # it was not the last one, so it has to be kept by itself
        held = self._spending.reserve(self._request, self._price)
        number = 0
        try:
            number = await self._journal.intend(Intent(0, self.key, *self._place, held.tokens, held.usd))
        finally:
            if number:
                self._open = number, held
            else:
                self._spending.release(held)

    def end(self, attempt: Attempt, reply: Reply | None = None) -> None:
        """Settle the try that began last."""
        assert self._open is not None
        (number, held), self._open = self._open, None
        charged = self._spending.settle(held, reply, self._price, attempt)
        lost = (charged.tokens, charged.usd) if reply is None else (0, 0.0)
        self.ended.append(Ended(number, attempt.outcome, attempt.arrived, *lost))

    def abandon(self) -> None:
        """The question ends without an entry: what is known of its last try is kept, what is not counts as lost."""
        if self._open is None and self.ended:
            self._journal.end(self.ended[-1])


async def run_totals(run: Path, shards: Sequence[int] | None = None) -> Totals:
    """Sums over the journals of a run folder, all or those of some shards: every process that has worked on it.

    Raises:
        UserError: a journal cannot be read.
    """
    sums = NOTHING
    wanted = None if shards is None else {f"{shard:05d}" for shard in shards}
    for path in sorted((run / "journal").glob("*.sqlite")):
        if wanted is not None and path.stem not in wanted:
            continue
        journal = Journal(path)
        try:
            sums += journal.totals()
        finally:
            await journal.close()
    return sums
