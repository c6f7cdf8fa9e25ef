"""Which traits the patients of a data set were drawn with, and which of them came through: counted batch by batch.

A consultation counts as drawn once its persona was drawn, whether its row was kept, dropped or never finished; what
was rejected before (a card without a case) has none. Nothing but the counts is held.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa

Counts = Counter[tuple[str, str]]
"""How often each (trait, value) occurs."""


def personas_of(kind: str, batch: pa.RecordBatch) -> Counts:
    """Traits of kept rows: those of dialogues, nothing else has any."""
    counts: Counts = Counter()
    if kind == "dialogue":
        for text in batch.column("persona").to_pylist():
            counts.update(_traits(text))
    return counts


def personas_of_rejected(batch: pa.RecordBatch) -> Counts:
    """Traits of dialogues that did not make it, from their payloads."""
    counts: Counts = Counter()
    for kind, text in zip(batch.column("kind").to_pylist(), batch.column("payload").to_pylist(), strict=True):
        if kind == "dialogue" and text:
            payload = json.loads(text)
            counts.update(_traits(payload.get("persona") if isinstance(payload, dict) else None))
    return counts


def _traits(persona: Any) -> list[tuple[str, str]]:
    """The (trait, value) pairs of a persona, which rows hold as JSON text; none where it is damaged."""
    try:
        traits = json.loads(persona) if isinstance(persona, str) else persona
    except ValueError:
        return []
    return [(str(name), str(value)) for name, value in traits.items()] if isinstance(traits, dict) else []
