"""Rows held out: the figure of a row, what is paired with what, and the command on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.held_out import main, nats, size
from evaluation.held_out_sums import FOLDER, compare_held_out
from synth.errors import UserError
from tests.training.conftest import export, needs_trl, tiny, tokenizer  # noqa: F401  (fixtures)


def write_run(folder: Path, run: str, per_byte: list[float]) -> None:
    rows = [{"id": f"r{at}", "nats": 50 * value, "bytes": 50} for at, value in enumerate(per_byte)]
    (folder / FOLDER).mkdir(exist_ok=True)
    facts = {"about": {"kind": "reasoning"}, "rows": rows, "seconds": 1.5}
    (folder / FOLDER / f"{run}.json").write_text(json.dumps(facts), "utf-8")


def test_runs_are_paired_by_row(tmp_path: Path) -> None:
    assert compare_held_out(tmp_path, "base") == []
    write_run(tmp_path, "base", [1.0, 2.0, 3.0, 4.0])
    write_run(tmp_path, "dpo", [0.9, 1.9, 2.9, 3.9])
    write_run(tmp_path, "dpo+random", [0.8, 1.8, 2.8, 3.8])
    write_run(tmp_path, "dpo+ttt", [0.5, 1.7, 2.5, 3.7])
    found = {one.run: one for one in compare_held_out(tmp_path, "base")}
    assert list(found) == ["base", "dpo", "dpo+random", "dpo+ttt"]
    assert found["base"].nll_per_byte.value == pytest.approx(2.5)
    assert found["base"].nll_per_byte.low < 2.0 < 3.0 < found["base"].nll_per_byte.high  # rows differ much
    assert {run: set(one.differences) for run, one in found.items()} == {
        "base": set(), "dpo": {"base"}, "dpo+random": {"base", "dpo"}, "dpo+ttt": {"base", "dpo", "dpo+random"},
    }  # fmt: skip
    shift = found["dpo"].differences["base"]
    assert (shift.value, shift.low, shift.high) == pytest.approx((-0.1, -0.1, -0.1))  # the same on every row
    help_ = found["dpo+ttt"].differences["dpo+random"]
    assert help_.value == pytest.approx(-0.2)
    assert (help_.low, help_.high) == pytest.approx((-0.384, -0.016), abs=1e-3)  # Student's, of four passages


def test_rows_of_one_passage_count_once(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for run, per_passage in (("alone", 1), ("shared", 3)):
        rows = [{"id": f"r{at}", "seed_id": f"s{at // per_passage}", "nats": at // 3, "bytes": 10} for at in range(45)]
        facts = {"about": {"kind": "sft"}, "rows": rows, "seconds": 1.0}
        (tmp_path / FOLDER / f"{run}.json").write_text(json.dumps(facts), "utf-8")
    alone, shared = (one.nll_per_byte for one in compare_held_out(tmp_path, None))
    assert alone.value == shared.value
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--model", "../../x=m"], "--model: '../../x' cannot be a name"),
        (["--model", "sft+ttt=m"], "--model: 'sft+ttt' cannot be a name"),
        (["--model", "a=m", "a=n"], "--model: a is named twice"),
        (["--model", "a=m", "--adapt", "a"], "--adapt goes with --ttt"),
        (["--model", "a=m", "--set", "steps=1"], "--set goes with --ttt"),
    ],
)
@needs_trl
def test_arguments_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    assert main([*given, "--data", "none", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", '{"rows": []}', '{"rows": [{"id": "a", "nats": 1, "bytes": 0}]}', "[1]"])
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "sft.json").write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"sft\.json: cannot be read, delete it to measure again"):
        compare_held_out(tmp_path, "base")


@pytest.mark.train
@needs_trl
def test_a_rows_figure_is_the_loss_of_its_trained_tokens(tiny: Path) -> None:  # noqa: F811
    import torch

    from evaluation.models import load

    model = load(str(tiny)).model
    ids = [5, 9, 30, 40, 7, 8]
    row = {"input_ids": ids, "labels": [-100, -100, -100, 40, 7, -100], "messages": []}
    with torch.no_grad():
        loss = float(model(input_ids=torch.tensor([ids]), labels=torch.tensor([row["labels"]])).loss)
    assert nats(model, row) == pytest.approx(2 * loss, rel=1e-5)  # the library has the mean over two tokens
    talk = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "é!"}]
    assert size({"messages": [*talk, *talk]}) == 6


@pytest.mark.train
@needs_trl
def test_the_command(
    tmp_path: Path,
    tiny: Path,  # noqa: F811
    export: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = [f"output={tmp_path / 'ttt'}", "trl.max_length=1024", "retrieval.floor=-1", "trl.learning_rate=1e-2"]
    command = ["--model", f"tiny={tiny}", "--data", str(export), "--out", str(tmp_path), "--ttt", "ttt"]
    command += [part for change in changes for part in ("--set", change)]
    assert main(command) == 0
    found = {one.run: one for one in compare_held_out(tmp_path, None)}
    assert set(found) == {"tiny", "tiny+ttt", "tiny+random"}
    assert len({one.rows for one in found.values()}) == 1
    learnt = found["tiny+random"].differences["tiny"]
    assert learnt.value < 0  # rows of a fault server are alike, and a tiny model knows nothing before
    assert found["tiny+ttt"].differences["tiny+random"].value != 0
    before = {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.count("rows are on disk") == 3
    assert before == {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    facts = json.loads((tmp_path / FOLDER / "tiny.json").read_text("utf-8"))
    assert facts["about"]["dtype"] == "float32"
    assert all(row["seed_id"] for row in facts["rows"])
    assert main([*command, "--set", "model.dtype=bfloat16"]) == 2  # the model alone is measured as it is adapted
    assert "tiny.json: of another model" in capsys.readouterr().err
    assert main([*command, "--set", "steps=2"]) == 2
    assert "of another model, other rows or settings" in capsys.readouterr().err
    assert main(["--model", "tiny", "--data", str(export), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "--model: tiny: write NAME=MODEL, such as sft=out/sft/merged\n"


@pytest.mark.train
@needs_trl
def test_damaged_weights_are_one_line(
    tmp_path: Path,
    tiny: Path,  # noqa: F811
    export: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    from evaluation.models import load

    loaded = load(str(tiny))
    loaded.model.get_input_embeddings().weight.data.fill_(float("nan"))
    loaded.model.save_pretrained(tmp_path / "bad")
    loaded.tokenizer.save_pretrained(tmp_path / "bad")
    command = ["--model", f"bad={tmp_path / 'bad'}", "--data", str(export), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "its likelihood is no number" in capsys.readouterr().err
