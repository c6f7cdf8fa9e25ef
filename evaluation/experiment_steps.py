"""The steps of the experiment: each a command of ours with its arguments, in their order.

All settings that are not the built-in configurations' own stand here. Nothing is run here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.command import setting

COMMON = ["lora={r: 16, lora_alpha: 32}", "over_length={action: drop}"]
TRAIN = {"max_length": "1024", "per_device_train_batch_size": "2", "gradient_accumulation_steps": "1",
         "save_steps": "10", "eval_steps": "10"}  # fmt: skip
SFT = {"max_steps": "30", "learning_rate": "2.0e-4"} | TRAIN
DPO = {"max_steps": "20", "learning_rate": "5.0e-5"} | TRAIN
TTT = ["steps=2", "retrieval.k=1", "retrieval.floor=0.2", "trl.learning_rate=1.0e-3", "trl.max_length=1024"]
"""What is trained, as ``--set`` of the built-in configurations sft, dpo and ttt."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of ours."""

    name: str
    module: str
    arguments: Sequence[str]
    skip: Path | None = None
    """A file that the step leaves whole, for a command that refuses to run again."""
    needs: Path | None = None
    """A folder without whose validation rows there is nothing to do."""


def steps(out: Path, data: Path, tasks: Sequence[str], items: int, encoder: str, model: str, spec: str) -> list[Step]:
    """Return the steps in their order; ``data`` is the benchmarks' folder, ``out`` the experiment's.

    Args:
        out: the experiment's folder.
        data: the folder of the benchmarks.
        tasks: those that are there.
        items: of each task, at most.
        encoder: that finds neighbours.
        model: that is trained.
        spec: what is generated, by name or path.
    """
    rows, sft, dpo = out / "data", out / "sft", out / "dpo"
    ttt = ["--ttt", "ttt", *_set([setting("output", out / "ttt"), setting("retrieval.encoder", encoder), *TTT])]
    asked = ["--tasks", *tasks, "--data", str(data), "--out", str(out / "evaluation"), "--method", "cloze",
             "--limit", str(items), "--seeds", "1"]  # fmt: skip
    return [
        Step("generate", "synth.generate",
             ["--spec", spec, "--out", str(rows), "--set", setting("seeds.source", out / "seeds.jsonl")]),
        Step("sft", "training.sft", _training("sft", model, rows, sft, SFT, ["data.kinds=[sft, reasoning]"])),
        Step("sft-merge", "training.merge", [str(sft / "adapter"), "--out", str(sft / "merged")],
             sft / "merged" / "config.json"),
        Step("dpo", "training.dpo", _training("dpo", str(sft / "merged"), rows, dpo, DPO, [])),
        Step("dpo-merge", "training.merge", [str(dpo / "adapter"), "--out", str(dpo / "merged")],
             dpo / "merged" / "config.json"),
        Step("base", "evaluation.benchmark", ["--model", model, "--name", "base", *asked]),
        Step("after-sft", "evaluation.benchmark", ["--model", str(sft / "merged"), "--name", "sft", *asked]),
        Step("after-dpo-ttt", "evaluation.benchmark",
             ["--model", str(dpo / "merged"), "--name", "dpo", *asked, "--trained-on", str(rows / "export"), *ttt,
              "--set", setting("data.path", rows), "--controls", "ttt", "random"]),
        Step("held-out", "evaluation.held_out",
             ["--model", f"base={model}", f"sft={sft / 'merged'}", f"dpo={dpo / 'merged'}", "--adapt", "dpo",
              "--data", str(rows), "--out", str(out / "evaluation"), *ttt],
             needs=rows / "export" / "reasoning"),
        Step("report", "evaluation.report", [str(out / "evaluation"), "--base", "base"]),
    ]  # fmt: skip


def _training(
    config: str, model: str, rows: Path, output: Path, trl: Mapping[str, str], more: Sequence[str]
) -> list[str]:
    paths = [setting("model.name", model), setting("data.path", rows), setting("output", output)]
    given = [*paths, *COMMON, *more]
    return ["--config", config, *_set([*given, *(f"trl.{key}={value}" for key, value in trl.items())])]


def _set(changes: Sequence[str]) -> list[str]:
    return [part for change in changes for part in ("--set", change)]
