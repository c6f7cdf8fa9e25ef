"""What a run will take, before it starts: steps (exact without packing), memory and time (estimates, and called so).

Memory counts weights, gradients, AdamW's two moments and one batch's activations by the usual formulas; fragmentation,
buffers of communication and the evaluation are left out. Time is arithmetic (six floating-point operations a weight
and token, eight when activations are computed again; four and six where most weights are frozen) over the rate of
matrix multiplications measured here and now, of which a training step reaches :data:`REACHED`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.models import Shape

REACHED = 0.4
"""Share of the measured rate of matrix multiplications that a training step is taken to reach."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to take; ``memory`` in bytes for each process without sharding, ``seconds`` in all."""

    sequences: int
    """Sequences an epoch, after packing."""
    steps: int
    memory: float
    seconds: float
    parameters: int
    trained: int


def estimate(shape: Shape, lengths: Sequence[int], args: Any, *, dtype: str, lora: Any, four_bit: bool) -> Estimate:
    """Return the expected cost of training on rows of these lengths with TRL's ``args``."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    sequences = packed(lengths, args.max_length) if getattr(args, "packing", False) else len(lengths)
    batch = args.per_device_train_batch_size
    micro = math.ceil(sequences / (batch * processes))
    an_epoch = max(1, math.ceil(micro / args.gradient_accumulation_steps))
    steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * an_epoch)
    trained = shape.parameters if lora is None else _lora_parameters(shape, lora)
    tokens = sum(lengths) * steps / an_epoch
    again = args.gradient_checkpointing
    operations = (6 if lora is None else 4) + (2 if again else 0)
    half = args.bf16 or args.fp16 or dtype != "float32"
    rate = matmul_rate(half=half, cpu=args.use_cpu)
    return Estimate(
        sequences=sequences,
        steps=steps,
        memory=_memory(
            shape, trained, batch * min(max(lengths), args.max_length or max(lengths)), dtype, again, four_bit
        ),
        seconds=operations * shape.parameters * tokens / (rate * REACHED) / processes,
        parameters=shape.parameters,
        trained=trained,
    )


def packed(lengths: Sequence[int], max_length: int) -> int:
    """Return how many sequences best-fit decreasing packs rows into, each of at most ``max_length`` tokens."""
    import bisect

    room: list[int] = []  # free tokens of the open sequences, ascending
    for size in sorted((min(size, max_length) for size in lengths), reverse=True):
        at = bisect.bisect_left(room, size)
        free = room.pop(at) - size if at < len(room) else max_length - size
        bisect.insort(room, free)
    return len(room)


def matmul_rate(*, half: bool, cpu: bool) -> float:
    """Measure the floating-point operations a second of a matrix multiplication here (takes a quarter of a second)."""
    import torch

    device = "cpu" if cpu or not torch.cuda.is_available() else "cuda"
    size = 512 if device == "cpu" else 4096
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16 if half else torch.float32)
    rounds, began = 0, 0.0
    for warm in (False, True):
        rounds, began = 0, time.perf_counter()
        while time.perf_counter() - began < (0.25 if warm else 0.05):
            one @ one
            if device == "cuda":
                torch.cuda.synchronize()
            rounds += 1
    return 2 * size**3 * rounds / (time.perf_counter() - began)


def lines(found: Estimate) -> list[str]:
    """Return what the pre-flight prints."""
    share = found.trained / found.parameters
    return [
        f"parameters  {found.parameters:,}; trained {found.trained:,} ({share:.1%})",
        f"steps       {found.steps:,} ({found.sequences:,} sequences an epoch)",
        f"memory      about {found.memory / GIB:.1f} GiB a process (estimate)",
        f"time        about {_duration(found.seconds)} (estimate)",
    ]


def _memory(shape: Shape, trained: int, tokens: int, dtype: str, again: bool, four_bit: bool) -> float:
    size = 4 if dtype == "float32" else 2
    weights = shape.parameters * (0.6 if four_bit else size)
    training = trained * (4 + 8) if trained < shape.parameters else trained * (size + 2 * size)
    # by layer and token: what its backward pass needs is about 34 hidden vectors of 2 bytes, or its input alone
    a_layer = 34 * shape.hidden * tokens * (size / 2)
    activations = (2 * shape.hidden * tokens * shape.layers + a_layer) if again else a_layer * shape.layers
    return weights + training + activations


def _lora_parameters(shape: Shape, lora: Any) -> int:
    # all linear layers of a block: four of attention and three of the MLP, about four times as wide
    return int(shape.layers * lora.r * shape.hidden * (4 * 2 + 3 * 5))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
