"""The reward model as a command, and as what `filters.reward` loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.reward import RewardModel
from synth.rows import SCHEMAS
from tests.runs import ROOT, Ran
from tests.training.conftest import needs_trl, run
from training import reward

pytestmark = [pytest.mark.train, needs_trl]

CONFIG = """\
model: {{name: {model}}}
data: {{path: {rows}}}
output: {output}
trl:
  max_steps: 30
  per_device_train_batch_size: 4
  per_device_eval_batch_size: 4
  learning_rate: 1.0e-2
  max_length: 256
  logging_steps: 1
  eval_steps: 15
  save_steps: 10
  lr_scheduler_type: constant
"""


def row(at: int) -> dict[str, Any]:
    """A pair whose better answer is polite; which of the two is longer turns with ``at``."""
    polite, rude = f"Certainly, please rest for {at} days.", f"No idea, go away {at} times."
    longer = " It will be well." * (at % 4)
    chosen, rejected = (polite + longer, rude) if at % 2 else (polite, rude + longer + " Go.")
    return {
        "id": f"row-{at:03d}",
        "seed_id": f"seed-{at // 2:03d}",
        "prompt": [{"role": "user", "content": f"What helps against pain number {at}?"}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "margin": None if at % 3 else 100.0,
    }


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    names = ("id", "seed_id", "prompt", "chosen", "rejected", "margin")
    schema = pa.schema([SCHEMAS["preference"].field(name) for name in names])
    for name, places in (("train-0", range(40)), ("validation-0", range(40, 54))):
        pq.write_table(pa.Table.from_pylist([row(at) for at in places], schema), folder / f"{name}.parquet")
    return folder


@pytest.fixture
def config(tmp_path: Path, tiny: Path, rows: Path) -> Path:
    path = tmp_path / "reward.yaml"
    path.write_text(CONFIG.format(model=tiny, rows=rows, output=tmp_path / "out"), encoding="utf-8")
    return path


def train(config: Path, *changes: str) -> Ran:
    return run(reward.main, "--config", config, *(word for change in changes for word in ("--set", change)))


def losses(config: Path) -> list[float]:
    lines = (config.parent / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


@pytest.mark.parametrize("change", ["lora=null", "lora={r: 8}"])
def test_the_result_is_what_filters_load_and_orders_pairs(config: Path, change: str) -> None:
    ran = train(config, change)
    assert ran.code == 0, ran.err
    facts = json.loads((config.parent / "out" / "training.json").read_text(encoding="utf-8"))
    model = RewardModel(str(config.parent / "out" / "model"), device="cpu")
    right = []
    for at in range(40, 54):
        pair = row(at)
        chosen, rejected = model.score([pair["prompt"] + pair["chosen"], pair["prompt"] + pair["rejected"]])
        right.append(chosen > rejected)
    assert sum(right) >= 12, "politeness is easy to learn"
    assert facts["metrics"]["held_out_share"] == pytest.approx(sum(right) / 14)
    assert (facts["metrics"]["held_out_pairs"], facts["metrics"]["held_out_seeds"]) == (14, 7)
    assert facts["metrics"]["held_out_longer"] < 0.7
    assert "of 14 pairs ordered right (95 % interval" in ran.out
    assert "of 14 pairs ordered right" in (config.parent / "out" / "model" / "README.md").read_text(encoding="utf-8")


def test_the_first_loss_is_trls_and_margins_are_left_out(config: Path, tiny: Path) -> None:
    import torch

    ran = train(config, "trl.max_steps=1", "trl.per_device_train_batch_size=1000", "trl.eval_strategy='no'")
    assert ran.code == 0, ran.err
    from training.config import load_config

    loaded = load_config(reward.RewardRunConfig, str(config), ["trl.eval_strategy='no'"])
    ready = reward.preflight(loaded)
    trainer = reward.make_trainer(loaded, ready)
    model = trainer.model.eval()
    differences = []
    for pair in reward.whole_sides(ready.prepared.train, 256).to_pylist():
        with torch.no_grad():
            scores = [
                model(input_ids=torch.tensor([pair[side]])).logits.item() for side in ("chosen_ids", "rejected_ids")
            ]
        differences.append(scores[0] - scores[1])
    expected = -torch.nn.functional.logsigmoid(torch.tensor(differences)).mean().item()
    assert losses(config) == pytest.approx([expected], rel=1e-5)


def test_long_conversations_are_cut_at_the_front(config: Path) -> None:
    from training.config import load_config

    changes = ["trl.max_length=48", "over_length.action=truncate"]
    ready = reward.preflight(load_config(reward.RewardRunConfig, str(config), changes))
    sides = reward.whole_sides(ready.prepared.train, 48).to_pylist()
    whole = ready.prepared.train.table.to_pylist()
    assert any(len(pair["chosen_ids"]) == 48 for pair in sides)
    for pair, full in zip(sides, whole, strict=True):
        assert pair["chosen_ids"] == (full["prompt_ids"] + full["chosen_ids"])[-48:]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["quantize=4bit", "lora={}"], "a reward model is left as whole weights"),
        (["trl.beta=0.1"], "trl.beta: RewardConfig has no such option"),
        (["data.kinds=[sft]"], "'sft' cannot be trained on by this command"),
        (["trl.max_length=20"], "are longer than trl.max_length"),
    ],
)
def test_mistakes_are_one_line_before_any_weights(config: Path, changes: list[str], told: str) -> None:
    ran = train(config, *changes)
    assert (ran.code, len(ran.complaints)) == (2, 1), ran.err
    assert told in ran.err
    assert not (config.parent / "out").exists()


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_interval_holds_the_share_and_narrows(draws: int, share: float) -> None:
    low, high = reward.wilson(share, draws)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    wider = reward.wilson(share, max(1, draws // 2))
    assert high - low <= wider[1] - wider[0] + 1e-12


@pytest.mark.parametrize(
    ("share", "draws", "low", "high"),
    [(0.5, 100, 0.40383, 0.59617), (1.0, 20, 0.83887, 1.0), (213 / 263, 263, 0.758133, 0.852716)],
)
def test_the_interval_is_wilsons(share: float, draws: int, low: float, high: float) -> None:
    """Figures of scipy.stats.binomtest(...).proportion_ci(method="wilson"), rounded."""
    assert reward.wilson(share, draws) == pytest.approx((low, high), abs=1e-5)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\nfrom training import reward\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    reward.main(['--help'])\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
