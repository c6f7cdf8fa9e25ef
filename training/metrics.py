"""``metrics.jsonl``: a line for every time the trainer logs, and one for people on the terminal.

The file holds each step once: a resumed run first writes what its checkpoint knows and goes on from there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SHOWN = (
    ("loss", "loss"),
    ("eval_loss", "validation loss"),
    ("learning_rate", "rate"),
    ("grad_norm", "gradient"),
    ("rewards/accuracies", "pairs right"),
    ("rewards/margins", "margin"),
)
"""Values shown on the terminal, and what they are called there."""


def metrics_callback(path: Path, say: Callable[[str], None], title: str = "") -> Any:
    """Return a trainer callback that writes ``path`` and says a line for each training log."""
    from transformers import TrainerCallback

    class Metrics(TrainerCallback):  # type: ignore[misc]
        """Writes on the main process only."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.is_world_process_zero:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(map(line, state.log_history)), encoding="utf-8")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
            if not state.is_world_process_zero:
                return
            with path.open("a", encoding="utf-8") as file:
                file.write(line({**logs, "step": state.global_step}))
            if shown := [f"{words} {_short(logs[name])}" for name, words in SHOWN if name in logs]:
                say(f"{title}step {state.global_step:,}/{state.max_steps:,}  " + "  ".join(shown))

    return Metrics()


def line(entry: Mapping[str, Any]) -> str:
    """Return one entry as a line of JSON; a value that is no number in JSON becomes text."""
    plain = {name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
             for name, value in entry.items()}  # fmt: skip
    return json.dumps(plain, sort_keys=True, default=str) + "\n"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)
