"""Texts as pieces, some of them marked: what the page needs to show a finding in its place without any markup.

Every text passes through here on its way into the report, so it is storable (no lone surrogates) and cut.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from filters.text import storable
from synth.reporting.shape import Piece

_WORD = re.compile(r"\S+\s*")
_DIFF_WORDS = 400
_KEPT_WORDS = 12  # of an equal stretch, at either end


def cut(text: str | None, limit: int) -> str:
    """The text without what cannot be stored, at most ``limit`` characters and an ellipsis."""
    text = storable(text or "")
    return text if len(text) <= limit else text[:limit].rstrip() + "…"


def plain(text: str | None, limit: int) -> list[Piece]:
    """One unmarked piece; none of an empty text."""
    shown = cut(text, limit)
    return [Piece(text=shown)] if shown else []


def marked(
    text: str | None, quotes: Iterable[tuple[str, str]], *, limit: int = 1500, around: int | None = None
) -> list[Piece]:
    """The text with each quote marked where it first stands; a quote that does not stand in it is left out.

    Args:
        text: what is shown.
        quotes: (words, why they are marked).
        limit: characters at most.
        around: show only so many characters on either side of the first quote. When it does not stand in the text, the
            quote itself is shown, marked.
    """
    whole = storable(text or "")
    given = [(storable(quote).strip().rstrip("…"), why) for quote, why in quotes]
    spans = sorted((at, at + len(quote), why) for quote, why in given if quote and (at := whole.find(quote)) >= 0)
    if around is not None:
        if not spans:
            alone = [Piece(text=cut(quote, limit), mark=why) for quote, why in given[:1] if quote]
            return alone or plain(whole, limit)
        start, end = max(0, spans[0][0] - around), min(len(whole), spans[0][1] + around)
        spans = [(a - start, b - start, why) for a, b, why in spans if a >= start and b <= end]
        whole = ("…" if start else "") + whole[start:end] + ("…" if end < len(whole) else "")
        spans = [(a + bool(start), b + bool(start), why) for a, b, why in spans]
    return _pieces(whole, spans, limit)


def _pieces(text: str, spans: Sequence[tuple[int, int, str]], limit: int) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for start, end, why in spans:
        if start < at or start >= limit:
            continue
        if start > at:
            pieces.append(Piece(text=text[at:start]))
        pieces.append(Piece(text=text[start : min(end, limit)], mark=why))
        at = min(end, limit)
    if at < len(text):
        rest = cut(text[at:], max(0, limit - at))
        pieces += [Piece(text=rest)] if rest else []
    return pieces


def word_diff(before: str, after: str) -> list[Piece]:
    """From one text to the other by words; long equal stretches are cut in their middle. 400 words of each at most."""
    old, new = (_WORD.findall(storable(text))[:_DIFF_WORDS] for text in (before, after))
    matcher = difflib.SequenceMatcher(a=[w.strip() for w in old], b=[w.strip() for w in new], autojunk=False)
    pieces: list[Piece] = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            pieces.append(Piece(text=_stretch(new[c:d])))
            continue
        if b > a:
            pieces.append(Piece(text="".join(old[a:b]), mark="removed"))
        if d > c:
            pieces.append(Piece(text="".join(new[c:d]), mark="added"))
    return pieces


def _stretch(found: list[str]) -> str:
    if len(found) <= 2 * _KEPT_WORDS + 1:
        return "".join(found)
    return "".join(found[:_KEPT_WORDS]) + "… " + "".join(found[-_KEPT_WORDS:])
