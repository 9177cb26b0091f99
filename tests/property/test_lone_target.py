"""The only target there is: whatever befell it, it is asked, and a good answer makes it well."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.coordinator.state import CoordinatorState
from routing.breaker import MAX_COOLING_S
from routing.decision import Decision
from routing.errors import ErrorKind, NoPlatformAvailable
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import NOW, asked, outcome, platform

ONLY = platform("openai")


@dataclass(frozen=True)
class Caller:
    """Comes after a pause, sees a board that may be an older one, and what it asks ends so."""

    pause_s: float
    sees_old_board: bool
    took_s: float
    error: ErrorKind | None
    retry_after_s: float | None = None
    abandoned: bool = False
    lost: bool = False
    """Its process died: nobody hears of the attempt."""


CALLERS = st.builds(
    Caller,
    pause_s=st.sampled_from([0.01, 0.3, 1.0, 9.0, 11.0, 80.0, 130.0, 310.0]),
    sees_old_board=st.booleans(),
    took_s=st.sampled_from([0.0, 0.5, 30.0]),
    error=st.none() | st.sampled_from(list(ErrorKind)),
    retry_after_s=st.none() | st.floats(0, 1e6),
    abandoned=st.booleans(),
    lost=st.booleans(),
)


class World:
    """One target, its coordinator, and callers one after the other."""

    def __init__(self) -> None:
        self.state = CoordinatorState("us")
        self.now = NOW
        self.board: Snapshot = self.state.snapshot(NOW)
        self.count = 0

    @property
    def card(self) -> Scorecard:
        return self.state.snapshot(self.now).of(ONLY.target)

    def decide(self, board: Snapshot) -> Decision:
        return asked([ONLY], replace(board), now=self.now)

    def call(self, caller: Caller) -> bool:
        """Whether the platform was asked; refused is only who comes while it asked to be left alone."""
        self.now += caller.pause_s
        board = self.board if caller.sees_old_board else self.state.snapshot(self.now)
        self.board = self.state.snapshot(self.now)
        if board.of(ONLY.target).is_cooling(self.now):
            with pytest.raises(NoPlatformAvailable) as refused:
                self.decide(board)
            for attempt in refused.value.attempts:
                assert 0 < (attempt.retry_after_s or 0) <= MAX_COOLING_S
            return False
        planned = self.decide(board).plan.primary
        self.count += 1
        name = f"ans_{self.count}"
        if planned.is_probe:
            # Refused or not: a plan without another platform asks in any case (calls.py).
            self.state.claim_probe(ONLY.target, f"{name}/0", self.now)
        self.now += caller.took_s
        if not caller.lost:
            told = outcome(
                at=self.now,
                error=None if caller.abandoned else caller.error,
                latency_ms=caller.took_s * 1000,
                retry_after_s=caller.retry_after_s,
                abandoned=caller.abandoned,
                answer_id=name,
            )
            self.state.fold([told], self.now)
        return True


@settings(max_examples=150, deadline=None)
@given(st.lists(CALLERS, max_size=30))
def test_it_is_refused_only_while_it_asked_for_that_and_one_good_answer_heals_it(
    callers: list[Caller],
) -> None:
    """No order of failures, lost probes, old boards and departures locks it out."""
    world = World()
    for caller in callers:
        world.call(caller)
    while not world.call(Caller(1.0, sees_old_board=False, took_s=0.5, error=None)):
        assert world.card.is_cooling(world.now)
    world.now += 1.0
    assert world.card.breaker.value == "closed"
    assert world.card.forced is False


@settings(max_examples=60, deadline=None)
@given(
    st.lists(CALLERS, max_size=20), st.sampled_from([e for e in ErrorKind if e != "rate_limited"])
)
def test_through_an_outage_it_is_asked_by_every_caller(
    callers: list[Caller], error: ErrorKind
) -> None:
    """So at least once in each cool-down, and its end is noticed by the first who comes after it."""
    world = World()
    for caller in callers:
        world.call(caller)
    world.now += MAX_COOLING_S
    for _ in range(40):
        assert world.call(Caller(7.0, sees_old_board=False, took_s=0.5, error=error))
    assert world.call(Caller(7.0, sees_old_board=False, took_s=0.5, error=None))
    world.now += 1.0
    assert world.card.breaker.value == "closed"
