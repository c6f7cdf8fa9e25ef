"""The command: put the export of a finished run on the Hub, private unless told otherwise.

    python -m synth.publish datasets_out/cardiology --repo owner/name --dry-run
    python -m synth.publish datasets_out/cardiology --repo owner/name --tag v1.0
    python -m synth.publish datasets_out/cardiology --repo owner/name --public

Only ``export/`` is sent, and of it only what its manifest names. What speaks against publishing is said before the
first request: refusals, and warnings that ``--allow`` can lift. The token comes from ``HF_TOKEN`` or the Hub's login.
A run that was interrupted goes on with the same command; one that changed nothing makes no commit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synth.arguments import Parser, exit_code
from synth.errors import UserError

if TYPE_CHECKING:
    from synth.publishing.package import Package

TITLE = "{name}, version {version}"


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = Parser(
        prog="python -m synth.publish",
        description="Put export/ of a finished run on the Hugging Face Hub: private, unless --public is confirmed.",
        epilog="exit codes: 0 done · 1 not everything arrived, the same command goes on · 2 refused: the data, their "
        "licences, a warning, the arguments · 4 the Hub refuses the token · 130 interrupted",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a folder that synth.generate wrote")
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the repository; made if it is not there")
    parser.add_argument("--public", action="store_true", help="for all to see; asks for the repository's name again")
    parser.add_argument("--confirm", metavar="OWNER/NAME", help="that name, where there is no terminal to ask at")
    parser.add_argument("--tag", metavar="v1.0", help="name this version")
    parser.add_argument("--allow", action="append", default=[], metavar="WARNING", help="publish in spite of it")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, send nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.repo.count("/") != 1 or not all(arguments.repo.split("/")):
        parser.error("--repo: expected owner/name")
    if arguments.confirm and not arguments.public:
        parser.error("--confirm goes with --public")
    again = "the same command goes on: what has arrived is not sent twice"
    return exit_code(lambda: publish(arguments), again)


def publish(arguments: argparse.Namespace) -> int:
    """Check, confirm, send, compare, tag; returns 0.

    Raises:
        UserError: something speaks against publishing.
        ClinsynthError: the Hub does.
    """
    from synth.publishing.versions import check_tag
    from synth.run_lock import RunLock

    if arguments.tag is not None:
        check_tag(arguments.tag)
    run: Path = arguments.run
    if not run.is_dir():
        raise UserError(f"{run}: no such folder; name one that synth.generate wrote")
    if not (run / "spec.lock.yaml").is_file():  # before a lock is put into a folder that is somebody else's
        better = (
            "the folder above it"
            if (run.parent / "spec.lock.yaml").is_file()
            else "a folder that synth.generate wrote"
        )
        raise UserError(f"{run}: no run folder: it has no spec.lock.yaml; name {better}")
    with RunLock(run):
        from synth.publishing.package import read_package

        package = read_package(run)
        if arguments.dry_run:
            _show(package, arguments.repo)
        _check(run, package, arguments.allow)
        if arguments.dry_run:
            print("nothing speaks against it; nothing was sent")
            return 0
        _send(package, arguments)
    return 0


def _check(run: Path, package: Package, allowed: Sequence[str]) -> None:
    """Say on standard error which warnings are allowed; raise for everything else."""
    from synth.publishing.findings import WARNINGS, dropped, read_rows, refusals, warnings
    from synth.spec_errors import unknown

    for name in allowed:
        if name not in WARNINGS:
            raise UserError(f"--allow {name}: no such warning; {unknown(name, sorted(WARNINGS))}")
    facts = read_rows(package, run)
    lines = refusals(package.spec, facts)
    found = warnings(package.spec, package.manifest, dropped(package.manifest), facts)
    lines += [f"{name}: {text}; look, then --allow {name}" for name, text in found.items() if name not in allowed]
    if lines:
        raise UserError("\n".join(f"{run}: {line}" for line in lines))
    for name, text in found.items():
        print(f"allowed: {name}: {text}", file=sys.stderr)


def _show(package: Package, repository: str) -> None:
    from synth.publishing.versions import version_of

    print(f"{package.manifest['name']}, version {version_of(package)}, under {package.spec.license} → {repository}")
    for path, digest in package.files.items():
        print(f"  {path:<48}{(package.folder / path).stat().st_size:>14,}  {digest}")
    print(f"{len(package.files)} files, {package.size:,} bytes")


def _send(package: Package, arguments: argparse.Namespace) -> None:
    from synth.publishing.hub import Remote, confirm_public
    from synth.publishing.package import MANIFEST
    from synth.publishing.versions import changes, counts_of, published, version_of
    from synth.rows import KINDS

    repository: str = arguments.repo
    if arguments.public:
        confirm_public(repository, arguments.confirm)
    remote = Remote(repository, "dataset", public=arguments.public)
    held = remote.listing()
    data = remote.read(MANIFEST) if MANIFEST in held else None
    old = published(data, package, repository, held)
    tagged = remote.tags().get(arguments.tag) if arguments.tag else None
    replaces = [f"{kind}/*.parquet" for kind in KINDS]
    if tagged is not None and not remote.holds(package.folder, package.files, replaces, tagged):
        raise UserError(f"--tag {arguments.tag}: names an earlier version; nothing was sent; choose another")
    lines = changes(old, counts_of(package.manifest))
    print("\n".join(f"  {line}" for line in lines))
    title = TITLE.format(name=package.manifest["name"], version=version_of(package))
    new = remote.upload(package.folder, package.files, replaces=replaces, title=title, notes="\n".join(lines))
    commit = remote.check(public=arguments.public)
    if arguments.tag:
        remote.tag(arguments.tag)
    said = f"sent in commit {commit[:12]}" if new else f"nothing has changed since commit {commit[:12]}"
    seen = "public" if arguments.public else "private"
    print(f"{len(package.files)} files, {package.size:,} bytes: {said}{_tagged(arguments.tag)}; {seen}")
    print(remote.url)


def _tagged(tag: str | None) -> str:
    return f", tag {tag}" if tag else ""


if __name__ == "__main__":
    sys.exit(main())
