"""How many tokens models may read and write for a tenant, a customer and a key: a minute, and a day.

What a request may take is taken before anybody is asked, and settled with what it did take when it
is over. A day goes from midnight to midnight, UTC; of its tokens none come back before.
"""

from typing import Literal

from actors.lease_store import LimitKey
from config.limits import LimitSettings, TokenRate, TokenRates
from deployments.security.leased_limits import LeasedLimits
from deployments.security.limit_account import Demand
from deployments.security.rate_headers import refused
from routing.budget import DAY_S, Payer, day_at
from routing.clock import Clock
from routing.gcra import Rate

Scope = Literal["tenant", "user", "key"]


class TokenHold:
    """Tokens taken for one request. Settle it exactly once, whatever ends the request."""

    __slots__ = ("_demands", "_limits", "_tokens")

    def __init__(self, limits: LeasedLimits, demands: tuple[Demand, ...], tokens: int) -> None:
        self._limits = limits
        self._demands = demands
        self._tokens = tokens

    def settle(self, tokens: int) -> None:
        """The request is over and took so many. Only the first call counts."""
        demands, self._demands = self._demands, ()
        if demands and tokens != self._tokens:
            self._limits.settle(demands, tokens - self._tokens)


class TokenLimits:
    """Admits requests by their tokens."""

    def __init__(self, settings: LimitSettings, limits: LeasedLimits, clock: Clock) -> None:
        self._settings = settings
        self._limits = limits
        self._clock = clock

    async def reserve(self, payer: Payer, tokens: int) -> TokenHold | None:
        """Take `tokens` from every limit that concerns `payer`, or none; None where none does.

        Raises:
            RateLimited: a limit has not so many left.
        """
        demands = tuple(self._demands(payer, tokens))
        if not demands:
            return None
        standing = self._limits.take(demands) or await self._limits.admit(demands)
        if standing.wait_s > 0.0:
            left, quota = max(0, int(standing.room)), int(standing.demand.rate.burst)
            if standing.demand.key.period:
                standing = standing._replace(wait_s=DAY_S - self._clock.now() % DAY_S)
            detail = (
                f"The limit {standing.demand.name} has {left} of {quota} tokens left; "
                f"this request may take {tokens}."
            )
            raise refused(standing, detail)
        return TokenHold(self._limits, demands, tokens)

    def _demands(self, payer: Payer, tokens: int) -> list[Demand]:
        own = self._settings.tenants.get(payer.tenant)
        every = self._settings.tokens
        subjects: dict[Scope, str | None] = {
            "tenant": "", "user": payer.user, "key": payer.key,
        }  # fmt: skip
        demands, today = list[Demand](), str(day_at(self._clock.now()))
        for scope, subject in subjects.items():
            if subject is None:
                continue
            told = _of(every, scope)
            said = told if own is None else _either(_of(own.tokens, scope), told)
            limits = {
                "minute": (said.per_minute, 60.0, ""),
                "day": (said.per_day, 0.0, today),
            }
            for name, (quota, window_s, period) in limits.items():
                if quota is not None:
                    rate = Rate(quota / window_s if window_s else 0.0, float(quota))
                    kind = f"{scope}-tokens-{name}"
                    key = LimitKey(payer.tenant, kind, subject, period)
                    demands.append(Demand(kind, key, rate, tokens))
        return demands


def _of(rates: TokenRates, scope: Scope) -> TokenRate:
    match scope:
        case "tenant":
            return rates.tenant
        case "user":
            return rates.user
        case "key":
            return rates.key


def _either(own: TokenRate, every: TokenRate) -> TokenRate:
    return TokenRate(
        per_minute=own.per_minute if own.per_minute is not None else every.per_minute,
        per_day=own.per_day if own.per_day is not None else every.per_day,
    )
