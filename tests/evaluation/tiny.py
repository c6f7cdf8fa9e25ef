"""A tiny Llama with a tokenizer of its own, and a data folder of our own making."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LETTERS = "ABCD"


def question(number: int) -> dict[str, Any]:
    """A record as MedQA has them."""
    options = {letter: f"finding {number} of kind {letter.lower()}{at}" for at, letter in enumerate(LETTERS)}
    return {
        "question": f"Which finding belongs to illness {number}?",
        "options": options,
        "answer_idx": LETTERS[number % 4],
    }


def write_data(folder: Path, items: int = 12) -> Path:
    """A data folder with ``medqa`` and ``pubmedqa``."""
    (folder / "medqa").mkdir(parents=True)
    lines = [json.dumps({"id": f"q{number}"} | question(number)) for number in range(items)]
    (folder / "medqa" / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    decisions = ["yes", "no", "maybe"]
    papers = {
        str(number): {
            "QUESTION": f"Does drug {number} help?",
            "CONTEXTS": [f"Drug {number} was given.", "Some felt better."],
            "final_decision": decisions[number % 3],
        }
        for number in range(6)
    }
    (folder / "pubmedqa").mkdir()
    (folder / "pubmedqa" / "ori_pqal.json").write_text(json.dumps(papers), encoding="utf-8")
    answers = {key: paper["final_decision"] for key, paper in papers.items()}
    (folder / "pubmedqa" / "test_ground_truth.json").write_text(json.dumps(answers), encoding="utf-8")
    return folder


def write_model(folder: Path, *, seed: int = 0, context: int = 1024, template: str | None = CHATML) -> Path:
    """A folder with a Llama of two layers over bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: number for number, token in enumerate(special + alphabet)}
    bytes_ = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_,
        pad_token="<|pad|>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = template
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=context,
            pad_token_id=0,
            eos_token_id=2,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
