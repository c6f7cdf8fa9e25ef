"""A finished run to publish, and the command as a process of its own against the local Hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.export import export_run
from synth.fingerprint import write_lock
from synth.rows import KINDS
from synth.spec import Spec
from tests.runs import ROOT, Ran
from tests.servers.hub import Hub
from tests.synth.factories import make_row, make_spec, stage_rows

REPO = "owner/cardiology"
SECRET = "sk-canary-secret-of-the-run-folder"
CLEAN = ("--allow", "not_decontaminated")
"""The spec of these tests names no benchmark."""


def rows_of(seeds: int, **columns: Any) -> dict[str, list[dict[str, Any]]]:
    """One row of every kind for each seed."""
    return {kind: [make_row(kind, f"s{n}", **columns) for n in range(seeds)] for kind in KINDS}


def make_run(folder: Path, rows: Mapping[str, Sequence[dict[str, Any]]] | None = None, **sections: Any) -> Path:
    """A run folder as ``synth.generate`` leaves it, with secrets where they would lie: in the journal and beside."""
    spec = make_spec(**{"export": {"validation": 0.4}, "name": "cardiology"} | sections)
    stage = stage_rows(folder / "staging" / "00000", rows or rows_of(12))
    fingerprint = "ab" * 32
    planned = {kind: len(some) for kind, some in (rows or rows_of(12)).items()}
    export_run(folder, [stage], spec, planned=planned, fingerprint=fingerprint)
    _lock(folder, spec, fingerprint)
    (folder / "journal").mkdir(exist_ok=True)
    (folder / "journal" / "00000.sqlite").write_bytes(b"SQLite format 3\0 " + SECRET.encode())
    (folder / ".env").write_text(f"OPENAI_API_KEY={SECRET}\n")
    return folder


def _lock(folder: Path, spec: Spec, fingerprint: str) -> None:
    write_lock(folder / "spec.lock.yaml", spec, fingerprint=fingerprint, template_hashes={}, seeds_digest="0" * 64,
               versions={})  # fmt: skip


def publish(hub: Hub, run: Path, *more: str, home: Path | None = None, **environment: str) -> Ran:
    """Run the command to its end."""
    done = subprocess.run(
        command(run, *more), cwd=ROOT, env=hub.environment(home or run.parent / "hf") | environment, text=True,
        capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def command(run: Path, *more: str) -> list[str]:
    """The command line; the data of these tests need one warning allowed."""
    return [sys.executable, "-m", "synth.publish", str(run), "--repo", REPO, *CLEAN, *more]


def files_of(run: Path) -> dict[str, bytes]:
    """What ``export/`` holds."""
    export = run / "export"
    return {path.relative_to(export).as_posix(): path.read_bytes() for path in export.rglob("*") if path.is_file()}


def on_hub(hub: Hub, repo: str = REPO) -> dict[str, bytes]:
    """What the newest commit holds, without what the Hub itself put there."""
    return {path: data for path, data in hub.repository(repo).commits[-1].files.items() if path != ".gitattributes"}


def rewrite_manifest(run: Path, **changes: Any) -> None:
    """Change keys of the manifest."""
    path = run / "export" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def without_token() -> dict[str, str]:
    """Settings of an environment in which nobody is logged in."""
    return {"HF_TOKEN": "", "HF_TOKEN_PATH": os.devnull}
