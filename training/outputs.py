"""What a finished run leaves: model or adapter with tokenizer and card, ``training.json``, ``training_report.html``.

The model's folder (``model/`` or ``adapter/``) is written aside and renamed when it is whole; ``training.json`` is
written last, and its presence says that the run is finished. Weights are safetensors only.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.staging import disk_errors, recover_folder, replace_folder, sha256_of, temporary
from training.card import render_card
from training.checkpoints import Identity, differences
from training.lineage import Facts
from training.report import render_report

FINISHED = "training.json"


def finished(output: Path, identity: Identity) -> dict[str, Any] | None:
    """Return ``training.json`` when this very run is finished, or None when it is not.

    Raises:
        UserError: another run is finished there; the line says what differs.
    """
    try:
        found = json.loads((output / FINISHED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise UserError(f"{output / FINISHED}: cannot be read: remove the folder, or name another output") from None
    if differs := differences(found.get("identity", {}), identity):
        raise UserError(
            f"{output}: holds the result of another run ({', '.join(differs)} changed): name another output, "
            "or remove this one"
        )
    result: dict[str, Any] = found
    return result


def save(trainer: Any, facts: Facts, output: Path, identity: Identity, preflight: Sequence[str] = ()) -> Path:
    """Write everything and return the folder of the model or adapter.

    Every process of a run must call this, for sharded weights are gathered; the main one writes.
    """
    target = output / ("adapter" if facts.adapter else "model")
    output.mkdir(parents=True, exist_ok=True)
    main = trainer.is_world_process_zero()
    with disk_errors(output):
        if not main:
            trainer.save_model(str(target))  # takes part in gathering, writes nothing
            return target
        recover_folder(target)
        with temporary(target) as work:
            trainer.save_model(str(work))
            trainer.processing_class.save_pretrained(work)
            (work / "training_args.bin").unlink(missing_ok=True)  # a pickle
            (work / "README.md").write_text(render_card(facts), encoding="utf-8")
            hashes = {
                path.relative_to(work).as_posix(): sha256_of(path)
                for path in sorted(work.rglob("*"))
                if path.is_file()
            }
            replace_folder(work, target)
        (output / "training_report.html").write_text(render_report(facts, preflight), encoding="utf-8")
        _finish(output, facts, identity, target.name, hashes)
    return target


def _finish(output: Path, facts: Facts, identity: Identity, folder: str, hashes: Mapping[str, str]) -> None:
    known = {name: value for name, value in dataclasses.asdict(facts).items() if name != "history"}
    text = json.dumps(
        {**known, "identity": identity, "result": folder, "files": hashes}, indent=2, sort_keys=True, default=str
    )
    unfinished = output / f"{FINISHED}.tmp"
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.rename(output / FINISHED)


def push(folder: Path, repository: str, *, public: bool = False) -> str:
    """Put a model's folder on the Hub and return its address; private unless ``public``.

    What goes is what :func:`save` wrote and ``training.json`` names, and nothing that came to lie beside it.

    Raises:
        UserError: no finished run, a changed file, or a repository of the other visibility.
        ClinsynthError: the Hub refuses, or not everything arrived (:mod:`synth.publishing.hub_errors`).
    """
    from synth.publishing.hub import push as send

    try:
        files: dict[str, str] = json.loads((folder.parent / FINISHED).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder.parent / FINISHED}: cannot be read: the run is not finished") from None
    return send(folder, files, repository, public=public, title="Trained with clinsynth", replaces=["*.safetensors"])
