"""Rows that were dropped for being like a kept one: how many, around which rows, and word by word for a few."""

from __future__ import annotations

from collections import defaultdict

from synth.reporting.losses import Dropped, Losses
from synth.reporting.pieces import word_diff
from synth.reporting.read import Row, RunFolder, fetch_kept, fetch_rejected
from synth.reporting.shape import Cluster, Duplicates, Twin
from synth.rows import TEXT_COLUMNS, dedup_text

_CLUSTERS = 10
_TWINS = 3


def duplicates(run: RunFolder, losses: Losses, kept: int) -> Duplicates:
    """Clusters of twins; ``kept`` is the number of kept rows."""
    around: dict[tuple[str, str], list[Dropped]] = defaultdict(list)
    for twin in losses.twins:
        around[twin.kind, twin.of].append(twin)
    largest = sorted(around.items(), key=lambda item: (-len(item[1]), item[0]))[:_CLUSTERS]
    rows = fetch_kept(run, [of for (_, of), _ in largest])
    gone = fetch_rejected(run, [twin.id for _, twins in largest for twin in twins[:_TWINS]])
    came = kept + losses.curated
    return Duplicates(
        dropped=len(losses.twins),
        share=len(losses.twins) / came if came else None,
        questions=losses.of("near_duplicate_question"),
        clusters=len(around),
        largest=[
            Cluster(
                kind=kind,
                of=of,
                size=len(twins) + 1,
                twins=[_twin(one, rows.get((kind, of)), gone.get(one.id)) for one in twins[:_TWINS]],
            )
            for (kind, of), twins in largest
        ],
    )


def _twin(dropped: Dropped, kept: Row | None, gone: Row | None) -> Twin:
    """The pair with its difference; without one where either text is not at hand."""
    payload = gone["payload"] if gone else {}
    whole = kept is not None and all(column in payload for column in TEXT_COLUMNS[dropped.kind])
    diff = word_diff(dedup_text(dropped.kind, kept), dedup_text(dropped.kind, payload)) if whole and kept else []
    return Twin(id=dropped.id, of=dropped.of, detail=dropped.detail, diff=diff)
