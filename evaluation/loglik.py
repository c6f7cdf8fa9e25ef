"""Log-likelihood of continuations: how probable a model finds each option after the question.

The convention for base models, and comparable with lm-eval's ``multiple_choice``: prompt and continuation are encoded
together, the continuation is what comes after the prompt's own tokens, a sequence that is too long loses its
beginning, and the score is the sum over the continuation's tokens in nats. Chat and reasoning models score absurdly
low by it; theirs is ``generate``.

Continuations of one token after the same prompt share one pass; batches are made of sequences of similar length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Ids = tuple[int, ...]


class _Wanted(NamedTuple):
    inputs: Ids
    """All tokens but the last."""
    targets: Ids
    """The continuation's tokens, the last ones to be predicted."""


def score(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    continuations: Sequence[Sequence[str]],
    *,
    batch_size: int = 8,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[float]]:
    """Return the log-likelihood in nats of each continuation after its prompt, in the order given.

    ``watch`` is told after each batch how many passes are done, of how many. The model may carry an adapter.

    Raises:
        ValueError: a continuation adds no token of its own.
    """
    longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", 1 << 30))
    wanted = [
        [_wanted(tokenizer, prompt, continuation, longest) for continuation in options]
        for prompt, options in zip(prompts, continuations, strict=True)
    ]
    by_inputs: dict[Ids, set[Ids]] = {}
    for one in (one for options in wanted for one in options):
        by_inputs.setdefault(one.inputs, set()).add(one.targets)
    rows = sorted(by_inputs, key=lambda ids: (-len(ids), ids))
    found: dict[_Wanted, float] = {}
    for at in range(0, len(rows), batch_size):
        batch = rows[at : at + batch_size]
        found |= _batch(model, batch, [sorted(by_inputs[row]) for row in batch])
        watch(min(at + batch_size, len(rows)), len(rows))
    return [[found[one] for one in options] for options in wanted]


def _wanted(tokenizer: Any, prompt: str, continuation: str, longest: int) -> _Wanted:
    stem = prompt.rstrip()
    both = tokenizer(prompt + continuation)["input_ids"]
    before = len(tokenizer(stem)["input_ids"])
    targets = both[before:]
    if not targets:
        raise ValueError(f"the continuation {continuation!r} adds no token to its prompt")
    return _Wanted(tuple(both[-(longest + 1) :][:-1]), tuple(targets[-longest:]))


def _batch(model: Any, rows: Sequence[Ids], targets: Sequence[Sequence[Ids]]) -> dict[_Wanted, float]:
    import torch

    width = max(map(len, rows))
    tail = max(len(ids) for of_row in targets for ids in of_row)
    # Padded on the left, all continuations end in the same column: only the last logits have to be computed.
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        out = model(input_ids=ids, attention_mask=mask, position_ids=places, use_cache=False, logits_to_keep=tail)
        probable = torch.log_softmax(out.logits[:, -tail:].float(), dim=-1).cpu()
    found = {}
    for row, (inputs, of_row) in enumerate(zip(rows, targets, strict=True)):
        for wanted in of_row:
            steps = probable[row, tail - len(wanted) :]
            found[_Wanted(inputs, wanted)] = float(steps[range(len(wanted)), list(wanted)].double().sum())
    return found
