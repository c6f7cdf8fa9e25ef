"""Which rows each stage of a curriculum trains on: its own by department, and earlier ones again against forgetting.

A department is named by its path: ``Internal Medicine`` (all below it) or ``Internal Medicine/Endocrinology``. Paths
are checked against the rows at hand, so a taxonomy of one's own needs no declaration here.

What is drawn at random hangs on the seed, the stage's name and the row's id alone: not on the order of the files, and
not on which other rows there are, so that a data set that grows keeps most of its choice.

This module reads no file and trains nothing.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from synth.errors import UserError

ALL = "all"


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a row before it is tokenised."""

    id: str
    department: str
    subdepartment: str

    @property
    def path(self) -> str:
        """Department and subdepartment as one path."""
        return f"{self.department}/{self.subdepartment}"

    def under(self, path: str) -> bool:
        """Whether the row belongs to ``path`` or to something below it."""
        return path in (self.department, self.path)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stage asks for; see the keys of the same name in :class:`training.curriculum.Stage`."""

    name: str
    departments: Sequence[str] = (ALL,)
    rows: int | None = None
    replay: float = 0.0


@dataclass(frozen=True, slots=True)
class StageRows:
    """Positions of the rows that a stage trains on, in the order of the data set."""

    name: str
    own: tuple[int, ...]
    replayed: tuple[int, ...]
    missing: int
    """Rows that ``replay`` asks for beyond what earlier stages had to give."""

    def __str__(self) -> str:
        short = f", {self.missing:,} more asked for than there are" if self.missing else ""
        return f"{self.name}: {len(self.own):,} rows, {len(self.replayed):,} replayed{short}"

    @property
    def both(self) -> list[int]:
        """Own and replayed rows together."""
        return sorted((*self.own, *self.replayed))


def plan_stages(wanted: Sequence[Wanted], places: Sequence[Place], seed: int) -> list[StageRows]:
    """Choose the rows of every stage.

    ``replay`` is the share of a stage's rows that come from earlier stages: with 0.2 and 800 rows of its own, a stage
    replays 200, drawn from what the stages before it trained on and it does not itself.

    Raises:
        UserError: a path that no row has, or a first stage that replays.
    """
    planned: list[StageRows] = []
    earlier: set[int] = set()
    for at, stage in enumerate(wanted):
        if stage.replay and not at:
            raise UserError(f"{stage.name}: replay: there is no stage before the first: set it to 0")
        own = _own_rows(stage, places)
        if stage.rows is not None:
            own = _draw(own, stage.rows, places, f"{seed}/{stage.name}/own")
        share = round(len(own) * stage.replay / (1 - stage.replay))
        pool = sorted(earlier - set(own))
        replayed = _draw(pool, share, places, f"{seed}/{stage.name}/replay")
        planned.append(StageRows(stage.name, tuple(own), tuple(replayed), share - len(replayed)))
        earlier.update(own)
    return planned


def _own_rows(stage: Wanted, places: Sequence[Place]) -> list[int]:
    if ALL in stage.departments:
        return list(range(len(places)))
    for path in stage.departments:
        if not any(place.under(path) for place in places):
            raise UserError(f"{stage.name}: departments: {_unknown(path, places)}")
    return [row for row, place in enumerate(places) if any(place.under(path) for path in stage.departments)]


def _unknown(path: str, places: Sequence[Place]) -> str:
    counts = count_paths(places)
    # People write a subdepartment without the department above it, or with a letter amiss.
    by_name = {name.lower(): full for full in counts for name in (full, full.rsplit("/", 1)[-1])}
    close = difflib.get_close_matches(path.lower(), by_name, n=1, cutoff=0.6)
    if close:
        return f"no row is of {path!r}; did you mean {by_name[close[0]]!r}?"
    known = ", ".join(name for name in counts if "/" not in name)
    return f"no row is of {path!r}; the rows have {known or 'no department at all'}, and paths below these"


def count_paths(places: Sequence[Place]) -> dict[str, int]:
    """Rows of each department and of each path below it, in alphabetical order."""
    counts = Counter(place.department for place in places) + Counter(place.path for place in places)
    return dict(sorted(counts.items()))


def _draw(rows: Sequence[int], count: int, places: Sequence[Place], salt: str) -> list[int]:
    """``count`` of ``rows``, or all of them, in their order."""

    def lot(row: int) -> bytes:
        return hashlib.sha256(f"{salt}/{places[row].id}".encode()).digest()

    return sorted(sorted(rows, key=lot)[:count])
