"""What speaks against publishing an export: refusals that nothing lifts, and warnings that are allowed by name.

A warning is a question to the publisher: it goes away when the data are mended, or when ``--allow`` names it, which
says that somebody has looked. Shares are of the kept rows of one kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.marks import Marks, marks_of
from synth.publishing.licences import licence_problems
from synth.publishing.package import Package
from synth.spec import Spec

MOST_UNSCORED = 0.1
"""Share of rows without a judge's score above which ``unscored`` warns."""
MOST_UNSAFE = 0.02
"""Share of rows with one of :data:`UNSAFE` above which ``safety`` warns."""
UNSAFE = ("dose_implausible", "unknown_drug", "contraindicated", "red_flag_not_escalated")
"""Flags for what could harm a patient."""
PEOPLE = ("phi", "identifying_details")
"""Flags for what may identify a person."""

WARNINGS = {
    "failed": "more rows failed than the spec's max_failed",
    "unscored": f"more than {MOST_UNSCORED:.0%} of the rows of a kind have no judge's score",
    "safety": f"more than {MOST_UNSAFE:.0%} of the rows of a kind carry a flag of safety: {', '.join(UNSAFE)}",
    "phi": "rows hold what may identify a person",
    "unscreened": "the rows were not screened for what may identify a person",
    "contamination": "rows held benchmark items and were dropped: paraphrases of these may be left",
    "not_decontaminated": "the rows were compared with no benchmark",
    "reviewers": "rows that a reviewer rejected are still there: run synth.generate again",
}
"""Names for ``--allow``, and when each comes."""


@dataclass(slots=True)
class RowFacts:
    """Counts over the rows that would go."""

    rows: Counter[str] = field(default_factory=Counter)
    """By kind."""
    licences: Counter[str] = field(default_factory=Counter)
    """Rows by the licence of their passage; the empty text where there is none."""
    flags: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Rows by kind and flag."""
    unsafe: Counter[str] = field(default_factory=Counter)
    """Rows by kind that carry at least one of :data:`UNSAFE`."""
    disliked: int = 0
    """Rows that a reviewer rejected."""


def read_rows(package: Package, run: Path) -> RowFacts:
    """Count over every Parquet file of the package, batch by batch; ``run`` holds the reviewers' marks."""
    import pyarrow.parquet as pq

    facts, marks = RowFacts(), marks_of(run)
    for path in package.files:
        if path.endswith(".parquet"):
            kind = path.partition("/")[0]
            with pq.ParquetFile(package.folder / path) as file:
                for batch in file.iter_batches(batch_size=1024, columns=["id", "source_license", "flags"]):
                    _count(facts, kind, batch, marks)
    return facts


def _count(facts: RowFacts, kind: str, batch: Any, marks: Marks) -> None:
    columns = (batch.column(name).to_pylist() for name in ("id", "source_license", "flags"))
    for row_id, licence, flags in zip(*columns, strict=True):
        own = {*(flags or ())}
        facts.rows[kind] += 1
        facts.licences[licence or ""] += 1
        facts.flags[kind].update(own)
        facts.unsafe[kind] += bool(own & {*UNSAFE})
        facts.disliked += row_id in marks and marks[row_id].mark == "reject"


def refusals(spec: Spec, facts: RowFacts) -> list[str]:
    """Say what nothing lifts: no rows, no licence, licences that do not go together."""
    if not facts.rows.total():
        return ["no row was kept: there is nothing to publish"]
    return licence_problems(spec.license, facts.licences)


def warnings(spec: Spec, manifest: Mapping[str, Any], rejected: Counter[str], facts: RowFacts) -> dict[str, str]:
    """Return the warnings that the data call for: name to a sentence with figures.

    ``rejected`` counts dropped rows by reason.
    """
    return dict(_warnings(spec, manifest, rejected, facts))


def _warnings(
    spec: Spec, manifest: Mapping[str, Any], rejected: Counter[str], facts: RowFacts
) -> Iterator[tuple[str, str]]:
    counts = manifest["counts"].values()
    failed, planned = (sum(one[name] for one in counts) for name in ("failed", "planned"))
    if planned and failed / planned > spec.max_failed:
        yield "failed", f"{failed:,} of {planned:,} planned rows failed (max_failed is {spec.max_failed:.0%})"
    unscored = Counter({kind: flags["unscored"] for kind, flags in facts.flags.items()})
    if told := _over(unscored, facts.rows, MOST_UNSCORED):
        yield "unscored", f"no judge's score for {told}"
    if told := _over(facts.unsafe, facts.rows, MOST_UNSAFE):
        yield "safety", f"flags of safety on {told}"
    people = sum(flags[name] for flags in facts.flags.values() for name in PEOPLE)
    if people:
        yield "phi", f"{people:,} flags for what may identify a person"
    if spec.filters.phi is None:
        yield "unscreened", WARNINGS["unscreened"]
    if spec.filters.decontaminate is None:
        yield "not_decontaminated", WARNINGS["not_decontaminated"]
    if rejected["contaminated"]:
        yield "contamination", f"{rejected['contaminated']:,} rows held benchmark items; paraphrases may be left"
    if facts.disliked:
        yield "reviewers", f"{facts.disliked:,} rows that a reviewer rejected; run synth.generate again"


def _over(marked: Mapping[str, int], rows: Mapping[str, int], most: float) -> str:
    over = [kind for kind in rows if rows[kind] and marked.get(kind, 0) / rows[kind] > most]
    return ", ".join(f"{marked[kind]:,} of {rows[kind]:,} {kind} rows" for kind in over)


def dropped(manifest: Mapping[str, Any]) -> Counter[str]:
    """Count dropped rows by reason, all kinds together."""
    found: Counter[str] = Counter()
    for one in manifest["counts"].values():
        found.update(one["rejected"])
    return found
