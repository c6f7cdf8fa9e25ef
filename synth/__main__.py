"""The console command ``clinsynth``: ``clinsynth generate …`` is ``python -m synth.generate …``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "generate": "synth.generate",
    "doctor": "synth.doctor",
    "report": "synth.report",
    "publish": "synth.publish",
    "fault-server": "synth.fault_server",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the arguments to the named command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: clinsynth {{{','.join(COMMANDS)}}} …   (clinsynth generate --help)", file=sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    code: int = importlib.import_module(COMMANDS[arguments[0]]).main(arguments[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
