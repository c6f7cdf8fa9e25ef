"""Errors by boundary, each with the exit code that the command line ends with.

A mistake of the user is an error and ends the command with one line; a bad reply or a bad row is data and never
raises past its own row (see :mod:`synth.ask`).
"""

from __future__ import annotations


class ClinsynthError(Exception):
    """Base of every error that ends a command with a plain message instead of a traceback."""

    exit_code = 1


class UserError(ClinsynthError):
    """Something the user wrote is wrong: the spec, an option, a path, a template, a seed file.

    The message says where (``file:line: key``), what is wrong and how to mend it; several findings are joined by
    newlines, one line each.
    """

    exit_code = 2


class BudgetReached(ClinsynthError):
    """The spec's budget does not cover the next request. The run can be resumed with a larger one."""

    exit_code = 3


class EndpointRefused(ClinsynthError):
    """An endpoint refuses all work: wrong key, no quota, unknown model. Asking again would not help."""

    exit_code = 4


class RunInterrupted(ClinsynthError):
    """Ctrl-C or SIGTERM: what was in flight has been journalled; the same command goes on from there."""

    exit_code = 130
