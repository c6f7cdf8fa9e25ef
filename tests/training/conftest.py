"""A run's export from the fault server, a tiny Llama made on the fly, a configuration that puts them together."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synth.fault_server import serving
from tests.runs import Ran, generate, write_spec
from training import sft
from training.run import QUIET

os.environ.update(QUIET | {"HF_HUB_OFFLINE": "1"})

needs_trl = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra `train`")

OWN_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""What models ship: no markers."""

CONFIG = """\
model: {{name: {model}}}
data:
  path: {export}
  kinds: [sft, reasoning, dialogue]
output: {output}
trl:
  max_steps: 6
  per_device_train_batch_size: 2
  learning_rate: 3.0e-3
  max_length: 768
  logging_steps: 1
  eval_steps: 3
  save_steps: 2
  lr_scheduler_type: constant
"""


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a run with all four kinds, most of them on both sides of the split."""
    folder = tmp_path_factory.mktemp("rows")
    with serving() as server:
        spec = write_spec(folder, server.url, limit=48, shard_size=12)
        more = ("produce.reasoning.verify=false", "filters.dedup.questions=0.95", "filters.dedup.rows=0.95")
        ran = generate("--spec", spec, "--out", folder / "run", *(part for key in more for part in ("--set", key)))
    assert ran.code == 0, ran
    return folder / "run" / "export"


def texts(export: Path) -> list[str]:
    """All that is said in the conversations of an export."""
    rows = pq.read_table(export / "dialogue" / "train-00000-of-00001.parquet").column("messages").to_pylist()
    return [message["content"] for row in rows for message in row]


def make_tokenizer(lines: list[str]) -> Any:
    """A byte-level BPE of 512 tokens trained on ``lines``; its end of sequence is ChatML's end of turn."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        lines,
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|im_end|>")
    tokenizer.chat_template = OWN_TEMPLATE
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer(export: Path) -> Any:
    """The tiny model's tokenizer; do not change it."""
    return make_tokenizer(texts(export))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A folder with a Llama of two layers and its tokenizer, from seed 0."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=1024,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def config(tmp_path: Path, tiny: Path, export: Path) -> Path:
    """A configuration of six steps; its output is ``out`` beside it."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(model=tiny, export=export, output=tmp_path / "out"), encoding="utf-8")
    return path


def run(main: Callable[[list[str]], int], *arguments: object) -> Ran:
    """Call a command's ``main`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code if isinstance(end.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue())


def run_sft(*arguments: object) -> Ran:
    """Run ``python -m training.sft`` in this process."""
    return run(sft.main, *arguments)
