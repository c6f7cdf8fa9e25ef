from __future__ import annotations

import json

import pytest

from synth.budget import Spending
from synth.engines import Engines
from synth.progress import Progress
from synth.spec import Budget
from tests.synth.helpers import spec_for


@pytest.mark.parametrize(
    ("budget", "shown"), [(Budget(usd=5), "$2.5000 of $5.00"), (Budget(), "$0.5000"), (Budget(requests=9), "$0.5000")]
)
async def test_money_is_shown_as_the_cap_counts_it(budget: Budget, shown: str) -> None:
    """Against a cap: with what earlier tries of the run have spent."""
    progress = Progress(quiet=True)
    progress.begin(Engines(spec_for("http://127.0.0.1:1/v1"), lambda: None), Spending(budget, usd=2.5), 4, 10)
    progress.usd = 0.5
    assert shown in progress.line().split(" · ")


def test_counts_of_others_are_summed_up() -> None:
    first, second, sums = Progress(quiet=True), Progress(quiet=True), Progress(quiet=True)
    for one, steps in ((first, ("score", "score", "case")), (second, ("score",))):
        for step in steps:
            one.sent(step)
        one.asked("score", "ok", None, 0.25, replayed=False)
        one.seed_done()
    second.asked("case", "ok", None, 0.0, replayed=True)
    for _ in range(2):  # sums take the place of earlier ones
        sums.take(json.loads(json.dumps([first.counts(), second.counts()])))
    sums.begin(None, Spending(Budget()), 5, 0.0)
    assert sums.line().startswith("seeds 2/5 · requests 2 done, 2 in flight, 0 failed · 1 from the journal · ")
    assert "$0.5000" in sums.line()
