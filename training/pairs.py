"""Preference pairs before any weights are loaded: tokenised, measured, proved and shown, as :mod:`training.preflight`
does it for conversations.

Both sides go whole through :class:`training.proof.Proof`. What is trained is what :class:`trl.DPOTrainer` trains:
every token after the header of the answer, the end of the turn included. The length of a pair is that of its longer
side.

Pairs whose sides are *equal* teach nothing, an *empty* side teaches silence: these are dropped and counted. A side
that *repeats the prompt* would be trained on the prompt twice; that means files of another form, and ends the run.

A longer chosen answer in most pairs is a bias that trainers learn (answers grow). It is measured here, and left to
people to judge. Nothing is cut here: under ``over_length.action: truncate`` the trainer cuts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from synth.errors import UserError
from training.config import OverLength
from training.data import Rows
from training.encode import IGNORED, Encoded, encode, spans
from training.lengths import Lengths, check_share, histogram, measure
from training.preflight import SHOWN
from training.proof import Proof, marked
from training.templates import Template

EQUAL, EMPTY = "chosen and rejected are equal", "chosen or rejected is empty"
LONG, FILLED = "too long", "the prompt alone fills max_length"

_IDS = pa.list_(pa.int32())
_BESIDE = ("id", "seed_id", "department", "subdepartment", "origin")

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids of one pair; ``chosen`` and ``rejected`` are what is trained."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def length(self) -> int:
        """Tokens of the longer side, prompt included."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


@dataclass(slots=True)
class PairPart:
    """The pairs of one split as the trainer is given them, and what became of the others.

    ``table`` has ``prompt_ids``, ``chosen_ids``, ``rejected_ids`` and, where the rows have them, ``id``, ``seed_id``,
    ``department``, ``subdepartment``, ``origin``.
    """

    split: str
    table: pa.Table
    lengths: Lengths
    dropped: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    chosen: float = 0.0
    """Mean number of trained tokens of the chosen answers; ``rejected`` likewise."""
    rejected: float = 0.0
    chosen_longer: float = 0.0
    """Share of pairs whose chosen answer has more tokens than the rejected one."""
    histogram: list[str] = field(default_factory=list)
    first: str = ""
    """Both sides of the first pair decoded, what is trained between ⟦ and ⟧."""


@dataclass(slots=True)
class PreparedPairs:
    """Both splits, and the token that ends a turn."""

    train: PairPart
    validation: PairPart | None
    stop: int


def prepare_pairs(rows: Rows, tokenizer: Any, template: Template, max_length: int, over: OverLength) -> PreparedPairs:
    """Tokenise and prove all pairs of the kind ``preference``.

    Raises:
        UserError: a side that is not one assistant turn or fails its proof, too many pairs are too long, or none is
            left to train on.
    """
    proof = Proof(tokenizer, template)
    parts = {
        split: _part(split, tables["preference"], proof, max_length, over)
        for split, tables in (("train", rows.train), ("validation", rows.validation))
        if "preference" in tables
    }
    if not parts["train"].table.num_rows:
        why = "; ".join(f"{count} {reason}" for reason, count in parts["train"].dropped.items())
        raise UserError(f"no pair is left to train on: {why}")
    held_out = parts.get("validation")
    assert proof.stop is not None
    return PreparedPairs(parts["train"], held_out if held_out and held_out.table.num_rows else None, proof.stop)


def _part(split: str, table: pa.Table, proof: Proof, max_length: int, over: OverLength) -> PairPart:
    part = PairPart(split, table, measure([0], max_length))
    sizes, kept, pairs = list[int](), list[int](), list[Pair]()
    for at, pair in _proved(split, table, proof, part.dropped):
        sizes.append(pair.length)
        if pair.length > max_length:
            if over.action != "truncate" or len(pair.prompt) >= max_length:
                part.dropped[FILLED if over.action == "truncate" else LONG] += 1
                continue
            part.truncated += 1
        part.first = part.first or _shown(proof.tokenizer, pair)
        kept.append(at)
        pairs.append(pair)
    if sizes:
        part.lengths = measure(sizes, max_length)
        part.histogram = histogram(sizes, max_length)
        check_share(part.lengths, over, f"preference ({split})")
    if pairs:
        part.chosen = sum(len(pair.chosen) for pair in pairs) / len(pairs)
        part.rejected = sum(len(pair.rejected) for pair in pairs) / len(pairs)
        part.chosen_longer = sum(len(pair.chosen) > len(pair.rejected) for pair in pairs) / len(pairs)
    part.table = table.select([name for name in _BESIDE if name in table.column_names]).take(
        pa.array(kept, pa.int64())
    )
    for side in ("prompt", "chosen", "rejected"):
        part.table = part.table.append_column(f"{side}_ids", pa.array([getattr(p, side) for p in pairs], _IDS))
    return part


def _proved(split: str, table: pa.Table, proof: Proof, dropped: Counter[str]) -> Iterator[tuple[int, Pair]]:
    rows = table.select(["prompt", "chosen", "rejected"]).to_pylist()
    names = (
        table.column("id").to_pylist() if "id" in table.column_names else [f"number {at}" for at in range(len(rows))]
    )
    usable = []
    for at, row in enumerate(rows):
        chosen, rejected = (
            _said(row, side, f"preference ({split}) row {names[at]}") for side in ("chosen", "rejected")
        )
        if not chosen or not rejected:
            dropped[EMPTY] += 1
        elif chosen == rejected:
            dropped[EQUAL] += 1
        else:
            usable.append(at)
    sides = [[[*rows[at]["prompt"], *rows[at][side]] for at in usable] for side in ("chosen", "rejected")]
    encoded = [encode(proof.tokenizer, proof.template, whole) for whole in sides]
    for place, at, *both in zip(range(len(usable)), usable, *encoded, strict=True):
        for side, whole, row in zip(("chosen", "rejected"), sides, both, strict=True):
            if fault := proof.fault(whole[place], row):
                raise UserError(
                    f"model.template: {proof.template.name}: preference ({split}) row {names[at]}: {side}: {fault}"
                )
        yield at, _pair(*both)


def _said(row: Mapping[str, Messages], side: str, where: str) -> str:
    """What one side says, stripped; raises UserError when it is anything else than one assistant turn."""
    prompt, answer = list(row["prompt"]), list(row[side])
    if prompt and answer[: len(prompt)] == prompt:
        raise UserError(f"{where}: {side} repeats the prompt: keep in it the one assistant turn that answers it")
    roles = [message["role"] for message in answer]
    if roles != ["assistant"]:
        found = ", ".join(roles) or "none"
        raise UserError(
            f"{where}: {side} must be one assistant turn, found {found}: put what comes before into prompt"
        )
    return answer[0]["content"].strip()


def _pair(chosen: Encoded, rejected: Encoded) -> Pair:
    # The answer is the last span that the assistant wrote; trainers of pairs also train what the template puts after.
    start, other = spans(chosen.labels)[-1][0], spans(rejected.labels)[-1][0]
    if chosen.input_ids[:start] != rejected.input_ids[:other]:
        # Proof has compared the texts; tokens can still differ where the first word merges with the header.
        start = other = _common(chosen.input_ids[:start], rejected.input_ids[:other])
    return Pair(chosen.input_ids[:start], chosen.input_ids[start:], rejected.input_ids[other:])


def _common(one: list[int], other: list[int]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _shown(tokenizer: Any, pair: Pair) -> str:
    lines = []
    for side, ids in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        text = marked(tokenizer, Encoded(pair.prompt + ids, [IGNORED] * len(pair.prompt) + ids))
        more = f" … ({len(text) - SHOWN:,} characters more)" if len(text) > SHOWN else ""
        lines += [f"first pair, {side}, trained between ⟦ and ⟧:", text[:SHOWN] + more, ""]
    return "\n".join(lines)


def report_pairs(prepared: PreparedPairs, tokenizer: Any, template: Template) -> list[str]:
    """Return the lines that the pre-flight prints about the pairs."""
    lines = [f"template    {template.name}" + (f" ({template.note})" if template.note else "")]
    lines.append(f"end of turn {tokenizer.decode([prepared.stop])!r}, trained on both sides of every pair")
    for part in filter(None, (prepared.train, prepared.validation)):
        found = part.lengths
        lines += [
            "",
            f"preference ({part.split}): {found.rows:,} pairs, {found.tokens:,} tokens on their longer sides; "
            f"{part.table.num_rows:,} pairs are used",
            f"  lengths: {found.shortest:,} to {found.longest:,}, median {found.median:,}, 95 % up to {found.p95:,}",
            f"  over max_length ({found.max_length:,}): {found.over:,} ({found.share_over:.2%}); "
            f"truncated {part.truncated:,}",
            *(f"  dropped {count:,}: {reason}" for reason, count in sorted(part.dropped.items())),
            f"  length bias: {part.chosen:,.0f} tokens chosen, {part.rejected:,.0f} rejected on average; "
            f"the chosen answer is the longer one in {part.chosen_longer:.0%} of pairs",
            *(f"  {line}" for line in part.histogram),
        ]
    lines += ["", prepared.train.first]
    lines.append("proved in every pair: both sides are one assistant turn, with its end and its <think>, after the")
    lines.append("header that inference gives it")
    return lines
