"""The encoders of questions: any sentence encoder by name, its tokens pooled as it was trained.

:mod:`filters.semantic` has those that take the mean of all tokens; here are those that take the first.
"""

from __future__ import annotations

from filters.semantic import Embed, Encoder, Vectors, named_encoder
from synth.errors import UserError
from training.ttt_config import Retrieval


class FirstToken(Encoder):
    """An encoder whose vector is that of the first token, as bge's are."""

    def _pooled(self, batch: list[str]) -> Vectors:
        import torch

        tokens = self._tokenizer(batch, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        with torch.inference_mode():
            first = self._model(**tokens.to(self._device)).last_hidden_state[:, 0]
        vectors: Vectors = torch.nn.functional.normalize(first, dim=1).float().cpu().numpy()
        return vectors


def encoder_of(want: Retrieval) -> Embed:
    """Return the encoder that the configuration names; UserError where there is none to be had."""
    try:
        if want.pooling == "first" and want.encoder != "minilm":
            return FirstToken(want.encoder, max_length=want.max_length)
        encoder = named_encoder(want.encoder)
    except Exception as error:  # the loaders raise many types; each means the same to the user
        reason = " ".join(str(error).split()).removeprefix("--encoder: ")[:200]
        raise UserError(f"retrieval.encoder: {want.encoder}: {reason}") from None
    encoder.max_length = want.max_length
    return encoder
