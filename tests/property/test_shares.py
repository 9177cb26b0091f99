"""Replicas and a coordinator that talk badly: what all of them let in together is never more than the limit.

Claims and answers are lost, late and out of order; replicas come, end, die and are cut off; the coordinator
dies and begins anew. Two promises have an end, which is kept here: a replica that the coordinator has not
heard of for a minute has been stopped, and one that it has not heard of since it began anew, in ten seconds.
"""

import random
from dataclasses import dataclass, field

import pytest

from actors.coordinator.shares import ShareBook
from actors.shares import ANSWER_S, GONE_S, HELD_S, LEASE_S, ShareClaim, ShareGrant
from config.limits import REPLICAS_MAX, LimitSettings
from deployments.security.errors import RateLimited
from deployments.security.leased_limits import LeasedLimits
from deployments.security.rate_limits import RateLimits
from deployments.security.shares import Shares
from routing.clock import ManualClock
from routing.gcra import Bucket, Rate
from tests.limit_world import demand

RATE = Rate(5.0, 40.0)
NARROW = Rate(0.1, 4.0)
IN_FLIGHT = 10
TENANTS = ("acme", "zeta")
FATES = ("answered", "answered", "answer waits", "answer lost", "claim waits", "claim lost")
_ROUNDING = 1e-6


@dataclass
class Replica:
    """One life of one, with its limits and what it has under way."""

    clock: ManualClock
    name: str
    heard_at: float
    under_way: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))
    asked_at: float = 0.0
    waits_s: float = 0.0

    def __post_init__(self) -> None:
        self.shares = Shares(self.clock, "ingress", self.name, 1 / REPLICAS_MAX)
        self.limits = LeasedLimits(None, self.name, self.shares, self.clock)
        configured = LimitSettings.model_validate({"in_flight": IN_FLIGHT})
        self.rates = RateLimits(configured, self.limits, self.shares)

    def ask(self) -> ShareClaim:
        self.waits_s = ANSWER_S if self.shares.share > 0.0 else HELD_S
        self.asked_at = self.clock.monotonic()
        return self.shares.ask(self.rates.over())

    def hear(self, seq: int, grant: ShareGrant) -> None:
        if self.clock.monotonic() - self.asked_at < self.waits_s:
            self.shares.hear(seq, grant)

    def take_all(self, bucket: Bucket, rate: Rate) -> None:
        asked = (demand(rate, scope=f"burst-{rate.burst:g}"),)
        while self.limits.take(asked) is not None:
            bucket.settle(rate, 1.0, self.clock.monotonic())

    def begin_all(self, tenant: str, most: int) -> None:
        try:
            for _ in range(most):
                self.rates.begin(tenant)
                self.under_way[tenant] += 1
        except RateLimited:
            return

    def end_one(self, tenant: str) -> None:
        if self.under_way[tenant]:
            self.rates.end(tenant)
            self.under_way[tenant] -= 1


class World:
    """Whatever can happen, in any order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  a test's world
        self.clock = ManualClock()
        self.book = ShareBook(lambda: True)
        self.began_at = self.clock.monotonic()
        self.alive = list[Replica]()
        self.claims = list[tuple[Replica, ShareClaim]]()
        self.answers = list[tuple[Replica, int, ShareGrant]]()
        self.lives = 0
        self.is_excused = False
        self.buckets = {RATE: Bucket(), NARROW: Bucket()}

    def step(self) -> None:
        """One thing happens; a crowd of them changes the parts, and few things end."""
        [do] = self.chance.choices(list(THINGS), list(THINGS.values()))
        do(self)

    def come(self) -> None:
        if len(self.alive) < REPLICAS_MAX:
            self.lives += 1
            self.alive.append(Replica(self.clock, f"r{self.lives}", self.clock.monotonic()))

    def end(self) -> None:
        """It says so, or it does not."""
        if replica := self._any():
            self.alive.remove(replica)
            if self.chance.random() < 0.5:
                self.claims.append((replica, replica.shares.last()))

    def ask(self) -> None:
        """Most are answered at once, so that there is something to lose."""
        replica = self._any()
        if replica is None:
            return
        claim, fate = replica.ask(), self.chance.choice(FATES)
        if fate == "claim waits":
            self.claims.append((replica, claim))
        elif fate != "claim lost":
            answer = self._to_the_coordinator(replica, claim)
            if fate == "answered":
                replica.hear(claim.seq, answer)
            elif fate == "answer waits":
                self.answers.append((replica, claim.seq, answer))

    def claim_comes(self) -> None:
        """In any order, and perhaps once more later."""
        if self.claims:
            found = self.chance.choice(self.claims)
            if self.chance.random() < 0.8:
                self.claims.remove(found)
            replica, claim = found
            answer = self._to_the_coordinator(replica, claim)
            self.answers.append((replica, claim.seq, answer))

    def answer_comes(self) -> None:
        if self.answers:
            replica, seq, grant = self.answers.pop(self.chance.randrange(len(self.answers)))
            replica.hear(seq, grant)

    def wait(self) -> None:
        self.clock.advance(self.chance.choice((0.01, 0.2, 0.5, 0.9, 2.0)))
        self._stop_the_silent()

    def wait_long(self) -> None:
        self.clock.advance(self.chance.choice((HELD_S, LEASE_S, 25.0)))
        self._stop_the_silent()

    def coordinator_dies(self) -> None:
        self.began_at = self.clock.monotonic()
        self.book = ShareBook(lambda: False)

    def all_take_all_they_can(self) -> None:
        for rate, bucket in self.buckets.items():
            for replica in self.chance.sample(self.alive, len(self.alive)):
                replica.take_all(bucket, rate)

    def requests_begin(self) -> None:
        if replica := self._any():
            replica.begin_all(self.chance.choice(TENANTS), self.chance.randint(1, IN_FLIGHT))

    def request_ends(self) -> None:
        if replica := self._any():
            replica.end_one(self.chance.choice(TENANTS))

    def must_be_sound(self) -> None:
        self.the_parts_are_no_more_than_the_whole()
        self.no_window_sees_more_than_one_bucket_would_let_pass()
        self.no_more_are_under_way_than_may_be()

    def the_parts_are_no_more_than_the_whole(self) -> None:
        assert sum(replica.shares.share for replica in self.alive) <= 1.0 + _ROUNDING

    def no_window_sees_more_than_one_bucket_would_let_pass(self) -> None:
        now = self.clock.monotonic()
        for rate, bucket in self.buckets.items():
            assert bucket.debt(rate, now) <= rate.burst + _ROUNDING

    def no_more_are_under_way_than_may_be(self) -> None:
        """Silence costs a replica its part and ends no request: with such ones there may be more."""
        if any(replica.shares.share and replica.shares.has_lapsed for replica in self.alive):
            self.is_excused = True
        elif not any(replica.rates.over() for replica in self.alive):
            self.is_excused = False
        for tenant in TENANTS:
            under_way = sum(replica.under_way[tenant] for replica in self.alive)
            assert under_way <= IN_FLIGHT or self.is_excused

    def _any(self) -> Replica | None:
        return self.chance.choice(self.alive) if self.alive else None

    def _stop_the_silent(self) -> None:
        now = self.clock.monotonic()
        for replica in list(self.alive):
            is_new_to_it = replica.heard_at <= self.began_at and replica.shares.count > 0
            if now - replica.heard_at >= GONE_S or (
                is_new_to_it and now - self.began_at >= LEASE_S
            ):
                self.alive.remove(replica)

    def _to_the_coordinator(self, replica: Replica, claim: ShareClaim) -> ShareGrant:
        if claim.seq == replica.shares._seq:
            replica.heard_at = self.clock.monotonic()
        return self.book.claim(claim, self.clock.monotonic())


THINGS = {
    World.ask: 40.0, World.claim_comes: 10.0, World.answer_comes: 10.0,
    World.all_take_all_they_can: 10.0, World.requests_begin: 8.0, World.request_ends: 8.0,
    World.wait: 12.0, World.wait_long: 1.0, World.come: 4.0, World.end: 2.0,
    World.coordinator_dies: 0.5,
}  # fmt: skip
"""How often each thing happens."""


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_lost_or_late_all_replicas_together_let_in_no_more_than_the_limit(
    seed: int,
) -> None:
    for number in range(20):
        world = World(seed * 1_000 + number)
        for _ in range(120):
            world.step()
            world.must_be_sound()
