"""The model that a configuration names, before its weights: where it is, its tokenizer, its shape.

``packaged`` and ``.gguf`` names become a folder of safetensors by :mod:`training.convert`. A Hub repository stays a
name; what libraries download is theirs to cache. Nothing here loads weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UserError
from training.config import Model

PACKAGED = "packaged"

LONGEST = 8192
"""Default of ``trl.max_length``, where the model's own context is not shorter. Long chains of thought fit; the memory
of a longer one should be asked for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a model from its configuration file alone."""

    parameters: int
    context: int
    """Longest sequence in tokens that the model was made for."""
    layers: int
    hidden: int
    vocabulary: int


def locate(model: Model) -> str:
    """Return a folder or a Hub repository's name for ``from_pretrained``; converts GGUF weights where it must."""
    if model.name == PACKAGED or model.name.endswith(".gguf"):
        from training.convert import convert, packaged_gguf

        return str(convert(packaged_gguf() if model.name == PACKAGED else Path(model.name)))
    if (Path(model.name) / "adapter_config.json").is_file():
        raise UserError(f"model.name: {model.name}: this is an adapter: merge it first (python -m training.merge)")
    return model.name


def load_tokenizer(model: Model, name: str) -> Any:
    """Return the tokenizer of ``name`` (see :func:`locate`); UserError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name, **_hub(model))
    except Exception as error:  # the libraries raise OSError, ValueError, KeyError and their own for a bad folder
        raise UserError(f"model.name: {model.name}: no tokenizer to be had: {_line(error)}") from None


def load_shape(model: Model, name: str) -> Shape:
    """Return the model's shape; its parameters are counted on an empty model, without reading weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(name, **_hub(model))
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(config, trust_remote_code=model.trust_remote_code)
    except Exception as error:
        raise UserError(f"model.name: {model.name}: not a causal language model to be had: {_line(error)}") from None
    text = config.get_text_config()
    return Shape(
        parameters=sum(parameter.numel() for parameter in empty.parameters()),
        context=int(getattr(text, "max_position_embeddings", LONGEST)),
        layers=int(text.num_hidden_layers),
        hidden=int(text.hidden_size),
        vocabulary=int(text.vocab_size),
    )


def default_max_length(shape: Shape) -> int:
    """Return ``trl.max_length`` for a configuration that names none."""
    return min(LONGEST, shape.context)


def _hub(model: Model) -> dict[str, Any]:
    return {"trust_remote_code": model.trust_remote_code} | ({"revision": model.revision} if model.revision else {})


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
