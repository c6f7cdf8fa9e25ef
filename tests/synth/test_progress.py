from __future__ import annotations

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
