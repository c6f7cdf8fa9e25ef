"""Checkpoints that are known to be whole: a marker with the SHA-256 of every file, written last.

A trainer writes a checkpoint file by file; a kill in between leaves a folder that looks like one. Ours are whole only
with ``checkpoint.json`` in them: it is written after every file is on disk, names each with its size and hash, and
says which run it belongs to. To resume is to take the newest whose marker agrees with its files. Older ones are
removed only after a newer one is marked, so a kill at any moment leaves the last good one.

A checkpoint whose weights are not finite is not marked. What a checkpoint holds is the trainer's affair.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.failpoints import failpoint
from synth.staging import sha256_of

MARKER = "checkpoint.json"

Identity = Mapping[str, Any]
"""What makes two runs the same run: model, data, seed, options that change the arithmetic. Anything JSON can hold."""


def mark(folder: Path, identity: Identity) -> None:
    """Declare the checkpoint in ``folder`` whole."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MARKER:
            _sync(path)
            files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    unfinished = folder / f"{MARKER}.tmp"
    unfinished.write_text(json.dumps({"identity": identity, "files": files}, sort_keys=True), encoding="utf-8")
    _sync(unfinished)
    failpoint("unmarked")
    unfinished.rename(folder / MARKER)
    _sync(folder)
    _sync(folder.parent)


def fault(folder: Path) -> str | None:
    """Return why the checkpoint in ``folder`` cannot be taken, or None."""
    marker = _marker(folder)
    if marker is None:
        return "was not finished"
    for name, said in marker["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != said["bytes"] or sha256_of(path) != said["sha256"]:
            return f"{name} is damaged"
    return None


def last_good(output: Path, identity: Identity, say: Callable[[str], None] = print) -> Path | None:
    """Return the newest whole checkpoint of this run in ``output``, or None; each one passed over is told to ``say``.

    Raises:
        UserError: the newest whole one belongs to a run with another identity; the line says what differs.
    """
    for folder in reversed(checkpoints(output)):
        if why := fault(folder):
            say(f"{folder.name} is passed over: {why}")
            continue
        marker = _marker(folder)
        assert marker is not None
        if differs := differences(marker["identity"], identity):
            raise UserError(
                f"{output}: holds checkpoints of another run ({', '.join(differs)} changed): name another output, "
                "or remove this one"
            )
        return folder
    return None


def differences(one: Identity, other: Identity) -> list[str]:
    """Return the dotted names of what differs between two identities."""
    one, other = json.loads(json.dumps(one)), json.loads(json.dumps(other))
    found = []
    for name in sorted({*one, *other}):
        left, right = one.get(name), other.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            found += [f"{name}.{inner}" for inner in differences(left, right)]
        elif left != right:
            found.append(name)
    return found


def checkpoints(output: Path) -> list[Path]:
    """Return the folders named as checkpoints, whole or not, by their step."""
    found = [path for path in output.glob("checkpoint-*") if path.is_dir() and path.name[11:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[11:]))


def rotate(output: Path, keep: int, best: str | None = None) -> None:
    """Remove all but the newest ``keep`` marked checkpoints, those left unmarked, and never the one named ``best``."""
    marked = [path for path in checkpoints(output) if (path / MARKER).is_file()]
    kept = {*marked[-keep:], *([Path(best)] if best else [])}
    for path in checkpoints(output):
        if path not in kept:
            (path / MARKER).unlink(missing_ok=True)  # first: half a folder must not look whole
            shutil.rmtree(path)


def checkpoint_callback(output: Path, identity: Identity, keep: int) -> Any:
    """Return a trainer callback that marks each checkpoint as it is saved, and then removes old ones."""
    import torch
    from accelerate import PartialState
    from transformers import TrainerCallback

    class Marking(TrainerCallback):  # type: ignore[misc]
        """Marks on the main process, when all processes have written their part."""

        def on_save(self, args: Any, state: Any, control: Any, model: Any = None, **rest: Any) -> None:
            failpoint("saved")
            finite = all(bool(torch.isfinite(value).all()) for value in model.parameters() if value.requires_grad)
            PartialState().wait_for_everyone()
            if state.is_world_process_zero and finite:
                mark(output / f"checkpoint-{state.global_step}", identity)
                rotate(output, keep, state.best_model_checkpoint)
            PartialState().wait_for_everyone()

    return Marking()


def _marker(folder: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(marker, dict) and isinstance(marker.get("files"), dict) and "identity" in marker
    return marker if whole else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
