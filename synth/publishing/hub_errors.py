"""What goes wrong between us and the Hub, as one line each with an exit code. The token is in none of them.

The client's exceptions change their base classes between versions, and those of the HTTP library below it have other
names: they are told apart by the status they carry and by what their classes are called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from synth.errors import ClinsynthError, EndpointRefused, UserError

SHOWN = 200
"""Characters of a foreign message."""

_TOKEN = re.compile(r"hf_\w{4,}|(?<=[Bb]earer )\S+")
_TOLD = re.compile(r"HTTP status (?:client|server) error \((\d{3})\b")
_AGAIN = "run the same command again: what has arrived is not sent twice"


@contextmanager
def hub_errors(repository: str) -> Iterator[None]:
    """Turn every failure of the Hub's client into one line about ``repository``.

    Raises:
        EndpointRefused: no token, or one without the right (401, 402, 403).
        UserError: what was asked cannot be: a bad name, offline mode.
        ClinsynthError: everything else; the same command may be run again.
    """
    try:
        yield
    except ClinsynthError:
        raise
    except Exception as error:
        raise _translated(repository, error) from None


def _translated(repository: str, error: Exception) -> ClinsynthError:
    names = {cls.__name__ for cls in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None and (told := _TOLD.search(str(error))):  # hf_xet says it in its text alone
        status = int(told[1])
    if status is not None:
        return _of_status(repository, int(status), error)
    if "LocalTokenNotFoundError" in names:
        return EndpointRefused(f"{repository}: no token: set HF_TOKEN, or log in with `hf auth login`")
    if "OfflineModeIsEnabled" in names:
        return UserError(f"{repository}: HF_HUB_OFFLINE is set: unset it to publish")
    if "HFValidationError" in names:
        return UserError(f"{repository}: not a name of a repository: owner/name, with letters, digits, '-', '_', '.'")
    if isinstance(error, ValueError):  # what the client itself refuses, the metadata of a card above all
        return ClinsynthError(f"{repository}: refused: {message(error)}")
    if any("Timeout" in name for name in names):
        return ClinsynthError(f"{repository}: the Hub does not answer in time; {_AGAIN}")
    if names & {"NetworkError", "TransportError", "ConnectionError"}:
        return ClinsynthError(f"{repository}: no connection to the Hub ({message(error)}); {_AGAIN}")
    return ClinsynthError(f"{repository}: {message(error)}; {_AGAIN}")


def _of_status(repository: str, status: int, error: Exception) -> ClinsynthError:
    if status == 401:
        return EndpointRefused(
            f"{repository}: the Hub does not accept the token (401): set HF_TOKEN to one that may write there"
        )
    if status in (402, 403):
        return EndpointRefused(f"{repository}: the token may not write there ({status}): {_said(error)}")
    if status == 404:
        return ClinsynthError(f"{repository}: not found (404): check the name, and that the token may see it")
    if status in (409, 412):
        return ClinsynthError(f"{repository}: changed by somebody else meanwhile ({status}); {_AGAIN}")
    if status == 429:
        return ClinsynthError(f"{repository}: too many requests (429): wait some minutes, then {_AGAIN}")
    if status >= 500:
        return ClinsynthError(f"{repository}: the Hub is in trouble ({status}); {_AGAIN}")
    return ClinsynthError(f"{repository}: the Hub refuses ({status}): {_said(error)}")


def _said(error: Exception) -> str:
    return _clean(str(getattr(error, "server_message", None) or error))


def message(error: Exception) -> str:
    """Return what an exception says, on one line, shortened, without tokens."""
    return _clean(str(error)) or type(error).__name__


def _clean(text: str) -> str:
    shown = _TOKEN.sub("***", " ".join(text.split()))
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
