"""What a request is let take before anybody is asked: money of budgets, and tokens of limits."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from deployments.agent.budgets import Purse
from deployments.security.token_limits import TokenHold, TokenLimits
from routing.budget import Payer, to_pico, to_usd
from routing.decision import Decision
from routing.wallet import Reservation


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision with what was taken for it; `left_usd` is what its answer may cost, None for anything."""

    decision: Decision
    left_usd: Decimal | None
    reservation: Reservation | None = None
    tokens: TokenHold | None = None

    def settle(self, at_most_usd: Decimal | None, tokens: int) -> None:
        """The answer is over: what it cannot have cost, and did not take, is free for others.

        None for money says that a call which was lost may have been charged in full.
        """
        if self.tokens is not None:
            self.tokens.settle(tokens)
        if self.reservation is not None:
            self.reservation.settle(None if at_most_usd is None else to_pico(at_most_usd))


class Till:
    """Takes both, or neither. Without a purse there are no budgets, without limits no tokens are counted."""

    def __init__(self, purse: Purse | None, limits: TokenLimits | None) -> None:
        self._purse = purse
        self._limits = limits

    async def take(
        self,
        payer: Payer,
        tokens: int,
        max_cost_usd: Decimal | None,
        choose: Callable[[Decimal | None], Decision],
        turns: int,
    ) -> Taken:
        """The decision that `choose` takes within the most an answer may cost.

        `tokens` are what one turn may read and write; what further turns do is settled in the end.

        Raises:
            BudgetExceeded, BudgetUnavailable, RequestError: as Purse.admit.
            RateLimited: a limit has too few tokens left.
        """
        held = None if self._limits is None else await self._limits.reserve(payer, tokens)
        try:
            due = {} if self._purse is None else self._purse.due(payer)
            if self._purse is None or not due:
                return Taken(choose(max_cost_usd), max_cost_usd, None, held)
            admitted = await self._purse.admit(due, max_cost_usd, choose, turns)
            reservation = admitted.reservation
            return Taken(admitted.decision, to_usd(reservation.amount), reservation, held)
        except BaseException:
            if held is not None:
                held.settle(0)
            raise
