"""What a person sees while a run goes on: a table on a terminal, otherwise one plain line every few seconds.

Everything goes to standard error, so that standard output holds the closing summary alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from synth.budget import Spending
from synth.endpoints.base import Reply

if TYPE_CHECKING:
    from synth.engines import Engines

EVERY = 5.0
"""Seconds between plain lines."""
REDRAW = 0.5
"""Seconds between redraws of the table."""
_COUNTS = (
    "sent_by", "done_by", "failed_by", "replayed_by", "requests", "tokens_in", "tokens_out", "usd", "seeds_done",
)  # fmt: skip


class Progress:
    """Counts questions and answers as they come, and shows them; use as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.sent_by: Counter[str] = Counter()
        self.done_by: Counter[str] = Counter()
        self.failed_by: Counter[str] = Counter()
        self.replayed_by: Counter[str] = Counter()
        self.requests = 0
        """Requests that were answered or failed for good in this run (not replayed ones)."""
        self.tokens_in = 0
        self.tokens_out = 0
        self.usd = 0.0
        self.seeds = 0
        self.seeds_done = 0
        self._quiet = quiet
        self._started = time.monotonic()
        self._warned: set[str] = set()
        self._engines: Engines | None = None
        self._spending: Spending | None = None
        self._expected = 0.0
        self._live: Any = None

    def __enter__(self) -> Progress:
        """Begin to draw, when standard error is a terminal."""
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def begin(self, engines: Engines | None, spending: Spending, seeds: int, expected: float) -> None:
        """The run starts: ``seeds`` are to be done, with about ``expected`` requests; no engines: others do them."""
        self._engines, self._spending, self.seeds, self._expected = engines, spending, seeds, expected
        self._started = time.monotonic()

    def sent(self, step: str) -> None:
        """See :class:`synth.ask.Watcher`."""
        self.sent_by[step] += 1

    def asked(self, step: str, outcome: str, reply: Reply | None, usd: float, *, replayed: bool) -> None:
        """See :class:`synth.ask.Watcher`."""
        if replayed:
            self.replayed_by[step] += 1
        else:
            self.requests += 1
            self.tokens_in += reply.tokens_in if reply else 0
            self.tokens_out += reply.tokens_out if reply else 0
            self.usd += usd
            (self.done_by if outcome == "ok" else self.failed_by)[step] += 1

    def seed_done(self) -> None:
        """One seed has ended."""
        self.seeds_done += 1

    def say(self, text: str) -> None:
        """Print a line at once."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning, once however often it is given."""
        if text not in self._warned:
            self._warned.add(text)
            self.say(f"warning: {text}")

    def counts(self) -> dict[str, Any]:
        """All counts, as JSON can hold them."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in self._counts()}

    def take(self, parts: Iterable[Mapping[str, Any]]) -> None:
        """Take the sums of others' counts for ours."""
        every = list(parts)
        for name, value in self._counts():
            each = [part[name] for part in every]
            setattr(self, name, sum(map(Counter, each), Counter()) if isinstance(value, Counter) else sum(each))

    def _counts(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in _COUNTS]

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def line(self) -> str:
        """The state of the run in one line."""
        seconds = max(self.elapsed, 1e-9)
        parts = [
            f"seeds {self.seeds_done}/{self.seeds}",
            f"requests {self.requests:,} done, {self._in_flight} in flight, {sum(self.failed_by.values())} failed",
            f"{self.tokens_out / seconds:,.0f} tokens/s",
        ]
        if self.replayed_by:
            parts.insert(2, f"{sum(self.replayed_by.values()):,} from the journal")
        if self.usd or (self._spending and self._spending.budget.usd):
            cap = self._spending.budget.usd if self._spending else None
            # Against a cap counts what the whole run spent, not this try alone.
            usd = self._spending.usd if self._spending and cap else self.usd
            parts.append(f"${usd:,.4f}" + (f" of ${cap:,.2f}" if cap else ""))
        if self.requests >= 20 and self.seeds_done < self.seeds:
            parts.append(f"about {duration(self._left())} left")
        return " · ".join(parts)

    def _left(self) -> float:
        """Seconds left, by the share of seeds or of expected requests that is done, whichever is further.

        Many seeds end late, all at once; many end early, dropped: each measure alone misleads.
        """
        answered = self.requests + sum(self.replayed_by.values())
        by_requests = min(answered / self._expected, 0.95) if self._expected else 0.0
        share = max(self.seeds_done / max(self.seeds, 1), by_requests)
        return self.elapsed * (1 - share) / max(share, 1e-3)

    @property
    def _in_flight(self) -> int:
        if self._engines is not None:
            return self._engines.in_flight
        return sum(self.sent_by.values()) - sum(self.done_by.values()) - sum(self.failed_by.values())

    async def show(self) -> None:
        """Keep showing the state until cancelled, also while nothing happens; then show it once more.

        A run that ends before any reply has nothing to show: its error shall stand alone.
        """
        try:
            while True:
                await asyncio.sleep(REDRAW if self._live is not None else EVERY)
                self.draw()
        finally:
            if self.requests:
                self.draw()

    def draw(self) -> None:
        """Show the state, when there is one."""
        if self._quiet or not self.sent_by:
            return
        if self._live is not None:
            self._live.update(self._table())
        else:
            print(self.line(), file=sys.stderr, flush=True)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title=self.line(), title_justify="left", box=None, padding=(0, 2))
        for name in ("step", "done", "journal", "failed", "open"):
            table.add_column(name, justify="left" if name == "step" else "right")
        for step in dict.fromkeys([*self.replayed_by, *self.sent_by]):
            done, failed = self.done_by[step], self.failed_by[step]
            waiting = self.sent_by[step] - done - failed
            table.add_row(step, f"{done:,}", f"{self.replayed_by[step]:,}", f"{failed:,}", f"{waiting:,}")
        return table


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
