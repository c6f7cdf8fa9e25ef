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
_NO_DATE = "{% macro strftime_now(form) %}{{ form }}{% endmacro %}"
"""Before a chat's template: its clock stands still."""


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
    name, tokenizer = _located(given)
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=_dtype())
    except Exception as error:  # the libraries raise whatever they met
        why = " ".join(str(error).split())[:200]
        raise UserError(f"--model: {given}: not a causal language model to be had: {why}") from None
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    model.eval()
    return Loaded(model, tokenizer)


def arithmetic(given: str, method: str) -> dict[str, object]:
    """What besides the weights decides what :func:`load`'s model answers: the type of its numbers, its chats' form.

    The form of a chat is told for ``generate`` alone; likelihoods are taken of plain text.

    No weights are loaded. Raises UserError as there.
    """
    _, tokenizer = _located(given)
    form = {"chat_form": chat_form(tokenizer)} if method == "generate" else {}
    return {"dtype": _dtype(), **form}


def chat_form(tokenizer: Any) -> str:
    """Return 16 hex digits for the form that a chat of ours takes with this tokenizer, whatever the question.

    Templates that write today's date are told a fixed one, so that a run goes on the next day.
    """
    from evaluation.generate import render
    from evaluation.prompting import chat, load_template
    from evaluation.tasks import Question

    probe = Question("", "", "?", "", {"A": "yes", "B": "no"}, "A", "AB", "")
    template = {"chat_template": _NO_DATE + tokenizer.get_chat_template()} if tokenizer.chat_template else {}
    shown = render(tokenizer, chat(load_template(), probe), **template)
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _located(given: str) -> tuple[str, Any]:
    """The folder or repository of a model, and its tokenizer."""
    from training.run import check_extra

    check_extra()
    from training.config import Model
    from training.models import load_tokenizer, locate

    if given != PACKAGED and not Path(given).is_dir() and given.count("/") != 1:
        raise UserError(f"--model: {given}: no such folder; name one, a Hub repository, a model's YAML, or {PACKAGED}")
    config = Model(name=given)
    try:
        name = locate(config)
        return name, load_tokenizer(config, name)
    except UserError as error:
        raise UserError(str(error).replace("model.name:", "--model:")) from None


def _dtype() -> str:
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"


def weights_id(given: str) -> str | None:
    """Return 16 hex digits that change when the weights in a folder or file do; None where there are none.

    Takes the sizes and both ends of the files, since whole ones may be 100 GB: training changes all of them.
    """
    place = Path(given)
    files = [file for pattern in ("*.safetensors", "*.bin", "config.json") for file in place.glob(pattern)]
    files = [place] if place.is_file() else files
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
