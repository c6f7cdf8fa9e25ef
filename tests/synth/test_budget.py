from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.budget import MESSAGE_OVERHEAD, Reservation, Spending, cost, prompt_tokens
from synth.endpoints.base import Attempt, Reply, Request
from synth.errors import BudgetReached
from synth.fault_replies import reply_to
from synth.fault_server import FaultOptions
from synth.spec import Budget
from synth.spec_models import Price
from synth.tokens import estimate_tokens
from tests.synth.helpers import request

CHEAP, DEAR = Price(input=0.3, output=1.2), Price(input=15.0, output=75.0)


def reply(tokens_in: int, tokens_out: int) -> Reply:
    return Reply("text", None, "stop", tokens_in, tokens_out, "m")


def asking(max_tokens: int = 100, text: str = "abcd" * 25) -> Request:
    return request(text, max_tokens=max_tokens)


OK, FAILED, CUT = Attempt("ok"), Attempt("server_error", 500), Attempt("timeout", arrived=None)
UNREADABLE, UNSENT = Attempt("bad_body", 200), Attempt("connection", arrived=False)

WORST = prompt_tokens(asking()) + 100


def state(spending: Spending) -> tuple[int, int, float]:
    return spending.requests, spending.tokens, round(spending.usd, 12)


@pytest.mark.parametrize(
    ("price", "tokens", "dollars"),
    [
        (None, (10**9, 10**9), 0.0),
        (CHEAP, (1_000_000, 0), 0.3),
        (CHEAP, (0, 1_000_000), 1.2),
        (DEAR, (1000, 10), 0.01575),
    ],
)
def test_cost_is_in_dollars_per_million(price: Price | None, tokens: tuple[int, int], dollars: float) -> None:
    assert cost(price, *tokens) == pytest.approx(dollars)


def test_a_prompt_counts_all_messages_and_what_a_chat_template_adds() -> None:
    system, user = "You are a doctor.", "What is angina?"
    asked = request(messages=[{"role": "system", "content": system}, {"role": "user", "content": user}])
    assert prompt_tokens(asked) == estimate_tokens(system) + estimate_tokens(user) + 2 * MESSAGE_OVERHEAD


def test_a_reservation_holds_prompt_and_longest_reply() -> None:
    spending = Spending(Budget(tokens=10_000, usd=1.0))
    held = spending.reserve(asking(), CHEAP)
    prompt = prompt_tokens(asking())
    assert held == Reservation(prompt + 100, cost(CHEAP, prompt, 100))
    assert state(spending) == (1, held.tokens, round(held.usd, 12))


def test_settling_puts_what_was_used_in_place_of_what_was_held() -> None:
    spending = Spending(Budget(tokens=10_000, usd=1.0))
    held = spending.reserve(asking(), CHEAP)
    assert spending.settle(held, reply(20, 5), CHEAP, OK) == Reservation(25, cost(CHEAP, 20, 5))
    assert state(spending) == (1, 25, round(cost(CHEAP, 20, 5), 12))


def test_a_try_that_the_server_refused_costs_no_tokens_but_counts() -> None:
    spending = Spending(Budget(tokens=10_000, usd=1.0))
    assert spending.settle(spending.reserve(asking(), CHEAP), None, CHEAP, FAILED) == Reservation(0, 0.0)
    assert state(spending) == (1, 0, 0.0)


@pytest.mark.parametrize("attempt", [CUT, UNREADABLE])
def test_what_may_have_been_billed_in_vain_stays_charged_at_its_worst_case(attempt: Attempt) -> None:
    spending = Spending(Budget(tokens=10_000, usd=1.0))
    held = spending.reserve(asking(), CHEAP)
    assert spending.settle(held, None, CHEAP, attempt) == held
    assert state(spending) == (1, held.tokens, round(held.usd, 12))


def test_every_try_counts_as_a_request() -> None:
    spending = Spending(Budget(requests=5))
    for _ in range(4):
        spending.settle(spending.reserve(asking(), None), None, None, FAILED)
    assert spending.requests == 4
    spending.settle(spending.reserve(asking(), None), reply(1, 1), None, OK)
    with pytest.raises(BudgetReached):
        spending.reserve(asking(), None)


def test_a_try_that_found_no_server_does_not_count() -> None:
    spending = Spending(Budget(requests=1))
    spending.settle(spending.reserve(asking(), None), None, None, UNSENT)
    assert state(spending) == (0, 0, 0.0)
    spending.release(spending.reserve(asking(), None))
    assert state(spending) == (0, 0, 0.0)
    spending.reserve(asking(), None)


@pytest.mark.parametrize(
    ("budget", "fit"),
    [
        (Budget(requests=3), 3),
        (Budget(tokens=3 * WORST), 3),
        (Budget(tokens=3 * WORST - 1), 2),
        (Budget(tokens=WORST - 1), 0),
        (Budget(usd=3.5 * cost(CHEAP, WORST - 100, 100)), 3),
        (Budget(requests=2, tokens=3 * WORST), 2),
        (Budget(requests=9, tokens=3 * WORST, usd=1.5 * cost(CHEAP, WORST - 100, 100)), 1),
    ],
)
def test_the_worst_case_must_fit_before_a_request_goes_out(budget: Budget, fit: int) -> None:
    spending = Spending(budget)
    for _ in range(fit):
        spending.reserve(asking(), CHEAP)
    before = state(spending)
    with pytest.raises(BudgetReached):
        spending.reserve(asking(), CHEAP)
    assert state(spending) == before, "a request that does not fit must reserve nothing"


def test_room_that_a_short_reply_leaves_is_used() -> None:
    spending = Spending(Budget(tokens=2 * WORST))
    first = spending.reserve(asking(), None)
    spending.reserve(asking(), None)
    with pytest.raises(BudgetReached):
        spending.reserve(asking(), None)
    spending.settle(first, reply(0, 0), None, OK)
    spending.reserve(asking(), None)


@pytest.mark.parametrize(
    ("budget", "spent", "name"),
    [
        (Budget(requests=100), {"requests": 100}, "requests"),
        (Budget(tokens=100_000), {"tokens": 100_000 - WORST + 1}, "tokens"),
        (Budget(usd=2.0), {"usd": 2.0}, "usd"),
    ],
)
def test_what_earlier_tries_of_the_run_spent_counts(budget: Budget, spent: dict[str, Any], name: str) -> None:
    spending = Spending(budget, **spent)
    with pytest.raises(BudgetReached) as caught:
        spending.reserve(asking(), CHEAP)
    message = str(caught.value)
    assert message.startswith(f"budget.{name}: ")
    assert f"raise budget.{name}" in message
    assert len(message.splitlines()) == 1
    assert caught.value.exit_code == 3


def test_a_larger_budget_lets_an_exhausted_run_go_on() -> None:
    with pytest.raises(BudgetReached):
        Spending(Budget(requests=100), requests=100).reserve(asking(), None)
    Spending(Budget(requests=101), requests=100).reserve(asking(), None)


def test_the_message_tells_figures_a_person_can_check() -> None:
    with pytest.raises(BudgetReached) as caught:
        Spending(Budget(tokens=1_000_000), tokens=999_990).reserve(asking(), None)
    figures = re.findall(r"[\d,]*\d", str(caught.value))
    assert figures == ["999,990", "1,000,000", f"{WORST}"]
    with pytest.raises(BudgetReached, match=r"budget\.usd: 1\.9990 of 2\.0000 are .* take 0\.0081; raise"):
        Spending(Budget(usd=2.0), usd=1.999).reserve(asking(), DEAR)


def test_without_a_budget_nothing_is_refused_and_all_is_counted() -> None:
    spending = Spending(Budget())
    for _ in range(1000):
        held = spending.reserve(asking(10**6), DEAR)
        spending.settle(held, reply(10, 5), DEAR, OK)
    assert state(spending)[:2] == (1000, 15_000)
    assert spending.usd == pytest.approx(1000 * cost(DEAR, 10, 5), abs=1e-9)


def test_a_model_without_a_price_costs_nothing() -> None:
    spending = Spending(Budget(usd=0.000001))
    for _ in range(10):
        spending.settle(spending.reserve(asking(10**6), None), reply(10**6, 10**6), None, OK)
    assert spending.usd == 0.0


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "answer", "fail", "cut", "drop"]),
        st.integers(0, 400),
        st.integers(1, 500),
        st.sampled_from([None, CHEAP, DEAR]),
        st.floats(0, 1),
        st.floats(0, 1),
    ),
    max_size=60,
)


@given(
    MOVES,
    st.integers(1, 30) | st.none(),
    st.integers(1, 5000) | st.none(),
    st.floats(0.0001, 0.2) | st.none(),
    st.tuples(st.integers(0, 10), st.integers(0, 1000), st.floats(0, 0.05)),
)
def test_no_cap_is_ever_overspent(
    moves: list[tuple[str, int, int, Price | None, float, float]],
    requests: int | None,
    tokens: int | None,
    usd: float | None,
    earlier: tuple[int, int, float],
) -> None:
    """With any mix of requests whose true usage is at most the worst case, counted apart in exact fractions."""
    budget = Budget(requests=requests, tokens=tokens, usd=usd)
    spending = Spending(budget, requests=earlier[0], tokens=earlier[1], usd=earlier[2])
    used, spent, sent = earlier[1], Fraction(earlier[2]), earlier[0]
    flying: list[tuple[Reservation, int, int, Price | None]] = []
    for move, length, max_tokens, price, share_in, share_out in moves:
        if move == "ask":
            asked = asking(max_tokens, "x" * length)
            try:
                held = spending.reserve(asked, price)
            except BudgetReached:
                continue
            flying.append((held, prompt_tokens(asked), max_tokens, price))
            sent += 1
            assert requests is None or sent <= requests
        elif flying:
            held, prompt, most, price = flying.pop(length % len(flying))
            if move == "answer":
                got = reply(int(share_in * prompt), int(share_out * most))
                used += got.tokens_in + got.tokens_out
                if price is not None:
                    million = Fraction(1, 10**6)
                    spent += (
                        got.tokens_in * Fraction(price.input) + got.tokens_out * Fraction(price.output)
                    ) * million
                spending.settle(held, got, price, OK)
            elif move == "fail":
                spending.settle(held, None, price, FAILED)
            elif move == "cut":
                spending.settle(held, None, price, CUT)
                used += held.tokens
                spent += Fraction(held.usd)
            else:
                spending.settle(held, None, price, UNSENT)
                sent -= 1
        open_tokens = sum(prompt + most for _, prompt, most, _ in flying)
        assert spending.requests == sent
        assert spending.tokens == used + open_tokens
    # Earlier tries may have spent more than a budget that was lowered since.
    assert tokens is None or used <= max(tokens, earlier[1])
    assert usd is None or spent <= Fraction(max(usd, earlier[2])) + Fraction(1, 10**9)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=300), st.integers(1, 50))
def test_a_server_that_counts_words_never_uses_more_than_the_worst_case(text: str, max_tokens: int) -> None:
    asked = asking(max_tokens, text)
    body = {"model": "m", "messages": asked.messages, "max_tokens": max_tokens}
    usage = reply_to(body, FaultOptions())["usage"]
    assert usage["prompt_tokens"] <= prompt_tokens(asked)
    assert usage["completion_tokens"] <= max_tokens
