"""What is known about one endpoint after its probes. None stands for: not probed, or it could not be told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Level:
    """So many requests at once."""

    in_flight: int
    tokens: int
    """Generated, by the server's count where it counts."""
    seconds: float
    failed: dict[str, int] = field(default_factory=dict)
    """How many ended without a reply, by kind of failure."""

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens per second, all requests together."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True)
class Finding:
    """What one endpoint can do; None where it was not probed or could not be told."""

    roles: list[str]
    engine: str
    model: str
    url: str | None
    """None: an engine that we start."""
    reachable: bool | None = None
    key: bool | None = None
    """Whether the key is accepted; None: none is sent."""
    model_there: bool | None = None
    json_schema: bool | None = None
    json_object: bool | None = None
    """Probed only where the schema is not honoured, or the spec asks for it."""
    schema_problem: str = ""
    """Why the schema is not honoured."""
    seed: str | None = None
    """``yes``: the same seed gives the same text and another one another; ``no``: the same seed gives another text;
    ``constant``: every seed gives the same text; ``refused``; ``not sent``: the spec says so."""
    logprobs: bool | None = None
    reasoning: str | None = None
    """``none``, ``reasoning``, ``reasoning_content``, ``field`` (one of both), ``<think>``, ``hidden``."""
    tokenizer: str | None = None
    """``vllm``, ``llama.cpp`` or ``none``."""
    usage: bool | None = None
    """Whether the server counts tokens."""
    max_context: int | None = None
    """Tokens."""
    latency_s: float | None = None
    """Of one short request, alone, in seconds."""
    levels: list[Level] = field(default_factory=list)
    requests: int = 0
    """Chat completions sent."""
    tokens_in: int = 0
    tokens_out: int = 0
    problems: list[str] = field(default_factory=list)
    """What makes the endpoint unfit for the spec; one line each."""
    advice: list[str] = field(default_factory=list)
