"""A configuration is found, overridden and checked; what is wrong has its line, and nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from synth.errors import UserError
from tests.runs import ROOT
from training.config import BUILT_IN, SftConfig, load_config

GOOD = "model: {name: owner/model}\ndata: {path: rows}\noutput: out\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_config(SftConfig, str(path), overrides)
    return [line.replace(f"{path.parent}/", "") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("name", [path.stem for path in BUILT_IN.glob("*sft.yaml")])
def test_built_in_configurations_are_valid_and_found_by_name(name: str) -> None:
    assert load_config(SftConfig, name).config.data.kinds
    assert load_config(SftConfig, f"{name}.yaml").path == BUILT_IN / f"{name}.yaml"


def test_paths_start_at_the_file_and_those_of_set_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write(tmp_path, GOOD)
    loaded = load_config(SftConfig, str(path)).config
    assert (loaded.data.path, loaded.output, loaded.model.name) == (
        [str(tmp_path / "rows")], str(tmp_path / "out"), "owner/model"
    )  # fmt: skip
    loaded = load_config(SftConfig, str(path), ["data.path=[a, b]", "output=there"]).config
    assert (loaded.data.path, loaded.output) == (
        [str(elsewhere / "a"), str(elsewhere / "b")],
        str(elsewhere / "there"),
    )


def test_an_existing_folder_is_a_model_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "owner" / "model").mkdir(parents=True)
    assert load_config(SftConfig, str(write(tmp_path, GOOD))).config.model.name == str(tmp_path / "owner" / "model")


def test_overrides_make_and_replace_mappings(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "trl: {learning_rate: 1.0e-3}\n")
    overrides = ["trl.learning_rate=5e-6", "trl.max_steps=3", "lora.r=4", "early_stop.patience=2", "seed=7"]
    config = load_config(SftConfig, str(path), overrides).config
    assert config.trl == {"learning_rate": 5e-6, "max_steps": 3}
    assert config.lora == {"r": 4}
    assert config.early_stop is not None
    assert (config.early_stop.patience, config.seed) == (2, 7)


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ("model: {name: m}\noutput: out\n", [], ["run.yaml:1: data: data is missing: add it"]),
        (GOOD + "sed: 3\n", [], ["run.yaml:4: sed: unknown key; did you mean 'seed'?"]),
        (GOOD, ["model.nam=x"], ["--set model.nam: unknown key; did you mean 'name'?"]),
        (GOOD + "seed: many\n", [], ["run.yaml:4: seed: must be a whole number"]),
        (GOOD + "seed: -1\n", [], ["run.yaml:4: seed: must be at least 0"]),
        (GOOD + "seed: 1\nseed: 2\n", [], ["run.yaml:5: seed: duplicate key, first given in line 4: keep one"]),
        (
            GOOD + "over_length:\n  action: cut\n",
            [],
            ["run.yaml:5: over_length.action: must be 'refuse', 'drop' or 'truncate'"],
        ),
        (GOOD + "quantize: 8bit\n", [], ["run.yaml:4: quantize: must be '4bit'"]),
        (GOOD, ["data.path=[]"], ["--set data.path: needs at least one entry"]),
        (GOOD, ["data.kinds=[1]"], ["--set data.kinds[0]: must be text"]),
        (GOOD, ["output="], ["--set output: is empty: give a value, or remove the line"]),
        (GOOD, ["early_stop.patience=0"], ["--set early_stop.patience: must be at least 1"]),
        (GOOD, ["seed"], ["--set: write KEY=VALUE, such as --set trl.max_steps=10"]),
        (GOOD, ["output.x=1"], ["--set output.x: output has no keys: set the whole of it"]),
        (GOOD, ["trl=[1, 2]"], ["--set trl: must be a mapping, such as {key: value}"]),
        (GOOD, ["trl.eps=[1"], ["--set trl.eps: not valid YAML: a bracket is opened here and never closed"]),
        ("- a\n", [], ["run.yaml:1: a configuration is a mapping of keys (model, data, output)"]),
        ('model: "x\n', [], ["run.yaml:1: not valid YAML: a quote is opened here and never closed"]),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_with_their_place(
    tmp_path: Path, text: str, overrides: list[str], expected: list[str]
) -> None:
    assert complaint(write(tmp_path, text), *overrides) == expected


def test_all_mistakes_are_told_at_once_by_line(tmp_path: Path) -> None:
    found = complaint(write(tmp_path, "modle: 1\ndata: {path: rows}\nouput: out\n"))
    places = [":".join(line.split(":")[1:3]) for line in found]
    assert sorted(places) == ["1: model", "1: modle", "1: output", "3: ouput"]
    assert places[-1] == "3: ouput"


def test_an_unknown_name_lists_what_is_built_in() -> None:
    with pytest.raises(UserError, match=r"sfft: no such configuration; built in: .*finemed-sft.*did you mean 'sft'"):
        load_config(SftConfig, "sfft")


@pytest.mark.parametrize("module", ["sft", "merge", "convert"])
def test_help_imports_nothing_heavy(module: str) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['training.{module}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('training.{module}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'peft', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m training." in done.stdout
