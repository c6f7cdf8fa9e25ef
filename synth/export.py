"""From staged shards to ``export/`` and ``rejected/``: curation, split, Parquet, card, manifest, swapped in whole.

``export/`` holds what publishing may see and nothing else: Parquet files by kind, ``README.md`` and ``manifest.json``,
none of which holds a clock. Equal stages, spec and library versions make equal bytes. ``rejected/`` holds what did not
make it: one file a shard (``00000.parquet``) and ``curation.parquet``; files without rows are left out.

All rows of a seed, of every kind, are on one side of the split: the side hangs on a hash of the spec's seed and the
seed's id. A split or a kind without rows has no file. When all rows of the data set fall to validation, they are
called ``train``.

Both folders are written aside and renamed, ``export/`` last, when every file is on disk and has been opened again. A
kill at any moment leaves each folder as it was or as it should be; one that a kill left under its set-aside name is
put back at the next start.

This module does not publish, and it trusts its caller that no other process works on the run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.card import CardFacts, agreements, coverage, pair_lengths, render_card
from synth.curate import curate, survey
from synth.errors import ClinsynthError
from synth.failpoints import failpoint
from synth.marks import Marks, marks_of
from synth.recipes.personas import Personas, load_personas
from synth.rows import KINDS, REJECTED, SCHEMAS, rejected_batch
from synth.screens import Screens
from synth.spec import Spec
from synth.staging import (
    RowWriter,
    disk_errors,
    read_stage,
    recover_folder,
    replace_folder,
    sha256_of,
    stage_facts,
    temporary,
    write_json,
)

SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written and where every planned row went.

    For each kind: ``planned = kept + rejected + failed + pending``. ``byproducts`` counts what was dropped on the way
    (questions, chains, …) and is no part of that sum.
    """

    export: Path
    rejected_folder: Path
    kept: dict[str, dict[str, int]]
    rejected: dict[str, dict[str, int]]
    failed: dict[str, int]
    planned: dict[str, int]
    pending: dict[str, int]
    byproducts: dict[str, dict[str, int]]


def export_run(
    run: Path,
    stages: Sequence[Path],
    spec: Spec,
    *,
    planned: Mapping[str, int],
    fingerprint: str,
    screens: Screens | None = None,
) -> ExportResult:
    """Curate the staged shards, in the order given, into ``run/export`` and ``run/rejected``.

    Marks of reviewers in the run folder count (:mod:`synth.curate`).
    ``planned`` counts rows by kind before anything was asked; ``screens`` are the spec's, if they are made already.
    Raises ClinsynthError when a stage is not whole, the marks are damaged or the disk refuses (the earlier export
    stays as it was) and
    AssertionError when more rows arrived than were planned.
    """
    for stage in stages:
        if stage_facts(stage) is None:
            raise ClinsynthError(f"{stage}: unfinished or damaged; run the same command again to make it anew")
    export, rejected = run / "export", run / "rejected"
    marks = marks_of(run)
    with disk_errors(run), ExitStack() as stack:
        recover_folder(export)
        recover_folder(rejected)
        export_work, rejected_work = (stack.enter_context(temporary(folder)) for folder in (export, rejected))
        facts = CardFacts(fingerprint=fingerprint, personas=_personas(spec))
        _copy_rejected(stages, rejected_work, facts)
        screens = screens or Screens(spec.filters, spec.language)
        facts.benchmarks = screens.benchmarks
        _write_rows(stages, spec, screens, export_work, rejected_work, facts, marks)
        _settle(facts, planned)
        failpoint("export")
        (export_work / "README.md").write_text(render_card(spec, facts), encoding="utf-8")
        write_json(export_work / "manifest.json", _manifest(export_work, spec, facts))
        failpoint("manifest")
        replace_folder(rejected_work, rejected)
        replace_folder(export_work, export)
    return ExportResult(
        export=export,
        rejected_folder=rejected,
        kept=facts.kept,
        rejected=facts.rejected,
        failed=facts.failed,
        planned=facts.planned,
        pending=facts.pending,
        byproducts=facts.byproducts,
    )


def _personas(spec: Spec) -> Personas | None:
    wanted = spec.produce.dialogues
    return None if wanted is None else load_personas(None if wanted.personas == "default" else Path(wanted.personas))


def in_validation(seed: int, seed_id: str, share: float) -> bool:
    """Tell whether the rows of ``seed_id`` go to validation: a hash of both, as a fraction, is below ``share``."""
    digest = hashlib.sha256(f"{seed}:{seed_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


class _SplitFiles:
    """The Parquet files of one split of a kind; their number is known, and put into their names, at the end."""

    def __init__(self, folder: Path, kind: str, split: str, rows_per_file: int) -> None:
        self._folder, self._kind, self._split = folder / kind, kind, split
        self._rows_per_file = rows_per_file
        self._files: list[RowWriter] = []
        self.rows = 0

    def __enter__(self) -> _SplitFiles:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._files:
            self._files[-1].__exit__(kind, error, trace)
        if error is None:
            for at, file in enumerate(self._files):
                file.path.rename(self._folder / f"{self._split}-{at:05d}-of-{len(self._files):05d}.parquet")

    def write(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        while batch.num_rows:
            if not self._files or self._files[-1].rows == self._rows_per_file:
                self._next()
            room = self._rows_per_file - self._files[-1].rows
            self._files[-1].write(batch.slice(0, room))
            batch = batch.slice(room)

    def _next(self) -> None:
        if self._files:
            self._files[-1].close()
        path = self._folder / f"{self._split}-{len(self._files):05d}.part"
        self._files.append(RowWriter(path, SCHEMAS[self._kind]))


def _copy_rejected(stages: Sequence[Path], work: Path, facts: CardFacts) -> None:
    for at, stage in enumerate(stages):
        with RowWriter(work / f"{at:05d}.parquet", REJECTED) as file:
            for batch in read_stage(stage, "rejected"):
                file.write(batch)
                facts.count_rejected(batch)


def _write_rows(
    stages: Sequence[Path],
    spec: Spec,
    screens: Screens,
    export_work: Path,
    rejected_work: Path,
    facts: CardFacts,
    marks: Marks,
) -> None:
    with RowWriter(rejected_work / "curation.parquet", REJECTED) as dropped:
        for kind in KINDS:
            with ExitStack() as stack:
                train, validation = (
                    stack.enter_context(_SplitFiles(export_work, kind, split, spec.export.rows_per_file))
                    for split in SPLITS
                )
                whole = survey(kind, stages, spec.filters, screens, marks)
                for part in curate(kind, stages, spec.filters, screens, whole, marks):
                    facts.count_kept(kind, part.kept)
                    ids = part.kept.column("seed_id").to_pylist()
                    held_out = pa.array([in_validation(spec.seed, i, spec.export.validation) for i in ids], pa.bool_())
                    train.write(part.kept.filter(pc.invert(held_out)))
                    validation.write(part.kept.filter(held_out))
                    rejections = rejected_batch(part.rejected)
                    dropped.write(rejections)
                    facts.count_rejected(rejections)
            facts.kept[kind] = {"train": train.rows, "validation": validation.rows}
            if whole is not None and facts.rows(kind):
                facts.quotas += [(kind, cell) for cell in whole.cells]
    if not any(splits["train"] for splits in facts.kept.values()):
        _all_to_train(export_work, facts)


def _all_to_train(export_work: Path, facts: CardFacts) -> None:
    for path in export_work.glob("*/validation-*"):
        path.rename(path.with_name(path.name.replace("validation", "train", 1)))
    for kind, splits in facts.kept.items():
        facts.kept[kind] = {"train": splits["validation"], "validation": 0}


def _settle(facts: CardFacts, planned: Mapping[str, int]) -> None:
    """Fill in what is left of the plan; more rows than planned is a mistake in this program."""
    for kind in KINDS:
        facts.planned[kind] = planned.get(kind, 0)
        arrived = sum(facts.kept[kind].values()) + sum(facts.rejected[kind].values()) + facts.failed[kind]
        facts.pending[kind] = facts.planned[kind] - arrived
        if facts.pending[kind] < 0:
            raise AssertionError(f"{kind}: {arrived} rows arrived, only {facts.planned[kind]} were planned")


def _manifest(work: Path, spec: Spec, facts: CardFacts) -> dict[str, Any]:
    files = list(_described(work))
    on_disk: Counter[tuple[str, str]] = Counter()
    for file in files:
        if file["rows"] is not None:
            kind, name = file["path"].split("/")
            on_disk[kind, name.split("-")[0]] += file["rows"]
    for kind in KINDS:
        for split, rows in facts.kept[kind].items():
            if on_disk[kind, split] != rows:
                raise ClinsynthError(
                    f"{work}: {kind} {split}: {on_disk[kind, split]} of {rows} rows came back from disk"
                )
    counts = {
        kind: {
            "planned": facts.planned[kind],
            "kept": facts.kept[kind],
            "rejected": facts.rejected[kind],
            "failed": facts.failed[kind],
            "pending": facts.pending[kind],
        }
        for kind in KINDS
    }
    quotas = [{"kind": kind, **asdict(cell)} for kind, cell in facts.quotas]
    return {
        "name": spec.name,
        "fingerprint": facts.fingerprint,
        "counts": counts,
        "quotas": quotas,
        "agreement": agreements(facts),
        "personas": coverage(facts),
        "pair_lengths": pair_lengths(facts),
        "files": files,
    }


def _described(work: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(work.rglob("*")):
        if path.is_file():
            rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
            name = path.relative_to(work).as_posix()
            yield {"path": name, "rows": rows, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
