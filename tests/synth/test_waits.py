from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from synth.endpoints.waits import BACKOFF_CAP, BACKOFF_FIRST, backoff, retry_after

HUGE = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("1.5", 1.5),
        (" 2 ", 2.0),
        ("99999", 99999.0),
        *(
            (odd, None)
            for odd in ("-1", "nan", "inf", "-inf", "", "soon", "Wed, 41 Oct 2026 07:28:00 GMT", "21 Oct", HUGE)
        ),
    ],
)
def test_reading_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": header}) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert retry_after({}) is None


@pytest.mark.parametrize(("header", "seconds"), [("250", 0.25), ("0", 0.0), ("-5", 9.0), ("nan", 9.0)])
def test_milliseconds_go_first_when_they_say_something(header: str, seconds: float) -> None:
    assert retry_after({"retry-after-ms": header, "Retry-After": "9"}) == seconds


@pytest.mark.parametrize(("now", "seconds"), [("Wed, 21 Oct 2026 07:27:30 GMT", 30.0), (DATE, 0.0)])
def test_a_date_counts_from_the_date_of_the_server(now: str, seconds: float) -> None:
    assert retry_after({"Retry-After": DATE, "Date": now}) == seconds


def test_a_date_in_the_past_asks_for_nothing_more() -> None:
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_a_date_without_a_date_of_the_server_counts_from_our_clock() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (retry_after({"Retry-After": soon}) or 0.0) <= 60


def test_pauses_grow_to_a_bound_and_use_all_of_it() -> None:
    for tries in (1, 2, 3, 7, 40):
        bound = min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** (tries - 1))
        pauses = [backoff(tries) for _ in range(400)]
        assert 0.0 <= min(pauses) < 0.1 * bound
        assert 0.9 * bound < max(pauses) <= bound
