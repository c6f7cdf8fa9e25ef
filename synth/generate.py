"""The main command: a spec in, a run folder with a curated data set out.

    python -m synth.generate --spec cardiology.yaml
    python -m synth.generate --spec cardiology.yaml --limit 4 --out /tmp/try --set models.generator.slots=4
    python -m synth.generate --spec openai.yaml --dry-run

The same command again goes on where the last one stopped and asks nothing twice. Nothing heavy is imported before the
arguments are read.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synth.arguments import Parser, exit_code
from synth.errors import UserError

if TYPE_CHECKING:
    from synth.marks import Marks
    from synth.progress import Progress
    from synth.run import Finished, Part
    from synth.screens import Screens
    from synth.setup import Setup

BAD_SEEDS_SHOWN = 5


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog="python -m synth.generate",
        description="Make a curated medical data set from a spec; the same command again resumes it.",
        epilog="exit codes: 0 done · 1 disk full or damaged run folder (resumable once mended) · "
        "2 bad spec or arguments · 3 budget reached (resumable) · "
        "4 refused by the endpoint · 5 more failed rows than the spec allows · 130 interrupted (resumable)",
    )
    parser.add_argument(
        "--spec", help="a YAML file, or the name of a built-in spec (cardiology.yaml, finemed.yaml, …)"
    )
    parser.add_argument("--out", type=Path, help="run folder (default: datasets_out/<name of the spec>)")
    parser.add_argument("--limit", type=int, metavar="N", help="use only the first N seeds")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a key of the spec"
    )
    parser.add_argument("--dry-run", action="store_true", help="send nothing; print the expected requests and money")
    parser.add_argument("--runner", choices=["local", "ray"], default="local", help="where the work is done")
    parser.add_argument("--address", help="of the Ray cluster: auto, local or host:port (auto)")
    parser.add_argument("--shard", metavar="i/n", help="do only every n-th shard, starting with the i-th; no export")
    parser.add_argument("--accept-changes", action="store_true", help="ask again what a changed spec has changed")
    parser.add_argument(
        "--marks", type=Path, metavar="FILE", help="reviewers' marks saved by the report: rejected rows are dropped"
    )
    parser.add_argument("--retry-failed", action="store_true", help="ask again what failed for good")
    parser.add_argument("--print-schema", action="store_true", help="print the JSON Schema of a spec and stop")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    return exit_code(lambda: _command(parser, arguments))


def _command(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    # Read by Arrow when it is first imported. Its own allocator keeps what it once had: 80 MB more after 5,000 seeds.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from synth.guard import check_packages

    check_packages()
    if arguments.print_schema:
        import json

        from synth.spec_load import spec_schema

        print(json.dumps(spec_schema(), indent=2, ensure_ascii=False))
        return 0
    if not arguments.spec:
        parser.error("--spec is missing: name a YAML file or a built-in spec, for example --spec cardiology.yaml")
    if arguments.limit is not None and arguments.limit < 1:
        parser.error("--limit: must be 1 or more")
    if arguments.runner == "ray" and arguments.shard is not None:
        parser.error("--shard: a Ray cluster shares the shards out by itself; leave --shard or --runner ray out")
    if arguments.runner != "ray" and arguments.address is not None:
        parser.error("--address: is that of a Ray cluster; add --runner ray, or leave --address out")
    from synth.marks import check_marks, read_marks
    from synth.setup import prepare

    marks = read_marks(arguments.marks) if arguments.marks else {}
    setup = prepare(arguments.spec, arguments.out, arguments.overrides, arguments.limit)
    shards = _shards(setup, arguments.shard)
    said = check_marks(arguments.marks, marks, setup.run) if arguments.marks else ""
    if arguments.dry_run:
        from synth.estimate import estimate
        from synth.summary import forecast

        print("\n".join(filter(None, (forecast(setup, estimate(setup)), said))))
        return 0
    from synth.run_lock import RunLock

    _refuse_strange_folder(setup.run)
    if said:
        print(said, file=sys.stderr)
    with RunLock(setup.run, shared=arguments.shard is not None):
        return _generate(setup, arguments, shards, marks)


def _refuse_strange_folder(run: Path) -> None:
    """A folder that is no run of ours and holds what a run would replace is somebody else's."""
    if (run / "spec.lock.yaml").exists() or (run / "journal").exists():
        return
    for name in ("export", "rejected", "report.html", "report.json"):
        if (run / name).exists():
            raise UserError(f"{run}: holds {name} and is no run folder of ours; choose another --out")


def _shards(setup: Setup, part: str | None) -> list[int]:
    """Shard indexes of ``--shard i/n`` (i from 1 to n), or all."""
    if part is None:
        return list(range(setup.shards))
    first, _, count = part.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise UserError(f"--shard {part}: expected i/n with 1 <= i <= n, for example 2/8")
    return list(range(int(first) - 1, setup.shards, int(count)))


async def _part(setup: Setup, part: str | None) -> Part | None:
    """The shards of ``--shard i/n`` with their share of the budget; None without the option."""
    from synth.run import Part
    from synth.shares import budgets

    if part is None:
        return None
    first, _, count = part.partition("/")
    # More parts than shards would be many without work.
    each = [range(start, setup.shards, int(count)) for start in range(min(int(count), setup.shards))]
    mine = int(first) - 1
    return Part(tuple(each[mine]), (await budgets(setup, each))[mine]) if mine < len(each) else None


def _generate(setup: Setup, arguments: argparse.Namespace, shards: list[int], marks: Marks) -> int:
    import asyncio

    from synth.changes import lock_spec
    from synth.ending import export, stopped
    from synth.marks import take_over
    from synth.progress import Progress
    from synth.run import Run, is_staged
    from synth.screens import Screens

    # Made before anything is paid for: a benchmark that cannot be read is a mistake like any other.
    screens = Screens(setup.spec.filters, setup.spec.language)
    lock_spec(setup, accept=arguments.accept_changes)
    if marks:
        take_over(marks, setup.run)
    todo = [s for s in shards if not is_staged(setup, s) or (arguments.retry_failed and _has_failed(setup, s))]
    with Progress() as progress:
        _warn_of_bad_seeds(setup, progress)
        if arguments.retry_failed and todo:
            progress.say(
                "asking again for what failed: with more questions answered, near-duplicates and the hardest may be "
                "chosen otherwise"
            )
        if arguments.runner == "ray":
            finished, screens = _on_ray(setup, arguments, progress, todo, screens)
        else:
            part = asyncio.run(_part(setup, arguments.shard))
            run_now = Run(setup, progress, shards=todo, retry_failed=arguments.retry_failed, part=part)
            finished = asyncio.run(run_now.execute())
    if finished.error is not None:
        return stopped(setup, finished, progress)
    if arguments.shard is not None:
        staged = sum(is_staged(setup, shard) for shard in range(setup.shards))
        print(
            f"--shard {arguments.shard}: its {len(shards)} of {setup.shards} shards are staged, {staged} of all parts "
            "so far; without --shard the same command does what is left and exports them all"
        )
        return 0
    return export(setup, progress, screens)


def _on_ray(
    setup: Setup, arguments: argparse.Namespace, progress: Progress, shards: list[int], screens: Screens
) -> tuple[Finished, Screens]:
    from synth.ray_runner import Command, run_on_ray

    command = Command(
        arguments.spec, arguments.overrides, arguments.limit, arguments.retry_failed, arguments.address or "auto"
    )
    return run_on_ray(setup, command, progress, shards, screens)


def _warn_of_bad_seeds(setup: Setup, progress: Progress) -> None:
    from synth.licence_names import unknown_licences

    bad, count, seeds = setup.seeds.bad, setup.seeds.bad_count, setup.spec.seeds
    for one in bad[:BAD_SEEDS_SHOWN]:
        place = f":{one.line}" if seeds.kind == "passages" else f", record {one.line}"
        progress.say(f"warning: {seeds.source}{place}: seed rejected: {one.detail}")
    if count > BAD_SEEDS_SHOWN:
        listed = "rejected/ lists them" if count == len(bad) else f"rejected/ lists the first {len(bad):,} of all"
        progress.say(f"warning: and {count - BAD_SEEDS_SHOWN:,} more seeds rejected; {listed}")
    for line in itertools.islice(unknown_licences(setup.seeds.licences), BAD_SEEDS_SHOWN):
        progress.say(f"warning: {seeds.source}: {line}")


def _has_failed(setup: Setup, shard: int) -> bool:
    from synth.run import stage_path
    from synth.staging import stage_facts

    facts = stage_facts(stage_path(setup.run, shard))
    return facts is None or bool(facts.get("failed"))


if __name__ == "__main__":
    sys.exit(main())
