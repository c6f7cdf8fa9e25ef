"""How the texts are written: lengths, turns, openings, stock phrases, languages, variety.

Lengths and openings are of all kept rows; the rest looks at a sample drawn by the spec's seed, because it is slow or
depends on how many texts there are. Vectors of meaning are computed only where the spec names an encoder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from filters.clusters import Clusters, cluster
from filters.language import language
from filters.metrics import diversity
from filters.phrases import refusal, stock_phrase
from filters.semantic import Embed
from synth.reporting.facts import Facts
from synth.reporting.pieces import cut
from synth.reporting.read import RunFolder
from synth.reporting.shape import Phrase, Texts, Topic
from synth.reporting.tallies import spans

if TYPE_CHECKING:
    import pandas as pd

DIVERSE = 300
"""Texts that the figures of variety rest on."""
LANGUAGES = 300
CLUSTERS = 20
ROWS_A_CLUSTER = 5
_SHOWN = 8
_TOPIC = 200  # characters


def texts(run: RunFolder, facts: Facts) -> list[Texts]:
    """Figures of each kind that has rows."""
    embed = _encoder(run)
    return [_of_kind(run, str(kind), rows, facts, embed) for kind, rows in facts.frame.groupby("kind", sort=False)]


def _of_kind(run: RunFolder, kind: str, rows: pd.DataFrame, facts: Facts, embed: Embed | None) -> Texts:
    sample = facts.texts.get(kind, [])
    stock = Counter(
        found.lower()
        for parts in sample
        if (found := next((one for one in map(stock_phrase, parts) if one), None)) is not None
    )
    joined = ["\n".join(parts) for parts in sample[:DIVERSE]]
    figures = diversity(joined, sample=DIVERSE, seed=run.seed)
    vectors = embed(joined) if embed is not None and len(joined) > 1 else None
    openings = Counter(str(opening) for opening in rows["opening"] if opening)
    top = _phrases(openings, len(rows))
    varied: float | None = None
    clusters: Clusters | None = None
    if vectors is not None:
        from filters.metrics import vendi

        varied = vendi(vectors)
        if (many := min(CLUSTERS, len(joined) // ROWS_A_CLUSTER)) > 1:  # fewer rows are as even as one likes
            clusters = cluster(vectors, many, run.seed)
    return Texts(
        kind=kind,
        rows=len(rows),
        words=spans("words of the model's side", kind, [float(n) for n in rows["words"]]),
        turns=spans("turns", kind, [float(n) for n in rows["turns"]]) if kind == "dialogue" else None,
        openings=top,
        opening_share=top[0].share if top else None,
        checked=len(sample),
        stock=_phrases(stock, len(sample)),
        stock_share=stock.total() / len(sample) if sample else None,
        refusals=sum(any(refusal(part) for part in parts) for parts in sample),
        languages=_languages(run, ["\n".join(parts) for parts in sample[:LANGUAGES]]),
        distinct_1=figures.distinct_1,
        distinct_2=figures.distinct_2,
        distinct_3=figures.distinct_3,
        self_bleu=figures.self_bleu,
        compression=figures.compression_ratio,
        diversity_rows=figures.texts,
        vendi=varied,
        evenness=clusters.evenness if clusters else None,
        clusters=len(clusters.sizes) if clusters else 0,
        topics=_topics(clusters, joined) if clusters else [],
    )


def _topics(found: Clusters, sample: Sequence[str]) -> list[Topic]:
    largest = sorted(range(len(found.sizes)), key=lambda place: (-int(found.sizes[place]), place))[:_SHOWN]
    return [
        Topic(
            rows=int(found.sizes[place]),
            share=int(found.sizes[place]) / len(sample),
            text=cut(" ".join(sample[found.typical[place]].split()), _TOPIC),
        )
        for place in largest
        if found.typical[place] >= 0
    ]


def _phrases(counts: Counter[str], rows: int) -> list[Phrase]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    return [Phrase(text=cut(text, 120), rows=n, share=n / rows) for text, n in ordered]


def _languages(run: RunFolder, sample: Sequence[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    try:
        for text in sample:
            said = language(text)
            found["short" if said is None else said[0]] += 1
    except ModuleNotFoundError:
        run.note("The package py3langid is not installed: the language of the texts is not looked at.")
        return {}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _encoder(run: RunFolder) -> Embed | None:
    """The encoder that the spec names; None, with a note, where it cannot be loaded."""
    name = run.spec.filters.encoder if run.spec else None
    if name is None:
        return None
    try:
        from filters.semantic import Encoder, encoder_model

        return Encoder(encoder_model(name))
    except Exception as error:  # the loaders raise many types; a report goes on without them
        reason = " ".join(str(error).split())[:160]
        run.note(f"The encoder {name} cannot be loaded ({reason}): meanings are not compared.")
        return None
