"""Near-duplicates of many blocks of rows, with the steps of :mod:`synth.ray_dedup_steps` as Ray tasks.

The outcome is that of :func:`filters.duplicates.dedup` over the same rows, whatever the number of nodes. The driver
holds 17 bytes a row, and 16 for each bucket that a row shares. Texts stay on the nodes: each is read twice, and one
with a candidate passes once to the node that decides. A component of buckets is decided by one task, which holds its
texts. Lost tasks are done again by Ray.

What it does not do: write anything (:mod:`synth.ray_curation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.dedup_index import Making
from filters.word_hashes import Places
from synth.ray_dedup_steps import (
    Block,
    Columns,
    Shared,
    Summary,
    chosen_texts,
    decided,
    digests,
    shared,
    sketched,
)

PARTS_A_CORE = 2
"""Parts of the keys, and tasks that decide, for each core."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The rows that go, rising, and why; arrays have one place a row that goes."""

    rows: Places
    of: Places
    """-1 where a row has no text."""
    similarity: NDArray[np.float64]
    copies: NDArray[np.bool_]
    """Whether it is an exact copy of a kept row."""
    cluster: Places
    """The family, numbered in the order of their first rows; -1 where a row has no text."""
    kept: int

    def table(self, names: Sequence[str | None] | None = None) -> pa.Table:
        """The columns that are added to dropped rows."""
        none = self.of < 0
        reasons = np.where(none, "no_text", np.where(self.copies, "exact_duplicate", "near_duplicate"))
        of = [str(row) for row in self.of.tolist()] if names is None else list(names)
        return pa.table(
            {
                "row": self.rows,
                "reason": pa.array(reasons.tolist(), pa.string()),
                "duplicate_of": pa.array(of, pa.string(), mask=none),
                "similarity": pa.array(self.similarity, pa.float64(), mask=none),
                "cluster": pa.array(self.cluster, pa.int64(), mask=none),
            }
        )


def ray_dedup(
    ray: Any, blocks: Sequence[Block], columns: Columns, making: Making, *, connected: bool = False
) -> Dropped:
    """Find the near-duplicates among the rows of all blocks; ``ray`` is connected to a cluster.

    Raises:
        ray.exceptions.RayTaskError: a node cannot read a block.
    """
    parts = PARTS_A_CORE * max(int(ray.cluster_resources().get("CPU", 1)), 1)
    sketching = ray.remote(sketched).options(num_returns=parts + 1)
    made = [sketching.remote(block, columns, making, parts) for block in blocks]
    sharing = ray.remote(shared)
    buckets = [sharing.remote(n, parts, *(one[n + 1] for one in made)) for n in range(parts)]
    summaries: list[Summary] = ray.get([one[0] for one in made])
    found: list[Shared] = ray.get(buckets)
    del made, buckets
    order = _order(summaries)
    copies = _copies(ray, blocks, columns.text, np.concatenate([one.sums for one in summaries]), order)
    twins = _decide(ray, blocks, columns.text, making, connected, _active(found, copies, order))
    nulls = np.flatnonzero(~np.concatenate([one.valid for one in summaries]))
    return _together(twins, copies, nulls, sum(block.rows for block in blocks))


def _order(summaries: Sequence[Summary]) -> Places:
    """The rows that have a text, the best first."""
    rows = np.flatnonzero(np.concatenate([one.valid for one in summaries]))
    if any(one.scores is None for one in summaries):
        return rows
    scores = np.concatenate([one.scores for one in summaries if one.scores is not None])[rows]
    return rows[np.argsort(np.where(np.isnan(scores), np.inf, -scores), kind="stable")]


def _copies(ray: Any, blocks: Sequence[Block], column: str, sums: Any, order: Places) -> dict[int, int]:
    """Each row that repeats a better one, and that one; only texts of equal words are read again."""
    by_sum = np.argsort(sums[order], kind="stable")
    ordered = sums[order][by_sum]
    equal = ordered[1:] == ordered[:-1]
    suspects = by_sum[np.append(equal, False) | np.append(False, equal)] if len(order) else by_sum
    rows = np.sort(order[suspects])
    asked = [(own, block) for block in blocks if len(own := inside(rows, block))]
    answers = ray.get([ray.remote(digests).remote(block, column, own) for own, block in asked])
    digest = {
        row: one for (own, _), ones in zip(asked, answers, strict=True) for row, one in zip(own, ones, strict=True)
    }
    first: dict[bytes, int] = {}
    firsts = ((row, first.setdefault(digest[row], row)) for row in order[np.sort(suspects)].tolist())
    return {row: of for row, of in firsts if of != row}


def inside(rows: Places, block: Block) -> Places:
    """Those of ``rows``, rising, that are in the block."""
    return rows[np.searchsorted(rows, block.first) : np.searchsorted(rows, block.first + block.rows)]


def _active(found: Sequence[Shared], copies: dict[int, int], order: Places) -> tuple[Shared, Places]:
    """The buckets without exact copies, and of all rows their rank."""
    rows = np.concatenate([one[0] for one in found])
    numbers = np.concatenate([one[1] for one in found])
    rank = np.full(int(order.max(initial=-1)) + 1, -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    stays = ~np.isin(rows, np.fromiter(copies, dtype=np.int64, count=len(copies)))
    return (rows[stays], numbers[stays]), rank


def _decide(
    ray: Any, blocks: Sequence[Block], column: str, making: Making, connected: bool, active: tuple[Shared, Places]
) -> tuple[Places, Places, NDArray[np.float64]]:
    """Share the components out and let each be decided."""
    (rows, numbers), rank = active
    if not len(rows):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(0)
    members, component = _components(rows, numbers)
    count = PARTS_A_CORE * max(int(ray.cluster_resources().get("CPU", 1)), 1)
    tasks = _shared_out(component, count)
    fetching = ray.remote(chosen_texts).options(num_returns=count)
    fetched = []
    for block in blocks:
        low, high = np.searchsorted(members, [block.first, block.first + block.rows])
        if high > low:
            found = fetching.remote(block, column, members[low:high], tasks[low:high], count)
            fetched.append(found if count > 1 else [found])
    task_of_bucket = tasks[np.searchsorted(members, rows)]
    deciding, open_tasks = ray.remote(decided), []
    for task in range(count):
        own = members[tasks == task]
        if len(own):
            own = own[np.argsort(rank[own])]
            theirs = task_of_bucket == task
            buckets = (rows[theirs], numbers[theirs])
            open_tasks.append(deciding.remote(making, connected, own, buckets, *(one[task] for one in fetched)))
    gone, of, how = zip(*ray.get(open_tasks), strict=True)
    return np.concatenate(gone), np.concatenate(of), np.concatenate(how)


def _components(rows: Places, numbers: Places) -> tuple[Places, Places]:
    """All rows in buckets, rising, and for each the number of the connected component of its buckets."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    members, place = np.unique(rows, return_inverse=True)
    _, bucket = np.unique(numbers, return_inverse=True)
    size = len(members) + int(bucket.max()) + 1
    links = coo_array((np.ones(len(rows), dtype=np.int8), (place, bucket + len(members))), shape=(size, size))
    _, labels = connected_components(links, directed=False)
    return members, labels[: len(members)]


def _shared_out(component: Places, count: int) -> Places:
    """For each row the task that decides its component: tasks are about equally large, as far as components allow."""
    _, label, sizes = np.unique(component, return_inverse=True, return_counts=True)
    largest_first = np.argsort(-sizes, kind="stable")
    ends = np.cumsum(sizes[largest_first])
    task = np.zeros(len(sizes), dtype=np.int64)
    task[largest_first] = np.minimum((ends - 1) * count // max(int(ends[-1]), 1), count - 1)
    return task[label]


def _together(
    twins: tuple[Places, Places, NDArray[np.float64]], copies: dict[int, int], nulls: Places, total: int
) -> Dropped:
    """All rows that go; exact copies share the fate of the row they repeat."""
    head = dict(zip(twins[0].tolist(), zip(twins[1].tolist(), twins[2].tolist(), strict=True), strict=True))
    near = set(head)
    alike = {row: best not in near for row, best in copies.items()}
    head |= {row: head.get(best, (best, 1.0)) for row, best in copies.items()}
    rows = np.array(sorted([*head, *nulls.tolist()]), dtype=np.int64)
    family = {row: of for row, (of, _) in head.items()} | {of: of for of, _ in head.values()}
    numbers: dict[int, int] = {}
    for row in sorted(family):
        numbers.setdefault(family[row], len(numbers))
    ends = [head.get(row, (-1, 0.0)) for row in rows.tolist()]
    return Dropped(
        rows,
        np.array([of for of, _ in ends], dtype=np.int64),
        np.array([how for _, how in ends], dtype=np.float64),
        np.array([alike.get(row, False) for row in rows.tolist()], dtype=bool),
        np.array([numbers.get(of, -1) for of, _ in ends], dtype=np.int64),
        total - len(rows),
    )
