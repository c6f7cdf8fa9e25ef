"""The curriculum as a command: order of stages, replay, losses on every department, resumption, bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.runs import ROOT, Ran
from tests.training.conftest import needs_trl, run
from training import curriculum

pytestmark = [pytest.mark.train, needs_trl]

WHERE = [("Internal Medicine", "Endocrinology"), ("Internal Medicine", "Cardiology"), ("Surgery", "Urology")]

CONFIG = """\
model: {{name: {model}}}
data: {{path: {rows}}}
output: {output}
trl:
  num_train_epochs: 1
  per_device_train_batch_size: 4
  learning_rate: 1.0e-2
  max_length: 256
  logging_steps: 1
  save_steps: 2
  lr_scheduler_type: constant
stages:
  all: {{}}
  internal:
    departments: [Internal Medicine]
    replay: 0.2
    trl: {{learning_rate: 5.0e-3}}
  endocrine:
    departments: Internal Medicine/Endocrinology
    replay: 0.5
    trl: {{num_train_epochs: 2}}
"""


def row(at: int) -> dict[str, Any]:
    top, sub = WHERE[at % 3]
    question, answer = f"Question {at} about {sub}?", f"Answer {at}: {sub} is what this is about."
    return {
        "id": f"row-{at:03d}",
        "seed_id": f"seed-{at:03d}",
        "department": top,
        "subdepartment": sub,
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
    }


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain Parquet: 36 rows to train on, 6 to evaluate on, of three subdepartments."""
    folder = tmp_path_factory.mktemp("departments")
    pq.write_table(pa.Table.from_pylist([row(at) for at in range(36)]), folder / "train-0.parquet")
    pq.write_table(pa.Table.from_pylist([row(at) for at in range(36, 42)]), folder / "validation-0.parquet")
    return folder


@pytest.fixture
def config(tmp_path: Path, tiny: Path, rows: Path) -> Path:
    path = tmp_path / "curriculum.yaml"
    path.write_text(CONFIG.format(model=tiny, rows=rows, output=tmp_path / "out"), encoding="utf-8")
    return path


def train(config: Path, *changes: str) -> Ran:
    return run(curriculum.main, "--config", config, *(word for change in changes for word in ("--set", change)))


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def plan_of(config: Path, *changes: str) -> Any:
    from training.config import load_config

    return curriculum.preflight(load_config(curriculum.CurriculumConfig, str(config), changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: Path, rows: Path) -> Path:
    """The folder of a whole run, with its configuration beside ``out``."""
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "curriculum.yaml"
    path.write_text(CONFIG.format(model=tiny, rows=rows, output=folder / "out"), encoding="utf-8")
    ran = train(path)
    assert ran.code == 0, ran.err
    (folder / "said.txt").write_text(ran.out, encoding="utf-8")
    return folder


def test_stages_train_in_order_each_on_its_rows(finished: Path) -> None:
    entries = [entry for entry in log(finished / "out") if "loss" in entry and "stage" in entry]
    assert [*dict.fromkeys(entry["stage"] for entry in entries)] == ["all", "internal", "endocrine"]
    assert [entry["step"] for entry in entries] == sorted({entry["step"] for entry in entries})
    steps = {name: sum(entry["stage"] == name for entry in entries) for name in ("all", "internal", "endocrine")}
    # 36 rows, 24 + 6 replayed, 12 + 12 replayed twice, in batches of 4
    assert steps == {"all": 9, "internal": 8, "endocrine": 12}
    rates = {entry["stage"]: entry["learning_rate"] for entry in entries}
    assert rates == pytest.approx({"all": 1e-2, "internal": 5e-3, "endocrine": 1e-2})


@pytest.mark.parametrize("packing", ["false", "true"])
def test_a_stage_sees_its_rows_and_no_other_packed_or_not(config: Path, packing: str) -> None:
    from training import sft
    from training.config import load_config

    changes = [f"trl.packing={packing}"]
    loaded = load_config(curriculum.CurriculumConfig, str(config), changes)
    plan = curriculum.preflight(loaded)
    seen = []
    for at, stage in enumerate(plan.stages):
        ready = curriculum._stage(plan, at, plan.ready.name)
        trainer = sft.make_trainer(curriculum._phase(loaded, at), ready)
        tokens = sorted(token for packed in trainer.train_dataset for token in packed["input_ids"])
        table = plan.ready.prepared.train["sft"].table.take(stage.both)
        assert tokens == sorted(token for ids in table.column("input_ids").to_pylist() for token in ids)
        seen.append({row(int(plan_id[4:]))["subdepartment"] for plan_id in _ids(plan, stage.own)})
    assert seen == [{"Endocrinology", "Cardiology", "Urology"}, {"Endocrinology", "Cardiology"}, {"Endocrinology"}]


def _ids(plan: Any, positions: tuple[int, ...]) -> list[str]:
    ids: list[str] = plan.ready.prepared.train["sft"].table.column("id").take(list(positions)).to_pylist()
    return ids


def test_replay_is_counted_and_said(config: Path) -> None:
    plan = plan_of(config)
    assert [(len(stage.own), len(stage.replayed)) for stage in plan.stages] == [(36, 0), (24, 6), (12, 12)]
    assert any("internal: 24 rows, 6 replayed; 1 epochs at 0.005" in line for line in plan.lines)
    starved = plan_of(config, "stages.internal.replay=0.9")
    assert any("internal: 24 rows, 12 replayed, 204 more asked for than there are" in line for line in starved.lines)


def test_every_department_is_measured_before_and_after_each_stage(finished: Path) -> None:
    tables = [entry for entry in log(finished / "out") if "departments" in entry]
    assert [entry["departments"] for entry in tables] == ["before", "after all", "after internal", "after endocrine"]
    for entry in tables:
        assert entry["rows"] == {
            "Internal Medicine": 4,
            "Internal Medicine/Cardiology": 2,
            "Internal Medicine/Endocrinology": 2,
            "Surgery": 2,
            "Surgery/Urology": 2,
        }
        assert set(entry["loss"]) == set(entry["rows"])
    before, after_all = tables[0]["loss"], tables[1]["loss"]
    assert all(after_all[path] < before[path] - 0.5 for path in before), "everything is learnt in the first stage"
    card = (finished / "out" / "model" / "README.md").read_text(encoding="utf-8")
    assert f"Surgery: loss on 2 validation rows {before['Surgery']:.4f} before" in card
    report = (finished / "out" / "training_report.html").read_text(encoding="utf-8")
    assert "after endocrine" in report
    assert "loss on validation rows" in (finished / "said.txt").read_text(encoding="utf-8")


def test_the_measured_loss_is_that_of_the_weights_left(finished: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    plan = plan_of(finished / "curriculum.yaml")
    model = AutoModelForCausalLM.from_pretrained(finished / "out" / "model", dtype=torch.float32).eval()
    table = plan.ready.prepared.validation["Surgery/Urology"].table.to_pylist()
    losses, count = 0.0, 0
    for item in table:
        ids, labels = (torch.tensor([item[name]]) for name in ("input_ids", "labels"))
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, :-1]
        losses += torch.nn.functional.cross_entropy(logits, labels[0, 1:], reduction="sum").item()
        count += int((labels[0, 1:] != -100).sum())
    last = [entry for entry in log(finished / "out") if "departments" in entry][-1]
    assert last["loss"]["Surgery/Urology"] == pytest.approx(losses / count, rel=1e-4)


def test_a_finished_run_is_left_alone_and_another_is_refused(finished: Path) -> None:
    assert "this run is finished" in train(finished / "curriculum.yaml").out
    ran = train(finished / "curriculum.yaml", "stages.internal.replay=0.3")
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "holds the result of another run" in ran.err


@pytest.mark.parametrize("moment", ["step:11", "stage-end:1"])
def test_a_killed_run_goes_on_in_its_stage(config: Path, finished: Path, moment: str) -> None:
    command = [sys.executable, "-m", "training.curriculum", "--config", str(config)]
    environment = os.environ | {"CLINSYNTH_FAILPOINT": moment}
    killed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert killed.returncode == -9, killed.stderr[-2000:]
    first = config.parent / "out" / "stages" / "1-all" / "training.json"
    written = first.stat().st_mtime_ns
    ran = train(config)
    assert ran.code == 0, ran.err
    assert "1-all: this run is finished" in ran.out
    assert first.stat().st_mtime_ns == written
    ours, theirs = (
        [entry["loss"] for entry in log(folder / "out") if "loss" in entry and "stage" in entry]
        for folder in (config.parent, finished)
    )
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_with_lora_stages_build_on_each_other(config: Path) -> None:
    ran = train(config, "lora={r: 4}", "stages.endocrine.trl.num_train_epochs=1")
    assert ran.code == 0, ran.err
    stages = config.parent / "out" / "stages"
    adapter = json.loads((stages / "2-internal" / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["base_model_name_or_path"] == str(stages / "1-all" / "merged")
    assert (config.parent / "out" / "model" / "model.safetensors").is_file()
    losses = [entry["loss"]["Surgery"] for entry in log(config.parent / "out") if "departments" in entry]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            ["stages.internal.departments=[Internal Medicin]"],
            "stages: internal: departments: no row is of 'Internal Medicin'; did you mean 'Internal Medicine'",
        ),
        (["stages.endocrine.departments=Endocrinology"], "did you mean 'Internal Medicine/Endocrinology'"),
        (["stages.all.replay=0.5"], "there is no stage before the first"),
        (["stages.internal.replay=1"], "stages.internal.replay: must be below 1"),
        (["stages.internal.trl.learning_rat=1"], "stages.internal.trl.learning_rat: SFTConfig has no such option"),
        (["stages.internal.trl.max_length=64"], "rows are tokenised once for all stages: set trl.max_length"),
        (["stages.internal.rate=1"], "stages.internal.rate: unknown key"),
        (["stages={}"], "stages"),
        (["stages={a/b: {}}"], "names a folder"),
    ],
)
def test_mistakes_are_one_line_before_any_weights(config: Path, changes: list[str], told: str) -> None:
    ran = train(config, *changes)
    assert (ran.code, len(ran.complaints)) == (2, 1), ran.err
    assert told in ran.err
    assert not (config.parent / "out").exists()


def test_rows_without_departments_are_refused(config: Path, rows: Path, tmp_path: Path) -> None:
    table = pq.read_table(rows / "train-0.parquet").drop_columns(["department"])
    pq.write_table(table, tmp_path / "plain.parquet")
    ran = train(config, f"data.path={tmp_path / 'plain.parquet'}")
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "no column 'department'" in ran.err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\nfrom training import curriculum\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    curriculum.main(['--help'])\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
