"""Checks of specs whose seeds are exam questions or cases: where they come from and what can be made from them.

Does not look inside any file: whether it holds what the spec says shows when the seeds are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from filters.readers.files import ENDINGS
from synth.spec import Produce, SeedsSpec
from synth.spec_yaml import Finding

_MADE = {"items": "reasoning", "cases": "dialogues"}
_PAIRS = {"items": ("reasoning_over_answer", "verified_over_unverified"), "cases": ("dialogue_outcome",)}
_OF_PASSAGES = {"text", "id", "license", "origin", "config", "revision"}


def record_source(seeds: SeedsSpec) -> Iterator[Finding]:
    """Questions and cases are local files of a known benchmark format, declared to be for training."""
    kind, path = seeds.kind, seeds.source
    endings = ", ".join(ENDINGS)
    if path.startswith("hf://"):
        yield Finding(("seeds", "source"), f"{kind} are read from local files ({endings}): download it first")
    elif not os.path.isdir(path) and not path.endswith(ENDINGS):
        yield Finding(("seeds", "source"), f"{kind} are read from files that end in {endings}, or from a folder")
    elif not os.path.exists(path):
        yield Finding(("seeds", "source"), "no such file; a relative path starts at the spec's folder")
    if seeds.split != "train" or "split" not in seeds.model_fields_set:
        message = "no exam item of a test or validation split becomes a training row; if these are for training"
        yield Finding(("seeds", "split"), f"{message}, declare it: add `split: train` under seeds")
    given = {name for name in _OF_PASSAGES if getattr(seeds, name) != SeedsSpec.model_fields[name].default}
    for name in sorted(given):  # a lock spells out every default, and may be given as a spec
        yield Finding(("seeds", name), f"is for passages, {kind} bring their own: remove it")


def of_records(produce: Produce, kind: str) -> Iterator[Finding]:
    """From questions of an exam comes reasoning, from cases come dialogues, and each has its preference pairs."""
    wanted = _MADE[kind]
    for name in ("questions", "answers", "reasoning", "dialogues"):
        if name != wanted and getattr(produce, name) is not None:
            yield Finding(("produce", name), f"cannot be made from {kind}, only {wanted} can: remove it")
    if getattr(produce, wanted) is None:
        yield Finding(("produce",), f"from {kind} only {wanted} can be made: add `{wanted}: {{}}`")
    for index, origin in enumerate(produce.preferences.from_ if produce.preferences else []):
        if origin not in _PAIRS[kind]:
            yield Finding(("produce", "preferences", "from", index), f"{origin} cannot be made from {kind}: remove it")
