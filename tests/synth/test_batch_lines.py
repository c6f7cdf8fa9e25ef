from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.endpoints import batch_lines
from synth.endpoints.batch_lines import (
    Ids,
    input_ids,
    input_line,
    judge,
    read_lines,
    read_result,
    write_input,
)
from tests.synth.batches import question
from tests.synth.helpers import completion

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RESULT_KEYS = st.sampled_from(["custom_id", "response", "error", "status_code", "body", "code", "message", "choices"])


def outcome(status: int, body: Any) -> tuple[str, bool, bool]:
    line = {"custom_id": "a", "response": {"status_code": status, "body": body}, "error": None}
    result = read_result(json.dumps(line).encode())
    assert result is not None
    verdict = judge(result, question(0))
    return verdict.attempt.outcome, verdict.again, verdict.refused


def error(code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": "no", "type": "x", "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, completion("Chest pain."), ("ok", False, False)),
        (200, {}, ("bad_body", True, False)),
        (200, None, ("bad_body", True, False)),
        (200, error(), ("bad_body", True, False)),
        (400, error("context_length_exceeded"), ("bad_request", False, False)),
        (400, error("content_filter"), ("content_filter", False, False)),
        (413, error(), ("bad_request", False, False)),
        (401, error(), ("bad_request", False, True)),
        (404, error("model_not_found"), ("bad_request", False, True)),
        (408, error(), ("server_error", True, False)),
        (429, error("rate_limit_exceeded"), ("rate_limit", True, False)),
        (429, error("insufficient_quota"), ("rate_limit", True, True)),
        (500, error(), ("server_error", True, False)),
        (503, "<html>", ("server_error", True, False)),
        (529, None, ("server_error", True, False)),
    ],
)
def test_what_a_result_means(status: int, body: Any, expected: tuple[str, bool, bool]) -> None:
    assert outcome(status, body) == expected


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_a_request_that_was_never_made_is_asked_again(code: str) -> None:
    line = {"custom_id": "a", "response": None, "error": {"code": code, "message": "too late"}}
    result = read_result(json.dumps(line).encode())
    assert result is not None
    verdict = judge(result, question(0))
    assert (verdict.attempt.outcome, verdict.attempt.detail, verdict.again) == ("timeout", "too late", True)


@given(
    st.dictionaries(RESULT_KEYS, st.dictionaries(RESULT_KEYS, JSON, max_size=3) | JSON, max_size=5).map(json.dumps)
    | JSON.map(json.dumps)
    | st.text()
)
def test_any_line_is_a_result_or_none(text: str) -> None:
    result = read_result(text.encode("utf-8", "replace"))
    if result is not None:
        verdict = judge(result, question(0))
        assert (verdict.reply is not None) == (verdict.attempt.outcome == "ok")


@pytest.mark.parametrize(
    "line", [None, b"", b"[" * 100_000, b"\xff\xfe", b"1", b"null", b'{"custom_id": 3}', b'{"custom_id": "a"}']
)
def test_what_is_no_result(line: bytes | None) -> None:
    assert read_result(line) is None


@given(st.sets(st.text(), max_size=50), st.text())
def test_ids_know_what_is_in_them(ids: set[str], other: str) -> None:
    known = Ids(iter(ids))
    assert len(known) == len(ids)
    assert all(one in known for one in ids)
    assert (other in known) == (other in ids)


def test_the_ids_of_a_file_are_those_that_were_written(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    lines = [input_line(f"id-{n}", "/v1/chat/completions", {"content": "a\u2028\n\ud800"}) for n in range(20)]
    count, sha256 = write_input(path, lines)
    path.write_bytes(path.read_bytes() + b'\n{"no": "id"}\n{broken\n')
    ids = input_ids(path)
    assert (count, len(ids)) == (20, 20)
    assert sha256 == hashlib.sha256(b"".join(lines)).hexdigest()
    assert all(f"id-{n}" in ids for n in range(20))


def test_a_file_is_filled_up_to_its_limit_and_holds_one_line_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_lines, "MOST_BYTES", 10)
    assert write_input(tmp_path / "a", [b"1234\n"] * 5)[0] == 2
    assert (tmp_path / "a").read_bytes() == b"1234\n1234\n"
    assert write_input(tmp_path / "b", [b"a line too long\n"] * 5)[0] == 1


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_long_lines_are_skipped_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(batch_lines, "MAX_LINE", 10)
    path = tmp_path / "lines"
    path.write_bytes(b"first\n" + b"x" * 35 + b"\n\n  \n123456789\n" + b"y" * 10 + end)
    assert list(read_lines(path)) == [b"first\n", None, b"123456789\n", None]
