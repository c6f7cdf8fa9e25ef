"""What is said of a source that gives no run: repeated ids, no usable seed, a licence field that is not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from synth.errors import UserError
from synth.licence_names import is_licence, nearest_licence
from synth.seed_files import missing_field, unit
from synth.seed_lines import damage_hint
from synth.spec import SeedsSpec

if TYPE_CHECKING:
    from synth.seeds import BadSeed


def seed_unit(spec: SeedsSpec) -> str:
    """What a place in the source counts: lines or rows of a file, or records."""
    return unit(spec.source) if spec.kind == "passages" else "record"


def repeated_ids(spec: SeedsSpec, repeated: dict[str, list[int]]) -> UserError:
    """Return the error for ids that stand more than once; ``repeated`` has their lines."""
    shown = ", ".join(
        f"`{seed_id[:80]}` ({seed_unit(spec)}s {', '.join(map(str, lines))})" for seed_id, lines in repeated.items()
    )
    if spec.kind != "passages":  # those that are equal in the file are numbered when they are read
        return UserError(
            f"seeds.source: ids of {spec.source} become equal when what cannot be stored is left out: {shown}; give"
            " each record an id of its own, or none: it then comes from what the record holds"
        )
    return UserError(
        f"seeds.id: ids stand more than once in {spec.source}: {shown}; make them unique, or set `id: null` to derive"
        " ids from the texts"
    )


def no_licence_field(spec: SeedsSpec) -> UserError:
    """Return the error for a licence field that no row has; the likeliest mistake is a licence in its place."""
    assert spec.license is not None
    mend = "name the field that holds the licence of each row, or leave seeds.license out"
    if name := spec.license if is_licence(spec.license) else nearest_licence(spec.license):
        mend = f"it names a field: write `license: {name}` into the rows (that of what you make stands above `seeds:`)"
    return UserError(f"seeds.license: no row of {spec.source} has a field `{spec.license}`; {mend}")


def no_seed(spec: SeedsSpec, bad: list[BadSeed], reasons: Counter[str], fields: dict[str, None]) -> UserError:
    """Return the error for a source without a usable seed, as near to the cause as can be told."""
    if not reasons:
        return UserError(f"seeds.source: no usable seed in {spec.source}: it holds no rows")
    for key, field in (("text", spec.text), ("id", spec.id)):
        if fields and field is not None and field not in fields:
            return missing_field(key, field, list(fields), spec.source)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    first = "; ".join(f"{seed_unit(spec)} {one.line}: {one.reason}: {one.detail}" for one in bad[:3])
    hint = damage_hint(Path(spec.source)) if seed_unit(spec) == "line" else ""
    return UserError(
        f"seeds.source: no usable seed in {spec.source}: all rows refused ({counts}); {first}{hint and '; ' + hint}"
    )
