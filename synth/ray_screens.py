"""What screens say of staged rows, found on the nodes of a Ray cluster: rules of form, benchmark items, people.

It is the dearest part of curation, and each row's verdict depends on that row alone, so a shard's rows are screened
where there is room, by the very :class:`synth.screens.Screens` that the driver made: it travels with its benchmarks
(the paths of the benchmarks need not exist on nodes). Then the driver curates in order as on one machine, and instead
of screening looks verdicts up. So the export has the same bytes. Plain tasks do it: an ordered pass with one result a
shard is what Ray Data would have to be told to keep, and it takes seconds to start.

The driver holds some hundred bytes for each row with a finding, and of a masked row its new texts.

What it does not do: ids, scores, near-duplicates, paraphrases, quotas and Parquet (:mod:`synth.curate`,
:mod:`synth.export`), which need all rows in order. Where benchmark items are also looked for with a model of sentence
embeddings, the driver screens everything itself: how a model's last digits are rounded may depend on its batches.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.errors import ClinsynthError, UserError
from synth.rows import KINDS
from synth.screens import Finding, Row, Screens
from synth.setup import code_digest, versions
from synth.staging import read_stage, stage_facts

Verdict = tuple[str, Finding | None, dict[str, Any]]
"""A digest of the row, why it goes, and the columns that are changed where it stays."""
Verdicts = dict[str, dict[str, bytes]]
"""By kind and id; a row of which nothing is to be said has none."""


class Screened(Screens):
    """Screens whose verdicts are known; a row without one passes as it is."""

    def __init__(self, screens: Screens, verdicts: Verdicts) -> None:
        vars(self).update(vars(screens))
        self._known = verdicts

    def drops(self, kind: str, rows: list[Row]) -> list[Finding | None]:
        """One finding a row, of the first screen that drops it."""
        found = []
        for row in rows:
            known = self._verdict(kind, row)
            found.append(known[0] if known else super().drops(kind, [row])[0])
        return found

    def marked(self, kind: str, row: Row) -> Row:
        """The row as it is kept: flagged with what may identify a person, or with that masked."""
        known = self._verdict(kind, row)
        return {**row, **known[1]} if known else super().marked(kind, row)

    def _verdict(self, kind: str, row: Row) -> tuple[Finding | None, dict[str, Any]] | None:
        """What is known of the row; None where that is of another row of the same id."""
        if (known := self._known[kind].get(row["id"])) is None:
            return None, {}
        verdict: Verdict = pickle.loads(known)
        return verdict[1:] if verdict[0] == _digest(row) else None


def screened(screens: Screens, stage: str, made_with: tuple[str, dict[str, str]]) -> Verdicts | ClinsynthError:
    """What ``screens`` say of the rows of a finished shard; ``made_with`` is the driver's code and its packages."""
    node = socket.gethostname()
    if made_with != (code_digest(), versions()):
        return UserError(f"{node}: this node has other code or packages than the driver; give all the same image")
    if stage_facts(Path(stage)) is None:
        return UserError(f"{stage}: damaged, or {node} sees another disk under this path")
    found: Verdicts = {kind: {} for kind in KINDS}
    for kind in KINDS:
        for batch in read_stage(Path(stage), kind):
            rows = batch.to_pylist()
            for row, finding in zip(rows, screens.drops(kind, rows), strict=True):
                changes = {} if finding else _changes(row, screens.marked(kind, row))
                if finding or changes:
                    verdict: Verdict = (_digest(row), finding, changes)
                    found[kind].setdefault(row["id"], pickle.dumps(verdict))
    return found


def _changes(before: Row, after: Row) -> dict[str, Any]:
    return {name: value for name, value in after.items() if value is not before[name] and value != before[name]}


def _digest(row: Row) -> str:
    return hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def screened_on(ray: Any, screens: Screens, stages: Sequence[Path]) -> Screens:
    """``screens`` that know what they say of all rows of the stages; ``ray`` is connected to a cluster.

    Raises:
        ClinsynthError: a node has another image or another disk, or nodes were lost again and again.
    """
    if not screens.independent:
        return screens
    shipped = copy.copy(screens)
    shipped.encoder = None
    sent, made_with = ray.put(shipped), (code_digest(), versions())
    work = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(screened)
    tasks = [work.remote(sent, str(stage.absolute()), made_with) for stage in stages]
    known: Verdicts = {kind: {} for kind in KINDS}
    for task in tasks:
        try:
            found = ray.get(task)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as lost:
            reason = " ".join(str(lost).split())[:160]
            raise ClinsynthError(f"nodes were lost again and again ({reason}); run again") from None
        if isinstance(found, ClinsynthError):
            raise found
        for kind, verdicts in found.items():
            known[kind] = verdicts | known[kind]
    return Screened(screens, known)
