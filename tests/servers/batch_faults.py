"""What goes wrong at the local Batch API server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from synth.fault_options import FaultOptions

Refusal = tuple[int, str, str]
"""HTTP status, message and code of a request that fails within its batch."""


@dataclass
class BatchFaults:
    """What goes wrong, and how often: numbers are of the first so many calls or batches."""

    replies: FaultOptions = field(default_factory=FaultOptions)
    key: str | None = None
    delay: float = 0.0
    """Seconds from creation to completion."""
    per_look: int | None = None
    """Requests that are worked on between two looks at a batch; None: all of them."""
    page: int = 100
    """Batches listed at once, at most."""
    lag: int = 0
    """Listings in which a new batch is missing."""
    create_resets: int = 0
    """Batches that are created without an answer to the client."""
    create_losses: int = 0
    """Creations that are cut off before anything was created."""
    create_errors: int = 0
    """Creations that are answered 503 though the batch was created."""
    upload_errors: int = 0
    get_errors: int = 0
    """Listings, looks and downloads that are answered 503."""
    cut_downloads: int = 0
    invalid: list[tuple[str, str]] = field(default_factory=list)
    """Code and message with which the first batches fail validation."""
    queue: int | None = None
    """Requests that may be in open batches at the same time; a batch beyond that fails validation."""
    expire: list[int] = field(default_factory=list)
    """The first batches expire after so many requests."""
    silent: int = 0
    """Requests that are worked on but have no line in any file."""
    doubled: int = 0
    foreign: int = 0
    broken: int = 0
    """Lines of the first output file."""
    shuffle: bool = False
    refuse: Callable[[int, dict[str, Any]], Refusal | None] = lambda number, line: None
    """Whether the request on a line of the n-th batch (from 0) fails."""
    hang: str = ""
    """A call that never answers, though it does its work: upload, create, look, download, list."""
