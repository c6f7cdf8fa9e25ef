"""All parts of a report put together: a run folder in, a :class:`Report` out."""

from __future__ import annotations

from pathlib import Path

from synth.card_spec import spec_lines
from synth.reporting.compare import compare
from synth.reporting.duplicates import duplicates
from synth.reporting.facts import gather
from synth.reporting.funnel import funnel, kind_counts, quotas
from synth.reporting.journals import spent
from synth.reporting.losses import gather_losses
from synth.reporting.pairs import pairs
from synth.reporting.read import RunFolder, open_run
from synth.reporting.reviews import reviews
from synth.reporting.safety import safety
from synth.reporting.samples import samples
from synth.reporting.scores import coverage, scores
from synth.reporting.shape import Made, Report
from synth.reporting.texts import texts
from synth.reporting.verdict import Parts, verdict


def build(folder: Path, other: Path | None = None) -> Report:
    """Report on a run folder, beside another one if it is given. Nothing is written.

    Raises:
        UserError: either is no run folder, or a file of it is damaged.
    """
    report = _build(folder)
    if other is None:
        return report
    return report.model_copy(update={"comparison": compare(report, _build(other))})


def _build(folder: Path) -> Report:
    run = open_run(folder)
    facts, losses, money = gather(run), gather_losses(run), spent(run)
    kinds = kind_counts(run)
    language = run.spec.language if run.spec else "en"
    parts = Parts(
        finished=bool(run.manifest) and not any(one.pending for one in kinds),
        language=language,
        kinds=kinds,
        funnel=funnel(kinds, losses, money),
        scores=scores(facts, losses),
        coverage=coverage(run, facts),
        quotas=quotas(run),
        texts=texts(run, facts),
        duplicates=duplicates(run, losses, len(facts.frame)),
        safety=safety(run, facts, losses),
        pairs=pairs(facts),
    )
    return Report(
        name=run.name,
        fingerprint=run.fingerprint,
        verdict=verdict(parts),
        groups=samples(run, facts),
        marks=reviews(run, facts, losses),
        made=_made(run),
        comparison=None,
        notes=run.notes,
        **parts._asdict(),
    )


def _made(run: RunFolder) -> Made:
    return Made(
        spec=spec_lines(run.spec) if run.spec else [],
        templates=run.lock.get("template_hashes", {}),
        versions=run.lock.get("versions", {}),
    )
