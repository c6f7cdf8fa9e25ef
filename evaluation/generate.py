"""Text from a model in this process: chats in, replies out, batch by batch.

Greedy unless a temperature is asked for; what the model's own ``generation_config`` says about sampling is not taken.
Prompts of a batch are padded on the left. A reply that stops at the limit of tokens is marked as truncated, row by
row; a prompt that leaves no room in the model's context is a failure of its row. Sampled replies depend on what else
is in their batch; greedy ones do not, beyond rounding.

Knows nothing about questions and letters. The model may carry an adapter.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

Chat = list[dict[str, str]]

_MARK = re.compile(r"think|thought|reason|reflect|scratchpad|channel|message", re.IGNORECASE)
"""In the names of special tokens that open, close or name reasoning."""
_OPENED = re.compile(r"(<(?:think|thinking|reasoning)>|\[THINK\]|<\|channel\|>\w+<\|message\|>)\s*$", re.IGNORECASE)
"""Reasoning that a prompt opens at its end."""


class Generated(NamedTuple):
    """What came of one chat."""

    text: str
    """What the model wrote, its reasoning included, with the marks that tell it apart (``<think>``, ``[THINK]``)."""
    truncated: bool
    tokens_in: int
    tokens_out: int
    seconds: float
    """The row's share of its batch."""
    failure: str | None = None
    """Why there is no text, for good."""


def generate(
    model: Any,
    tokenizer: Any,
    chats: Sequence[Chat],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[Generated]:
    """Answer all ``chats`` as one batch, in their order; ``max_new_tokens`` is the most that each may write."""
    prompts = [render(tokenizer, chat) for chat in chats]
    lengths = [len(ids) for ids in tokenizer(prompts, add_special_tokens=False)["input_ids"]]
    room = context_of(model) - max_new_tokens
    fits = [position for position, length in enumerate(lengths) if length <= room]
    begin = time.perf_counter()
    written = _batch(model, tokenizer, [prompts[at] for at in fits], max_new_tokens, temperature, top_p, seed)
    share = (time.perf_counter() - begin) / max(1, len(fits))
    found: dict[int, Generated] = {}
    for at, ids in zip(fits, written, strict=True):
        ended, kept = _until_end(ids, end_tokens(model, tokenizer))
        # Some templates open the reasoning in the prompt: the reply then only closes it.
        opened = _OPENED.search(prompts[at])
        text = (opened[1] if opened else "") + readable(tokenizer, kept)
        found[at] = Generated(text, not ended, lengths[at], len(kept) + ended, share)
    refused = f"the prompt leaves no room for {max_new_tokens} tokens in the model's context of {context_of(model)}"
    return [found.get(at) or Generated("", False, lengths[at], 0, 0.0, refused) for at in range(len(chats))]


def readable(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of tokens; of the special ones only those that mark reasoning stay, by their names.

    Models such as gpt-oss (``<|channel|>``) and Magistral (``[THINK]``) have such marks as special tokens; without
    them reasoning reads like the answer. The end, padding and the beginnings of turns say nothing and are dropped.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {token: known.content for token, known in added.items() if known.special}
    kept = [token for token in ids if token not in special or _MARK.search(special[token])]
    return str(tokenizer.decode(kept, skip_special_tokens=False))


def render(tokenizer: Any, chat: Chat, **options: Any) -> str:
    """Return the chat as the text that goes to the model, special tokens written out.

    A tokenizer without a chat template (of a base model) gets the contents, one paragraph each. ``options`` go to
    the tokenizer's ``apply_chat_template``.
    """
    if tokenizer.chat_template:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **options))
    return (tokenizer.bos_token or "") + "\n\n".join(message["content"] for message in chat) + "\n\n"


def context_of(model: Any) -> int:
    """Return the longest sequence in tokens that the model was made for."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 1 << 30))


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end a reply: the model's and the tokenizer's."""
    named = model.generation_config.eos_token_id
    found = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    return {int(token) for token in found if token is not None}


def _until_end(ids: list[int], ends: set[int]) -> tuple[bool, list[int]]:
    """Whether there is an end among the tokens, and those before it."""
    for at, token in enumerate(ids):
        if token in ends:
            return True, ids[:at]
    return False, ids


def _batch(
    model: Any, tokenizer: Any, prompts: list[str], max_new_tokens: int, temperature: float, top_p: float, seed: int
) -> list[list[int]]:
    import torch
    from transformers import GenerationConfig

    if not prompts:
        return []
    ends = sorted(end_tokens(model, tokenizer))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (ends or [0])[0]
    ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    width = max(map(len, ids))
    batch = torch.tensor([[pad] * (width - len(row)) + row for row in ids], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=model.device)
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
        torch.manual_seed(seed)
    wanted = GenerationConfig(max_new_tokens=max_new_tokens, eos_token_id=ends or None, pad_token_id=pad, **sampling)
    with torch.inference_mode():
        out = model.generate(batch, attention_mask=mask, generation_config=wanted)
    return [row[width:] for row in out.tolist()]
