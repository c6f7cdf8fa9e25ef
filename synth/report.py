"""The command: what is in a run folder, for the person who decides whether to train on it.

    python -m synth.report datasets_out/cardiology
    python -m synth.report datasets_out/cardiology datasets_out/cardiology-2    # the first against the second

Writes ``report.html`` (one file, offline, readable without scripts) and ``report.json`` (the same figures, see
``--print-schema``) into the first folder. ``synth.generate`` does so at the end of every run. Neither file holds a
clock of its own: the seconds are those that the journals hold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from synth.arguments import Parser
from synth.errors import ClinsynthError

PAGE, NUMBERS = "report.html", "report.json"


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog="python -m synth.report",
        description=f"Write {PAGE} and {NUMBERS} into a run folder: what was made, lost, found and paid.",
        epilog="exit codes: 0 done · 1 not written · 2 no run folder, or a damaged one",
    )
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="a folder that synth.generate wrote")
    parser.add_argument("other", type=Path, nargs="?", metavar="OTHER_RUN", help="an earlier run to compare it with")
    parser.add_argument("--print-schema", action="store_true", help=f"print the JSON Schema of {NUMBERS} and stop")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.print_schema:
        from synth.reporting.shape import Report

        print(json.dumps(Report.model_json_schema(), indent=2, ensure_ascii=False))
        return 0
    if arguments.run is None:
        parser.error("name a run folder, for example datasets_out/cardiology")
    try:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as in synth.generate
        print(write_report(arguments.run, arguments.other))
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def write_report(run: Path, other: Path | None = None) -> Path:
    """Write both files into ``run`` and return the page; a kill leaves each file as it was or as it should be.

    Raises:
        UserError: ``run`` or ``other`` is no run folder, or a file of it is damaged.
        ClinsynthError: the disk refuses.
    """
    from synth.reporting.build import build
    from synth.reporting.page import render
    from synth.staging import disk_errors, replace_text

    report = build(run, other)
    numbers = json.dumps(report.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with disk_errors(run / PAGE):
        replace_text(run / NUMBERS, numbers)
        replace_text(run / PAGE, render(report))
    return run / PAGE


if __name__ == "__main__":
    sys.exit(main())
