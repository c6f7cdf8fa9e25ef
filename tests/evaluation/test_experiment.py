"""The chain as one command: its steps, its passages, how it stops and goes on, and all of it on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evaluation.command import setting
from evaluation.experiment import main, note_time, run_step, there, write_seeds
from evaluation.experiment_steps import Step, steps
from evaluation.experiment_table import MINUTES
from synth.errors import ClinsynthError, UserError
from synth.fault_server import serving
from synth.spec_load import load_spec
from tests.evaluation.tiny import write_data
from tests.runs import ROOT, hits, wait_until, write_spec
from tests.training.conftest import export, needs_trl, tiny, tokenizer  # noqa: F401  (fixtures)

ORDER = ["generate", "sft", "sft-merge", "dpo", "dpo-merge", "base", "after-sft", "after-dpo-ttt", "held-out",
         "report"]  # fmt: skip


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_steps_go_from_rows_to_the_report(tmp_path: Path) -> None:
    found = {step.name: step for step in steps(tmp_path, tmp_path / "d", ["general"], 9, "minilm", "packaged", "x")}
    assert list(found) == ORDER
    of = {name: " ".join(step.arguments) for name, step in found.items()}
    assert f'model.name="{tmp_path}/sft/merged"' in of["dpo"]  # each begins where the one before ended
    assert "--model packaged --name base" in of["base"]
    assert f"--model {tmp_path}/dpo/merged --name dpo" in of["after-dpo-ttt"]
    assert "--controls ttt random" in of["after-dpo-ttt"]
    shared = f"--tasks general --data {tmp_path}/d --out {tmp_path}/evaluation --method cloze --limit 9 --seeds 1"
    assert all(
        shared in of[name] for name in ("base", "after-sft", "after-dpo-ttt")
    )  # the same items, asked the same way
    for name in ("after-dpo-ttt", "held-out"):
        assert f'--ttt ttt --set output="{tmp_path}/ttt"' in of[name]


def test_a_folder_may_have_any_name() -> None:
    for path in ("/tmp/a #b", "/tmp/a: b", "/tmp/ä, [x]", "123"):
        key, _, value = setting("data.path", Path(path)).partition("=")
        assert (key, yaml.safe_load(value)) == ("data.path", path)


def test_the_spec_holds_out_what_is_measured() -> None:
    spec = load_spec("experiment").spec
    assert spec.export.validation >= 0.2
    assert spec.produce.reasoning
    assert spec.produce.answers
    assert spec.produce.preferences
    assert spec.produce.dialogues is None


def test_passages_are_the_demos_and_open_ones_of_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    text = "word " * 80
    rows = [
        {"id": f"p{at}", "text": text, "source": "NIH", "license": licence}
        for at, licence in enumerate(["CC-BY-4.0", "unknown", "cc-by-nc-4.0", "CC0-1.0", "MIT (dataset)"] * 20)
    ]
    (tmp_path / "seeds" / "more.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    write_seeds(tmp_path / "with.jsonl", tmp_path, 50)
    write_seeds(tmp_path / "without.jsonl", None, 30)
    found, own = lines(tmp_path / "with.jsonl"), lines(tmp_path / "without.jsonl")
    assert len(found) == 50
    assert len(own) == 30
    assert {row["license"] for row in found} == {"cc-by-4.0", "CC-BY-4.0", "CC0-1.0"}
    assert sum(row["source"] == "NIH" for row in found) == 26
    assert all(row["id"].startswith("cardio") for row in own)


def test_passages_without_names_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    write_seeds(tmp_path / "own.jsonl", None, 30)
    rows = [{"text": f"{at} " * 80, "license": "cc0-1.0", "source": "NIH"} for at in range(3)]
    rows += [{"id": ["x"], "text": "y " * 80, "license": "cc0-1.0", "source": "NIH"}, *lines(tmp_path / "own.jsonl")]
    (tmp_path / "seeds" / "more.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    write_seeds(tmp_path / "with.jsonl", tmp_path, 28)
    found = lines(tmp_path / "with.jsonl")
    assert sum(row["source"] == "NIH" for row in found) == 4
    assert len({row["text"] for row in found}) == 28


def test_benchmarks_that_are_missing_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert there(write_data(tmp_path)) == ["medqa", "general"]
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("medmcqa: ")
    assert "get it from github.com/medmcqa/medmcqa" in said
    assert there(None) == ["general"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "no"), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"--data: {tmp_path / 'no'}: no such folder\n"
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "bad.jsonl").write_text("{", "utf-8")
    with pytest.raises(UserError, match=r"bad\.jsonl: cannot be read as JSON lines"):
        write_seeds(tmp_path / "x", tmp_path, 4)


def test_a_step_that_fails_ends_it_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(ClinsynthError, match="look ended with exit code 2") as caught:
        run_step(Step("look", "evaluation.report", [str(tmp_path / "nothing")]), tmp_path)
    assert caught.value.exit_code == 2
    assert "no such folder" in (tmp_path / "logs" / "look.log").read_text("utf-8")
    assert json.loads((tmp_path / MINUTES).read_text())["look"]["done"] is None


def test_a_step_that_refuses_to_run_again_is_left_out(tmp_path: Path) -> None:
    run_step(Step("merge", "training.merge", ["nothing"], skip=tmp_path), tmp_path)
    assert not (tmp_path / MINUTES).exists()


def test_rows_that_are_not_there_are_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_step(Step("held-out", "evaluation.held_out", ["nothing"], needs=tmp_path / "reasoning"), tmp_path)
    assert "== held-out: left out: " in capsys.readouterr().out
    assert not (tmp_path / MINUTES).exists()


def test_a_step_that_was_told_to_stop_and_ended_well_ends_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "calm.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGINT, lambda *_: os._exit(0))\nprint('up')\ntime.sleep(60)\n"
    )
    code = (
        "from pathlib import Path\nfrom evaluation.experiment import run_step\n"
        "from evaluation.experiment_steps import Step\nimport os, sys\n"
        f"os.environ['PYTHONPATH'] = {str(tmp_path)!r}\n"
        f"try: run_step(Step('calm', 'calm', []), Path({str(tmp_path)!r}))\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        log = tmp_path / "logs" / "calm.log"
        assert wait_until(lambda: log.exists() and b"up" in log.read_bytes(), process, 30)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130


@pytest.mark.parametrize("text", ["{", "[1]", '{"sft": 3}', '{"sft": {"done": null}}'])
def test_a_damaged_clock_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / MINUTES).write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"minutes\.json: (cannot be read|holds no minutes)"):
        note_time(tmp_path, Step("sft", "training.sft", ["a"]), 1.0, True)


def test_time_is_what_the_work_took(tmp_path: Path) -> None:
    step = Step("sft", "training.sft", ["a"])
    for seconds, done in ((10.0, False), (5.0, True), (3.0, True)):  # killed, finished, nothing left to do
        note_time(tmp_path, step, seconds, done)
    assert json.loads((tmp_path / MINUTES).read_text())["sft"]["seconds"] == 15.0
    note_time(tmp_path, Step("sft", "training.sft", ["b"]), 2.0, True)
    assert json.loads((tmp_path / MINUTES).read_text())["sft"]["seconds"] == 17.0


@pytest.mark.train
@pytest.mark.timeout(900)
@needs_trl
def test_the_chain_on_a_tiny_model_over_a_stop(tmp_path: Path, tiny: Path) -> None:  # noqa: F811
    out, data = tmp_path / "out", write_data(tmp_path / "data", items=6)
    with serving() as server:
        spec = write_spec(tmp_path, server.url, limit=12, shard_size=12)
        spec.write_text(
            spec.read_text("utf-8").replace("  dialogues:", "  # dialogues:").replace(", dialogue_outcome", "")
        )
        command = [sys.executable, "-m", "evaluation.experiment", "--out", out, "--data", data, "--items", "6",
                   "--passages", "24", "--model", tiny, "--spec", spec]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert wait_until((out / "sft" / "merged").exists, process, 200)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130, said
        assert "run the same command again" in said
        paid = hits(server)
        again = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert again.returncode == 0, again.stdout[-2000:] + again.stderr
        assert hits(server) == paid  # what was generated is not asked again
    assert "this run is finished" in (out / "logs" / "sft.log").read_text("utf-8")
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert [row["run"] for row in results["runs"]] == ["base", "sft", "dpo", "dpo+ttt", "dpo+random"]
    for row in results["runs"]:
        assert row["items"] == {"general": 6, "medqa": 6}
        assert row["held_out"]["nll_per_byte"]["value"] > 0
    assert results["ttt_minus_random"].keys() == {"general", "medqa"}
    table = (out / "results.md").read_text("utf-8")
    assert [line.split(" | ")[0] for line in table.splitlines()[2:7]] == [
        "| base", "| SFT", "| DPO", "| DPO + TTT", "| DPO + random neighbours",
    ]  # fmt: skip
    assert "Rows held out" in (out / "evaluation" / "report.html").read_text("utf-8")
