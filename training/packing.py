"""Proof that rows packed into one sequence do not see each other.

Packing saves padding by laying rows end to end. The attention kernel must then be told where each begins; one that is
not lets every row read those before it, with a loss that looks fine. TRL passes positions that start again at 0 and
the boundaries; whether the loaded model honours them is tried, not looked up: the first of two packed rows is
replaced, and what the model says about the second must not move. The same with positions that run on must move, or
the trial itself could not see a leak.
"""

from __future__ import annotations

from typing import Any

from synth.errors import UserError

TOLERANCE = 1e-3
"""Largest change of a logit taken for rounding. A leak moves logits by tenths and more."""
MOST_TOKENS = 64
"""Tokens of each row that are tried."""


def check_packing(trainer: Any) -> None:
    """Raise a UserError when the trainer's model lets packed rows see each other."""
    import torch

    model = trainer.accelerator.unwrap_model(trainer.model)
    device = next(model.parameters()).device
    ids = [token for row in trainer.train_dataset.select(range(1)) for token in row["input_ids"]][: 2 * MOST_TOKENS]
    half = len(ids) // 2
    if half < 2:
        return
    first, second = ids[:half], ids[half:]
    other = [first[0], *reversed(first[1:])] if first[1:] != first[:0:-1] else [second[0]] * half
    was_training = model.training
    model.eval()
    with torch.no_grad():
        moved = _moved(trainer, model, device, (first, other), second, apart=True)
        control = _moved(trainer, model, device, (first, other), second, apart=False)
    model.train(was_training)
    if moved > TOLERANCE:
        raise UserError(
            "trl.packing: with this model and attention kernel packed rows see each other "
            f"(by {moved:.3g} of a logit): set model.attention to flash_attention_2 or sdpa, or trl.packing to false"
        )
    if control <= TOLERANCE:
        raise UserError("trl.packing: whether packed rows see each other cannot be told: set trl.packing to false")


def _moved(
    trainer: Any, model: Any, device: Any, firsts: tuple[list[int], list[int]], second: list[int], *, apart: bool
) -> float:
    """Return how far the logits of ``second`` move when what is packed before it is exchanged."""
    import torch

    logits = []
    for first in firsts:
        lengths = [len(first), len(second)] if apart else [len(first) + len(second)]
        batch = trainer.data_collator([{"input_ids": first + second, "seq_lengths": lengths}])
        batch = {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}
        batch.pop("labels")
        with trainer.compute_loss_context_manager():
            logits.append(model(**batch, use_cache=False).logits[0, -len(second) :].float())
    return float((logits[0] - logits[1]).abs().max())
