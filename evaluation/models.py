"""The model that an option names, ready to be asked: weights in this process, or an endpoint of ours.

A folder, a Hub repository and ``packaged`` are loaded here; a YAML file that holds a model as under
``models.generator`` in a spec is reached over :mod:`synth.endpoints`. Loading is put off until there is something to
ask. Knows nothing about questions.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UserError
from training.models import PACKAGED

_END = 1 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """Weights in this process."""

    model: Any
    tokenizer: Any


def is_endpoint(given: str) -> bool:
    """Whether an option names a YAML file rather than weights."""
    return given.endswith((".yaml", ".yml"))


def run_name(given: str) -> str:
    """Return a name for the runs of a model: the last part of its path, without what a name cannot hold.

    ``sft/final`` and ``sft/checkpoint-30`` say little by their last part, so the one before it stands in front.
    """
    parts = [part for part in re.split(r"[/\\]", given) if part not in ("", ".", "..", "~")]
    last = parts[-1] if parts else "model"
    last = last.removesuffix(".yaml").removesuffix(".yml") if is_endpoint(given) else last
    if len(parts) > 1 and re.fullmatch(r"final|model|merged|weights|output|checkpoint-\d+", last):
        last = f"{parts[-2]}-{last}"
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", last).strip("-._")[:100] or "model"


def load(given: str) -> Loaded:
    """Load a folder, a Hub repository or ``packaged``, on a GPU where there is one; bfloat16 there, else float32.

    Raises:
        UserError: there is no such model, or it is an adapter without its base.
    """
    from training.run import check_extra

    check_extra()
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from training.config import Model
    from training.models import load_tokenizer, locate

    logging.disable_progress_bar()
    if given != PACKAGED and not Path(given).is_dir() and given.count("/") != 1:
        raise UserError(f"--model: {given}: no such folder; name one, a Hub repository, a model's YAML, or {PACKAGED}")
    config = Model(name=given)
    try:
        name = locate(config)
        tokenizer = load_tokenizer(config, name)
    except UserError as error:
        raise UserError(str(error).replace("model.name:", "--model:")) from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    except Exception as error:  # the libraries raise whatever they met
        why = " ".join(str(error).split())[:200]
        raise UserError(f"--model: {given}: not a causal language model to be had: {why}") from None
    model.to(device)
    model.eval()
    return Loaded(model, tokenizer)


def weights_id(given: str) -> str | None:
    """Return 16 hex digits that change when the weights in a folder do; None for what is no folder.

    Takes the sizes and both ends of the files, since whole ones may be 100 GB: training changes all of them.
    """
    files = [file for pattern in ("*.safetensors", "*.bin", "config.json") for file in Path(given).glob(pattern)]
    if not files:
        return None
    digest = hashlib.sha256()
    for file in sorted(files):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as content:
            digest.update(content.read(_END))
            content.seek(max(0, size - _END))
            digest.update(content.read(_END))
    return digest.hexdigest()[:16]
