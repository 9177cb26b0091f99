"""Replicas that borrow from one limit: they let in what one bucket would, whatever happens to them."""

import asyncio
import random

import pytest
from typing_extensions import override

from actors.lease_store import LEASE_S, Claim, Loan
from deployments.security.leased_limits import ALONE_S, IDLE_S, TEND_S, LeasedLimits
from deployments.security.limit_account import Demand
from routing.gcra import Rate
from tests.limit_world import ModelLeases, Replicas, demand, part
from tests.unit.virtual_time import LoopClock

RATE = Rate(100.0, 100.0)
NOTHING = 1e-6


async def test_eight_replicas_under_pressure_let_in_what_one_bucket_would() -> None:
    clock = LoopClock()
    world = Replicas(ModelLeases(clock), clock, 8)
    began, pressed_s = clock.monotonic(), 5.0
    await world.press(demand(RATE), began + pressed_s, 0.003)
    assert world.most_in_excess(RATE) <= NOTHING
    # What replicas hold at the end, and the moments in which nobody had asked yet: a tenth of a second's.
    assert world.total >= (RATE.burst + RATE.per_s * pressed_s) * 0.98


@pytest.mark.parametrize("seed", range(5))
async def test_no_window_sees_more_than_the_limit_however_requests_are_spread(seed: int) -> None:
    """Bursts, quiet times, replicas that wake after a lease ended, requests that cost more than a chunk."""
    clock, chance = LoopClock(), random.Random(seed)  # noqa: S311  a test's arrivals
    world = Replicas(ModelLeases(clock), clock, 4)
    for limits in world.all:
        await limits.start()
    rate = Rate(20.0, 60.0)
    for _ in range(300):
        limits = chance.choice(world.all)
        await world.ask(limits, demand(rate, chance.choice((1.0, 1.0, 7.0, 59.0))))
        await asyncio.sleep(chance.choice((0.0, 0.01, 0.1, 2 * LEASE_S)) * chance.random())
    assert world.admitted
    assert world.most_in_excess(rate) <= NOTHING
    for limits in world.all:
        await limits.aclose()


async def test_who_is_let_in_from_a_lease_asks_nobody_and_who_is_refused_neither() -> None:
    clock = LoopClock()
    store = ModelLeases(clock)
    limits, asked = LeasedLimits(store, "r", part(clock), clock), (demand(Rate(0.001, 100.0)),)
    assert (await limits.admit(asked)).wait_s == 0.0
    assert len(store.claims) == 1
    # A chunk is five: one is gone, two more leave half of it, and nobody was asked.
    assert limits.take(asked) is not None
    assert limits.take(asked) is not None
    assert len(store.claims) == 1
    while (await limits.admit(asked)).wait_s == 0.0:
        pass
    after = len(store.claims)
    for _ in range(1_000):
        refused = await limits.admit(asked)
        assert refused.wait_s > 900.0
    assert len(store.claims) == after


async def test_all_is_taken_or_nothing() -> None:
    """A limit that is used up costs the others nothing."""
    clock = LoopClock()
    limits = LeasedLimits(ModelLeases(clock), "r", part(clock), clock)
    wide, narrow = demand(Rate(0.001, 100.0)), demand(Rate(0.001, 3.0), scope="user")
    for _ in range(3):
        assert (await limits.admit((wide, narrow))).wait_s == 0.0
    for _ in range(20):
        refused = await limits.admit((wide, narrow))
        assert refused.wait_s > 0.0
        assert refused.demand is narrow
    let_in = 0
    while (await limits.admit((wide,))).wait_s == 0.0:
        let_in += 1
    assert let_in == 97


async def test_a_replica_that_dies_costs_its_chunk_at_most_and_only_until_its_lease_ends() -> None:
    clock = LoopClock()
    world = Replicas(ModelLeases(clock), clock, 2)
    dead, other = world.all
    asked = demand(Rate(0.001, 100.0))
    assert await world.ask(dead, asked)
    alive = 0
    while await world.ask(other, asked):
        alive += 1
    assert alive == 95  # one was used, four are held by the dead
    await asyncio.sleep(LEASE_S + 1)
    refilled = Rate(100.0, 100.0)
    await asyncio.sleep(2.0)
    assert await world.ask(other, Demand("tenant", asked.key, refilled))


async def test_what_a_replica_does_not_use_comes_back_to_the_others() -> None:
    clock = LoopClock()
    world = Replicas(ModelLeases(clock), clock, 2)
    for limits in world.all:
        await limits.start()
    idle, busy = world.all
    asked = demand(Rate(1e-9, 100.0))
    assert await world.ask(idle, asked)
    await asyncio.sleep(IDLE_S + 3 * TEND_S)
    let_in = 0
    while await world.ask(busy, asked):
        let_in += 1
    assert let_in == 99
    for limits in world.all:
        await limits.aclose()


async def test_without_its_store_every_replica_keeps_its_share_and_is_never_open() -> None:
    clock = LoopClock()
    store = ModelLeases(clock)
    world = Replicas(store, clock, 4)
    began = clock.monotonic()
    asked = demand(RATE)
    await world.press(asked, began + 1.0, 0.002)
    before = world.total
    store.is_away = True
    await world.press(asked, began + 6.0, 0.002)
    # Each had used its share before: five seconds see the rate, and what was borrowed already.
    assert world.total - before <= 5 * RATE.per_s + len(world.all) * asked.chunk
    assert world.total - before >= 4 * RATE.per_s
    assert all(limits.is_degraded for limits in world.all)
    # The store is tried once in a while by each replica, not by each request.
    tried = len(store.claims)
    await world.press(asked, began + 6.0 + ALONE_S, 0.002)
    assert len(store.claims) - tried <= 2 * len(world.all)


async def test_when_the_store_is_back_it_is_told_what_passed_meanwhile() -> None:
    clock = LoopClock()
    store = ModelLeases(clock)
    limits, asked = LeasedLimits(store, "r", part(clock, 0.5), clock), (demand(Rate(1.0, 100.0)),)
    store.is_away = True
    # What others took last nobody says: this replica has half of what comes back from now on.
    assert (await limits.admit(asked)).wait_s > 0.0
    await asyncio.sleep(80.0)
    for _ in range(40):
        assert (await limits.admit(asked)).wait_s == 0.0
    assert (await limits.admit(asked)).wait_s > 0.0
    store.is_away = False
    await asyncio.sleep(ALONE_S)
    let_in = 0
    while (await limits.admit(asked)).wait_s == 0.0:
        let_in += 1
    assert 60 <= let_in <= 62
    assert not limits.is_degraded


async def test_tokens_are_settled_with_what_they_were() -> None:
    """Less than was taken can be taken again; more goes below nothing."""
    clock = LoopClock()
    limits = LeasedLimits(ModelLeases(clock), "r", part(clock), clock)
    rate = Rate(1e-9, 1_000.0)
    taken = (demand(rate, cost=600.0),)
    assert (await limits.admit(taken)).wait_s == 0.0
    assert (await limits.admit(taken)).wait_s > 0.0
    limits.settle(taken, -500.0)
    assert (await limits.admit(taken)).wait_s == 0.0
    limits.settle(taken, 900.0)
    one = (demand(rate),)
    assert (await limits.admit(one)).wait_s > 1e8
    limits.settle(taken, -600.0)
    assert (await limits.admit(one)).wait_s > 1e8
    limits.settle(taken, -2.0)
    assert (await limits.admit(one)).wait_s == 0.0


async def test_what_costs_more_than_the_burst_waits_for_all_of_it() -> None:
    clock = LoopClock()
    limits = LeasedLimits(ModelLeases(clock), "r", part(clock), clock)
    rate = Rate(10.0, 100.0)
    large = (demand(rate, cost=250.0),)
    assert (await limits.admit(large)).wait_s == 0.0
    refused = await limits.admit((demand(rate),))
    assert refused.wait_s == pytest.approx(15.1, abs=0.2)


async def test_alone_a_limit_is_exact_with_one_replica() -> None:
    clock = LoopClock()
    world = Replicas(ModelLeases(clock), clock, 1)
    world.all = [LeasedLimits(None, "r", part(clock, 1.0), clock)]
    began = clock.monotonic()
    await world.press(demand(RATE), began + 3.0, 0.001)
    assert world.most_in_excess(RATE) <= NOTHING
    assert world.total >= RATE.burst + 3 * RATE.per_s - 2


async def test_when_there_are_too_many_subjects_those_who_took_least_are_forgotten() -> None:
    clock = LoopClock()
    limits = LeasedLimits(None, "r", part(clock), clock, keys_max=10)
    rate = Rate(1e-9, 10.0)
    loaded = (demand(rate, tenant="loaded"),)
    while limits.take(loaded) is not None:
        pass
    for number in range(100):
        limits.take((demand(rate, tenant=f"t{number}"),))
    assert limits.take(loaded) is None


async def test_a_caller_who_leaves_while_the_store_is_asked_stops_nobody_else() -> None:
    clock = LoopClock()
    limits = LeasedLimits(ModelLeases(clock, takes_s=0.05), "r", part(clock), clock)
    asked = (demand(RATE),)
    leaver = asyncio.create_task(limits.admit(asked))
    stayer = asyncio.create_task(limits.admit(asked))
    await asyncio.sleep(0.01)
    leaver.cancel()
    assert (await stayer).wait_s == 0.0


async def test_a_store_that_breaks_in_an_unforeseen_way_lets_nobody_in_for_free() -> None:
    clock = LoopClock()

    class Broken(ModelLeases):
        @override
        async def claim(self, claim: Claim) -> Loan:
            raise ValueError("nobody thought of this")

    limits = LeasedLimits(Broken(clock), "r", part(clock), clock)
    asked = (demand(Rate(1e-9, 8.0)),)
    assert [(await limits.admit(asked)).wait_s == 0.0 for _ in range(4)] == [False] * 4
