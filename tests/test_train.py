"""An export goes into ``datasets`` and TRL as it stands: offline, every extra column in place, nothing mapped."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synth.fault_server import serving
from tests.runs import KINDS, data_files, generate, rows_on_disk, write_spec

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra `train`"),
]

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}

LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset

export = sys.argv[1]
loaded = {name: load_dataset(export, name) for name in get_dataset_config_names(export)}
print(json.dumps({
    name: {split: [rows.num_rows, rows.column_names, rows[0]] for split, rows in splits.items()}
    for name, splits in loaded.items()
}))
"""

TRAIN = """
import copy, json, math, sys
import torch
from datasets import load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

def make_tokenizer(texts):
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|im_end|>")
    tokenizer.chat_template = CHATML
    return tokenizer

def make_model(tokenizer):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id))

def one_step(trainer, model):
    before = copy.deepcopy(model.state_dict())
    loss = trainer.train().training_loss
    moved = sum(not torch.equal(before[name], value) for name, value in model.state_dict().items())
    return {"loss": loss, "finite": math.isfinite(loss), "moved": moved}

export, out = sys.argv[1:]
rows = {name: load_dataset(export, name, split="train") for name in ("sft", "reasoning", "dialogue", "preference")}
tokenizer = make_tokenizer(m["content"] for row in rows["dialogue"] for m in row["messages"])
common = dict(
    output_dir=out, max_steps=1, per_device_train_batch_size=2, learning_rate=1e-3, use_cpu=True, bf16=False,
    gradient_checkpointing=False, report_to="none", save_strategy="no", disable_tqdm=True, max_length=256)
result = {}
for name in ("sft", "reasoning", "dialogue"):
    model = make_model(tokenizer)
    trainer = SFTTrainer(model=model, args=SFTConfig(assistant_only_loss=True, **common),
                         train_dataset=rows[name], processing_class=tokenizer)
    result[name] = one_step(trainer, model)
    # What it learns from are the assistant's words alone.
    batch = trainer.data_collator([trainer.train_dataset[0]])
    learned = tokenizer.decode(batch["input_ids"][batch["labels"] != -100])
    result[name]["learned"] = learned
    result[name]["said"] = [m["content"] for m in rows[name][0]["messages"] if m["role"] == "assistant"]
model = make_model(tokenizer)
trainer = DPOTrainer(model=model, ref_model=copy.deepcopy(model), args=DPOConfig(**common),
                     train_dataset=rows["preference"], processing_class=tokenizer)
result["preference"] = one_step(trainer, model)
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    with serving() as server:
        spec = write_spec(folder, server.url, limit=48, shard_size=12)
        # The server's verdicts are thrown dice: without the check every kind gets rows on both sides of the split.
        ran = generate("--spec", spec, "--out", folder / "run", "--set", "produce.reasoning.verify=false")
    assert ran.code == 0, ran
    assert all(count >= 2 for count in rows_on_disk(folder / "run").values())
    return folder / "run"


def offline(code: str, *arguments: Path, cache: Path) -> Any:
    """Run ``code`` without a network and with empty caches; returns what it prints as JSON on its last line."""
    environment = os.environ | OFFLINE | {"HF_HOME": str(cache), "HF_DATASETS_CACHE": str(cache / "datasets")}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=cache, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_all_configs_load_with_their_splits_and_columns(run: Path, tmp_path: Path) -> None:
    before = data_files(run)
    loaded = offline(LOAD, run / "export", cache=tmp_path)
    assert set(loaded) == set(KINDS)
    for kind, splits in loaded.items():
        on_disk = {path.name.partition("-")[0] for path in (run / "export" / kind).glob("*.parquet")}
        assert set(splits) == on_disk
        assert sum(count for count, _, _ in splits.values()) == rows_on_disk(run)[kind]
        for _, columns, first in splits.values():
            assert {"id", "seed_id", "quality", "flags", "evidence"} <= set(columns)
            for message in first["prompt" if kind == "preference" else "messages"]:
                assert set(message) == {"role", "content"}
    assert any(set(splits) == {"train", "validation"} for splits in loaded.values())
    assert data_files(run) == before


def test_one_step_of_sft_and_dpo_takes_the_rows_unmapped(run: Path, tmp_path: Path) -> None:
    result = offline(TRAIN, run / "export", tmp_path / "out", cache=tmp_path)
    assert set(result) == set(KINDS)
    for kind, step in result.items():
        assert step["finite"], (kind, step)
        assert step["moved"] > 0, (kind, step)
    assert result["preference"]["loss"] == pytest.approx(0.693, abs=0.01), "model and reference agree before the step"
    for kind in ("sft", "reasoning", "dialogue"):
        learned = result[kind]["learned"].removesuffix("<|im_end|>").split("<|im_end|>")
        assert all(word.strip() for word in learned), kind
        # No longer than max_length, so the last ones may be missing and one may be cut.
        for said, word in zip(result[kind]["said"], learned, strict=False):
            assert said.startswith(word.strip()), kind
