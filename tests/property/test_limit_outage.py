"""The store of limits goes away in the middle of anything: what passes beyond the limit is what others took unheard."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from actors.lease_store import Claim, Loan
from deployments.security.leased_limits import ALONE_S, LeasedLimits
from routing.clock import ManualClock
from routing.gcra import Rate
from tests.limit_world import ModelLeases, demand

REPLICAS = 4
BURST = 100.0
# Of a day: nothing comes back, so all that passes is told by adding it up.
DAY = Rate(0.0, BURST)
_ROUNDING = 1e-3


class Heard(ModelLeases):
    """Remembers what each replica was told last of what all had taken, and what that is by now."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, takes_s=0.0)
        self.by = defaultdict[str, float](float)
        self.taken = 0.0

    @override
    def settle(self, claim: Claim, now: float) -> Loan:
        loan = super().settle(claim, now)
        self.taken = self.by[claim.holder.partition(".")[0]] = BURST - loan.room
        return loan


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
    st.sampled_from([0.0, 0.2, 2.0]),
)


class World:
    """Some replicas, and all that passed, less what was given back."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Heard(self.clock)
        self.all = [LeasedLimits(self.store, f"r{n}", self.clock) for n in range(REPLICAS)]
        self.passed = 0.0

    async def do(self, step: Step) -> None:
        limits, asked = self.all[step.replica], (demand(DAY, REPLICAS, step.cost),)
        for _ in range(step.times):
            if (await limits.admit(asked)).wait_s > 0.0:
                break
            self.passed += step.cost
            if step.back:
                limits.settle(asked, -step.cost * step.back)
                self.passed -= step.cost * step.back
            # What is asked in the background is answered now.
            for _ in range(3):
                await asyncio.sleep(0)
        self.clock.advance(step.pause_s)

    async def all_take_what_they_can(self) -> None:
        for number in range(REPLICAS):
            await self.do(Step(number, 10_000, 1.0, 0.0, 0.0))


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=12), st.lists(steps, max_size=6))
def test_in_an_outage_no_more_passes_than_was_left_when_each_had_last_asked(
    before: list[Step], during: list[Step]
) -> None:
    """Each has its part of what was left then: all together pass the limit only by what others took since."""

    async def run() -> None:
        world = World()
        for step in before:
            await world.do(step)
        assert world.passed <= BURST + _ROUNDING
        world.store.is_away = True
        unheard = sum(
            max(0.0, world.store.taken - world.store.by[f"r{number}"]) / REPLICAS
            for number in range(REPLICAS)
        )
        for step in during:
            await world.do(step)
        await world.all_take_what_they_can()
        assert world.passed <= BURST + unheard + _ROUNDING

    asyncio.run(run())


@pytest.mark.parametrize("busy", range(REPLICAS))
async def test_where_all_have_asked_nothing_passes_beyond_a_limit_that_is_used_up(
    busy: int,
) -> None:
    """One took the whole day's, and the others were told when they asked: none of them has a share left."""
    world = World()
    await world.do(Step(busy, 10_000, 1.0, 0.0, 2.0))
    await world.all_take_what_they_can()
    assert world.passed == BURST
    world.store.is_away = True
    world.clock.advance(2 * ALONE_S)
    await world.all_take_what_they_can()
    assert world.passed == BURST


async def test_who_never_asked_has_a_share_of_the_whole_and_no_more() -> None:
    """The most there can be: three quarters of a burst, or of a day, beyond it."""
    world = World()
    await world.do(Step(0, 10_000, 1.0, 0.0, 2.0))
    world.store.is_away = True
    await world.all_take_what_they_can()
    assert world.passed == pytest.approx(BURST * (2 * REPLICAS - 1) / REPLICAS, abs=REPLICAS)


async def test_half_of_a_limit_that_one_took_leaves_the_others_a_share_of_the_other_half() -> None:
    world = World()
    await world.do(Step(0, 50, 1.0, 0.0, 0.0))
    for number in range(1, REPLICAS):
        await world.do(Step(number, 1, 1.0, 0.0, 0.0))
    world.store.is_away = True
    await world.all_take_what_they_can()
    assert BURST / 2 <= world.passed <= BURST
