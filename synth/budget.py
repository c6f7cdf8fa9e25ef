"""Hard caps on requests, tokens and money. The worst case of every try is reserved before it is sent.

That is its estimated prompt plus ``max_tokens`` of output; with what it really took the reservation is settled. A try
that may have been billed without a reply stays charged in full. Prompt estimates lean to the high side
(:mod:`synth.tokens`), so by the server's own counts the caps hold. What earlier processes of the same run spent, read
from the journals, counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.endpoints.base import Attempt, Reply, Request
from synth.errors import BudgetReached
from synth.spec import Budget
from synth.spec_models import Price
from synth.tokens import estimate_tokens

MESSAGE_OVERHEAD = 16
"""Tokens that a chat template adds to a message, at most, for the templates in common use."""


def cost(price: Price | None, tokens_in: int, tokens_out: int) -> float:
    """US dollars; 0 where the spec names no price."""
    return 0.0 if price is None else (tokens_in * price.input + tokens_out * price.output) / 1e6


def prompt_tokens(request: Request) -> int:
    """Estimated tokens of a prompt, rather too many than too few."""
    return sum(estimate_tokens(m["content"]) + MESSAGE_OVERHEAD for m in request.messages)


_LEFT_BY_OTHERS = ", or in one piece when all parts have ended: what they left is then used"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was set aside for one try, or charged for it."""

    tokens: int
    usd: float


class Spending:
    """What a run has spent and reserved, against its caps. Each try of a request counts as one request.

    ``share``: the caps are those of a part of a run (:mod:`synth.shares`), which messages say.
    """

    def __init__(
        self, budget: Budget, *, requests: int = 0, tokens: int = 0, usd: float = 0.0, share: bool = False
    ) -> None:
        self.budget = budget
        self._share = share
        self.requests, self.tokens, self.usd = requests, tokens, usd

    def reserve(self, request: Request, price: Price | None) -> Reservation:
        """Set the worst case of one try aside.

        Raises:
            BudgetReached: a cap does not cover it; nothing was reserved.
        """
        budget = self.budget
        prompt = prompt_tokens(request)
        held = Reservation(prompt + request.max_tokens, cost(price, prompt, request.max_tokens))
        for name, spent, more, cap in (
            ("requests", self.requests, 1, budget.requests),
            ("tokens", self.tokens, held.tokens, budget.tokens),
            ("usd", self.usd, held.usd, budget.usd),
        ):
            if cap is not None and spent + more > cap:
                whose, cure = ("share of ", _LEFT_BY_OTHERS) if self._share else ("", "")
                raise BudgetReached(
                    f"{whose}budget.{name}: {_figure(spent)} of {_figure(cap)} are spent or reserved and the next "
                    f"request may take {_figure(more)}; raise budget.{name} and run the same command again to go on "
                    f"from here{cure}"
                )
        self.requests += 1
        self.tokens += held.tokens
        self.usd += held.usd
        return held

    def settle(self, held: Reservation, reply: Reply | None, price: Price | None, attempt: Attempt) -> Reservation:
        """Replace a reservation by what the try took, and return that: all of it where nobody knows."""
        if reply is None and attempt.may_cost:
            return held
        self.release(held)
        if attempt.arrived is not False:
            self.requests += 1
        if reply is None:
            return Reservation(0, 0.0)
        taken = Reservation(reply.tokens_in + reply.tokens_out, cost(price, reply.tokens_in, reply.tokens_out))
        self.tokens += taken.tokens
        self.usd += taken.usd
        return taken

    def release(self, held: Reservation) -> None:
        """Give a reservation back: nothing was sent."""
        self.requests -= 1
        self.tokens -= held.tokens
        self.usd -= held.usd


def _figure(number: float) -> str:
    """Counts in full, dollars to a hundredth of a cent."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.4f}"
