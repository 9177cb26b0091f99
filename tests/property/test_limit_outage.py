"""The store of limits goes away in the middle of anything: no more passes than one bucket would have let pass.

Only of a limit that does not come back replicas that had borrowed nothing go on with a twentieth each.
"""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.security.leased_limits import ALONE_S
from deployments.security.limit_account import UNHEARD_SHARE
from routing.clock import ManualClock
from routing.gcra import Rate
from tests.limit_world import ModelLeases, Replicas, demand

REPLICAS = 4
BURST = 100.0
# Of a day: nothing comes back, so all that passes is told by adding it up.
DAY = Rate(0.0, BURST)
MINUTE = Rate(BURST / 60, BURST)
BEYOND_OF_A_DAY = REPLICAS * UNHEARD_SHARE * BURST
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Step:
    """A replica takes some requests' worth one by one, and of each gives back a part."""

    replica: int
    times: int
    cost: float
    back: float
    pause_s: float


# No cost is more than a share: such a request waits for all of a share, and then takes more.
steps = st.builds(
    Step,
    st.integers(0, REPLICAS - 1),
    st.integers(1, 20),
    st.sampled_from([1.0, 7.0, 20.0]),
    st.sampled_from([0.0, 0.0, 0.5, 0.9]),
    st.sampled_from([0.0, 0.2, 2.0, 30.0]),
)


class World(Replicas):
    """Some replicas, and all that passed, less what was given back."""

    def __init__(self, rate: Rate) -> None:
        self.time = ManualClock()
        self.leases = ModelLeases(self.time, takes_s=0.0)
        super().__init__(self.leases, self.time, REPLICAS)
        self.rate = rate
        self.given_back = 0.0

    @property
    def passed(self) -> float:
        return self.total - self.given_back

    async def do(self, step: Step) -> None:
        limits, asked = self.all[step.replica], demand(self.rate, step.cost)
        for _ in range(step.times):
            if not await self.ask(limits, asked):
                break
            if step.back:
                limits.settle((asked,), -step.cost * step.back)
                self.given_back += step.cost * step.back
            # What is asked in the background is answered now.
            for _ in range(3):
                await asyncio.sleep(0)
        self.time.advance(step.pause_s)

    async def all_take_what_they_can(self) -> None:
        for number in range(REPLICAS):
            await self.do(Step(number, 10_000, 1.0, 0.0, 0.0))


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=12), st.lists(steps, max_size=6))
def test_in_an_outage_of_a_days_limit_no_more_passes_than_a_twentieth_for_each_replica_besides(
    before: list[Step], during: list[Step]
) -> None:
    async def run() -> None:
        world = World(DAY)
        for step in before:
            await world.do(step)
        assert world.passed <= BURST + _ROUNDING
        world.leases.is_away = True
        for step in during:
            await world.do(step)
        await world.all_take_what_they_can()
        assert world.passed <= BURST + BEYOND_OF_A_DAY + _ROUNDING

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12), st.lists(steps, max_size=8))
def test_of_a_limit_that_comes_back_no_window_across_an_outage_sees_more_than_one_bucket_lets_pass(
    before: list[Step], during: list[Step]
) -> None:
    """Whoever had asked, and whoever never had: what each has from then on adds up to what comes back."""

    async def run() -> None:
        world = World(MINUTE)
        for step in before:
            await world.do(Step(step.replica, step.times, step.cost, 0.0, step.pause_s))
        world.leases.is_away = True
        for step in during:
            await world.do(Step(step.replica, step.times, step.cost, 0.0, step.pause_s))
        await world.all_take_what_they_can()
        assert not world.admitted or world.most_in_excess(MINUTE) <= _ROUNDING

    asyncio.run(run())


@pytest.mark.parametrize("busy", range(REPLICAS))
async def test_where_all_have_asked_nothing_passes_beyond_a_limit_that_is_used_up(
    busy: int,
) -> None:
    """One took the whole day's, and the others were told when they asked: none of them has a share left."""
    world = World(DAY)
    await world.do(Step(busy, 10_000, 1.0, 0.0, 2.0))
    await world.all_take_what_they_can()
    assert world.passed == BURST
    world.leases.is_away = True
    world.time.advance(2 * ALONE_S)
    await world.all_take_what_they_can()
    assert world.passed == BURST


async def test_who_never_asked_has_nothing_of_a_limit_but_what_comes_back() -> None:
    """Where one took all, an outage adds nothing at once, and then what the limit gives to anybody."""
    world = World(MINUTE)
    await world.do(Step(0, 10_000, 1.0, 0.0, 0.0))
    world.leases.is_away = True
    # "Nothing left" is believed for a while, so that not all of them notice at once.
    world.time.advance(2.0)
    await world.all_take_what_they_can()
    assert world.passed == BURST
    world.time.advance(24.0)
    await world.all_take_what_they_can()
    assert world.passed == BURST + 24.0 * MINUTE.per_s


async def test_who_never_asked_about_a_day_goes_on_with_a_twentieth_of_it() -> None:
    world = World(DAY)
    await world.do(Step(0, 10_000, 1.0, 0.0, 2.0))
    world.leases.is_away = True
    await world.all_take_what_they_can()
    assert world.passed == BURST + (REPLICAS - 1) * UNHEARD_SHARE * BURST


async def test_what_was_borrowed_can_be_used_when_the_store_is_gone() -> None:
    world = World(MINUTE)
    await world.do(Step(0, 1, 1.0, 0.0, 0.0))
    world.leases.is_away = True
    await world.all_take_what_they_can()
    # Of a chunk of five.
    assert world.passed == 5.0
