"""One pass over the kept rows: a line of facts for each, texts of a seeded sample, places that were flagged.

Which texts are in the sample hangs on the spec's seed and the rows' ids, not on their order. All else of a row is
forgotten when its batch is done; rows that are shown are read once more by id.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from filters.text import storable, words
from synth.reporting.pieces import marked
from synth.reporting.read import Row, RunFolder, kept_batches
from synth.reporting.shape import Example

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 1000
"""Texts of a kind that are held for a closer look."""
EXAMPLES = 3
"""Places shown for a flag."""
OPENING_WORDS = 4
SCORES = ("quality", "complexity", "relevance")
_TEXT = 20_000  # characters held of a text
_AROUND = 160  # characters shown on either side of a finding


@dataclass(slots=True)
class Facts:
    """What is known of all kept rows."""

    frame: pd.DataFrame
    """One line a row: ids, places, scores, spread of votes, words, turns, opening, flags, persona, pair."""
    texts: dict[str, list[list[str]]]
    """Model's texts of sampled rows by kind, message by message; in the order of the draw."""
    votes: dict[tuple[str, str], list[tuple[int | None, ...]]]
    """Votes of each row that has several, by (kind, score)."""
    examples: dict[str, list[Example]]
    """By flag."""
    phi_kinds: Counter[str]
    flag_rows: Counter[tuple[str, str]]
    """Rows by (flag, kind)."""


@dataclass(slots=True)
class _Pass:
    lines: list[Row] = field(default_factory=list)
    heaps: dict[str, list[tuple[int, str, list[str]]]] = field(default_factory=dict)
    votes: dict[tuple[str, str], list[tuple[int | None, ...]]] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    phi_kinds: Counter[str] = field(default_factory=Counter)
    flag_rows: Counter[tuple[str, str]] = field(default_factory=Counter)


def gather(run: RunFolder) -> Facts:
    """Read all kept rows once.

    Raises:
        UserError: a file is damaged.
    """
    import pandas as pd

    state = _Pass()
    for kind, split, batch in kept_batches(run):
        for row in batch.to_pylist():
            _add(state, run.seed, kind, split, row)
    frame = pd.DataFrame(state.lines, columns=_COLUMNS)
    texts = {kind: [parts for _, _, parts in sorted(heap, reverse=True)] for kind, heap in state.heaps.items()}
    return Facts(frame, texts, state.votes, state.examples, state.phi_kinds, state.flag_rows)


_COLUMNS = [
    "id", "kind", "split", "department", "subdepartment", *SCORES, "spread", "words", "turns", "opening", "flags",
    "persona", "origin", "margin", "chosen_words", "rejected_words",
]  # fmt: skip


def _add(state: _Pass, seed: int, kind: str, split: str, row: Row) -> None:
    parts = model_texts(kind, row)
    line = {name: row.get(name) for name in ("id", "department", "subdepartment", *SCORES)}
    found = [words(part) for part in parts]
    line |= {"kind": kind, "split": split, "words": sum(map(len, found))}
    line["turns"] = len(row["turns"] or []) if kind == "dialogue" else None
    line["opening"] = " ".join(found[0][:OPENING_WORDS]) if found and found[0] else ""
    votes = row["votes"] or []
    line["spread"] = _spread([vote["quality"] for vote in votes])
    line["flags"] = len(row["flags"] or [])
    if kind == "dialogue":
        line["persona"] = traits(row["persona"])
    if kind == "preference":
        line |= {"origin": row["origin"] or "", "margin": row["margin"]}
        line |= {f"{side}_words": len(words(_joined(row[side]))) for side in ("chosen", "rejected")}
    state.lines.append(line)
    for score in SCORES if len(votes) > 1 else ():
        state.votes.setdefault((kind, score), []).append(tuple(vote[score] for vote in votes))
    _hold(state.heaps.setdefault(kind, []), drawn(seed, row["id"]), row["id"], parts)
    _flags(state, kind, row)


def drawn(seed: int, row_id: str) -> int:
    """The row's place in a seeded draw: the smallest numbers are drawn first."""
    return int.from_bytes(hashlib.sha256(f"{seed}:report:{row_id}".encode()).digest()[:8], "big")


def model_texts(kind: str, row: Mapping[str, Any]) -> list[str]:
    """What a model in training learns to write from a row, message by message."""
    if kind == "sft":
        return [row.get("response") or ""]
    if kind == "reasoning":
        return [row.get("reasoning") or "", row.get("answer") or ""]
    messages = row.get("chosen" if kind == "preference" else "messages") or []
    return [message["content"] or "" for message in messages if message["role"] == "assistant"]


def traits(persona: str | None) -> dict[str, str]:
    """The traits of a dialogue's patient; empty where the column holds no JSON object."""
    try:
        value = json.loads(persona or "{}")
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {storable(k): storable(v) for k, v in value.items() if isinstance(v, str)}


def turn_text(kind: str, row: Row, turn: int | None) -> str:
    """The text that a piece of evidence points into: a turn, or all that a model would read."""
    turns = row.get("turns") or []
    if kind == "dialogue" and turn is not None and 0 <= turn < len(turns):
        return turns[turn].get("text") or ""
    columns = ("prompt", "chosen", "rejected") if kind == "preference" else ("messages",)
    return "\n".join(_joined(row.get(column)) for column in columns)


def _joined(messages: Iterable[Mapping[str, Any]] | None) -> str:
    return "\n".join(message["content"] or "" for message in messages or ())


def _spread(votes: list[int | None]) -> int | None:
    given = [vote for vote in votes if vote is not None]
    return max(given) - min(given) if len(given) > 1 else None


def _hold(heap: list[tuple[int, str, list[str]]], number: int, row_id: str, parts: list[str]) -> None:
    """Keep the smallest numbers; the heap holds their negatives, so that its head is the one to go."""
    if len(heap) < SAMPLE or -number > heap[0][0]:
        item = (-number, row_id, [part[:_TEXT] for part in parts])
        (heapq.heappush if len(heap) < SAMPLE else heapq.heappushpop)(heap, item)


def _flags(state: _Pass, kind: str, row: Row) -> None:
    state.flag_rows.update((flag, kind) for flag in set(row["flags"] or ()))
    for one in row["evidence"] or ():
        flag = one["flag"] or "unnamed"
        if flag == "phi":
            state.phi_kinds[one["fact"] or "other"] += 1
        shown = state.examples.setdefault(flag, [])
        if len(shown) < EXAMPLES and not any(example.id == row["id"] for example in shown):
            quote = one["text"] or ""
            pieces = marked(turn_text(kind, row, one["turn"]), [(quote, flag)], around=_AROUND)
            shown.append(Example(id=row["id"], kind=kind, turn=one["turn"], pieces=pieces, fact=one["fact"]))
