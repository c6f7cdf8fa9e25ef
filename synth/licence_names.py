"""Is a text the name of a licence that is known here, and if not, which one was meant?

The names are those of :mod:`synth.publishing.licences`. One that is not among them is written ``other``, or for the
passages of a source ``other: its name``; nothing is said about these, but :mod:`synth.publish` publishes neither. What
a licence allows is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from synth.publishing.licences import PUBLIC_DOMAIN, TERMS, identifier

OTHER = "other"
_ELSEWHERE = frozenset(
    ("afl-3.0", "artistic-2.0", "bsd-3-clause-clear", "bsl-1.0", "cc", "ecl-2.0", "epl-1.0", "epl-2.0", "eupl-1.1",
     "eupl-1.2", "gpl", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "lppl-1.3c", "mpl-2.0", "ms-pl", "ncsa", "ofl-1.1",
     "osl-3.0", "postgresql")
)  # fmt: skip
"""Further names of the Hub, of licences that are no mistake, though their terms are not known here."""
_NO_NAME = frozenset(("", "unknown", "none", OTHER, PUBLIC_DOMAIN))


def is_licence(name: str) -> bool:
    """Whether a licence of this name is known, in whatever case."""
    return identifier(name) in TERMS


def nearest_licence(name: str) -> str:
    """The known licence that was meant by a name that is none of the Hub's, in whatever case; empty without one."""
    if is_licence(name) or identifier(name) in _ELSEWHERE:
        return ""
    return next(iter(get_close_matches(identifier(name), TERMS, n=1, cutoff=0.9)), "")


def unknown_licences(counts: Mapping[str, int]) -> Iterator[str]:
    """A line for each licence of seeds whose name is not known, with the one that was meant where it can be told."""
    for name, count in counts.items():
        known = identifier(name) in _NO_NAME or is_licence(name) or identifier(name).startswith(f"{OTHER}:")
        if known:
            continue
        near = nearest_licence(name)
        mend = f"did you mean {near}? Else write" if near else "write"
        mend += f" `{OTHER}: {name[:80]}`, whose rows synth.publish does not publish"
        yield f"{count:,} seed{'' if count == 1 else 's'} under {name[:80]!r}, a licence not known here: {mend}"
