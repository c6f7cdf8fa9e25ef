from __future__ import annotations

import time

from synth.endpoints.health import FIRST_REST, LONGEST_PAUSE, LONGEST_REST, TRIP, Circuit, Health


def limited(health: Health, sent_at: float, wait: float | None = None) -> None:
    health.bad("HTTP 429", sent_at=sent_at, limited=True, wait=wait)


def test_a_rate_limit_halves_the_limit_once_for_all_that_were_open() -> None:
    health = Health(64)
    sent_at = time.monotonic()
    for _ in range(4):
        limited(health, sent_at)
    assert health.limit == 32
    limited(health, time.monotonic())
    assert health.limit == 16


def test_good_replies_raise_the_limit_again_and_never_above_the_slots() -> None:
    health = Health(64)
    limited(health, time.monotonic())
    for _ in range(1000):
        health.good()
    assert health.limit == 32, "one request at a time says nothing about more"
    health.in_flight = 40
    for _ in range(40):
        health.good()
    assert 32 < health.limit < 64
    for _ in range(1000):
        health.good()
    assert health.limit == 64


def test_the_limit_never_falls_below_one() -> None:
    health = Health(3)
    for _ in range(20):
        limited(health, time.monotonic())
    assert health.limit == 1


def test_other_failures_do_not_touch_the_limit() -> None:
    health = Health(64)
    health.bad("HTTP 500", sent_at=time.monotonic())
    assert health.limit == 64


def test_what_the_server_asks_for_holds_for_everybody_and_is_bounded() -> None:
    health = Health(8)
    now = time.monotonic()
    limited(health, now, wait=2.0)
    assert not health.free(now + 1.9)
    assert health.free(now + 2.1)
    limited(health, now, wait=86_400.0)
    assert not health.free(now + LONGEST_PAUSE - 1)
    assert health.free(now + LONGEST_PAUSE + 1)


def test_failures_in_a_row_open_the_circuit_and_one_good_reply_between_does_not() -> None:
    health = Health(8)
    for number in range(3 * TRIP):
        assert not health.bad("HTTP 500", sent_at=0.0)
        if number % (TRIP - 1) == TRIP - 2:
            health.good()
    health.good()
    assert [health.bad("HTTP 500", sent_at=0.0) for _ in range(TRIP)] == [False] * (TRIP - 1) + [True]
    assert health.circuit is Circuit.OPEN
    assert not health.free(time.monotonic() + 3600)


def test_a_trial_takes_one_request_alone_and_its_end_decides() -> None:
    health = Health(8)
    now = time.monotonic()
    health.rest(now)
    health.circuit = Circuit.TRIAL
    later = now + LONGEST_REST
    assert health.free(later)
    health.take()
    assert not health.free(later)
    health.give_back()
    assert health.bad("still", sent_at=later)
    assert health.circuit is Circuit.OPEN
    health.circuit = Circuit.TRIAL
    health.good()
    assert health.circuit is Circuit.CLOSED
    assert health.out_for(later) == 0.0


def test_rests_double_up_to_a_bound_and_start_over_after_a_good_reply() -> None:
    health = Health(8)
    rests = []
    for _ in range(9):
        health.resume_at = 0.0
        health.rest(1000.0)
        rests.append(health.resume_at - 1000.0)
    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests[-1] == LONGEST_REST
    health.good()
    health.resume_at = 0.0
    health.rest(1000.0)
    assert health.resume_at == 1000.0 + FIRST_REST


def test_an_outage_counts_from_the_opening_of_the_circuit() -> None:
    health = Health(8)
    assert health.out_for(5.0) == 0.0
    health.rest(10.0)
    health.rest(20.0)
    assert health.out_for(25.0) == 15.0
