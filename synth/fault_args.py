"""The fault server's command line: arguments and the script file, as options.

A script is a JSON list, or one JSON value a line: the name of a fault or null, for the chat requests in order of
arrival. Blank lines of the second form are skipped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.errors import UserError
from synth.fault_kinds import BROKEN, ERRORS, ODD, STATUSES, WAYS
from synth.fault_options import REASONING, FaultOptions, check_name

_NAMES = "\n".join(
    f"  {title}: {', '.join(names)}"
    for title, names in (
        ("a status instead of a reply", STATUSES),
        ("trouble on the way", WAYS),
        ("a 200 that is no chat completion", BROKEN),
        ("a chat completion with something odd", ODD),
    )
)
_EPILOG = f"faults for --errors and --script (the last two kinds also for --content-faults):\n{_NAMES}"


def options_from(argv: Sequence[str] | None, description: str) -> FaultOptions:
    """Return the options of a command line; None for that of the process.

    Raises:
        UserError: a value out of range, an unknown fault, a script that cannot be read.
        SystemExit: an unknown option or ``--help``.
    """
    given = vars(_parser(description).parse_args(argv))
    given["models"] = tuple(given["models"] or FaultOptions.models)
    for key in ("errors", "content_faults"):
        given[key] = tuple(name for name in given[key].split(",") if name)
    given["script"] = load_script(given["script"]) if given["script"] is not None else ()
    given["outage"] = _outage(given["outage"]) if given["outage"] is not None else None
    return FaultOptions(**given)


def load_script(path: str) -> tuple[str | None, ...]:
    """Read a script; raises UserError, with the line or entry, for what is not a name of a fault or null."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--script {path}: {getattr(error, 'strerror', None) or error}") from error
    entries: list[tuple[str, Any]] = []
    if text.lstrip().startswith("["):
        entries = [(f"{path}, entry {n}", value) for n, value in enumerate(_json(text, path), 1)]
    else:
        lines = enumerate(text.split("\n"), 1)
        entries = [(f"{path}:{n}", _json(line, f"{path}:{n}")) for n, line in lines if line.strip()]
    return tuple(_fault(where, value) for where, value in entries)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f'--script {where}: not JSON ({error}); write "reset" with quotes, null without; one a line, or one list'
        ) from error


def _fault(where: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UserError(f"--script {where}: {json.dumps(value)[:40]} is neither the name of a fault nor null")
    check_name(f"--script {where}", str(value), ERRORS)  # 429 may be written without quotes
    return str(value)


def _outage(text: str) -> tuple[float, float]:
    start, _, seconds = text.partition(":")
    try:
        return float(start), float(seconds)
    except ValueError:
        raise UserError(f"--outage: {text!r} is not START:SECONDS, such as 10:30") from None


def _parser(description: str) -> argparse.ArgumentParser:
    default = FaultOptions()
    parser = argparse.ArgumentParser(
        prog="python -m synth.fault_server",
        description=description,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default=default.host)
    add("--port", type=int, default=default.port, help="0: any free port")
    add("--model", action="append", dest="models", metavar="NAME", help="listed under /v1/models; may be repeated")
    add("--api-key", metavar="KEY", help="answer 401 to requests without this bearer token")
    add("--strict-model", action="store_true", help="answer 404 to models that are not listed")
    add("--latency-ms", type=float, default=default.latency_ms)
    add("--jitter", type=float, default=default.jitter, help="share by which the latency varies both ways")
    add("--error-rate", type=float, default=default.error_rate, help="share of requests that get one of --errors")
    add("--errors", default=",".join(default.errors), metavar="NAMES", help="faults, separated by commas; see below")
    add("--script", metavar="FILE", help="JSON lines or list: the faults of the first requests, null for none")
    add("--seed", type=int, default=default.seed, help="of latencies and of the faults that are drawn")
    add("--reasoning", choices=REASONING, default=default.reasoning, help="where text replies carry reasoning")
    add("--bad-json-rate", type=float, default=default.bad_json_rate, help="share of bodies answered with cut JSON")
    add("--refusal-rate", type=float, default=default.refusal_rate, help="share of bodies answered with a refusal")
    add("--content-faults", default="", metavar="NAMES", help="broken and odd replies for --content-fault-rate")
    add("--content-fault-rate", type=float, default=0.0, help="share of bodies answered with one of --content-faults")
    add("--outage", metavar="START:SECONDS", help="refuse connections from START seconds after the first request")
    add("--hit-log", metavar="FILE", help="append a line when a chat request arrives, another when it ends")
    return parser
