"""``trl:`` and ``lora:`` of a configuration as the libraries' own objects, every name and type checked.

The names are the fields of the library's dataclass as installed, so that each of its options can be reached and a
misspelt one is an error (TRL's scripts let it pass). Types are checked against the fields' annotations, since
dataclasses do not. Importing this module is cheap; calling it imports TRL, PEFT or torch.
"""

from __future__ import annotations

import dataclasses
import logging
import typing
from collections.abc import Mapping
from typing import Any

from synth.spec_errors import unknown
from training.config import Loaded, RunConfig

log = logging.getLogger(__name__)

OWNED = {
    "output_dir": "set output instead",
    "seed": "set the top-level seed instead",
    "data_seed": "set the top-level seed instead",
    "model_init_kwargs": "set model.dtype, model.revision, model.attention or model.trust_remote_code instead",
    "trust_remote_code": "set model.trust_remote_code instead",
    "chat_template_path": "set model.template instead",
    "dataset_kwargs": "rows are tokenised before the trainer sees them: remove it",
    "resume_from_checkpoint": "a run resumes by itself from its last good checkpoint: remove it",
    "push_to_hub": "give --push owner/name instead; it is private by default",
    "hub_model_id": "give --push owner/name instead",
    "hub_token": "log in with the Hub's own tools: a secret does not belong into a file",
    "do_train": "remove it: the command trains",
    "remove_unused_columns": "remove it: columns that the model does not take are left out",
}
"""Options that this project sets itself, and what to use in their place."""

LORA_OWNED = {"task_type": "it follows from the command: remove it", "inference_mode": "remove it: the command trains"}

LORA_DEFAULTS: dict[str, Any] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": "all-linear"}


def has_bf16() -> bool:
    """Whether a GPU computes in bfloat16 here. On a CPU this is False: runs there are rehearsals, and exact."""
    import torch

    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False))


def hardware_defaults() -> dict[str, Any]:
    """Options of any trainer that follow from the machine."""
    import torch

    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    return {"use_cpu": not gpu, "bf16": has_bf16(), "activation_checkpointing": gpu}


def trl_arguments(loaded: Loaded[Any], kind: type[Any], defaults: Mapping[str, Any]) -> Any:
    """Return ``kind`` (SFTConfig, DPOConfig, RewardConfig) of the configuration's ``trl:`` over ``defaults``.

    ``loaded.config`` is a RunConfig. ``defaults`` go over what the machine suggests and under what the user wrote.

    Raises:
        UserError: a line for each unknown, reserved or wrongly typed option.
    """
    config: RunConfig = loaded.config
    given = config.trl
    problems = list(_problems(given, kind, OWNED, "trl"))
    if problems:
        raise loaded.errors(problems)
    values = {"report_to": "none", "disable_tqdm": True, **hardware_defaults(), **defaults, **given}
    values = {**values, "output_dir": config.output, "seed": config.seed}
    if given.get("fp16") and "bf16" not in given:
        values["bf16"] = False
    if "gradient_checkpointing" in given and "activation_checkpointing" not in given:
        del values["activation_checkpointing"]  # the new name, ours, would win over the old one, the user's
    try:
        return kind(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise loaded.error(("trl",), _first_line(error)) from None


def model_arguments(config: RunConfig) -> dict[str, Any]:
    """Return what ``from_pretrained`` is given: type of weights, revision, attention kernel."""
    dtype = config.model.dtype
    if dtype == "auto":
        dtype = "bfloat16" if config.lora is not None and has_bf16() else "float32"
    values: dict[str, Any] = {"dtype": dtype, "trust_remote_code": config.model.trust_remote_code}
    if config.model.revision is not None:
        values["revision"] = config.model.revision
    if config.model.attention is not None:
        values["attn_implementation"] = config.model.attention
    return values


def lora_config(loaded: Loaded[Any], task: str = "CAUSAL_LM") -> Any:
    """Return PEFT's LoraConfig, or None when all weights are trained.

    ``task`` is PEFT's name of the task: ``CAUSAL_LM``, or ``SEQ_CLS`` for a reward model. Raises UserError.
    """
    given = loaded.config.lora
    if given is None:
        return None
    try:
        from peft import LoraConfig
    except ImportError:
        raise loaded.error(("lora",), "PEFT is not installed: pip install 'clinsynth[train]'") from None
    problems = list(_problems(given, LoraConfig, LORA_OWNED, "lora"))
    if problems:
        raise loaded.errors(problems)
    try:
        return LoraConfig(**{**LORA_DEFAULTS, **given, "task_type": task})
    except (TypeError, ValueError, ImportError) as error:
        raise loaded.error(("lora",), _first_line(error)) from None


def quantization(loaded: Loaded[Any]) -> Any:
    """Return transformers' BitsAndBytesConfig for QLoRA, or None; a UserError where it cannot work."""
    if loaded.config.quantize is None:
        return None
    if loaded.config.lora is None:
        raise loaded.error(("quantize",), "4-bit weights cannot be trained themselves: add lora: {}")
    import torch

    try:
        import bitsandbytes  # noqa: F401
    except Exception:  # a build for another machine fails in many ways
        raise loaded.error(("quantize",), "bitsandbytes does not load here: install it, or remove the line") from None
    if not torch.cuda.is_available():
        raise loaded.error(("quantize",), "needs a GPU that bitsandbytes supports: remove the line, and keep lora")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if has_bf16() else torch.float16,
    )


def _problems(
    given: Mapping[str, Any], kind: type[Any], owned: Mapping[str, str], place: str
) -> typing.Iterator[tuple[tuple[str, str], str]]:
    from pydantic import TypeAdapter, ValidationError

    names = [field.name for field in dataclasses.fields(kind) if field.init]
    hints = _hints(kind)
    for name, value in given.items():
        if name in owned:
            yield (place, name), owned[name]
        elif name not in names:
            yield (place, name), f"{kind.__name__} has no such option; {_nearest(name, names)}"
        elif name in hints:
            try:
                TypeAdapter(hints[name], config={"arbitrary_types_allowed": True}).validate_python(value)
            except ValidationError:
                yield (place, name), f"must be {_words(hints[name])}"
            except Exception:  # an annotation that pydantic cannot read: the library's own check has to do
                log.debug("no check of %s.%s", kind.__name__, name)


def _nearest(name: str, names: list[str]) -> str:
    hint = unknown(name, names)
    return hint if hint.startswith("did") else "see its documentation for the names"


def _hints(kind: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except NameError:  # a name imported for type checkers only
        return {field.name: field.type for field in dataclasses.fields(kind) if not isinstance(field.type, str)}


def _words(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) else str(hint)
    names = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
    return names.get(text, text.replace("typing.", "").replace("NoneType", "null").replace("None", "null"))


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
