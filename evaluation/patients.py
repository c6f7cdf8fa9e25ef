"""Which stored cases can be played, and which patients stand in for each other to test a judge.

A case that gives no card, or a card that gives its diagnosis away or contradicts itself, is left out and counted by
reason, by the same rules as in the recipe. Of MEDIQ that is most: only questions that ask for the diagnosis name one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filters.readers import BenchmarkError, Case, read_cases
from filters.terms import same_diagnosis
from synth.errors import UserError
from synth.recipes.case_problems import problem_of
from synth.recipes.case_records import Unusable, card_of
from synth.recipes.forms import RecordedCase


@dataclass(frozen=True, slots=True)
class Patient:
    """A case that can be played."""

    case: Case
    card: RecordedCase


@dataclass(frozen=True, slots=True)
class Patients:
    """What the files hold."""

    playable: list[Patient]
    read: int
    unusable: Counter[str]
    """Cases that cannot be played, by reason."""


def read_patients(files: Iterable[Path], limit: int | None = None) -> Patients:
    """The first ``limit`` cases of the files that give a consistent card, and why others give none.

    Raises:
        UserError: a file is no benchmark of cases, or nothing in them can be played.
    """
    playable: list[Patient] = []
    unusable: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    paths = list(files)
    try:
        for case in (case for path in paths for case in read_cases(path)):
            if limit is not None and len(playable) >= limit:
                break
            taken[case.id] += 1
            card = card_of(case)
            why = card.reason if isinstance(card, Unusable) else next(iter(problem_of(card) or ()), None)
            if why is not None or isinstance(card, Unusable):
                unusable[why or "unusable"] += 1
                continue
            name = case.id if taken[case.id] == 1 else f"{case.id}#{taken[case.id]}"  # the same id in another file
            playable.append(Patient(replace(case, id=name), card))
    except BenchmarkError as error:
        raise UserError(str(error)) from None
    if not playable:
        counts = ", ".join(f"{count} {why}" for why, count in unusable.most_common())
        raise UserError(f"{', '.join(map(str, paths))}: no case can be played ({counts}): name another file")
    return Patients(playable, len(playable) + sum(unusable.values()), unusable)


def controls(patients: Sequence[Patient]) -> list[tuple[Patient, str]]:
    """Each patient with the diagnosis of the next one whose diagnosis has another name; those without one left out."""
    found = []
    for at, one in enumerate(patients):
        following = (other.card.diagnosis for other in (*patients[at + 1 :], *patients[:at]))
        other = next((name for name in following if not same_diagnosis(name, one.card.diagnosis)), None)
        if other is not None:
            found.append((one, other))
    return found
