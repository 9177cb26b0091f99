"""What a latency sketch promises, for any latencies."""

import math

from hypothesis import given
from hypothesis import strategies as st

from routing.quantile import MAX_MS, MIN_MS, RELATIVE_ERROR, LatencySketch

LATENCIES = st.lists(st.floats(MIN_MS, MAX_MS), max_size=200)
# The guarantee is to floating-point rounding; 1e-9 is far above it and far below 2 %.
SLACK = 1 + 1e-9


def sketch_of(latencies: list[float]) -> LatencySketch:
    sketch = LatencySketch()
    for ms in latencies:
        sketch.add(ms)
    return sketch


@given(LATENCIES.filter(bool), st.floats(0, 1))
def test_every_quantile_is_within_the_stated_error(latencies: list[float], q: float) -> None:
    """The 2 % hold for any latencies and any share, against the sorted list itself."""
    exact = sorted(latencies)[math.floor(q * (len(latencies) - 1))]
    estimate = sketch_of(latencies).quantile(q)
    assert estimate is not None
    assert abs(estimate - exact) <= RELATIVE_ERROR * exact * SLACK


@given(LATENCIES, LATENCIES)
def test_merging_is_the_same_as_adding_everything_to_one(
    one: list[float], other: list[float]
) -> None:
    """Regions and time buckets lose nothing by being counted apart."""
    merged = sketch_of(one).merge(sketch_of(other))
    assert merged.buckets == sketch_of(one + other).buckets
    assert merged.count == len(one) + len(other)


@given(LATENCIES, LATENCIES)
def test_merging_is_commutative(one: list[float], other: list[float]) -> None:
    """It does not matter which region asks which."""
    a, b = sketch_of(one), sketch_of(other)
    assert a.merge(b).buckets == b.merge(a).buckets


@given(LATENCIES, LATENCIES, LATENCIES)
def test_merging_is_associative(one: list[float], two: list[float], three: list[float]) -> None:
    """It does not matter in which order sketches arrive."""
    a, b, c = sketch_of(one), sketch_of(two), sketch_of(three)
    assert a.merge(b).merge(c).buckets == a.merge(b.merge(c)).buckets


@given(LATENCIES, LATENCIES)
def test_merging_leaves_both_sketches_as_they_were(one: list[float], other: list[float]) -> None:
    """Reading a scoreboard does not change it."""
    a, b = sketch_of(one), sketch_of(other)
    a.merge(b).add(1.0)
    assert a.buckets == sketch_of(one).buckets
    assert b.buckets == sketch_of(other).buckets


@given(LATENCIES)
def test_a_sketch_is_the_same_after_a_checkpoint(latencies: list[float]) -> None:
    """A restart forgets no latency and invents none."""
    sketch = sketch_of(latencies)
    again = LatencySketch.from_dict(sketch.to_dict())
    assert (again.buckets, again.count) == (sketch.buckets, sketch.count)


@given(LATENCIES.filter(bool), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_never_has_a_smaller_latency(
    latencies: list[float], p: float, q: float
) -> None:
    """p99 is never below p95."""
    low, high = sketch_of(latencies).quantiles(min(p, q), max(p, q))
    assert low is not None
    assert high is not None
    assert low <= high
