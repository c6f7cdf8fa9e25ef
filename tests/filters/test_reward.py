from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from filters.reward import RewardModel

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

TEMPLATE = "{% for m in messages %}{{ '<|start|>' + m['role'] + ' ' + m['content'] + '<|end|>' }}{% endfor %}"


def save_model(
    folder: Path, labels: int = 1, template: str | None = TEMPLATE, kind: str = "decoder", width: int = 32
) -> str:
    """A tiny random reward model with its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForSequenceClassification,
        PreTrainedTokenizerFast,
    )

    special = ["<|pad|>", "<|start|>", "<|end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate([*special, *alphabet])}
    letters = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.add_special_tokens(special)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, pad_token="<|pad|>", eos_token="<|end|>")
    tokenizer.chat_template = template
    torch.manual_seed(0)
    common: dict[str, Any] = dict(  # noqa: C408
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, num_labels=labels, pad_token_id=0, initializer_range=0.5,
    )  # fmt: skip
    if kind == "decoder":
        model: Any = LlamaForSequenceClassification(LlamaConfig(**common))
    else:
        model = BertForSequenceClassification(BertConfig(**common))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def talk(answer: str, question: str = "Does it hurt?") -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_scores_do_not_depend_on_batches_or_order(tmp_path: Path, kind: str) -> None:
    name = save_model(tmp_path, kind=kind)
    conversations = [talk("yes " * n) for n in (1, 5, 3, 2, 5)]
    together = RewardModel(name, batch_size=3, device="cpu").score(conversations)
    model = RewardModel(name, batch_size=1, device="cpu")
    assert together == pytest.approx([model.score([one])[0] for one in conversations], abs=1e-4)
    assert together[::-1] == pytest.approx(model.score(conversations[::-1]), abs=1e-4)
    assert together[1] == pytest.approx(together[4], abs=1e-4)
    assert len({round(reward, 3) for reward in together}) > 1, "another text, another reward"


def test_the_score_is_what_the_model_says_of_the_rendered_text(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    name = save_model(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(name)
    plain = AutoModelForSequenceClassification.from_pretrained(name, dtype=torch.float32).eval()
    ids = tokenizer("<|start|>user hi<|end|><|start|>assistant no<|end|>", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        wanted = plain(input_ids=torch.tensor([ids])).logits.item()
    assert RewardModel(name, device="cpu").score([talk("no", "hi")]) == pytest.approx([wanted], abs=1e-4)


def test_a_long_conversation_is_cut_at_the_front(tmp_path: Path) -> None:
    model = RewardModel(save_model(tmp_path), device="cpu")
    assert model.max_length == 64
    first, second = model.score([talk("the end " * 30, "a" * 500), talk("the end " * 30, "b" * 700)])
    assert first == pytest.approx(second, abs=1e-4)


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 outputs"):
        RewardModel(save_model(tmp_path / "two", labels=2), device="cpu")
    with pytest.raises(ValueError, match="chat template"):
        RewardModel(save_model(tmp_path / "bare", template=None), device="cpu")
    model = RewardModel(save_model(tmp_path / "good"), device="cpu")
    assert model.score([]) == []
    with pytest.raises(ValueError, match="without messages"):
        model.score([[]])
