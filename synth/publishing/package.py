"""What of a run folder may leave: the files that the manifest of ``export/`` names, and the manifest.

Journals, rejected rows, reports and specs lie outside of ``export/`` and are never looked at for sending. A file in it
that the manifest does not name, a changed one, a link or an absent one is refused rather than left out: somebody put
it there, and should know.

Contents are not judged here (:mod:`synth.publishing.findings`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.fingerprint import read_lock
from synth.spec import Spec
from synth.staging import sha256_of

MANIFEST = "manifest.json"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Package:
    """A finished export, byte for byte as its manifest says."""

    folder: Path
    files: dict[str, str]
    """SHA-256 by path within the folder, the manifest included."""
    manifest: dict[str, Any]
    spec: Spec
    """As the run was locked to it."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum((self.folder / path).stat().st_size for path in self.files)


def read_package(run: Path) -> Package:
    """Return what may be published of the run in ``run``; every file is read once.

    Raises:
        UserError: no run folder, an unfinished run, or an ``export/`` that is not what its manifest says.
    """
    lock = read_lock(run / "spec.lock.yaml")
    if lock is None:
        raise UserError(f"{run}: no run folder: it has no spec.lock.yaml; name a folder that synth.generate wrote")
    export = run / "export"
    manifest = _manifest(export / MANIFEST)
    again = "run synth.generate to its end first"
    if lock["fingerprint"] != manifest["fingerprint"]:
        raise UserError(f"{run}: the run is not finished: export/ was made before the spec changed; {again}")
    pending = sum(counts["pending"] for counts in manifest["counts"].values())
    if pending:
        raise UserError(f"{run}: the run is not finished: {pending:,} rows are pending; {again}")
    try:
        spec = Spec.model_validate(lock["spec"])
    except ValueError:
        raise UserError(f"{run}/spec.lock.yaml: of another version of clinsynth; {again}") from None
    return Package(export, _checked(export, manifest), manifest, spec)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        named = [(file["path"], file["sha256"]) for file in manifest["files"]]
        pending = [counts["pending"] for counts in manifest["counts"].values()]
        if not all(isinstance(text, str) for text in (manifest["name"], manifest["fingerprint"], *sum(named, ()))):
            raise ValueError
        if not all(isinstance(number, int) for number in pending):
            raise ValueError
    except FileNotFoundError:
        raise UserError(f"{path}: not there: the run is not finished; run synth.generate to its end first") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: damaged; run synth.generate again, it makes export/ anew at no cost") from None
    return manifest


def _checked(export: Path, manifest: dict[str, Any]) -> dict[str, str]:
    named = {file["path"]: file["sha256"] for file in manifest["files"]}
    links = [path for path in export.rglob("*") if path.is_symlink()]
    there = {path.relative_to(export).as_posix() for path in export.rglob("*") if not path.is_dir()} - {MANIFEST}
    problems = [
        ("links, which are never followed", sorted(path.relative_to(export).as_posix() for path in links)),
        ("not named by manifest.json, remove it", sorted(there - named.keys())),
        ("named by manifest.json but not there", sorted(named.keys() - there)),
    ]
    if not any(paths for _, paths in problems):
        changed = [path for path in sorted(named) if sha256_of(export / path) != named[path]]
        problems.append(("changed since the run ended", changed))
    lines = [_line(export, what, paths) for what, paths in problems if paths]
    if lines:
        raise UserError("\n".join(lines))
    return dict(sorted({**named, MANIFEST: sha256_of(export / MANIFEST)}.items()))


def _line(export: Path, what: str, paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    mend = "" if "remove" in what else "; synth.generate makes export/ anew at no cost"
    return f"{export}: {', '.join(paths[:_SHOWN])}{more}: {what}{mend}"
