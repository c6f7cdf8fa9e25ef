"""What a journal holds: entries, their rows and the checksum that tells a damaged row.

A row is the columns of :data:`synth.journal_file.HEADER`, the checksum over them and the body, the body (reply and
attempts as JSON) and the request (JSON, compressed by who writes it). Texts are made storable on the way in.

What this module does not do: it knows neither the file (see :mod:`synth.journal_file`) nor when rows are written (see
:mod:`synth.journal`).
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

from filters.text import storable

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One question and its final outcome."""

    key: str
    """SHA-256, hex, of what was asked."""
    seed_id: str
    step: str
    sample: int
    """Which of several answers to the same question."""
    reask: int
    """How often the question had been asked again with the error of a bad reply."""
    role: str
    model: str
    """The model as declared in the spec; the one that served stands in ``reply``."""
    request: dict[str, Any]
    """Messages, sampling, schema. Kept compressed for provenance; empty in what ``Journal.get`` returns."""
    outcome: str
    """``ok`` or the kind of the final failure."""
    reply: dict[str, Any] | None
    """Text, reasoning, finish reason, model as served, …"""
    tokens_in: int
    tokens_out: int
    usd: float
    attempts: list[dict[str, Any]]
    """Every request that was sent for it, the last one included: outcome, HTTP status, detail, seconds."""

    @property
    def requests(self) -> int:
        """Attempts that were sent; those that found no server were not."""
        return sum(attempt.get("arrived") is not False for attempt in self.attempts)


class Slot(NamedTuple):
    """One question that has been asked. A place in a recipe has several when its template or model was changed."""

    seed_id: str
    step: str
    sample: int
    reask: int
    key: str
    tokens_in: int
    tokens_out: int
    usd: float


class Intent(NamedTuple):
    """A request about to be sent, or sent without an end that is known: what it may cost at most."""

    id: int
    """Number of the attempt within its journal."""
    key: str
    seed_id: str
    step: str
    sample: int
    reask: int
    tokens: int
    usd: float


class Ended(NamedTuple):
    """How an attempt ended, and what it may have cost though no reply of use came of it."""

    id: int
    outcome: str
    arrived: bool | None
    """As in :class:`synth.endpoints.base.Attempt`."""
    tokens: int
    usd: float

    @property
    def kept(self) -> bool:
        """Whether the ledger has to remember it: nobody knows whether it arrived, or it may have been billed."""
        return self.arrived is None or self.tokens > 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a journal. Tokens, dollars and requests include rows that a retry replaced; the counts do not.

    ``requests = answered + failed attempts + uncertain``: what the servers have counted as well, but for uncertain
    ones that never reached them.
    """

    requests: int
    """Attempts that were sent."""
    answered: int
    """Attempts that brought a reply."""
    replies: int
    failures: int
    """Questions that failed for good."""
    tokens_in: int
    tokens_out: int
    usd: float
    uncertain: int
    """Attempts with an end that nobody knows: cut off, timed out, or in flight when the process ended."""
    lost_tokens: int
    """At most so many tokens of attempts that may have been billed without a reply of use; not in the sums above."""
    lost_usd: float

    @property
    def failed_attempts(self) -> int:
        """Attempts that a server answered with something else than a reply of use."""
        return self.requests - self.answered - self.uncertain

    def __add__(self, other: Totals) -> Totals:
        """Sums over both journals."""
        return Totals(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


NOTHING = Totals(0, 0, 0, 0, 0, 0, 0.0, 0, 0, 0.0)


def encode(entry: Entry) -> tuple[Any, ...]:
    """Return the row of ``entry`` up to its request.

    Raises:
        ValueError: a number is not finite or exceeds 64 bits.
    """
    numbers = (entry.sample, entry.reask, entry.tokens_in, entry.tokens_out)
    if not math.isfinite(entry.usd) or any(abs(number) >= 2**63 for number in numbers):
        raise ValueError(f"{entry.key}: a number is not finite or exceeds 64 bits: {(*numbers, entry.usd)}")
    header = (
        entry.key, storable(entry.seed_id), storable(entry.step), int(entry.sample), int(entry.reask),
        storable(entry.role), storable(entry.model), storable(entry.outcome), entry.requests,
        int(entry.tokens_in), int(entry.tokens_out), entry.usd + 0.0,  # + 0.0: SQLite does not keep -0.0
    )  # fmt: skip
    body = json_bytes({"reply": entry.reply, "attempts": entry.attempts})
    return (*header, checksum(header, body), body)


def decode(header: list[Any], body: bytes) -> Entry:
    """Return the entry of a row, without its request."""
    key, seed_id, step, sample, reask, role, model, outcome, _, tokens_in, tokens_out, usd = header
    content = json.loads(body)
    return Entry(
        key, seed_id, step, sample, reask, role, model, {}, outcome,
        content["reply"], tokens_in, tokens_out, usd, content["attempts"],
    )  # fmt: skip


def json_bytes(value: object) -> bytes:
    """Return compact JSON in UTF-8; lone surrogates become U+FFFD."""
    return storable(_COMPACT.encode(value)).encode()


def checksum(header: Collection[object], body: bytes) -> int:
    """Return the CRC-32 of a row up to its request."""
    return zlib.crc32(body, zlib.crc32(json.dumps(list(header), default=repr).encode()))
