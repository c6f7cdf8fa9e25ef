"""Licences by their Hub identifiers: what each asks of those who build on a text, and which go together.

The terms are those of the licences' own deeds: Creative Commons for ``cc-…``, Open Data Commons for ``odc-by``,
``odbl`` and ``pddl``, the Linux Foundation for ``cdla-…``, the FSF for ``gfdl``, the OSI for the rest. Rows that
language models wrote from a passage are taken for adaptations of it, the careful reading.

Only licences that texts and data come under are listed. This is no legal advice, and it knows no agreement that a
publisher may have made with an author.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence asks: name the source; pass on under the same licence; no business; no adaptations."""

    attribution: bool = True
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False


def _creative_commons() -> dict[str, Terms]:
    found = {}
    for parts in ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd"):
        named = parts.split("-")
        for version in ("2.0", "2.5", "3.0", "4.0"):
            found[f"cc-{parts}-{version}"] = Terms(
                share_alike="sa" in named, non_commercial="nc" in named, no_derivatives="nd" in named
            )
    return found


_FREE, _CREDIT, _SAME = Terms(attribution=False), Terms(), Terms(share_alike=True)
TERMS: dict[str, Terms] = {
    **_creative_commons(),
    **dict.fromkeys(("cc0-1.0", "pddl", "unlicense", "wtfpl"), _FREE),
    **dict.fromkeys(("odc-by", "cdla-permissive-1.0", "cdla-permissive-2.0", "etalab-2.0", "c-uda"), _CREDIT),
    **dict.fromkeys(("mit", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "zlib"), _CREDIT),
    **dict.fromkeys(("odbl", "gfdl", "cdla-sharing-1.0", "gpl-2.0", "gpl-3.0", "agpl-3.0"), _SAME),
}
"""By identifier. ``other`` and ``unknown`` name no licence."""

PUBLIC_DOMAIN = "public-domain"
"""Said of seeds (works of the United States government, old books); no licence to put a data set under."""


def identifier(text: str) -> str:
    """Return a licence's name in the Hub's spelling: lower case, dashes for blanks (``CC BY 4.0`` → ``cc-by-4.0``)."""
    return re.sub(r"[\s_]+", "-", text.strip().casefold())


def licence_problems(licence: str | None, seeds: Mapping[str, int]) -> list[str]:
    """Say what forbids to publish rows under ``licence``, a sentence each; nothing when all is well.

    Args:
        licence: the data set's, as the spec has it.
        seeds: rows by the licence of the passage they were made from; empty or ``unknown`` where it is not known.
    """
    if not licence or not licence.strip():
        return ["license: the data set has none, so nobody may use it; name one in the spec, for example cc-by-4.0"]
    licence = identifier(licence)
    if licence not in TERMS:
        return [f"license: {licence!r} is not a licence the Hub knows for texts and data; {_hint(licence)}"]
    found = []
    for name, rows in sorted(seeds.items()):
        if problem := _problem(licence, name):
            found.append(f"seeds: {rows:,} row{'' if rows == 1 else 's'} from passages {problem}")
    return found


def _problem(licence: str, seed: str) -> str:
    name, ours = identifier(seed), TERMS[licence]
    if name.startswith("other:"):
        return f"under {seed!r}, whose terms are not known here: leave those passages out"
    if name in ("", "unknown", "other", "none"):
        return "without a named licence: add it to the seed file (the spec's seeds.license says in which field)"
    if name == PUBLIC_DOMAIN:
        return ""
    theirs = TERMS.get(name)
    if theirs is None:
        return f"under {seed!r}, which is not a licence known here; {_hint(name)}"
    if theirs.no_derivatives:
        return f"under {name}, which allows no adaptations: leave those passages out"
    if theirs.share_alike and not _continues(name, licence):
        return f"under {name}, which may be passed on under the same licence alone, not {licence}: {_mend(name)}"
    if theirs.non_commercial and not ours.non_commercial:
        return f"under {name}, which forbids commercial use, and {licence} allows it: {_mend(name)}"
    if theirs.attribution and not ours.attribution:
        return f"under {name}, which asks to name the source, and {licence} does not: choose cc-by-4.0 or another"
    return ""


def _continues(seed: str, licence: str) -> bool:
    """Whether ``licence`` is ``seed`` or a later version of it, which Creative Commons' share-alike licences allow."""
    if seed == licence:
        return True
    family, _, version = seed.rpartition("-")
    ours, _, later = licence.rpartition("-")
    return seed.startswith("cc-") and family == ours and float(later) >= float(version)


def _mend(name: str) -> str:
    return f"set license: {name}, or leave those passages out"


def _hint(name: str) -> str:
    near = get_close_matches(identifier(name), TERMS, n=1)
    return f"did you mean {near[0]}?" if near else "for example cc-by-4.0, cc0-1.0, cc-by-sa-4.0, mit"
