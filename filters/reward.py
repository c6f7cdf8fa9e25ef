"""A reward model as a callable: conversations in, one number each out.

Any model of the Hugging Face Hub that ``AutoModelForSequenceClassification`` loads, has one output and a tokenizer
with a chat template will do. The conversation is rendered by that template as it is, so what the numbers mean is the
model's own affair: they order answers to one question, and are comparable neither between models nor, for most,
between questions.

Conversations are scored in batches of like length, longest first, so that what does not fit into memory fails at once.
One that is longer than the model takes is cut at the front, for the end holds the answer that is judged. On a GPU with
bfloat16 the model runs in it, elsewhere in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Conversation = Sequence[Mapping[str, str]]
"""Messages with ``role`` and ``content``, the answer to judge last."""


class RewardModel:
    """Loaded once, called often.

    Args:
        model: a repository on the Hub or a folder.
        batch_size: conversations at once.
        device: ``cuda``, ``cpu``, ...; by default a GPU if there is one.
        max_length: tokens of a conversation; by default what the model's configuration says, at most 4096.
        revision: commit or tag of a repository; without it the newest.

    Raises:
        ValueError: the model has more than one output, or its tokenizer no chat template.
        OSError: the model cannot be found.
    """

    def __init__(
        self,
        model: str,
        batch_size: int = 8,
        device: str | None = None,
        max_length: int | None = None,
        revision: str | None = None,
    ) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        half = self._device.type == "cuda" and torch.cuda.is_bf16_supported()
        dtype = torch.bfloat16 if half else torch.float32
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model, revision=revision)
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(model, dtype=dtype, revision=revision)
        if self._model.config.num_labels != 1:
            raise ValueError(f"{model} has {self._model.config.num_labels} outputs; a reward model has one")
        if not self._tokenizer.chat_template:
            raise ValueError(f"the tokenizer of {model} has no chat template: take a model made for conversations")
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        # The head of decoders reads the last token that is not padding, and finds it by this id.
        self._model.config.pad_token_id = self._tokenizer.pad_token_id
        self._model.to(self._device).eval()
        self.batch_size = batch_size
        self.max_length = max_length or min(getattr(self._model.config, "max_position_embeddings", 4096), 4096)

    def score(self, conversations: Sequence[Conversation]) -> list[float]:
        """One reward a conversation, in their order.

        A score depends a little on what else is in the batch (rounding), the less the higher the precision.

        Raises:
            ValueError: a conversation is empty.
        """
        tokens = [self._tokens(conversation) for conversation in conversations]
        order = sorted(range(len(tokens)), key=lambda row: (-len(tokens[row]), row))
        rewards = [0.0] * len(tokens)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            for row, reward in zip(batch, self._rewards([tokens[row] for row in batch]), strict=True):
                rewards[row] = reward
        return rewards

    def tokens(self, conversation: Conversation) -> int:
        """How many tokens of a conversation are read."""
        return len(self._tokens(conversation))

    def _tokens(self, conversation: Conversation) -> list[int]:
        if not conversation:
            raise ValueError("a conversation without messages cannot be scored")
        text = self._tokenizer.apply_chat_template([dict(message) for message in conversation], tokenize=False)
        # Templates write the special tokens themselves.
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens[-self.max_length :]

    def _rewards(self, batch: list[list[int]]) -> list[float]:
        import torch

        longest = max(1, *map(len, batch))
        pad = self._tokenizer.pad_token_id
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch], device=self._device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch], device=self._device)
        with torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=mask).logits
        rewards: list[float] = logits.float().squeeze(-1).tolist()
        return rewards
