"""Several adapters in one forward: row ``i`` of a batch is answered with adapter ``i``.

Generation is what test-time training costs most, and it is only fast in batches, while each question has an adapter of
its own. Each LoRA layer therefore multiplies a batch of matrices, its row's own, beside the frozen layer that all rows
share. Rows may share an adapter; a row of zeros is the model as it was.

Plain LoRA on linear layers only (no DoRA, no biases). Dropout is off, as it is whenever a model answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER = "default"
"""PEFT's name of a model's only adapter."""


@contextmanager
def stacked(model: Any, adapters: Sequence[dict[str, Tensor]]) -> Iterator[None]:
    """Let ``model`` answer a batch of ``len(adapters)`` rows, each with its own adapter, while the context lasts.

    Args:
        model: a PEFT model with one LoRA adapter; its own adapter has no part in it.
        adapters: the trained tensors by the model's names, as :meth:`training.adapt.Learner.weights` gives them.

    Raises:
        ValueError: a batch of another size comes through the model.
    """
    import torch

    hooks = []
    try:
        for name, layer in _layers(model):
            first = torch.stack([rows[f"{name}.lora_A.{ADAPTER}.weight"] for rows in adapters]).transpose(1, 2)
            second = torch.stack([rows[f"{name}.lora_B.{ADAPTER}.weight"] for rows in adapters]).transpose(1, 2)
            second = second * layer.scaling[ADAPTER]
            hooks.append(layer.base_layer.register_forward_hook(_adding(first.contiguous(), second.contiguous())))
        with model.disable_adapter():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _layers(model: Any) -> list[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLayer)]


def _adding(first: Tensor, second: Tensor) -> Any:
    """Return a hook that adds each row's own product to what the frozen layer gave."""

    def add(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        (given,) = inputs
        if len(given) != len(first):
            raise ValueError(f"a batch of {len(given)} rows for {len(first)} adapters")
        return output + ((given.to(first.dtype) @ first) @ second).to(output.dtype)

    return add
