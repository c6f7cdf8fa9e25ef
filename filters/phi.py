"""A screen for protected health information: names, dates, ages over 89, contact data, record numbers, addresses.

Rules only, no model. Each kind has a module that says what it covers: :mod:`filters.phi_names`,
:mod:`filters.phi_dates`, :mod:`filters.phi_numbers`, :mod:`filters.phi_addresses`. Drug names, ICD codes, eponyms,
doses, lab values, intervals and citations are not meant to fire. It is a screen, not a de-identification: it misses
names without context, places, employers and rare diseases, and who needs the guarantee of HIPAA or GDPR needs a person
or a certified tool. An entity recogniser of the user's may add spans through ``more``.

In made-up dialogues names are made up as well; ``kinds`` narrows what counts. What becomes of a row is for the caller
to say (:mod:`synth.screens` flags, drops or masks).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from filters.phi_addresses import addresses
from filters.phi_dates import ages, dates
from filters.phi_names import names
from filters.phi_numbers import emails, ids, phones, urls

KINDS = ("email", "url", "id", "phone", "date", "address", "name", "age")
"""Kinds of spans. Where two overlap they become one, of the kind that stands first here."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of a text, ``text[start:end]``, and what it may tell."""

    start: int
    end: int
    kind: str


Finder = Callable[[str], Iterable[Span]]
"""Says where a text tells more than it should, for instance an entity recogniser with its labels translated."""


def find(text: str, kinds: Collection[str] = KINDS, more: Finder | None = None) -> list[Span]:
    """What a text tells about a person, sorted, without overlaps.

    Args:
        text: any string, lone surrogates included.
        kinds: which of :data:`KINDS` to look for.
        more: another finder; spans outside of the text and of other kinds are left out.

    Raises:
        ValueError: a kind is unknown.
    """
    _check(kinds)
    found = [Span(start, end, kind) for kind, places in _RULES.items() if kind in kinds for start, end in places(text)]
    if more is not None:
        found += [span for span in more(text) if span.kind in kinds and 0 <= span.start < span.end <= len(text)]
    return list(_apart(found))


def mask(text: str, spans: Iterable[Span]) -> str:
    """The text with ``[NAME]``, ``[DATE]``, ... in the place of each span; what lies outside of spans is unchanged.

    Spans must be sorted and must not overlap, as :func:`find` returns them.
    """
    pieces, last = [], 0
    for span in spans:
        pieces += [text[last : span.start], f"[{span.kind.upper()}]"]
        last = span.end
    return "".join([*pieces, text[last:]])


_RULES: dict[str, Callable[[str], Iterable[tuple[int, int]]]] = {
    "email": emails,
    "url": urls,
    "id": ids,
    "phone": phones,
    "date": dates,
    "address": addresses,
    "name": names,
    "age": ages,
}


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    """Merge spans that overlap, so that nothing found is left unmasked."""
    open_span: Span | None = None
    for span in sorted(spans):
        if open_span is None or span.start >= open_span.end:
            if open_span is not None:
                yield open_span
            open_span = span
        else:
            kind = min(open_span.kind, span.kind, key=KINDS.index)
            open_span = Span(open_span.start, max(open_span.end, span.end), kind)
    if open_span is not None:
        yield open_span


def _check(kinds: Collection[str]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f'phi kind "{kind}" is unknown: choose from {", ".join(KINDS)}')
