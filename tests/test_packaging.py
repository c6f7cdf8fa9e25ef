"""The wheel: what is in it, and that it works where nothing of the repository is near."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prompts", "filters", "synth", "training", "evaluation")

pytestmark = pytest.mark.wheel


def run(*command: object, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python without the repository on its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", folder, wheel)
    done = run(*pip, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def command(installed: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``python -m synth.generate …`` of the installed wheel, run in ``tmp_path``."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(sys.executable, "-m", "synth.generate", *arguments, cwd=tmp_path, path=installed)

    return call


def test_the_wheel_holds_the_five_packages_and_all_of_their_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert names - info == ours
    assert {name.partition("/")[0] for name in names - info} == set(PACKAGES)
    suffixes = [Path(name).suffix for name in names]
    for suffix, least in ((".jinja", 14), (".yaml", 3), (".jsonl", 1)):
        assert suffixes.count(suffix) >= least, suffix
    assert any(name.endswith("licenses/LICENSE") for name in info)


def test_the_metadata_names_the_command_and_keeps_extras_apart(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        read = {Path(name).name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    assert "clinsynth = synth.__main__:main" in read["entry_points.txt"]
    needed = [line for line in read["METADATA"].splitlines() if line.startswith("Requires-Dist:")]
    for heavy in ("torch", "trl", "vllm", "ray", "datasets", "xllamacpp"):
        assert [line for line in needed if heavy in line], f"{heavy} is in no extra"
        assert all("extra ==" in line for line in needed if line.split()[1].startswith(heavy))


def test_help_schema_and_dry_run_from_an_empty_folder(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    shown = command("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "--accept-changes" in shown.stdout
    schema = command("--print-schema")
    assert (schema.returncode, schema.stderr) == (0, "")
    assert "shard_size" in json.loads(schema.stdout)["properties"]
    dry = command("--spec", "cardiology.yaml", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "Nothing was sent." in dry.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_ones_own_prompts_does_no_harm(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Without ``__init__.py`` a folder called ``prompts`` gives way to our package of that name."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "questions.jinja").write_text("not ours")
    dry = command("--spec", "cardiology.yaml", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")


@pytest.mark.parametrize("name", ["training", "prompts", "filters", "evaluation"])
def test_a_foreign_package_of_our_name_is_named_in_one_line(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('the foreign package was run')\n")
    done = command("--spec", "cardiology.yaml", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert f"the package {name!r} resolves to {tmp_path / name}, not to ours" in line


def test_the_console_command_does_not_look_at_the_current_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("")
    done = run(
        installed / "bin" / "clinsynth", "generate", "--spec", "cardiology", "--dry-run", cwd=tmp_path, path=installed
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing was sent." in done.stdout
