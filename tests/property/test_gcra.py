"""The rate algorithm, for any limit and any arrivals: never more in any window than was promised."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from routing.gcra import Bucket, Rate

RATES = st.builds(Rate, st.floats(0.01, 10_000), st.floats(1, 10_000))
GAPS = st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 20)), min_size=1, max_size=60)
SLACK = 1e-5


@given(RATES, GAPS)
def test_no_window_sees_more_than_the_burst_and_what_comes_back_in_it(
    rate: Rate, arrivals: list[tuple[float, float]]
) -> None:
    bucket, now, taken = Bucket(), 0.0, list[tuple[float, float]]()
    for gap, wanted in arrivals:
        now += gap
        cost = min(wanted, rate.burst)
        if bucket.take(rate, cost, now) == 0.0:
            taken.append((now, cost))
    for first, (begins, _) in enumerate(taken):
        total = 0.0
        for at, cost in taken[first:]:
            total += cost
            assert total <= (rate.burst + rate.per_s * (at - begins)) * (1 + SLACK) + SLACK


@given(RATES, GAPS)
def test_it_decides_as_virtual_scheduling_does(
    rate: Rate, arrivals: list[tuple[float, float]]
) -> None:
    """The other form of the same algorithm: by the theoretical time of the next arrival."""
    bucket, now, due = Bucket(), 0.0, 0.0
    interval, tolerance = 1 / rate.per_s, rate.burst / rate.per_s
    for gap, wanted in arrivals:
        now += gap
        cost = min(wanted, rate.burst)
        later = max(due, now) + cost * interval
        over_s = later - now - tolerance
        if abs(over_s) * rate.per_s < SLACK * rate.burst:
            return  # so near that rounding decides
        assert (bucket.take(rate, cost, now) == 0.0) == (over_s <= 0)
        due = later if over_s <= 0 else due


@given(RATES, st.floats(0.1, 20), st.lists(st.floats(0.1, 20), max_size=20))
def test_after_the_wait_it_was_told_a_request_is_let_in(
    rate: Rate, cost: float, before: list[float]
) -> None:
    bucket = Bucket()
    for one in before:
        bucket.settle(rate, one, 0.0)
    wait_s = bucket.wait_s(rate, cost, 0.0)
    assert bucket.take(rate, cost, wait_s * (1 + 1e-9) + 1e-9) <= wait_s * 1e-6


@given(RATES, st.permutations([5.0, -3.0, 7.0, -1.0, 2.5]))
def test_what_is_settled_at_one_time_comes_to_the_same_in_any_order(
    rate: Rate, units: list[float]
) -> None:
    ordered, shuffled = Bucket(), Bucket()
    for bucket, given_ in ((ordered, sorted(units, reverse=True)), (shuffled, units)):
        bucket.settle(rate, 100.0, 0.0)
        for one in given_:
            bucket.settle(rate, one, 0.0)
    assert math.isclose(ordered.debt(rate, 0.0), shuffled.debt(rate, 0.0))


@given(RATES, st.lists(st.tuples(st.floats(0, 10), st.floats(-50, 50)), max_size=40))
def test_giving_back_never_makes_more_room_than_the_burst(
    rate: Rate, steps: list[tuple[float, float]]
) -> None:
    bucket, now = Bucket(), 0.0
    for gap, units in steps:
        now += gap
        bucket.settle(rate, units, now)
        assert bucket.room(rate, now) <= rate.burst


@given(RATES, st.lists(st.floats(0, 100), min_size=2, max_size=20))
def test_a_clock_that_is_set_back_gives_nothing_back(rate: Rate, times: list[float]) -> None:
    bucket = Bucket()
    bucket.settle(rate, 1e6, max(times))
    debts = [bucket.debt(rate, now) for now in times]
    for earlier, later in pairwise(debts):
        assert earlier == later


def test_a_forced_debit_goes_below_nothing_and_has_to_come_back_first() -> None:
    rate, bucket = Rate(2.0, 10.0), Bucket()
    bucket.settle(rate, 30.0, 0.0)
    assert bucket.room(rate, 0.0) == -20.0
    assert bucket.wait_s(rate, 1.0, 0.0) == 10.5


def test_a_limit_that_does_not_come_back_is_never_waited_for() -> None:
    rate, bucket = Rate(0.0, 10.0), Bucket()
    assert bucket.take(rate, 10.0, 0.0) == 0.0
    assert bucket.wait_s(rate, 1.0, 1e9) == math.inf
