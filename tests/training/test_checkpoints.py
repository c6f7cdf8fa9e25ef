"""Only whole checkpoints of the same run are taken; old ones go when a newer one is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.errors import UserError
from training.checkpoints import MARKER, checkpoints, differences, fault, last_good, mark, rotate

ONE = {"data": "abc", "trl": {"learning_rate": 1e-5}}


def write(output: Path, step: int, *, marked: bool = True) -> Path:
    folder = output / f"checkpoint-{step}"
    (folder / "inner").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * step)
    (folder / "inner" / "optimizer.pt").write_bytes(b"state")
    if marked:
        mark(folder, ONE)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("model.safetensors", cut, "model.safetensors is damaged"),
        ("model.safetensors", flip, "model.safetensors is damaged"),
        ("inner/optimizer.pt", Path.unlink, "inner/optimizer.pt is missing"),
        (MARKER, Path.unlink, "was not finished"),
        (MARKER, cut, "was not finished"),
    ],
)
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, name: str, damage: object, expected: str
) -> None:
    older, newer = write(tmp_path, 9), write(tmp_path, 10)
    assert fault(newer) is None
    assert callable(damage)
    damage(newer / name)
    said: list[str] = []
    assert last_good(tmp_path, ONE, said.append) == older
    assert said == [f"checkpoint-10 is passed over: {expected}"]


def test_without_any_there_is_none(tmp_path: Path) -> None:
    write(tmp_path, 3, marked=False)
    (tmp_path / "checkpoint-last").mkdir()
    assert last_good(tmp_path, ONE, lambda text: None) is None
    assert last_good(tmp_path / "gone", ONE) is None


def test_another_runs_checkpoint_is_refused_with_what_differs(tmp_path: Path) -> None:
    write(tmp_path, 3)
    other = {"data": "abd", "trl": {"learning_rate": 1e-5, "max_steps": 3}, "seed": 1}
    assert differences(ONE, other) == ["data", "seed", "trl.max_steps"]
    with pytest.raises(UserError, match=r"another run \(data, seed, trl.max_steps changed\)"):
        last_good(tmp_path, other)


def test_rotation_keeps_the_last_marked_ones_and_the_best(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        write(tmp_path, step)
    write(tmp_path, 4, marked=False)
    rotate(tmp_path, 2, str(tmp_path / "checkpoint-1"))
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-1", "checkpoint-3", "checkpoint-10"]
