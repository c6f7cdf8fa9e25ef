"""What a person reads at the end of a run, and of a dry run: plain text for standard output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from synth.estimate import ASSUMED_WRONG, Line, complex_share
from synth.export import ExportResult
from synth.journal import Totals
from synth.progress import Progress, duration
from synth.rows import KINDS
from synth.setup import Setup

EXCERPT = 160


def closing(setup: Setup, result: ExportResult, progress: Progress, ledger: Totals, report: Path | None = None) -> str:
    """The funnel with its identity, a sample row of each kind, where things lie, and what to do next.

    ``ledger`` sums up the journals: this process and all before it; ``report`` is the page that was written.
    """
    lines = [
        *_funnel(result),
        "",
        *_spent(progress),
        *_ledger(ledger),
        "",
        *_samples(result.export),
        *_next_steps(setup, result, report),
    ]
    return "\n".join(lines)


def _funnel(result: ExportResult) -> Iterator[str]:
    yield f"{'':<12}{'planned':>9} ={'kept':>8} +{'rejected':>9} +{'failed':>7} +{'pending':>8}"
    for kind in KINDS:
        if not result.planned[kind]:
            continue
        kept, rejected = sum(result.kept[kind].values()), sum(result.rejected[kind].values())
        yield (
            f"{kind:<12}{result.planned[kind]:>9,} ={kept:>8,} +{rejected:>9,} "
            f"+{result.failed[kind]:>7,} +{result.pending[kind]:>8,}"
        )
        if rejected:
            reasons = sorted(result.rejected[kind].items(), key=lambda item: (-item[1], item[0]))
            yield f"{'':<12}rejected: {', '.join(f'{count} {reason}' for reason, count in reasons)}"
    seeds = result.byproducts.get("seed", {})
    if seeds:
        yield f"seeds rejected while reading: {', '.join(f'{n} {reason}' for reason, n in sorted(seeds.items()))}"


def _spent(progress: Progress) -> Iterator[str]:
    replayed = sum(progress.replayed_by.values())
    yield (
        f"{progress.requests:,} requests sent, {replayed:,} answered from the journal; "
        f"{progress.tokens_in:,} tokens in, {progress.tokens_out:,} out"
        + (f", ${progress.usd:,.4f}" if progress.usd else "")
        + f"; {duration(progress.elapsed)}"
    )


def _ledger(sums: Totals) -> Iterator[str]:
    if not (sums.failed_attempts or sums.uncertain or sums.lost_tokens):
        return
    yield (
        f"ledger: {sums.requests:,} requests since the first run = {sums.answered:,} answered "
        f"+ {sums.failed_attempts:,} failed + {sums.uncertain:,} uncertain"
    )
    if sums.lost_tokens:
        money = f", ${sums.lost_usd:,.4f}" if sums.lost_usd else ""
        yield f"        at most {sums.lost_tokens:,} tokens{money} may have been billed without a reply of use"


def _samples(export: Path) -> Iterator[str]:
    for kind in KINDS:
        files = sorted(export.glob(f"{kind}/*.parquet"))
        if files:
            first = next(pq.ParquetFile(files[0]).iter_batches(1)).to_pylist()[0]
            yield f"— {kind} —"
            yield from (f"  {line}" for line in _excerpt(kind, first))
            yield ""


def _excerpt(kind: str, row: Mapping[str, Any]) -> Iterator[str]:
    if kind == "preference":
        yield f"prompt:   {_short(row['prompt'][-1]['content'])}"
        yield f"chosen:   {_short(row['chosen'][0]['content'])}"
        yield f"rejected: {_short(row['rejected'][0]['content'])}"
        yield f"origin {row['origin']}, margin {row['margin']:g}"
        return
    for message in row["messages"][:4]:
        yield f"{message['role']}: {_short(message['content'])}"
    scores = ", ".join(f"{name} {row[name]}" for name in ("quality", "complexity", "relevance"))
    extra = f", diagnosis {row['diagnosis']!r} correct: {row['diagnosis_correct']}" if kind == "dialogue" else ""
    yield f"{row['department']} / {row['subdepartment']}; {scores}{extra}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def _next_steps(setup: Setup, result: ExportResult, report: Path | None) -> Iterator[str]:
    run = setup.run
    yield f"data set     {result.export}   (README.md is its card)"
    if report is not None:
        yield f"report       {report}   (open it in a browser: what to look at before anybody trains on it)"
    yield f"rejected     {result.rejected_folder}   (every row that did not make it, with its reason)"
    yield f"journal      {run / 'journal'}   (every reply that was paid for; the same command asks nothing again)"
    yield ""
    kinds = [kind for kind in KINDS if sum(result.kept[kind].values())]
    if kinds:
        yield f'load it:     datasets.load_dataset("{result.export}", "{kinds[0]}")'
    yield "All of it is synthetic and no medical advice."


def forecast(setup: Setup, lines: list[Line]) -> str:
    """The table of ``--dry-run``."""
    rows = [f"{'step':<16}{'model':<34}{'requests':>10}{'tokens in':>13}{'tokens out':>13}{'at most':>13}{'usd':>10}"]
    for line in lines:
        money = "no price" if line.usd is None else f"{line.usd:,.2f}"
        rows.append(
            f"{line.step:<16}{line.model[:32]:<34}{line.requests:>10,.0f}{line.tokens_in:>13,.0f}"
            f"{line.tokens_out:>13,.0f}{line.most_out:>13,.0f}{money:>10}"
        )
    total = [
        sum(getattr(line, name) for line in lines) for name in ("requests", "tokens_in", "tokens_out", "most_out")
    ]
    known = [line.usd for line in lines if line.usd is not None]
    money = f"{sum(known):,.2f}" + ("+" if len(known) < len(lines) else "")
    rows.append(f"{'sum':<50}{total[0]:>10,.0f}{total[1]:>13,.0f}{total[2]:>13,.0f}{total[3]:>13,.0f}{money:>10}")
    planned = ", ".join(f"{count:,} {kind}" for kind, count in setup.planned().items() if count)
    rows += ["", f"{setup.seeds.count:,} seeds in {setup.shards:,} shards; planned rows at most: {planned}."]
    if setup.spec.seeds.kind == "items":
        rows.append(f"Assumed: every item becomes an open question, and {ASSUMED_WRONG:.0%} of the chains are wrong.")
    elif setup.spec.produce.reasoning:
        rows.append(
            f"Assumed: {complex_share(setup):.0%} of the questions are complex; consultations run to max_turns."
        )
    rows.append("Expected, not promised: re-asked replies cost more, passages that are dropped early cost less.")
    rows.append("Nothing was sent.")
    return "\n".join(rows)
