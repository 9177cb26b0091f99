"""What a store of leases promises, written down a second time; and replicas that borrow from one."""

import asyncio
from dataclasses import dataclass, field

from typing_extensions import override

from actors.lease_store import LEASE_S, Claim, LeaseStore, LimitKey, Loan
from actors.window_store import StoreUnavailable
from deployments.security.leased_limits import LeasedLimits
from deployments.security.limit_account import Demand
from deployments.security.shares import Shares
from routing.clock import Clock
from routing.gcra import Bucket, Rate


@dataclass(slots=True)
class _Held:
    seq: int
    used: float
    units: float
    until: float


@dataclass(slots=True)
class _Limit:
    bucket: Bucket = field(default_factory=Bucket)
    holders: dict[str, _Held] = field(default_factory=dict)


class ModelLeases(LeaseStore):
    """In this process, by a clock; every claim takes `takes_s`, and none is answered while `is_away`."""

    def __init__(self, clock: Clock, takes_s: float = 0.001) -> None:
        self.claims: list[Claim] = []
        self.is_away = False
        self._clock = clock
        self._takes_s = takes_s
        self._limits: dict[LimitKey, _Limit] = {}

    @override
    async def start(self) -> None:
        """It is ready."""

    @override
    async def claim(self, claim: Claim) -> Loan:
        self.claims.append(claim)
        await asyncio.sleep(self._takes_s)
        if self.is_away:
            raise StoreUnavailable("away")
        return self.settle(claim, self._clock.now())

    def settle(self, claim: Claim, now: float) -> Loan:
        limit, rate = self._limits.setdefault(claim.key, _Limit()), claim.rate
        mine = limit.holders.get(claim.holder)
        if mine is not None and claim.seq < mine.seq:
            return Loan(0.0, 0.0, 0.0)
        for name, held in list(limit.holders.items()):
            if held.until <= now:
                limit.bucket.settle(rate, held.units, now)
                if held is not mine:
                    del limit.holders[name]
        told = claim.told if mine is None else mine.used
        limit.bucket.settle(rate, claim.used - told, now)
        lent = sum(held.units for name, held in limit.holders.items() if name != claim.holder)
        room = max(0.0, limit.bucket.room(rate, now) - lent - claim.held)
        granted = min(claim.want, room)
        limit.holders[claim.holder] = _Held(
            claim.seq, claim.used, claim.held + granted, now + LEASE_S
        )
        return Loan(granted, room - granted, limit.bucket.debt(rate, now))

    @override
    async def aclose(self) -> None:
        """There is nothing to close."""


def demand(rate: Rate, cost: float = 1.0, scope: str = "tenant", tenant: str = "acme") -> Demand:
    key = LimitKey(tenant, scope, "" if scope == "tenant" else "ann")
    return Demand(scope, key, rate, cost)


def part(clock: Clock, share: float = 0.25) -> Shares:
    """What a replica has of every limit where it decides alone: a quarter, and always had."""
    return Shares.fixed(clock, share)


@dataclass
class Replicas:
    """Some replicas over one store, and when each request was let in."""

    store: LeaseStore
    clock: Clock
    count: int
    admitted: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        even = part(self.clock, 1 / max(1, self.count))
        self.all = [LeasedLimits(self.store, f"r{n}", even, self.clock) for n in range(self.count)]

    async def press(self, asked: Demand, until: float, every_s: float) -> None:
        """Every replica asks all the time until then."""

        async def one(limits: LeasedLimits) -> None:
            while self.clock.monotonic() < until:
                await self.ask(limits, asked)
                await asyncio.sleep(every_s)

        await asyncio.gather(*(one(limits) for limits in self.all))

    async def ask(self, limits: LeasedLimits, asked: Demand) -> bool:
        standing = await limits.admit((asked,))
        if standing.wait_s == 0.0:
            self.admitted.append((self.clock.monotonic(), asked.cost))
        return standing.wait_s == 0.0

    @property
    def total(self) -> float:
        return sum(cost for _, cost in self.admitted)

    def most_in_excess(self, rate: Rate) -> float:
        """By how much any window saw more than one bucket would have let pass; below nothing if none."""
        worst = float("-inf")
        for first, (begins, _) in enumerate(self.admitted):
            total = 0.0
            for at, cost in self.admitted[first:]:
                total += cost
                worst = max(worst, total - rate.burst - rate.per_s * (at - begins))
        return worst
