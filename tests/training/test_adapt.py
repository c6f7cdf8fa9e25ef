"""One step of test-time training is one step of SFTTrainer; after a reset nothing of it is left."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import needs_trl
from training.adapt import Learner, Weights
from training.config import load_config
from training.encode import IGNORED
from training.trainer import NotFinite
from training.ttt_config import TttConfig
from training.ttt_setup import Ready, preflight

pytestmark = [pytest.mark.train, needs_trl]

CONFIG = """\
model: {{name: {model}}}
data: {{path: {export}}}
output: {output}
trl: {{max_length: 1024, learning_rate: 1.0e-2, weight_decay: 0.01}}
"""
LORA = ("lora={r: 4, lora_dropout: 0.1}",)
FAR = ("steps=3", "order=far_first")


@pytest.fixture
def config(tmp_path: Path, tiny: Path, export: Path) -> Path:
    """All weights, one step; the output is ``ttt`` beside it."""
    path = tmp_path / "ttt.yaml"
    path.write_text(CONFIG.format(model=tiny, export=export, output=tmp_path / "ttt"), encoding="utf-8")
    return path


def learner(config: Path, *changes: str) -> Learner:
    loaded = load_config(TttConfig, str(config), changes)
    return Learner(loaded, preflight(loaded))


def digest(model: Any) -> str:
    """SHA-256 over every tensor of the model."""
    total = hashlib.sha256()
    for name, part in sorted(model.state_dict().items()):
        total.update(name.encode() + part.contiguous().numpy().tobytes())
    return total.hexdigest()


def same(one: Weights, other: Weights) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def sft_step(ready: Ready, config: Path, name: str, steps: int = 1) -> tuple[float, Any]:
    """Loss of the first step and the weights after the last, by TRL alone, from the row's conversation."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model=ready.name,
        args=SFTConfig(
            output_dir=str(config.parent / "plain"), max_steps=steps, per_device_train_batch_size=1, max_length=1024,
            learning_rate=1e-2, weight_decay=0.01, lr_scheduler_type="constant", assistant_only_loss=True,
            logging_steps=1, save_strategy="no", report_to="none", use_cpu=True, bf16=False,
            activation_checkpointing=False, disable_tqdm=True, model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=Dataset.from_list([{"messages": ready.pool.messages(name)}]),
        processing_class=ready.tokenizer,
    )  # fmt: skip
    trainer.train()
    return trainer.state.log_history[0]["loss"], trainer.model


@pytest.mark.parametrize("row", [0, 5])
def test_one_step_is_one_step_of_sfttrainer(config: Path, row: int) -> None:
    import torch

    ours = learner(config)
    name = ours.ready.pool.ids[row]
    found = ours.adapt([name])
    loss, model = sft_step(ours.ready, config, name)
    assert found.losses[0] == pytest.approx(loss, abs=1e-5)
    after = dict(model.named_parameters())
    start = ours.weights()
    for part, weights in start.items():
        torch.testing.assert_close(weights, after[part].detach(), rtol=0, atol=1e-7)
    ours.reset()
    assert any(not torch.equal(part, ours.weights()[name]) for name, part in start.items())  # it did train


def test_two_steps_on_one_row_are_two_of_sfttrainer(config: Path) -> None:
    import torch

    ours = learner(config, "steps=2")
    name = ours.ready.pool.ids[1]
    ours.adapt([name])
    _, model = sft_step(ours.ready, config, name, steps=2)
    for part, weights in ours.weights().items():
        torch.testing.assert_close(weights, model.get_parameter(part).detach(), rtol=0, atol=1e-6)


def test_the_end_of_turn_is_trained_and_nothing_is_padded(config: Path) -> None:
    ours = learner(config)
    stop = ours.tokenizer.eos_token_id
    for name in ours.ready.pool.ids[:8]:
        row = ours.ready.pool.row(name)
        assert [label for label in row.labels if label != IGNORED][-1] == stop
        assert ours.adapt([name]).tokens == len(row.input_ids)


@pytest.mark.parametrize("changes", [(), LORA], ids=["full", "lora"])
def test_a_reset_is_bit_identical(config: Path, changes: tuple[str, ...]) -> None:
    ours = learner(config, *changes, "steps=3")
    before = digest(ours.model)
    ours.adapt(ours.ready.pool.ids[:2])
    assert digest(ours.model) != before
    ours.reset()
    assert digest(ours.model) == before


@pytest.mark.parametrize("changes", [(), LORA], ids=["full", "lora"])
def test_neither_the_order_of_sets_nor_what_came_before_matters(config: Path, changes: tuple[str, ...]) -> None:
    ours = learner(config, *changes, "steps=2")
    sets = [ours.ready.pool.ids[at : at + 2] for at in range(4)]
    first = {}
    for neighbours in sets:
        ours.adapt(neighbours)
        first[tuple(neighbours)] = ours.weights()
    random.Random(0).shuffle(sets)
    for neighbours in [*sets, sets[0]]:
        ours.adapt(neighbours)
        assert same(first[tuple(neighbours)], ours.weights())


def test_a_new_adapter_changes_nothing_before_it_is_trained(config: Path, tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ours = learner(config, *LORA)
    ids = torch.tensor([ours.ready.pool.row(ours.ready.pool.ids[0]).input_ids])
    with torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)(ids).logits
        assert torch.equal(ours.model(ids).logits, plain)
    ours.adapt([ours.ready.pool.ids[0]])
    assert not torch.equal(ours.model(ids).logits, plain)


def test_steps_go_in_turn_and_the_order_can_be_reversed(config: Path) -> None:
    near, far = learner(config, "steps=3"), learner(config, *FAR)
    one, other = near.ready.pool.ids[:2]
    assert near.adapt([one, other]).losses[0] == near.adapt([one]).losses[0]
    assert far.adapt([one, other]).losses[0] == near.adapt([other]).losses[0]
    near.adapt([other, one])
    far.adapt([one, other])
    assert same(near.weights(), far.weights())
    assert near.key([other, one]) == near.key([other, one]) != near.key([one, other])


def test_training_makes_the_row_likelier(config: Path) -> None:
    losses = learner(config, *LORA, "steps=8").adapt([learner(config).ready.pool.ids[3]]).losses
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("change", ["seed=1", "steps=2", "trl.learning_rate=1e-3", "lora.r=2"])
def test_a_key_tells_recipes_apart(config: Path, change: str) -> None:
    one, other = learner(config, *LORA), learner(config, *LORA, change)
    ids = one.ready.pool.ids
    assert one.key(ids[:1]) == learner(config, *LORA).key(ids[:1]) != one.key(ids[1:2])
    assert one.key(ids[:1]) != other.key(ids[:1])


def test_a_loss_that_is_no_number_stops_and_leaves_the_model_as_it_was(config: Path) -> None:
    ours = learner(config, "trl.learning_rate=1e30", "steps=4", "trl.max_grad_norm=0")
    before = digest(ours.model)
    with pytest.raises(NotFinite, match=r"no number; lower trl\.learning_rate"):
        ours.adapt(ours.ready.pool.ids[:1])
    assert digest(ours.model) == before


def test_a_saved_adapter_is_read_by_peft(config: Path, tiny: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ours = learner(config, *LORA)
    ours.adapt(ours.ready.pool.ids[:1])
    ours.save(tmp_path / "adapter")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32),
                                      str(tmp_path / "adapter")).eval()  # fmt: skip
    ids = torch.tensor([ours.ready.pool.row(ours.ready.pool.ids[1]).input_ids])
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, ours.model(ids).logits, rtol=0, atol=1e-6)


def test_each_row_of_a_batch_is_answered_with_its_own_adapter(config: Path) -> None:
    import torch

    from training.stacked import stacked

    ours = learner(config, *LORA, "steps=4")
    ids = torch.tensor([ours.ready.pool.row(ours.ready.pool.ids[0]).input_ids[:40]])
    adapters, alone = [ours.weights()], [ours.model(ids).logits]
    for name in ours.ready.pool.ids[:3]:
        ours.adapt([name])
        adapters.append(ours.weights())
        alone.append(ours.model(ids).logits)
    with torch.no_grad():
        with stacked(ours.model, adapters):
            together = ours.model(ids.expand(4, -1)).logits
        torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5)
        assert (together[0] - together[1]).abs().max() > 1e-2
        with pytest.raises(ValueError, match="a batch of 1 rows for 4 adapters"), stacked(ours.model, adapters):
            ours.model(ids)
        assert torch.equal(ours.model(ids).logits, alone[-1])  # nothing is left behind
