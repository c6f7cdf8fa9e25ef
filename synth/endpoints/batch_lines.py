"""The JSONL files of a batch: one request a line going in, one result a line, in any order, coming out.

A result is a reply, a failure that may be tried again, a failure that may not, or a refusal of all work; they are told
apart as over HTTP. A line that is no result (broken JSON, no custom_id, longer than 32 MiB) is None.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.endpoints.base import Attempt, Reply, Request
from synth.endpoints.bodies import CONTENT_CODES, QUOTA_CODES, TRANSIENT, BadBody, error_message, parse_response

MAX_LINE = 32 * 1024 * 1024
"""Bytes of a line that are read at most."""
MOST_BYTES = 190_000_000
"""Of an input file; services take 200 MB."""
FINAL = ("bad_request", "content_filter")
"""Outcomes that would be the same again."""
_REFUSED = {401, 402, 403, 404}
_REFUSED_CODES = {*QUOTA_CODES, "model_not_found"}
_UNDONE_CODES = {"batch_expired", "batch_cancelled"}


def input_line(custom_id: str, endpoint: str, body: Any) -> bytes:
    """One line of an input file."""
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": endpoint, "body": body}).encode() + b"\n"


def write_input(path: Path, lines: Iterable[bytes]) -> tuple[int, str]:
    """Write an input file, as far as a service takes one; return how many lines are in it and its sha256."""
    digest, size, count = hashlib.sha256(), 0, 0
    with path.open("wb") as file:
        for line in lines:
            size += len(line)
            if size > MOST_BYTES and count:
                break
            file.write(line)
            digest.update(line)
            count += 1
    return count, digest.hexdigest()


def read_lines(path: Path) -> Iterator[bytes | None]:
    """The lines of a file that are not blank; None for one that is too long."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE)
                yield None
            elif not line.isspace():
                yield line


class Ids:
    """The custom_ids of an input file, 8 bytes each: 50,000 take 400 kB. A false hit has odds of 1 to 10**14."""

    def __init__(self, ids: Iterator[str]) -> None:
        self._hashes = array("Q", sorted(map(_hash, ids)))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, custom_id: str) -> bool:
        wanted = _hash(custom_id)
        at = bisect_left(self._hashes, wanted)
        return at < len(self._hashes) and self._hashes[at] == wanted


def _hash(custom_id: str) -> int:
    return int.from_bytes(hashlib.sha256(custom_id.encode("utf-8", "replace")).digest()[:8])


def input_ids(path: Path) -> Ids:
    """The custom_ids of an input file; lines that are none of ours are passed over."""
    return Ids(found for line in read_lines(path) if (found := _mapping(line).get("custom_id")) and type(found) is str)


@dataclass(frozen=True, slots=True)
class Result:
    """A line of an output or error file."""

    custom_id: str
    status: int
    """HTTP status of the response; 0 where the request was never made."""
    body: bytes
    """The response, or the error where there is none, as JSON."""


def read_result(line: bytes | None) -> Result | None:
    """Read a line of an output or error file; None when it is no result."""
    found = _mapping(line)
    custom_id, response, error = found.get("custom_id"), found.get("response"), found.get("error")
    if not isinstance(custom_id, str):
        return None
    if isinstance(response, dict) and type(response.get("status_code")) is int:
        return Result(custom_id, response["status_code"], _bytes(response.get("body")))
    return Result(custom_id, 0, _bytes({"error": error})) if error else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a result means for its request."""

    attempt: Attempt
    reply: Reply | None = None
    refused: bool = False
    """The service refuses all work: the attempt says why."""

    @property
    def again(self) -> bool:
        """Whether the request should be sent again."""
        return self.reply is None and self.attempt.outcome not in FINAL


def judge(result: Result, request: Request) -> Verdict:
    """Tell a reply from a failure and a refusal."""
    if result.status == 200:
        try:
            return Verdict(Attempt("ok"), parse_response(result.body, request))
        except BadBody as err:
            return Verdict(Attempt("bad_body", 200, str(err)))
    message, code = error_message(result.body)
    said = f"HTTP {result.status}: {message}" if result.status else message or code
    refused = result.status in _REFUSED or code in _REFUSED_CODES
    return Verdict(Attempt(_kind(result.status, code), result.status, said), refused=refused)


def _kind(status: int, code: str) -> str:
    if code in CONTENT_CODES:
        return "content_filter"
    if code in _UNDONE_CODES:
        return "timeout"
    if status == 429:
        return "rate_limit"
    return "bad_request" if 400 <= status < 500 and status not in TRANSIENT else "server_error"


def _mapping(line: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(line or b"null")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(value: object) -> bytes:
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return b"null"
