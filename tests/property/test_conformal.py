"""A latency bound holds as often as it says: for steady, drifting, bursty and hostile platforms."""

import json
import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.conformal import ENOUGH, PROMISED, SHARES, Bounds, share_within
from routing.window import LatencyWindow

WITHIN = 0.02
ANSWERS = 6_000

Platform = Callable[[int, Random], float]

PLATFORMS: dict[str, Platform] = {
    "steady": lambda n, rng: rng.lognormvariate(7, 0.5),
    "heavy tail": lambda n, rng: 200 * rng.paretovariate(1.3),
    "getting slower": lambda n, rng: rng.lognormvariate(6 + 2 * n / ANSWERS, 0.4),
    "day and night": lambda n, rng: rng.lognormvariate(7 + math.sin(n / 300), 0.3),
    "two speeds": lambda n, rng: (
        rng.gauss(400, 20) if rng.random() < 0.8 else rng.gauss(5_000, 300)
    ),
    "a step": lambda n, rng: rng.lognormvariate(6 if n < ANSWERS / 2 else 8, 0.3),
    "bursts": lambda n, rng: rng.lognormvariate(8 if n // 200 % 5 == 0 else 6, 0.3),
}


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_share_in_time_is_the_promised_one(name: str) -> None:
    """Within two points, over any platform: five answers a second, bounds published twice a second."""
    rng, window, bounds = Random(11), LatencyWindow(), Bounds()  # noqa: S311  a seed, not a secret
    published: tuple[float, ...] | None = None
    in_time, asked = [0] * len(SHARES), 0
    for n in range(ANSWERS):
        now, latency_ms = n * 0.2, max(PLATFORMS[name](n, rng), 0.1)
        if n % 3 == 0:
            published = bounds.publish(window.sketch(now))
        if published is not None:
            asked += 1
            for index, bound_ms in enumerate(published):
                in_time[index] += latency_ms <= bound_ms
        bounds.fold(latency_ms)
        window.add(now, latency_ms)
    assert asked > 0.9 * ANSWERS
    for kept, share in zip(in_time, SHARES, strict=True):
        assert abs(kept / asked - share) <= WITHIN


@given(st.lists(st.floats(0.1, 1e6), min_size=ENOUGH, max_size=60))
def test_bounds_rise_with_their_share(latencies_ms: list[float]) -> None:
    """Whatever was seen, a larger share needs at least as much time."""
    window, bounds = LatencyWindow(), Bounds()
    for n, ms in enumerate(latencies_ms):
        window.add(0.0, ms)
        if n % 5 == 0:
            bounds.publish(window.sketch(0.0))
        bounds.fold(ms)
    published = bounds.publish(window.sketch(0.0))
    assert published is not None
    assert list(published) == sorted(published)


@given(
    st.lists(st.floats(1, 1e5), min_size=len(SHARES), max_size=len(SHARES)).map(sorted),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_more_time_is_never_a_smaller_share(
    bounds_ms: list[float], one_ms: float, other_ms: float
) -> None:
    """And at a bound it is that bound's share or more."""
    few, many = sorted((one_ms, other_ms))
    assert 0 <= share_within(bounds_ms, few) <= share_within(bounds_ms, many) <= SHARES[-1]
    assert share_within(bounds_ms, bounds_ms[PROMISED]) >= SHARES[PROMISED]


def test_too_few_answers_are_no_bound() -> None:
    """One in twenty cannot be told from nineteen."""
    window, bounds = LatencyWindow(), Bounds()
    for _ in range(ENOUGH - 1):
        window.add(0.0, 100.0)
    assert bounds.publish(window.sketch(0.0)) is None


def test_the_record_survives_a_restart() -> None:
    """Through the text of a checkpoint; anything else is refused."""
    bounds = Bounds([0.5, 0.8, 0.91, 0.97, 1.0])
    again = Bounds.from_json(json.loads(json.dumps(bounds.to_json())))
    assert again.to_json() == bounds.to_json()
    for wrong in (None, [], [0.5], [0.5, 0.8, 0.9, 0.95, 7], ["a"] * 5):
        with pytest.raises(ValueError, match="latency bound"):
            Bounds.from_json(wrong)
