"""What every training command shares: its arguments, its environment, its exit codes, and starting several processes.

    python -m training.sft --config sft --set data.path=datasets_out/cardiology --preflight

Nothing heavy is imported before the arguments are read. Telemetry of the libraries is off unless the environment
already says otherwise.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from synth.arguments import Parser, exit_code
from synth.errors import UserError
from training.config import Loaded, RunConfig, load_config

Config = TypeVar("Config", bound=RunConfig)

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Set where the environment says nothing: TRL reports each trainer to its makers otherwise."""


_CONFIRMED = "CLINSYNTH_CONFIRMED"
"""Environment variable that names the repository whose publicity somebody has confirmed."""


def check_extra() -> None:
    """Raise UserError, one line, when the libraries of the extra ``train`` are not installed."""
    for library in ("torch", "transformers", "trl", "peft", "datasets"):
        if importlib.util.find_spec(library) is None:
            raise UserError(f"{library} is not installed; try: pip install 'clinsynth[train]'")


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return the arguments of ``python -m training.<command>``."""
    parser = Parser(
        prog=f"python -m training.{command}",
        description=description,
        epilog="exit codes: 0 done · 1 stopped (the loss is no number, the disk is full) · 2 bad configuration, data "
        "or arguments · 130 interrupted; the same command goes on from the last good checkpoint",
    )
    parser.add_argument("--config", required=True, help="a YAML file, or the name of a built-in configuration")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a key of it"
    )
    parser.add_argument("--preflight", action="store_true", help="check and show everything, load no weights, stop")
    parser.add_argument("--push", metavar="OWNER/NAME", help="put the result on the Hub, private")
    parser.add_argument("--public", action="store_true", help="with --push: for all to see, after a confirmation")
    parser.add_argument("--confirm", metavar="OWNER/NAME", help="that confirmation, where there is no terminal")
    return parser


def command(
    name: str,
    description: str,
    kind: type[Config],
    execute: Callable[[Loaded[Config], argparse.Namespace], int],
    argv: Sequence[str] | None = None,
) -> int:
    """Read the arguments and the configuration, call ``execute``, and return the exit code."""
    parser = make_parser(name, description)
    arguments = parser.parse_args(argv)
    if arguments.public and not arguments.push:
        parser.error("--public goes with --push OWNER/NAME")
    if arguments.push and arguments.push.count("/") != 1:
        parser.error("--push: expected owner/name")
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)

    def work() -> int:
        from synth.guard import check_packages

        check_packages()
        check_extra()
        if arguments.public and is_main():
            from synth.publishing.hub import confirm_public

            # Asked before hours of training, and once: the processes that we launch inherit the answer.
            if os.environ.get(_CONFIRMED) != arguments.push:
                confirm_public(arguments.push, arguments.confirm)
                os.environ[_CONFIRMED] = arguments.push
        loaded = load_config(kind, arguments.config, arguments.overrides)
        return execute(loaded, arguments)

    return exit_code(work, "run the same command again to go on from the last checkpoint")


def carry_out(
    loaded: Loaded[Any],
    arguments: argparse.Namespace,
    argv: Sequence[str],
    module: str,
    lines: Sequence[str],
    train: Callable[[], Path],
) -> int:
    """What follows a pre-flight: show its ``lines``, train unless that was all, push if asked; return the exit code.

    ``module`` is the command's (``training.sft``), ``train`` returns the folder of the result.
    """
    say("\n".join(lines))
    if arguments.preflight:
        return 0
    launch(loaded, module, argv)
    folder = train()
    say(f"the result is in {folder}")
    if arguments.push and is_main():
        from training.outputs import push

        say(push(folder, arguments.push, public=arguments.public))
    return 0


def launch(loaded: Loaded[Any], module: str, argv: Sequence[str]) -> None:
    """Start ``accelerate launch`` in the place of this process, where the configuration asks for it.

    Returns when it does not, or in a process that was started so. ``module`` is the command's (``training.sft``).
    """
    wanted = loaded.config.accelerate
    if wanted is None or "LOCAL_RANK" in os.environ or "ACCELERATE_MIXED_PRECISION" in os.environ:
        return
    file = Path(wanted)
    if not file.is_file():
        file = _named(loaded, wanted)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file), "-m", module]
    sys.stdout.flush()
    os.execv(sys.executable, [*launcher, *argv])


def is_main() -> bool:
    """Whether this process is the one that prints and writes: the first, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """Print a line, in the main process only."""
    if is_main():
        print(text, flush=True)


def _named(loaded: Loaded[Any], wanted: str) -> Path:
    import importlib.util

    from synth.spec_errors import unknown

    found = importlib.util.find_spec("trl")
    folders = found.submodule_search_locations or [] if found else []
    files = {path.stem: path for folder in folders for path in (Path(folder) / "accelerate_configs").glob("*.yaml")}
    if wanted not in files:
        hint = unknown(wanted, sorted(files))
        raise loaded.error(("accelerate",), f"no such file, and no configuration of TRL's by that name; {hint}")
    return files[wanted]
