"""How a run ends: stopped, with what is safe and how to go on, or with its export, its report and a summary."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from synth.errors import BudgetReached, ClinsynthError, UserError
from synth.export import export_run
from synth.ledger import run_totals
from synth.progress import Progress
from synth.report import write_report
from synth.run import Finished, stage_path
from synth.screens import Screens
from synth.setup import Setup
from synth.summary import closing

TOO_MANY_FAILED = 5
"""Exit code of a run that finished with more failed rows than the spec allows."""


def stopped(setup: Setup, finished: Finished, progress: Progress) -> int:
    """Say why a run stopped, and what of it is safe; returns the exit code.

    Raises what was no error of ours: Ctrl-C, a mistake in this program.
    """
    error = finished.error
    if not isinstance(error, ClinsynthError):
        assert error is not None
        raise error
    print(error, file=sys.stderr)
    if progress.requests or not isinstance(error, UserError):
        replies = sum(progress.done_by.values())
        print(
            f"{replies:,} replies of this try and all earlier ones are safe in {setup.run / 'journal'}",
            file=sys.stderr,
        )
    reasoning = setup.spec.produce.reasoning
    if isinstance(error, BudgetReached) and not (reasoning and reasoning.hardest):  # a cut shard has other hardest
        print("with --limit N the seeds finished so far can be exported at no cost", file=sys.stderr)
    return error.exit_code


def export(setup: Setup, progress: Progress, screens: Screens) -> int:
    """Export what is staged, report on it and print the summary; returns the exit code."""
    stages = [stage_path(setup.run, shard) for shard in range(setup.shards)]
    result = export_run(
        setup.run, stages, setup.spec, planned=setup.planned(), fingerprint=setup.fingerprint, screens=screens
    )
    print(closing(setup, result, progress, asyncio.run(run_totals(setup.run)), _report(setup.run)))
    failed, planned = sum(result.failed.values()), sum(result.planned.values())
    if planned and failed / planned > setup.spec.max_failed:
        print(
            f"{failed:,} of {planned:,} rows failed, more than max_failed allows ({setup.spec.max_failed:.0%}); "
            f"the same command with --retry-failed asks for them again",
            file=sys.stderr,
        )
        return TOO_MANY_FAILED
    return 0


def _report(run: Path) -> Path | None:
    """Write the report; a failure of it is a warning, for the data set is there."""
    try:
        return write_report(run)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        print(f"warning: no report: {reason}; try again with python -m synth.report {run}", file=sys.stderr)
        return None
