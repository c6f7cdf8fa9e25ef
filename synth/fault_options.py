"""How the fault server behaves: its options, checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synth.errors import UserError

ERRORS = ("400", "401", "403", "404", "408", "422", "429", "500", "502", "503", "504", "529", "reset", "truncated")
"""What can be injected: a status, a connection closed without a reply, a 200 whose JSON is cut in the middle."""
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
    """Share of the well-formed requests that get one of ``errors`` instead of a reply."""
    errors: tuple[str, ...] = ("429", "500", "503", "reset", "truncated")
    seed: int = 0
    """Seed of latencies and injected errors; replies do not depend on it."""
    reasoning: str = "none"
    bad_json_rate: float = 0.0
    """Share of the bodies with a response_format whose reply is cut in the middle, with finish_reason ``length``."""
    refusal_rate: float = 0.0
    """Share of the bodies that are answered with a refusal."""
    reply: Callable[[dict[str, Any]], str | None] | None = None
    """Gives the content for a body, or None for the default; such a content is neither refused nor cut as bad JSON."""

    def __post_init__(self) -> None:
        for name, known, values in (("errors", ERRORS, self.errors), ("reasoning", REASONING, (self.reasoning,))):
            for value in values:
                if value not in known:
                    near = difflib.get_close_matches(value, known, 1, 0.0)[0]
                    raise UserError(f"--{name}: unknown {value!r}; did you mean {near!r}? Known: {', '.join(known)}")
        for name in ("jitter", "error_rate", "bad_json_rate", "refusal_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name.replace('_', '-')}: {getattr(self, name)} is not between 0 and 1")
        if not 0 <= self.port <= 65535:
            raise UserError(f"--port: {self.port} is not between 0 and 65535; 0 takes a free port")
        if self.latency_ms < 0 or (self.error_rate and not self.errors):
            raise UserError("--latency-ms must not be negative, and --error-rate needs --errors")
