"""Command lines of ours: complaints on one line, whole numbers in bounds, and how commands end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from synth.errors import ClinsynthError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with exit code 2."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}; --help lists the options\n")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers in bounds."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most:,}")
        return int(text)

    return read


def exit_code(work: Callable[[], int], again: str = "run the same command again to go on from here") -> int:
    """The exit code of ``work``, or that of an error of ours or of Ctrl-C, which are said on one line.

    Args:
        work: the command.
        again: how to go on after Ctrl-C.
    """
    try:
        return work()
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"interrupted; {again}", file=sys.stderr)
        return 130
