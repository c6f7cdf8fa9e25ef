"""Checks across the keys of ``produce.reasoning``: what fits passages, what fits exam items, what needs what."""

from __future__ import annotations

from collections.abc import Iterator

from synth.spec import Spec
from synth.spec_reasoning import Reasoning
from synth.spec_yaml import Finding, Loc

_AT: Loc = ("produce", "reasoning")


def check_reasoning(spec: Spec) -> Iterator[Finding]:
    """Everything about long reasoning that its fields one by one do not show."""
    wanted = spec.produce.reasoning
    if wanted is None:
        return
    yield from _of_items(wanted) if spec.seeds.kind == "items" else _of_passages(wanted)
    if wanted.pass_rate is not None and spec.models.weak is None:
        message = "produce.reasoning.pass_rate asks a weaker model: name one under `weak:`, as the generator is named"
        yield Finding(("models",), message)
    tokens = wanted.thinking_tokens
    if tokens is not None and tokens.max is not None and tokens.min > tokens.max:
        yield Finding((*_AT, "thinking_tokens"), f"min {tokens.min} is above max {tokens.max}: no chain could be kept")
    origins = spec.produce.preferences.from_ if spec.produce.preferences else []
    if "verified_over_unverified" in origins and spec.seeds.kind == "passages":
        at: Loc = ("produce", "preferences", "from", origins.index("verified_over_unverified"))
        if not wanted.verify:
            yield Finding(at, "verified_over_unverified compares verified chains: add `verify: true` under reasoning")
        elif wanted.samples < 2:
            yield Finding(at, "verified_over_unverified compares chains: set `chains: 2` or more under reasoning")


def _of_items(wanted: Reasoning) -> Iterator[Finding]:
    for name in ("difficulty_above", "hardest"):
        if getattr(wanted, name) is not None:
            message = "is for passages, and every exam item is asked: remove it; `pass_rate` drops easy ones"
            yield Finding((*_AT, name), message)
    if wanted.agreement is not None:
        yield Finding((*_AT, "agreement"), "is for passages, exam items have a gold answer: remove it")


def _of_passages(wanted: Reasoning) -> Iterator[Finding]:
    if wanted.search is not None:
        message = "needs a gold answer to search for: remove it, or take exam items with `seeds.kind: items`"
        yield Finding((*_AT, "search"), message)
    if wanted.pass_rate is not None and wanted.agreement is None:
        message = "has no answer to compare with: add `agreement: {samples: 5}` under reasoning"
        yield Finding((*_AT, "pass_rate"), message)
