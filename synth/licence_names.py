"""Is a text the name of a licence that is known here, and if not, which one was meant?

The names are those of :mod:`synth.publishing.licences`. One that is not among them is written ``other``, or for the
passages of a source ``other: its name``; nothing is said about these. What a licence allows is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from synth.publishing.licences import PUBLIC_DOMAIN, TERMS, identifier

OTHER = "other"
_NO_NAME = frozenset(("", "unknown", "none", OTHER, PUBLIC_DOMAIN))


def is_licence(name: str) -> bool:
    """Whether a licence of this name is known, in whatever case."""
    return identifier(name) in TERMS


def nearest_licence(name: str) -> str:
    """The known licence that is written nearly so; empty when there is none."""
    return next(iter(get_close_matches(identifier(name), TERMS, n=1, cutoff=0.75)), "")


def unknown_licences(counts: Mapping[str, int]) -> Iterator[str]:
    """A line for each licence of seeds whose name is not known, with the one that was meant where it can be told."""
    for name, count in counts.items():
        known = identifier(name) in _NO_NAME or is_licence(name) or identifier(name).startswith(f"{OTHER}:")
        if known:
            continue
        near = nearest_licence(name)
        mend = f"did you mean {near}? Else write" if near else "write"
        seeds_of = f"{count:,} seed{'' if count == 1 else 's'} under {name[:80]!r}"
        yield f"{seeds_of}, a licence not known here: {mend} `{OTHER}: {name[:80]}`"
