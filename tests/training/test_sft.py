"""Whole fine-tunings of a tiny Llama: golden losses, resuming after kills, packing, adapters, what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synth.failpoints import VARIABLE
from tests.runs import ROOT, Ran
from tests.training.conftest import CONFIG, make_tokenizer, needs_trl, run_sft
from training.checkpoints import MARKER
from training.config import SftConfig, load_config

pytestmark = [pytest.mark.train, needs_trl]

GOLDEN = [5.70109, 5.32859, 5.26482, 4.75601, 4.36959, 4.10880]
"""Losses of six steps on the rows of the last test, float32 on a CPU."""


def log(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def losses(output: Path, name: str = "loss") -> list[float]:
    return [entry[name] for entry in log(output) if name in entry]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def killed(config: Path, point: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that dies at ``point`` (``step:4``), as in a power cut."""
    done = subprocess.run(
        [sys.executable, "-m", "training.sft", "--config", str(config)],
        cwd=ROOT, env={**os.environ, VARIABLE: point}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done
    return done


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny: Path, export: Path) -> Path:
    """The output of the configuration's six steps, run through."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(model=tiny, export=export, output=folder / "out"), encoding="utf-8")
    ran = run_sft("--config", path)
    assert ran.code == 0, ran
    return folder / "out"


def test_losses_are_those_of_plain_trl(undisturbed: Path, tiny: Path, export: Path, tmp_path: Path) -> None:
    """TRL by itself on the same files: what this project adds changes no arithmetic."""
    from datasets import concatenate_datasets, load_dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig as Plain
    from trl import SFTTrainer

    from training.templates import our_templates

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template = our_templates()["chatml"]
    kinds = ("sft", "reasoning", "dialogue")
    rows = concatenate_datasets(
        [
            load_dataset("parquet", data_files=str(next((export / kind).glob("train-*"))), split="train",
                         cache_dir=str(tmp_path / "cache")).select_columns(["messages"])
            for kind in kinds
        ]
    )  # fmt: skip
    trainer = SFTTrainer(
        model=str(tiny),
        args=Plain(
            output_dir=str(tmp_path), max_steps=6, per_device_train_batch_size=2, learning_rate=3e-3, max_length=768,
            logging_steps=1, lr_scheduler_type="constant", use_cpu=True, bf16=False, activation_checkpointing=False,
            assistant_only_loss=True, save_strategy="no", seed=42, disable_tqdm=True,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    plain = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses(undisturbed) == pytest.approx(plain, abs=1e-6)


def test_everything_is_left_behind(undisturbed: Path, tiny: Path, export: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(undisturbed / "model")
    tokenizer = AutoTokenizer.from_pretrained(undisturbed / "model")
    assert "{%- generation -%}" in tokenizer.chat_template
    assert model.generation_config.eos_token_id in (tokenizer.eos_token_id, [tokenizer.eos_token_id])
    assert not list((undisturbed / "model").glob("*.bin"))
    card = (undisturbed / "model" / "README.md").read_text()
    manifest = json.loads((export / "manifest.json").read_text())
    used = [file for file in manifest["files"] if file["path"].split("/")[0] in ("sft", "reasoning", "dialogue")]
    for expected in (manifest["fingerprint"], "Not for medical use", "cc-by-4.0", "trl.learning_rate", "synthetic",
                     *(file["sha256"] for file in used)):  # fmt: skip
        assert expected in card
    facts = json.loads((undisturbed / "training.json").read_text())
    assert facts["result"] == "model"
    assert facts["metrics"]["loss"] == losses(undisturbed)[-1]
    assert facts["versions"]["trl"]
    for text in (card, (undisturbed / "training_report.html").read_text()):
        assert str(export) not in text, "no path of this machine"
        assert str(tiny.parent) not in text


def test_the_log_has_each_step_once_and_a_loss_for_each_kind(undisturbed: Path) -> None:
    assert [entry["step"] for entry in log(undisturbed) if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    for name in ("eval_loss", "eval_sft_loss", "eval_reasoning_loss", "eval_dialogue_loss"):
        assert [entry["step"] for entry in log(undisturbed) if name in entry] == [3, 6]
    last = {name: value for entry in log(undisturbed) for name, value in entry.items()}
    kinds = [last[f"eval_{kind}_loss"] for kind in ("sft", "reasoning", "dialogue")]
    assert last["eval_loss"] == pytest.approx(sum(kinds) / 3)


def test_a_finished_run_is_left_alone_and_another_is_refused(undisturbed: Path) -> None:
    config = undisturbed.parent / "config.yaml"
    before = (undisturbed / "training.json").stat().st_mtime_ns
    ran = run_sft("--config", config)
    assert (ran.code, ran.err) == (0, "")
    assert "this run is finished" in ran.out
    ran = run_sft("--config", config, "--set", "seed=7")
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "holds the result of another run (seed changed)" in ran.err
    assert (undisturbed / "training.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("point", "unfinished", "good"),
    [
        ("step:5", [], "checkpoint-4"),
        ("weights:2", ["checkpoint-4"], "checkpoint-2"),
        ("unmarked:2", ["checkpoint-4"], "checkpoint-2"),
    ],
)
def test_a_kill_costs_the_steps_since_the_last_whole_checkpoint(
    config: Path, undisturbed: Path, point: str, unfinished: list[str], good: str
) -> None:
    out = config.parent / "out"
    killed(config, point)
    assert [path.name for path in out.glob("checkpoint-*") if not (path / MARKER).exists()] == unfinished
    ran = run_sft("--config", config)
    assert ran.code == 0, ran
    assert f"goes on from {good}" in ran.out
    for name in unfinished:
        assert f"{name} is passed over: was not finished" in ran.out
    assert losses(out) == pytest.approx(losses(undisturbed), abs=1e-6)
    assert losses(out, "eval_loss") == pytest.approx(losses(undisturbed, "eval_loss"), abs=1e-6)
    assert [entry["step"] for entry in log(out) if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    import torch

    one, other = weights(undisturbed / "model"), weights(out / "model")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_of_other_data_is_refused(config: Path) -> None:
    assert stopped_at(config, 2).code == 1
    ran = run_sft("--config", config, "--set", "data.kinds=[sft]")
    # The last line is ours: libraries that others have loaded before may say something of their own above it.
    assert ran.code == 2, ran
    assert "holds checkpoints of another run (data changed)" in ran.complaints[-1]
    assert "Traceback" not in ran.err


def stopped_at(config: Path, step: int) -> Ran:
    """Run the command with a model whose weights become NaN after ``step``, so that the next step's loss is one."""
    import torch
    from trl import SFTTrainer

    whole = SFTTrainer.training_step

    def poisoned(self: Any, model: Any, *rest: Any, **named: Any) -> Any:
        if self.state.global_step == step:
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))
        return whole(self, model, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SFTTrainer, "training_step", poisoned)
        return run_sft("--config", config)


def test_a_loss_that_is_no_number_stops_with_the_batch_saved(config: Path, undisturbed: Path) -> None:
    from safetensors.torch import load_file

    out = config.parent / "out"
    ran = stopped_at(config, 3)
    # The last line is ours: libraries that others have loaded before may say something of their own above it.
    assert ran.code == 1, ran
    assert f"step 4: the loss is not a number: the batch is in {out / 'not-finite'}" in ran.complaints[-1]
    assert "Traceback" not in ran.err
    batch = load_file(out / "not-finite" / "batch.safetensors")
    facts = json.loads((out / "not-finite" / "batch.json").read_text())
    assert batch["input_ids"].shape == batch["labels"].shape
    assert len(facts["texts"]) == 2
    assert "<|im_start|>assistant" in facts["texts"][0]
    assert facts["step"] == 4
    assert not (out / "model").exists()
    ran = run_sft("--config", config)
    assert (ran.code, ran.err) == (0, ""), ran
    assert losses(out) == pytest.approx(losses(undisturbed), abs=1e-6)


def test_a_checkpoint_with_weights_that_are_no_numbers_is_not_marked(tmp_path: Path) -> None:
    from types import SimpleNamespace

    import torch

    from training.checkpoints import checkpoint_callback

    model = torch.nn.Linear(2, 2)
    state = SimpleNamespace(global_step=1, is_world_process_zero=True, best_model_checkpoint=None)
    (tmp_path / "checkpoint-1").mkdir()
    callback = checkpoint_callback(tmp_path, {}, 2)
    with torch.no_grad():
        model.bias[0] = float("inf")
    callback.on_save(None, state, None, model=model)
    assert not (tmp_path / "checkpoint-1" / MARKER).exists()
    with torch.no_grad():
        model.bias[0] = 0
    callback.on_save(None, state, None, model=model)
    assert (tmp_path / "checkpoint-1" / MARKER).exists()


def test_early_stopping_stops_and_keeps_the_best(config: Path) -> None:
    out = config.parent / "out"
    settings = ("trl.learning_rate=1.0", "trl.max_steps=30", "trl.eval_steps=1", "trl.save_steps=1",
                "early_stop.patience=3")  # fmt: skip
    ran = run_sft("--config", config, *(part for key in settings for part in ("--set", key)))
    assert ran.code == 0, ran
    found = losses(out, "eval_loss")
    best = found.index(min(found))
    assert len(found) == best + 1 + 3 < 30
    import torch

    best_weights = weights(out / f"checkpoint-{best + 1}")
    final = weights(out / "model")
    assert all(torch.equal(final[name], best_weights[name]) for name in final)


def test_packed_rows_do_not_see_each_other(config: Path) -> None:
    """One packed batch gives the loss that its rows give padded, and the check would see a leak."""
    import torch

    from synth.errors import UserError
    from training import packing
    from training.sft import make_trainer, preflight

    def trainer_of(*overrides: str) -> Any:
        loaded = load_config(SftConfig, str(config), ["trl.per_device_train_batch_size=1", *overrides])
        ready = preflight(loaded)
        return make_trainer(loaded, ready)

    packed = trainer_of("trl.packing=true")
    packing.check_packing(packed)
    apart = trainer_of()
    several = next(row for row in packed.train_dataset if len(row["seq_lengths"]) > 1)
    batch, lengths = packed.data_collator([several]), several["seq_lengths"]
    with torch.no_grad():
        together = packed.compute_loss(packed.model.eval(), batch).item()
        rows = [row for row in apart.train_dataset if len(row["input_ids"]) in lengths]
        sums, tokens = 0.0, 0
        start = 0
        for length in lengths:
            ids = several["input_ids"][start : start + length]
            row = next(row for row in rows if row["input_ids"] == ids)
            count = sum(label != -100 for label in row["labels"])
            sums += apart.compute_loss(apart.model.eval(), apart.data_collator([row])).item() * count
            tokens += count
            start += length
    assert together == pytest.approx(sums / tokens, abs=1e-5)
    collator = packed.data_collator
    blind = type(collator)(pad_token_id=collator.pad_token_id, padding_free=True)

    def forgetful(examples: list[dict[str, Any]]) -> dict[str, Any]:
        return dict(blind([{"input_ids": row["input_ids"]} for row in examples]))

    packed.data_collator = forgetful
    with pytest.raises(UserError, match="packed rows see each other"):
        packing.check_packing(packed)


def test_an_adapter_is_saved_and_merged_into_weights_that_answer_alike(
    config: Path, tiny: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training import merge

    ran = run_sft("--config", config, "--set", "lora={r: 4, lora_dropout: 0.0}")
    assert ran.code == 0, ran
    adapter = tmp_path / "out" / "adapter"
    assert "library_name: peft" in (adapter / "README.md").read_text()
    assert merge.main([str(adapter), "--out", str(tmp_path / "merged")]) == 0
    assert merge.main([str(adapter), "--out", str(tmp_path / "merged")]) == 2, "not empty"
    assert merge.main([str(tiny), "--out", str(tmp_path / "other")]) == 2, "no adapter"
    base = AutoModelForCausalLM.from_pretrained(tiny)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        before = base(ids).logits
        beside = PeftModel.from_pretrained(base, str(adapter))(ids).logits
        after = merged(ids).logits
    assert torch.allclose(beside, after, atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-3)
    assert "generation" in AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template


def test_losses_of_fixed_rows_are_the_noted_ones(tmp_path: Path) -> None:
    """Golden numbers: model, rows and seeds are all in this test, so a change is a change of the training."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    lines = [f"Patient {n} asks about symptom {n * 7 % 11}." for n in range(16)]
    tokenizer = make_tokenizer(lines)
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64,
                                         num_hidden_layers=2, num_attention_heads=2))  # fmt: skip
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "model")
    talks = [[{"role": "user", "content": line}, {"role": "assistant", "content": line[::-1]}] for line in lines]
    pq.write_table(pa.table({"messages": talks}), tmp_path / "rows.parquet")
    config = tmp_path / "config.yaml"
    config.write_text(
        CONFIG.format(model=tmp_path / "model", export=tmp_path / "rows.parquet", output=tmp_path / "out")
    )
    ran = run_sft("--config", config, "--set", "data.kinds=[sft]", "--set", "trl.learning_rate=1e-2")
    assert ran.code == 0, ran
    found = losses(tmp_path / "out")
    assert found == pytest.approx(GOLDEN, abs=2e-3), found


ONE_CPU = """\
compute_environment: LOCAL_MACHINE
distributed_type: "NO"
num_machines: 1
num_processes: 1
use_cpu: true
mixed_precision: "no"
"""


def started(config: Path, *command: str) -> str:
    """What a command of its own says; it trains two steps."""
    steps = ("trl.max_steps=2", "trl.save_steps=1", "trl.eval_steps=1", "trl.use_cpu=true")
    done = subprocess.run(
        [sys.executable, "-m", *command, "--config", str(config), *(part for key in steps for part in ("--set", key))],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_train_one_model(config: Path) -> None:
    said = started(config, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "training.sft")
    assert said.count("the result is in") == 1, "one process speaks"
    out = config.parent / "out"
    assert [entry["step"] for entry in log(out) if "loss" in entry] == [1, 2]
    assert (out / "checkpoint-2" / MARKER).exists()
    assert (out / "checkpoint-2" / "rng_state_1.pth").exists(), "both processes had a part in it"
    assert (out / "model" / "model.safetensors").exists()


def test_accelerate_starts_the_run_with_the_configuration_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ONE_CPU)
    said = started(config, "training.sft", "--set", f"accelerate={tmp_path / 'one.yaml'}")
    assert said.count("proved in every row") == 2, "before the launch, and in the process that it started"
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()


def test_an_unknown_accelerate_configuration_is_named(config: Path) -> None:
    ran = run_sft("--config", config, "--set", "accelerate=fsdp3")
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "--set accelerate: no such file, and no configuration of TRL's by that name; did you mean" in ran.err
