"""How the fault server behaves: its options, checked."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synth.errors import UserError
from synth.fault_kinds import CONTENT, ERRORS

REASONING = ("none", "field", "field_old", "inline")
"""Where text replies reason: nowhere, in ``reasoning``, ``reasoning_content``, or ``<think>`` before the content."""


@dataclass(frozen=True)
class FaultOptions:
    """How the server behaves; the command line has the same options. Raises UserError for a value out of range."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""
    models: tuple[str, ...] = ("fault-model",)
    api_key: str | None = None
    strict_model: bool = False
    """Answer 404 to a model that is not in ``models``."""
    latency_ms: float = 0.0
    """Wait before every reply and injected error; with 0 requests are answered one by one, never two in flight."""
    jitter: float = 0.0
    """Latency is drawn from ``latency_ms`` * [1 - jitter, 1 + jitter]."""
    error_rate: float = 0.0
    """Share of the well-formed requests that get one of ``errors``; drawn in order of arrival."""
    errors: tuple[str, ...] = ("429", "500", "503", "reset", "truncated")
    script: tuple[str | None, ...] = ()
    """Faults of the first, second, ... chat request to arrive, None for none; after them ``error_rate`` rules."""
    seed: int = 0
    """Seed of latencies and injected errors; replies do not depend on it."""
    reasoning: str = "none"
    bad_json_rate: float = 0.0
    """Share of the bodies with a response_format whose reply is cut in the middle, with finish_reason ``length``."""
    refusal_rate: float = 0.0
    """Share of the bodies that are answered with a refusal."""
    content_faults: tuple[str, ...] = ()
    """Broken and odd replies (``fault_kinds.CONTENT``) for ``content_fault_rate`` to choose from."""
    content_fault_rate: float = 0.0
    """Share of the bodies that are answered with one of ``content_faults``, always the same one."""
    outage: tuple[float, float] | None = None
    """Seconds from the first chat request until nothing listens any more, and seconds until something does again."""
    hit_log: str | os.PathLike[str] | None = None
    """File that gets a line of JSON when a chat request arrives and another when it ends."""
    reply: Callable[[dict[str, Any]], str | None] | None = None
    """Gives the content for a body, or None for the default; ``refusal_rate`` and
    ``bad_json_rate`` leave such a content alone, the other faults do not."""

    def __post_init__(self) -> None:
        for name in self.errors:
            check_name("--errors", name, ERRORS)
        for number, scripted in enumerate(self.script, 1):
            if scripted is not None:
                check_name(f"--script, entry {number}", scripted, ERRORS)
        for name in self.content_faults:
            check_name("--content-faults", name, CONTENT)
        check_name("--reasoning", self.reasoning, REASONING)
        for name in ("jitter", "error_rate", "bad_json_rate", "refusal_rate", "content_fault_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name.replace('_', '-')}: {getattr(self, name)} is not between 0 and 1")
        if not 0 <= self.port <= 65535:
            raise UserError(f"--port: {self.port} is not between 0 and 65535; 0 takes a free port")
        if self.latency_ms < 0 or (self.error_rate and not self.errors):
            raise UserError("--latency-ms must not be negative, and --error-rate needs --errors")
        if self.content_fault_rate and not self.content_faults:
            raise UserError(f"--content-fault-rate needs --content-faults, some of {', '.join(CONTENT)}")
        if self.outage is not None and not (0 <= self.outage[0] < math.inf and 0 < self.outage[1] < math.inf):
            raise UserError("--outage: START must not be negative, SECONDS must be more than 0, and both finite")


def check_name(option: str, name: str, known: tuple[str, ...]) -> None:
    """Raise UserError, with the nearest known name, unless the name is known."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.0)[0]
        listed = f"Known: {', '.join(known)}" if len(known) < 10 else "--help lists all"
        raise UserError(f"{option}: unknown {name!r}; did you mean {near!r}? {listed}")
