"""How long to wait: what a server asks for, in all the forms it may take, and what we wait by ourselves.

A header that says nothing usable (negative, NaN, words, a date that does not exist) counts as absent. Dates are taken
relative to the server's own ``Date`` header where it sends one, so that a wrong clock here does not matter.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BACKOFF_FIRST = 0.5
"""Seconds that the first pause takes at most."""
BACKOFF_CAP = 30.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as an HTTP date."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("Retry-After")
    if (seconds := _number(value)) is not None:
        return seconds
    if (date := _date(value)) is None:
        return None
    now = _date(headers.get("Date")) or datetime.now(UTC)
    return max(0.0, (date - now).total_seconds())


def backoff(tries: int) -> float:
    """Seconds to wait after so many failed tries (1 or more): exponential, full jitter.

    Full jitter as in M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): uniform between zero
    and the exponential bound, which spreads the retries of many clients best.
    """
    return random.uniform(0.0, min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(tries - 1, 30)))


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _date(value: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(value) if value else None
    except (ValueError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date is not None and date.tzinfo is None else date
