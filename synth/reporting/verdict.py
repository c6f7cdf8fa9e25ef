"""Five lines at the top: rows, kept share, the worst warnings, cost, what to look at.

Limits below are where a reader should look, not where a data set is bad: what is tolerable depends on its use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from synth.reporting.shape import (
    Coverage,
    Duplicates,
    Funnel,
    KindCount,
    Line,
    Pairs,
    Quota,
    Safety,
    Scores,
    Texts,
)

FEW_KEPT = 0.5
"""Share of planned rows kept below which the line is a warning."""
MANY_FAILED = 0.05
MANY_FLAGGED = 0.1
ALPHA = 0.667
"""Krippendorff's least agreement for tentative conclusions."""
SAME_OPENING = 0.2
MANY_STOCK = 0.1
MANY_TWINS = 0.3
ONE_PLACE = 0.8
LENGTH = 0.8
_ENOUGH = 20  # rows below which a share says little
_SHOWN = 3


class Parts(NamedTuple):
    """What the verdict rests on."""

    finished: bool
    language: str
    kinds: list[KindCount]
    funnel: Funnel
    scores: Scores
    coverage: list[Coverage]
    quotas: list[Quota]
    texts: list[Texts]
    duplicates: Duplicates
    safety: Safety
    pairs: list[Pairs]


class _Warning(NamedTuple):
    weight: float
    text: str
    look: str


def verdict(parts: Parts) -> list[Line]:
    """The five lines."""
    warnings = sorted(_warnings(parts), key=lambda one: (-one.weight, one.text))
    worst = [one.text for one in warnings[:_SHOWN]]
    more = len(warnings) - len(worst)
    told = "; ".join(worst) + (f"; and {more} more" if more else "")
    looks = list(dict.fromkeys(one.look for one in warnings))[:_SHOWN]
    look = ", then ".join(looks) if looks else "the random rows, a dozen of them, before anybody trains on it"
    return [
        _rows(parts),
        _kept(parts),
        Line(
            topic="warnings", text=_sentence(told or "none of the checks stands out"), tone="warn" if told else "good"
        ),
        Line(topic="cost", text=_sentence(_cost(parts)), tone="plain"),
        Line(topic="look at", text=_sentence(look), tone="plain"),
    ]


def _rows(parts: Parts) -> Line:
    kinds = [one for one in parts.kinds if one.kept]
    if not kinds:
        text = "No row was kept." if parts.finished else "No row yet: the run has not been exported."
        return Line(topic="rows", text=text, tone="warn")
    total = sum(one.kept for one in kinds)
    named = ", ".join(f"{one.kept:,} {one.kind}" for one in kinds)
    return Line(topic="rows", text=f"{total:,} rows: {named}.", tone="plain")


def _kept(parts: Parts) -> Line:
    planned, kept = (sum(getattr(one, name) for one in parts.kinds) for name in ("planned", "kept"))
    if not planned:
        return Line(topic="kept", text="How many rows were planned is not known here.", tone="plain")
    pending = sum(one.pending for one in parts.kinds)
    waits = f" {pending:,} are pending: the run is not finished." if pending else ""
    reasons = ", ".join(f"{one.rows:,} {one.reason.replace('_', ' ')}" for one in _top(parts.funnel))
    lost = f" Most were lost to: {reasons}." if reasons else ""
    tone: Literal["plain", "good", "warn"] = "warn" if kept < FEW_KEPT * planned else "good"
    return Line(topic="kept", text=f"{kept / planned:.0%} of {planned:,} planned rows.{waits}{lost}", tone=tone)


def _top(funnel: Funnel) -> list[_Reason]:
    counts: dict[str, int] = {}
    for one in funnel.losses:
        counts[one.reason] = counts.get(one.reason, 0) + one.count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [_Reason(reason, count) for reason, count in ordered[:_SHOWN]]


class _Reason(NamedTuple):
    reason: str
    rows: int


def _cost(parts: Parts) -> str:
    funnel = parts.funnel
    if funnel.requests is None:
        return "Not known: the journals are not here."
    tokens = (funnel.tokens_in or 0) + (funnel.tokens_out or 0)
    kept = sum(one.kept for one in parts.kinds)
    money = f"${funnel.usd:,.2f}" if funnel.usd else "no price in the spec"
    each = f", ${funnel.usd / kept:,.4f} a kept row" if funnel.usd and kept else ""
    dearest = max(funnel.steps, key=lambda step: step.share, default=None)
    most = f" Most tokens went into {dearest.step.replace('_', ' ')} ({dearest.share:.0%})." if dearest else ""
    return f"{money}{each}; {funnel.requests:,} requests, {tokens:,} tokens.{most}"


def _warnings(parts: Parts) -> Iterator[_Warning]:
    yield from _of_run(parts)
    yield from _of_safety(parts.safety)
    for one in parts.scores.agreement:
        if one.alpha is not None and one.alpha < ALPHA and one.rows >= _ENOUGH:
            text = f"the judge agrees little with itself on the {one.score} of {one.kind} rows (alpha {one.alpha:.2f})"
            yield _Warning(0.6, text, "the borderline rows")
    for text_of in parts.texts:
        yield from _of_texts(text_of, parts.language)
    for place in parts.coverage[:1]:
        top = place.places[0]
        if top.share > ONE_PLACE and len(place.places) > 1 and top.kept >= _ENOUGH:
            yield _Warning(0.3, f"{top.share:.0%} of the rows are of one department, {top.value}", "the coverage")
    for pair in parts.pairs:
        if max(pair.longer, 1 - pair.longer) > LENGTH and pair.rows >= _ENOUGH:
            side = "longer" if pair.longer > 0.5 else "shorter"
            share = max(pair.longer, 1 - pair.longer)
            text = f"in {share:.0%} of the {pair.origin} pairs the chosen answer is the {side} one"
            yield _Warning(0.5 * share, text, "the preference pairs")


def _of_run(parts: Parts) -> Iterator[_Warning]:
    planned = sum(one.planned for one in parts.kinds)
    failed = sum(one.failed for one in parts.kinds)
    if planned and failed / planned > MANY_FAILED:
        yield _Warning(1 + failed / planned, f"{failed / planned:.0%} of the planned rows failed", "the funnel")
    share = parts.duplicates.share or 0
    if share > MANY_TWINS:
        yield _Warning(share, f"{share:.0%} of the finished rows were duplicates", "the duplicates")
    short = sum(one.kept < one.planned for one in parts.quotas)
    if short:
        yield _Warning(0.4, f"{short} of {len(parts.quotas)} quotas are not filled", "the coverage")


def _of_safety(safety: Safety) -> Iterator[_Warning]:
    for flag in safety.flags:
        if flag.share > MANY_FLAGGED:
            text = f"{flag.share:.0%} of the kept rows are flagged {flag.flag.replace('_', ' ')}"
            yield _Warning(0.5 + flag.share, text, "the flags")
    if safety.phi is not None:
        text = f"{safety.phi.rows:,} kept rows hold what may identify a person"
        yield _Warning(0.9 + safety.phi.share, text, "the flags")
    if safety.contamination:
        count = sum(one.rows for one in safety.contamination)
        yield _Warning(0.2, f"{count:,} rows held benchmark items and were dropped", "the contamination")


def _of_texts(text: Texts, language: str) -> Iterator[_Warning]:
    if text.opening_share and text.opening_share > SAME_OPENING and text.rows >= _ENOUGH:
        start = text.openings[0].text
        said = f"{text.opening_share:.0%} of the {text.kind} rows begin with “{start}”"
        yield _Warning(0.3 + text.opening_share, said, "the openings")
    if text.stock_share and text.stock_share > MANY_STOCK and text.checked >= _ENOUGH:
        yield _Warning(0.3 + text.stock_share, f"{text.stock_share:.0%} of the {text.kind} rows hold a stock phrase",
                       "the stock phrases")  # fmt: skip
    if text.refusals:
        yield _Warning(0.8, f"{text.refusals:,} {text.kind} rows of the sample decline to answer", "the texts")
    told = sum(count for code, count in text.languages.items() if code != "short")
    other = told - text.languages.get(language.partition("-")[0], 0)
    if told >= _ENOUGH and other / told > MANY_FLAGGED:
        yield _Warning(0.4 + other / told, f"{other / told:.0%} of the {text.kind} rows are in another language",
                       "the texts")  # fmt: skip


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
