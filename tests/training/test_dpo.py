"""DPO as a command: the reference once, losses as plain TRL's, LoRA, warm start, resumption, bad input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.runs import ROOT, Ran
from tests.training.conftest import needs_trl, run
from training import dpo

pytestmark = [pytest.mark.train, needs_trl]

CONFIG = """\
model: {{name: {model}}}
data: {{path: {export}, limit: 12}}
output: {output}
trl:
  max_steps: 4
  per_device_train_batch_size: 2
  per_device_eval_batch_size: 2
  learning_rate: 1.0e-3
  max_length: 1024
  logging_steps: 1
  eval_steps: 4
  save_steps: 2
  lr_scheduler_type: constant
"""


@pytest.fixture
def config(tmp_path: Path, tiny: Path, export: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLINSYNTH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "dpo.yaml"
    path.write_text(CONFIG.format(model=tiny, export=export, output=tmp_path / "out"), encoding="utf-8")
    return path


def train(config: Path, *changes: str, output: str = "out") -> Ran:
    changes = (f"output={config.parent / output}", *changes)
    return run(dpo.main, "--config", config, *(word for change in changes for word in ("--set", change)))


def trained(config: Path, *changes: str, output: str = "out") -> list[dict[str, Any]]:
    ran = train(config, *changes, output=output)
    assert ran.code == 0, ran.err
    return log(config.parent / output)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def series(entries: list[dict[str, Any]], name: str) -> list[float]:
    return [entry[name] for entry in entries if name in entry]


def test_losses_are_those_of_plain_trl(config: Path, tiny: Path, export: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from training.templates import choose_template

    ours = trained(config, "trl.eval_strategy='no'")
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template = choose_template(tokenizer).text
    files = [str(file) for file in sorted((export / "preference").glob("train-*"))]
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "datasets"))
    plain = DPOTrainer(
        model=str(tiny),
        args=DPOConfig(
            output_dir=str(tmp_path / "plain"), use_cpu=True, bf16=False, gradient_checkpointing=False, seed=42,
            max_steps=4, per_device_train_batch_size=2, learning_rate=1e-3, max_length=1024, logging_steps=1,
            lr_scheduler_type="constant", save_strategy="no", report_to="none", disable_tqdm=True,
        ),
        train_dataset=rows.select(range(12)),
        processing_class=tokenizer,
    )  # fmt: skip
    plain.train()
    for name in ("loss", "rewards/margins", "logps/chosen"):
        theirs = [entry[name] for entry in plain.state.log_history if name in entry]
        assert series(ours, name) == pytest.approx(theirs, rel=1e-5, abs=1e-5), name
    assert series(ours, "loss")[0] == pytest.approx(0.693147, abs=1e-6), "model and reference agree at first"
    assert series(ours, "loss")[-1] < 0.69


@pytest.mark.parametrize("change", ["seed=42", "lora={r: 4}", "trl.ld_alpha=0.5"])
def test_a_cached_reference_trains_as_an_uncached_one(config: Path, change: str) -> None:
    fresh = train(config, change, output="fresh")
    assert "0 pairs found" in fresh.out, fresh.err
    cached = train(config, change, output="cached")
    assert "0 computed" in cached.out
    uncached = trained(config, change, "trl.precompute_ref_log_probs=false", output="uncached")
    for name in ("loss", "rewards/margins", "eval_loss", "eval_rewards/margins"):
        expected = series(uncached, name)
        assert expected
        for output in ("fresh", "cached"):
            assert series(log(config.parent / output), name) == pytest.approx(expected, rel=1e-5, abs=1e-5), name


def test_another_run_on_the_same_pairs_finds_the_reference_and_another_model_does_not(config: Path) -> None:
    train(config)
    again = train(config, "trl.beta=0.5", "trl.loss_type=[ipo]", "trl.learning_rate=1e-4", "seed=3", output="again")
    assert "0 computed" in again.out, again.err
    lora = train(config, "lora={r: 2}", "seed=4", output="lora")
    assert "0 computed" in lora.out, "with its adapter off it is the same model"
    shorter = train(config, "trl.ld_alpha=0.2", output="ld")
    assert "0 pairs found" in shorter.out, "ld_alpha weighs the tokens of the reference, too"


def test_lengths_and_margins_are_logged_and_the_result_is_described(config: Path) -> None:
    entries = trained(config)
    for name in (
        "lengths/chosen",
        "lengths/rejected",
        "rewards/margins",
        "eval_lengths/chosen",
        "eval_rewards/margins",
    ):
        assert series(entries, name), name
    card = (config.parent / "out" / "model" / "README.md").read_text(encoding="utf-8")
    assert "training.dpo" in card
    assert "trained tokens in a chosen answer" in card
    facts = json.loads((config.parent / "out" / "training.json").read_text(encoding="utf-8"))
    assert facts["rows"]["preference"]["train"] >= 8
    assert "length bias:" in (config.parent / "out" / "training_report.html").read_text(encoding="utf-8")


def test_logged_lengths_are_those_of_the_pairs(config: Path) -> None:
    ran = train(config, "trl.per_device_train_batch_size=1000", "trl.max_steps=1", "trl.eval_strategy='no'")
    (chosen,) = series(log(config.parent / "out"), "lengths/chosen")
    (rejected,) = series(log(config.parent / "out"), "lengths/rejected")
    assert f"length bias: {chosen:,.0f} tokens chosen, {rejected:,.0f} rejected on average" in ran.out


def test_with_lora_the_reference_is_the_model_with_its_adapter_off(config: Path, tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    entries = trained(
        config, "lora={r: 4}", "trl.max_steps=1", "trl.per_device_train_batch_size=1000", "trl.eval_steps=1"
    )
    assert (config.parent / "out" / "adapter" / "adapter_model.safetensors").is_file()
    assert series(entries, "loss") == pytest.approx([0.693147], abs=1e-6)
    (stored,) = [
        table
        for file in (config.parent / "cache" / "reference").glob("*.parquet")
        if (table := pq.read_table(file)).num_rows == _rows(config, "train")
    ]
    ready, _ = dpo.preflight(_loaded(config))
    row = ready.prepared.train.table.slice(0, 1).to_pylist()[0]
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    ids = torch.tensor([row["prompt_ids"] + row["chosen_ids"]])
    with torch.no_grad():
        logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    chosen = logps.gather(1, ids[0, 1:, None])[len(row["prompt_ids"]) - 1 :].sum().item()
    assert stored.column("ref_chosen_logps")[0].as_py() == pytest.approx(chosen, rel=1e-5)


def _rows(config: Path, split: str) -> int:
    return int(json.loads((config.parent / "out" / "training.json").read_text())["rows"]["preference"][split])


def _loaded(config: Path) -> Any:
    from training.config import load_config

    return load_config(dpo.DpoConfig, str(config))


def test_a_warm_start_comes_first_and_becomes_the_reference(config: Path) -> None:
    warm = ("warm_start.trl={max_steps: 2, learning_rate: 1e-2, per_device_train_batch_size: 2}",)
    ran = train(config, *warm, "lora={r: 4}")
    assert ran.code == 0, ran.err
    facts = json.loads((config.parent / "out" / "warm-start" / "training.json").read_text(encoding="utf-8"))
    assert facts["command"] == "sft"
    assert set(facts["rows"]) == {"reasoning"}
    assert (config.parent / "out" / "warm-start" / "merged" / "model.safetensors").is_file()
    adapter = json.loads((config.parent / "out" / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["base_model_name_or_path"] == str(config.parent / "out" / "warm-start" / "merged")
    assert series(log(config.parent / "out"), "loss")[0] == pytest.approx(0.693147, abs=1e-6)
    again = train(config, *warm, "lora={r: 4}")
    assert "this run is finished" in again.out


@pytest.mark.parametrize("loss", [*dpo.LOSSES])
def test_every_loss_of_trl_is_known(loss: str) -> None:
    import inspect

    from trl import DPOTrainer

    assert f'loss_type == "{loss}"' in inspect.getsource(DPOTrainer._compute_loss)
    assert inspect.getsource(DPOTrainer._compute_loss).count('loss_type == "') == len(dpo.LOSSES)


@pytest.mark.parametrize("loss", ["ipo", "apo_zero", "[sigmoid, sft]"])
def test_other_losses_train(config: Path, loss: str) -> None:
    entries = trained(config, f"trl.loss_type={loss}", "trl.max_steps=1", "trl.eval_strategy='no'")
    assert len(series(entries, "loss")) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["trl.loss_type=sigmoidal"], "--set trl.loss_type: no such loss; did you mean 'sigmoid'"),
        (["trl.loss_type=exo_pair"], "exo_pair needs trl.label_smoothing"),
        (["trl.betta=0.1"], "--set trl.betta: DPOConfig has no such option; did you mean 'beta'"),
        (["trl.max_length=5000"], "the model was made for 1,024 tokens"),
        (["warm_start.trl={learning_rat: 1}"], "warm_start.trl.learning_rat: SFTConfig has no such option"),
        (["warm_start.kinds=[preference]"], "cannot be trained on by this command"),
        (["warmstart.kinds=[sft]"], "warmstart: unknown key; did you mean 'warm_start'"),
        (["data.kinds=[sft]"], "'sft' cannot be trained on by this command"),
        (["data.departments=[Astronomy]"], "no preference rows to train on in departments Astronomy"),
    ],
)
def test_mistakes_are_one_line_before_any_weights(config: Path, changes: list[str], told: str) -> None:
    ran = train(config, *changes)
    assert ran.code == 2
    assert told in ran.err
    assert len(ran.complaints) == 1
    assert not (config.parent / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("empty", "has no rows"),
        ("column", "no column 'rejected'"),
        ("reserved", "the column 'ref_chosen_logps' has a meaning of its own"),
    ],
)
def test_bad_files_are_one_line(config: Path, export: Path, tmp_path: Path, spoil: str, told: str) -> None:
    table = pq.read_table(next((export / "preference").glob("train-*")))
    table = {
        "empty": lambda: table.slice(0, 0),
        "column": lambda: table.drop_columns(["rejected"]),
        "reserved": lambda: table.append_column("ref_chosen_logps", [[0.0] * table.num_rows]),
    }[spoil]()
    pq.write_table(table, tmp_path / "rows.parquet")
    ran = train(config, f"data.path={tmp_path / 'rows.parquet'}")
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert told in ran.err


def test_losses_that_do_not_go_together_are_one_line(config: Path) -> None:
    ran = train(config, "trl.loss_type=aot", "trl.f_divergence_type=js_divergence")
    # The last line is ours: libraries that others have loaded before may say something of their own above it.
    assert ran.code == 2
    assert "f_divergence_type" in ran.complaints[-1]
    assert "Traceback" not in ran.err


def test_a_killed_run_goes_on_to_the_same_end(config: Path) -> None:
    undisturbed = trained(config, output="whole")
    command = [sys.executable, "-m", "training.dpo", "--config", str(config)]
    killed = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"CLINSYNTH_FAILPOINT": "step:4"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert killed.returncode == -9, killed.stderr[-2000:]
    ran = train(config)
    assert "goes on from checkpoint-2" in ran.out
    assert "0 computed" in ran.out, "the reference of the first part is found again"
    assert series(log(config.parent / "out"), "loss") == pytest.approx(series(undisturbed, "loss"), abs=1e-6)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(config: Path) -> None:
    changes = ("trl.learning_rate=1e30", "trl.eval_strategy='no'", "trl.precompute_ref_log_probs=false")
    ran = train(config, *changes)
    # The last line is ours: libraries that others have loaded before may say something of their own above it.
    assert ran.code == 1
    assert "the loss is" in ran.complaints[-1]
    assert "Traceback" not in ran.err
    assert (config.parent / "out" / "not-finite" / "batch.safetensors").is_file()
    assert "<|im_start|>assistant" in (config.parent / "out" / "not-finite" / "batch.json").read_text(encoding="utf-8")
    assert not (config.parent / "out" / "training.json").exists()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\nfrom training import dpo\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): dpo.main(['--help'])\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_damaged_reference_is_computed_anew(config: Path) -> None:
    train(config)
    folder = config.parent / "cache" / "reference"
    for file in folder.glob("*.parquet"):
        data = bytearray(file.read_bytes())
        data[20] ^= 0xFF
        file.write_bytes(bytes(data))
    shutil.rmtree(config.parent / "out")
    assert "0 pairs found" in train(config).out
