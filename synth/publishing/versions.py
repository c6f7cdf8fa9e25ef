"""What a version is called, and what it changes: counts of the manifest that the Hub holds against the new one's.

What the Hub holds is foreign: anything may stand there, so nothing is taken for granted of its shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from synth.card import code
from synth.errors import UserError
from synth.publishing.package import MANIFEST, Package

Counts = dict[tuple[str, str], int]
"""By kind and by split, or what became of the rest."""

LONGEST_TAG = 100
"""Characters of a tag; Git keeps each as a file, whose name file systems limit to 255 bytes."""
_NO_TAG = re.compile(r"[^\x21-\x7e]|[~^:?*\[\\]|\.\.|@\{|//|(?:^|/)\.|\.lock(?:/|$)|^[-/]|[./]$")
"""What `git check-ref-format` and `git tag` refuse, and whatever is not ASCII."""
_TAKEN = re.compile(r"main|HEAD|@|refs/.*|(?=.*[a-f])[0-9a-f]{7,64}|[0-9]{40}")
"""What the Hub reads as a branch or a commit where a revision is named; a date such as 20241122 may be a tag."""


def check_tag(name: str) -> None:
    """Refuse a tag that Git or the Hub would.

    Raises:
        UserError: its form, or a name that means something else already.
    """
    shown = ascii(name[:LONGEST_TAG])
    if not name or len(name) > LONGEST_TAG or _NO_TAG.search(name):
        raise UserError(f"--tag {shown}: no name of a tag: letters, digits, '.', '-' and '_', for example v1.0")
    if _TAKEN.fullmatch(name):
        raise UserError(f"--tag {shown}: the Hub takes it for a branch or a commit; choose a name such as v1.0")


def published(data: bytes | None, package: Package, repository: str, there: Mapping[str, str]) -> Counts | None:
    """Return the counts of the published version, None when there is none.

    Args:
        data: the manifest that the repository holds, if any.
        there: the files that it holds.

    Raises:
        UserError: the repository holds something else than an earlier version of this data set.
    """
    if data is None:
        others = sorted(there.keys() - package.files.keys() - {".gitattributes"})
        if others:
            raise UserError(
                f"{repository}: holds files that no version of this data set put there ({code(others[0])}): "
                "nothing was sent; name an empty or a new repository"
            )
        return None
    try:
        manifest = json.loads(data)
        name = manifest["name"]
        counts = counts_of(manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        name, counts = None, {}
    if name != package.manifest["name"]:
        held = f"the data set {code(name)}" if isinstance(name, str) else f"another {MANIFEST}"
        raise UserError(
            f"{repository}: holds {held}, not {package.manifest['name']}: nothing was sent; name another repository"
        )
    return counts


def counts_of(manifest: Mapping[str, Any]) -> Counts:
    """Return rows by kind and split, and rejected and failed rows by kind."""
    found: Counts = {}
    for kind, counts in manifest["counts"].items():
        for split, rows in counts["kept"].items():
            found[str(kind), str(split)] = int(rows)
        found[str(kind), "rejected"] = sum(int(rows) for rows in counts["rejected"].values())
        found[str(kind), "failed"] = int(counts["failed"])
    return found


def changes(old: Counts | None, new: Counts) -> list[str]:
    """Return a line for each count that is not nought: the number, and what it was if that is another one."""
    lines = []
    for kind, what in sorted(new.keys() | (old or {}).keys()):
        now, before = new.get((kind, what), 0), (old or {}).get((kind, what), 0)
        if now or before:
            was = "" if old is None or now == before else f"   (was {before:,}, {now - before:+,})"
            lines.append(f"{kind:<12}{what:<12}{now:>10,}{was}")
    return lines


def version_of(package: Package) -> str:
    """Return a short name of the contents: the first digits of the manifest's SHA-256."""
    return package.files[MANIFEST][:12]
