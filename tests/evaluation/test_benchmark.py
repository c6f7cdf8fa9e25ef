"""The command, from arguments to report: a tiny model in this process, the fault server as an endpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation import report
from evaluation.answers import list_runs, read_answers, read_run
from evaluation.benchmark import main
from synth.fault_options import FaultOptions
from synth.fault_server import serving
from tests.evaluation.tiny import write_data, write_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "tuned")):
        write_model(folder / name, seed=seed)
    return folder


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def yaml(folder: Path, url: str, **more: object) -> Path:
    path = folder / "served.yaml"
    lines = {"engine": "openai", "model": "fault-model", "base_url": url, "retries": 0} | more
    path.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in lines.items()), "utf-8")
    return path


@pytest.mark.train
def test_two_models_by_likelihood(
    data: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--model", models / "tuned", "--base", models / "base", "--tasks", "medqa", "pubmedqa", "--data", data,
               "--out", tmp_path, "--method", "loglik", "--seeds", 0, 1]  # fmt: skip
    assert run(*command) == 0
    assert list_runs(tmp_path) == ["base", "tuned"]
    rows = read_answers(tmp_path, "tuned", "medqa").to_pylist()
    assert len(rows) == 24
    for row in rows:
        assert row["answer"] == "ABCD"[row["scores"].index(max(row["scores"]))]
        assert row["nll_per_byte"] == pytest.approx(-row["scores"]["ABCD".index(row["gold"])] / 2)
    assert json.loads((tmp_path / "report.json").read_text())["base"] == "base"
    assert (tmp_path / "report.html").exists()
    capsys.readouterr()
    assert run(*command) == 0
    assert "tuned: medqa: all 24 answers are on disk" in capsys.readouterr().out
    assert read_answers(tmp_path, "tuned", "medqa").to_pylist() == rows


@pytest.mark.train
def test_generation_goes_on_where_it_stopped(data: Path, models: Path, tmp_path: Path) -> None:
    command = ["--model", models / "base", "--tasks", "medqa", "--data", data, "--max-new-tokens", 6]
    assert run(*command, "--out", tmp_path / "parts", "--limit", 3) == 0
    assert run(*command, "--out", tmp_path / "parts") == 0
    assert run(*command, "--out", tmp_path / "whole") == 0
    parts, whole = (read_answers(tmp_path / name, "base", "medqa") for name in ("parts", "whole"))
    assert parts.select(["id", "text", "truncated"]) == whole.select(["id", "text", "truncated"])
    assert whole.num_rows == 12


def test_an_endpoint(data: Path, tmp_path: Path) -> None:
    with serving() as server:
        given = yaml(tmp_path, server.url)
        command = ["--model", given, "--tasks", "medqa", "--data", data, "--out", tmp_path / "out", "--seeds", 0, 1]
        assert run(*command) == 0
    rows = read_answers(tmp_path / "out", "served", "medqa").to_pylist()
    assert len(rows) == 24
    assert all(row["text"] and row["tokens_out"] > 0 and row["method"] == "generate" for row in rows)
    assert read_run(tmp_path / "out", "served")["temperature"] == 0.0
    assert run(*command) == 0  # all on disk: the server is gone and is not missed


def test_what_an_endpoint_does_not_answer_is_asked_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(FaultOptions(script=("500",) * 5)) as server:
        command = [
            "--model",
            yaml(tmp_path, server.url),
            "--tasks",
            "medqa",
            "--data",
            data,
            "--out",
            tmp_path / "out",
        ]
        assert run(*command) == 4
        assert "questions have no reply (server_error" in capsys.readouterr().err
        kept = read_answers(tmp_path / "out", "served", "medqa").num_rows
        assert 0 < kept < 12
        assert run(*command) == 0
    assert read_answers(tmp_path / "out", "served", "medqa").num_rows == 12


@pytest.mark.parametrize("fault", ["400", "422", "context-length"])
def test_what_an_endpoint_refuses_is_no_answer(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    """A setting that it does not take says nothing about the model."""
    with serving(FaultOptions(script=(fault,) * 3)) as server:
        command = ["--model", yaml(tmp_path, server.url), "--tasks", "medqa", "--data", data, "--out", tmp_path / "o"]
        assert run(*command) == 4
        error = capsys.readouterr().err
        assert "3 questions have no reply (bad_request" in error
        assert error.count("\n") == 1
        rows = read_answers(tmp_path / "o", "served", "medqa").to_pylist()
        assert len(rows) == 9
        assert all(row["failure"] is None for row in rows)
        assert run(*command) == 0
    assert read_answers(tmp_path / "o", "served", "medqa").num_rows == 12


def test_a_question_that_is_refused_keeps_no_other_task(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(FaultOptions(script=("context-length",))) as server:
        command = ["--model", yaml(tmp_path, server.url), "--tasks", "medqa", "pubmedqa", "--data", data,
                   "--out", tmp_path / "o"]  # fmt: skip
        assert run(*command) == 4
    assert "medqa: 1 questions have no reply (bad_request" in capsys.readouterr().err
    assert read_answers(tmp_path / "o", "served", "pubmedqa").num_rows == 6
    assert (tmp_path / "o" / "report.html").is_file()


def test_a_setting_that_is_refused_every_time_leaves_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(FaultOptions(error_rate=1.0, errors=("400",))) as server:
        command = ["--model", yaml(tmp_path, server.url), "--tasks", "medqa", "--data", data, "--out", tmp_path / "o"]
        assert run(*command) == 4
    assert capsys.readouterr().err.count("\n") == 1
    assert list_runs(tmp_path / "o") == []


def test_a_question_refused_for_its_content_is_one_without_a_letter(data: Path, tmp_path: Path) -> None:
    with serving(FaultOptions(script=("filtered",))) as server:
        command = ["--model", yaml(tmp_path, server.url), "--tasks", "medqa", "--data", data, "--out", tmp_path / "o"]
        assert run(*command) == 0
    rows = read_answers(tmp_path / "o", "served", "medqa").to_pylist()
    assert sorted(row["failure"] is None for row in rows) == [False] + [True] * 11


def test_one_process_at_a_time(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = f"from pathlib import Path; from synth.run_lock import RunLock; lock = RunLock(Path({str(tmp_path)!r})); "
    code += "lock.__enter__(); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        command = ["--model", "m.yaml", "--tasks", "medqa", "--data", data, "--out", tmp_path]
        (tmp_path / "m.yaml").write_text("engine: local\n")
        assert run("--model", tmp_path / "m.yaml", *command[2:]) == 2
        error = capsys.readouterr().err
        assert f"in use by pid {other.pid}" in error
        assert error.count("\n") == 1
        assert report.main([str(tmp_path)]) == 2
        assert "in use by" in capsys.readouterr().err
        other.communicate("\n")


def test_an_out_that_is_a_file(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("")
    (tmp_path / "m.yaml").write_text("engine: local\n")
    command = ["--model", tmp_path / "m.yaml", "--tasks", "medqa", "--data", data, "--out", tmp_path / "out"]
    assert run(*command) == 2
    error = capsys.readouterr().err
    assert "is not a folder" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("size", [100, 3_000, 12_000], ids=["questions", "answers", "report"])
def test_a_full_disk_is_one_line(data: Path, tmp_path: Path, size: int) -> None:
    code = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    code += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
    code += "from evaluation.benchmark import main; sys.exit(main(sys.argv[1:]))"
    with serving() as server:
        command = ["--model", yaml(tmp_path, server.url), "--tasks", "medqa", "--data", data, "--out", tmp_path / "o"]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, command)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr
        assert done.stderr.count("\n") == 1
        assert "free some space, then run the same command again" in done.stderr
        assert run(*command) == 0
    assert read_answers(tmp_path / "o", "served", "medqa").num_rows == 12


def test_a_wrong_key_ends_with_4(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FaultOptions(api_key="right")) as server:
        given = yaml(tmp_path, server.url)
        assert run("--model", given, "--tasks", "medqa", "--data", data, "--out", tmp_path / "out") == 4
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tasks", "medqb"], "did you mean 'medqa'?"),
        (["--model", "nowhere"], "nowhere: no such folder; name one"),
        (["--model", "m.yaml", "--method", "loglik"], "is an endpoint, which gives no likelihoods"),
        (["--model", "m.yaml", "--ttt", "ttt"], "is an endpoint, which cannot be adapted"),
        (["--model", "x/base", "--base", "y/base"], "'base' is the base's name too"),
        (["--limit", "0"], "--limit"),
        (["--controls", "rag"], "--controls goes with --ttt"),
        (["--set", "steps=2"], "--set goes with --ttt"),
        (["--model", "m.yaml"], "m.yaml: no such file"),
        (["--seeds", "one"], "--seeds"),
    ],
)
def test_mistakes_are_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    command = ["--model", "owner-less", "--tasks", "medqa", "--data", data, "--out", tmp_path / "out", *more]
    assert run(*command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_rows_that_hold_the_items_are_found(data: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    item = json.loads((data / "medqa" / "test.jsonl").read_text().splitlines()[3])
    rows.write_text(json.dumps({"text": f"{item['question']} {' '.join(item['options'].values())}"}) + "\n")
    with serving() as server:
        command = [
            "--model",
            yaml(tmp_path, server.url),
            "--tasks",
            "medqa",
            "--data",
            data,
            "--out",
            tmp_path / "out",
        ]
        assert run(*command, "--trained-on", rows) == 0
    kept = json.loads((tmp_path / "out" / "contamination" / "medqa.json").read_text())
    assert "training data rows.jsonl" in json.dumps(kept)
