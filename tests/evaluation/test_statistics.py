from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evaluation.statistics import (
    adjusted_interval,
    clustered_se,
    difference_interval,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    share_interval,
    sign_test,
    smallest_detectable,
    wilson,
)

marks = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60)
changes = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(k: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), table I, method 3."""
    found = wilson(k, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(counts: tuple[int, int]) -> None:
    found, theirs = wilson(*counts), binomtest(*counts).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 3), (4, 3), (0, math.nan)])
def test_wilson_refuses_what_is_no_share(k: float, n: float) -> None:
    with pytest.raises(ValueError, match="a share needs"):
        wilson(k, n)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_equals_the_binomial_test(b: int, c: int) -> None:
    theirs = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(theirs, rel=1e-9)
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b)


def test_mcnemar_of_many_items_is_still_a_number() -> None:
    assert mcnemar_exact(2000, 0) == pytest.approx(0.0, abs=1e-300)
    assert mcnemar_exact(1500, 1500) == 1.0


@given(changes)
def test_sign_test_without_clusters_is_mcnemars(differences: list[float]) -> None:
    assert sign_test(differences) == mcnemar_exact(differences.count(-1.0), differences.count(1.0))


def test_sign_test_counts_a_case_once() -> None:
    differences = [1.0] * 8
    assert sign_test(differences) == 2 / 2**8
    assert sign_test(differences, ["a"] * 4 + ["b"] * 4) == 0.5


def test_clustered_error_is_the_usual_one_without_clusters() -> None:
    values = np.random.default_rng(1).normal(size=80)
    assert clustered_se(values) == pytest.approx(values.std(ddof=1) / math.sqrt(80))


def test_copies_of_an_answer_say_nothing_new() -> None:
    values = np.random.default_rng(2).integers(0, 2, size=50).astype(float)
    copied, clusters = np.repeat(values, 4), np.repeat(np.arange(50), 4).tolist()
    assert clustered_se(copied, clusters) == pytest.approx(clustered_se(values))
    assert clustered_se(copied) < 0.6 * clustered_se(values)
    one, four = share_interval(values), share_interval(copied, clusters)
    assert four.high - four.low == pytest.approx(one.high - one.low, rel=0.05)


def test_one_case_alone_says_nothing_about_others() -> None:
    assert clustered_se([0.0, 1.0], ["a", "a"]) == math.inf
    found = share_interval([0.0, 1.0], ["a", "a"])
    assert found.high - found.low > 0.8


@given(marks)
def test_share_interval_of_single_answers_is_wilsons(values: list[float]) -> None:
    assert share_interval(values) == wilson(sum(values), len(values))


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0]), st.sampled_from("abcde")), min_size=1, max_size=40)
)
def test_share_interval_holds_its_share(rows: list[tuple[float, str]]) -> None:
    values, clusters = [value for value, _ in rows], [cluster for _, cluster in rows]
    found = share_interval(values, clusters)
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert found.value == pytest.approx(sum(values) / len(values))
    assert found.high - found.low > 0


@settings(max_examples=30, deadline=None)
@given(changes, st.integers(0, 5))
def test_difference_interval_holds_the_difference_and_repeats(differences: list[float], seed: int) -> None:
    found = difference_interval(differences, seed=seed)
    assert found == difference_interval(differences, seed=seed)
    assert -1 <= found.low <= found.value <= found.high <= 1
    turned = difference_interval([-value for value in differences], seed=seed)
    assert turned.value == pytest.approx(-found.value)


def test_no_change_in_few_items_is_not_certainty() -> None:
    assert paired_bootstrap([0.0] * 50).high == 0
    found = difference_interval([0.0] * 50)
    assert (found.how, found.value) == ("adjusted", 0.0)
    assert 0.03 < found.high < 0.05
    assert found.low == -found.high


def test_adjusted_interval_gives_the_formula_of_agresti_and_min() -> None:
    b, c, n = 3, 9, 100
    found = adjusted_interval([-1.0] * b + [1.0] * c + [0.0] * (n - b - c))
    b_star, c_star, n_star = b + 0.5, c + 0.5, n + 2
    middle = (c_star - b_star) / n_star
    half = 1.959964 * math.sqrt(b_star + c_star - (c_star - b_star) ** 2 / n_star) / n_star
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-6)


def test_bootstrap_of_many_items_agrees_with_the_normal_interval() -> None:
    differences = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], p=[0.1, 0.75, 0.15], size=3000)
    found, error = paired_bootstrap(differences), clustered_se(differences)
    mean = differences.mean()
    assert (found.low, found.high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.1 * error)


def test_bootstrap_draws_whole_cases() -> None:
    differences = np.repeat(np.random.default_rng(4).choice([-1.0, 0.0, 1.0], size=40), 10)
    clusters = np.repeat(np.arange(40), 10).tolist()
    alone, together = paired_bootstrap(differences), paired_bootstrap(differences, clusters)
    assert together.value == alone.value
    assert 2.5 < (together.high - together.low) / (alone.high - alone.low) < 4  # the root of 10


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    generator, held = np.random.default_rng(5), 0
    for _ in range(300):
        differences = generator.choice([-1.0, 0.0, 1.0], p=[0.06, 0.8, 0.14], size=120)
        found = difference_interval(differences)
        held += found.low <= 0.08 <= found.high
    assert 0.91 <= held / 300 <= 0.985


def test_holm_gives_a_worked_example() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert holm({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_helps(p: dict[str, float]) -> None:
    adjusted = holm(p)
    assert list(adjusted) == list(p)
    for name, value in p.items():
        assert value <= adjusted[name] <= min(1, len(p) * value) + 1e-12
        assert all(adjusted[name] <= adjusted[other] for other in p if p[other] > value)


@pytest.mark.parametrize(
    ("n", "points"), [(1273, 3.5), (4183, 1.9), (500, 5.6), (818, 4.4), (12032, 1.1), (107, 12.0)]
)
def test_smallest_detectable_difference_of_known_benchmarks(n: int, points: float) -> None:
    found = smallest_detectable(n, 0.2)
    assert found is not None
    assert 100 * found == pytest.approx(points, abs=0.06)


def test_smallest_detectable_difference_is_found_in_four_of_five_studies() -> None:
    difference = smallest_detectable(400, 0.2)
    assert difference is not None
    generator, found = np.random.default_rng(6), 0
    p = [(0.2 - difference) / 2, 0.8, (0.2 + difference) / 2]
    critical = NormalDist().inv_cdf(0.975)
    for _ in range(1000):
        b, _, c = generator.multinomial(400, p)
        found += abs(c - b) / math.sqrt(b + c) > critical
    assert 0.77 < found / 1000 < 0.83


@given(st.integers(1, 3000), st.floats(0, 1))
def test_more_items_show_smaller_differences(n: int, discordant: float) -> None:
    few, many = smallest_detectable(n, discordant), smallest_detectable(2 * n, discordant)
    assert few is None or (many is not None and 0 < many < few <= 1)


def test_what_cannot_be_shown_is_said() -> None:
    assert smallest_detectable(3, 0.0) is None
    assert smallest_detectable(0, 0.5) is None
    with pytest.raises(ValueError, match="discordant"):
        smallest_detectable(10, 1.5)


@pytest.mark.parametrize("function", [clustered_se, share_interval, sign_test, paired_bootstrap, adjusted_interval])
def test_lists_that_do_not_fit_are_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="one or more"):
        function([])
    with pytest.raises(ValueError, match="1 clusters for 2 values"):
        function([0.0, 1.0], ["a"])
