"""``--push`` against a local Hub: private unless told otherwise, the files of the run alone, one line when refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import ROOT
from tests.servers.hub import TOKEN, Hub, serving
from training.run import command

REPO = "owner/name"
CODE = """
import sys
from pathlib import Path
from synth.errors import ClinsynthError
from training.outputs import push
try:
    print(push(Path(sys.argv[1]), "owner/name", public="--public" in sys.argv))
except ClinsynthError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub()) as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run's model, with something beside it that nobody named."""
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    (model / "README.md").write_text("---\ntags: [medical]\n---\n# x\n")
    (model / "model.safetensors").write_bytes(b"weights")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in model.iterdir()}
    (tmp_path / "run" / "training.json").write_text(json.dumps({"files": files}))
    (model / "training_args.bin").write_bytes(b"a pickle")
    return model


def pushed(hub: Hub, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = hub.environment(folder.parent / "hf")
    return subprocess.run([sys.executable, "-c", CODE, str(folder), *more], cwd=ROOT, env=environment,
                          capture_output=True, text=True, timeout=120)  # fmt: skip


@pytest.mark.parametrize(("more", "private"), [([], True), (["--public"], False)])
def test_a_new_repository_is_private_unless_asked(hub: Hub, folder: Path, more: list[str], private: bool) -> None:
    done = pushed(hub, folder, *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.url}/{REPO}"
    held = hub.repository(REPO, "models")
    assert held.private is private
    assert {**held.commits[-1].files, ".gitattributes": b""} == {
        ".gitattributes": b"",
        "README.md": (folder / "README.md").read_bytes(),
        "model.safetensors": b"weights",
    }


def test_weights_of_an_earlier_run_go(hub: Hub, folder: Path) -> None:
    hub.add(REPO, {"model-00001-of-00002.safetensors": b"old", "LICENSE": b"theirs"}, kind="models")
    assert pushed(hub, folder).returncode == 0
    held = hub.repository(REPO, "models").commits
    assert set(held[-1].files) == {".gitattributes", "LICENSE", "README.md", "model.safetensors"}
    assert len(held) == 2


def test_nothing_goes_into_a_repository_that_is_public_already(hub: Hub, folder: Path) -> None:
    hub.add(REPO, {}, private=False, kind="models")
    done = pushed(hub, folder)
    assert done.returncode == 2
    assert "owner/name: that repository is public: nothing was sent" in done.stderr
    assert len(hub.repository(REPO, "models").commits) == 1


def test_a_changed_file_does_not_go(hub: Hub, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"others")
    done = pushed(hub, folder)
    assert done.returncode == 2
    assert "not as the run left it" in done.stderr
    assert hub.requests == []


def test_a_refusal_is_one_line(hub: Hub, folder: Path) -> None:
    hub.fail(".", 403, message=f"not with {TOKEN}")
    done = pushed(hub, folder)
    assert done.returncode == 4
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("owner/name: the token may not write there (403)")
    assert TOKEN not in done.stderr


@pytest.mark.parametrize("confirm", [[], ["--confirm", "owner/other"]])
def test_public_is_confirmed_before_anything_is_trained(
    confirm: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.sft import SftConfig

    monkeypatch.setattr(sys, "stdin", None)
    arguments = ["--config", "sft", "--push", REPO, "--public", *confirm]
    assert command("sft", "test", SftConfig, lambda loaded, given: 0, arguments) == 2
    assert "--public: " in capsys.readouterr().err
