"""Hedges are rare by construction, and stop when everybody is slow."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from routing.hedge import HEDGE_SHARE, RECENT, HedgeGate


@given(st.lists(st.booleans(), max_size=400))
def test_never_more_than_a_twentieth_of_the_calls_is_hedged(late: list[bool]) -> None:
    """At any moment, whatever the order of slow and quick calls."""
    gate = HedgeGate()
    hedges = 0
    for calls, is_late in enumerate(late, start=1):
        if is_late:
            hedges += gate.take()
        else:
            gate.in_time()
        assert hedges <= HEDGE_SHARE * calls + 1e-9


def test_at_the_usual_share_of_slow_calls_most_of_them_are_hedged() -> None:
    """One call in twenty-five is late: the bucket pays for it."""
    gate, rng = HedgeGate(), Random(7)  # noqa: S311  a seed, not a secret
    granted = asked = 0
    for _ in range(5_000):
        if rng.random() < 0.04:
            asked += 1
            granted += gate.take()
        else:
            gate.in_time()
    assert granted > 0.85 * asked


def test_in_a_general_slow_down_nobody_is_hedged_until_it_is_over() -> None:
    """Savings do not help while every call is late; afterwards they do."""
    gate = HedgeGate()
    for _ in range(100):
        gate.in_time()
    assert gate.take()
    grants = [gate.take() for _ in range(RECENT)]
    assert gate.is_slow_day
    assert not any(grants[RECENT // 2 :])
    for _ in range(RECENT):
        gate.in_time()
    assert gate.take()
