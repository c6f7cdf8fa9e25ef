"""Log-likelihood of continuations: how probable a model finds each option after the question.

The convention for base models, and comparable with lm-eval's ``multiple_choice``: prompt and continuation are encoded
together, the continuation is what comes after the prompt's own tokens, a sequence that is too long loses its
beginning, and the score is the sum over the continuation's tokens in nats. Chat and reasoning models score absurdly
low by it; theirs is ``generate``.

Continuations of one token after the same prompt share one pass; batches are made of sequences of similar length.
Longer ones (an option's text) come after a prompt that is read once, through its cache, where that holds keys and
values alone; models with recurrent layers read each sequence whole.
"""

from __future__ import annotations

from collections.abc import Sequence
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
) -> list[list[float]]:
    """Return the log-likelihood in nats of each continuation after its prompt, in the order given.

    The model may carry an adapter.

    Raises:
        ValueError: a continuation adds no token of its own.
    """
    longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", 1 << 30))
    wanted = [
        [_wanted(tokenizer, prompt, continuation, longest) for continuation in options]
        for prompt, options in zip(prompts, continuations, strict=True)
    ]
    by_inputs: dict[Ids, set[Ids]] = {}
    found: dict[_Wanted, float] = {}
    whole = False  # after the first cache that cannot be shared no other one is tried
    for options in wanted:
        if not whole and (prompt := _shared_prompt(options)) is not None:
            after = _after(model, prompt, options)
            if after is not None:
                found |= after
                continue
            whole = True
        for one in options:
            by_inputs.setdefault(one.inputs, set()).add(one.targets)
    rows = sorted(by_inputs, key=lambda ids: (-len(ids), ids))
    for at in range(0, len(rows), batch_size):
        batch = rows[at : at + batch_size]
        found |= _batch(model, batch, [sorted(by_inputs[row]) for row in batch])
    return [[found[one] for one in options] for options in wanted]


def _wanted(tokenizer: Any, prompt: str, continuation: str, longest: int) -> _Wanted:
    stem = prompt.rstrip()
    both = tokenizer(prompt + continuation)["input_ids"]
    before = len(tokenizer(stem)["input_ids"])
    targets = both[before:]
    if not targets:
        raise ValueError(f"the continuation {continuation!r} adds no token to its prompt")
    return _Wanted(tuple(both[-(longest + 1) :][:-1]), tuple(targets[-longest:]))


def _shared_prompt(options: Sequence[_Wanted]) -> Ids | None:
    """The tokens before all continuations, where these are several, longer than a token, and come after the same."""
    prompts = {one.inputs[: len(one.inputs) + 1 - len(one.targets)] for one in options}
    if len(options) == 1 or max(len(one.targets) for one in options) == 1 or len(prompts) > 1:
        return None
    return prompts.pop() or None


def _after(model: Any, prompt: Ids, options: Sequence[_Wanted]) -> dict[_Wanted, float] | None:
    """The prompt in one pass, then all continuations in a second one on its cache; None where it cannot be shared."""
    import torch

    count, width = len(options), max(len(one.targets) for one in options) - 1
    ids = torch.tensor([list(one.targets[:-1]) + [0] * (width + 1 - len(one.targets)) for one in options])
    mask = torch.tensor([[1] * (len(one.targets) - 1) + [0] * (width + 1 - len(one.targets)) for one in options])
    with torch.inference_mode():
        read = model(input_ids=torch.tensor([prompt], device=model.device), use_cache=True, logits_to_keep=1)
        cache: Any = getattr(read, "past_key_values", None)
        if not _of_keys_and_values(cache):
            return None
        cache.batch_repeat_interleave(count)
        seen = torch.ones((count, len(prompt)), dtype=mask.dtype)
        places = torch.arange(len(prompt), len(prompt) + width).expand(count, -1)
        out = model(
            input_ids=ids.to(model.device),
            attention_mask=torch.cat([seen, mask], dim=1).to(model.device),
            position_ids=places.to(model.device),
            past_key_values=cache,
        )
        logits = torch.cat([read.logits.expand(count, -1, -1), out.logits], dim=1)
        probable = torch.log_softmax(logits.float(), dim=-1).cpu()
    return {
        one: float(probable[row, range(len(one.targets)), list(one.targets)].double().sum())
        for row, one in enumerate(options)
    }


def _of_keys_and_values(cache: Any) -> bool:
    """Whether a cache holds keys and values alone: what recurrent layers keep cannot be repeated or read on so."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    return isinstance(cache, DynamicCache) and all(type(layer) in plain for layer in cache.layers)


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
