"""A latency bound holds as often as it says: for steady, drifting, bursty and hostile platforms."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coordinator.book import Book
from routing.breaker import Breaker
from routing.conformal import BEYOND, ENOUGH, PROMISED, SHARES, Bounds, share_within
from routing.errors import ErrorKind
from routing.size import Size
from routing.window import LatencyWindow
from tests.unit.routing.worlds import NOW, outcome

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


CUT_AT_MS = 2_000.0

CHANGES: dict[str, Platform] = {
    "a quarter far over it": lambda n, rng: (
        rng.lognormvariate(6.7, 0.2) if n < 1_000 or rng.random() < 0.75 else 5_000.0
    ),
    "a tenth just over it": lambda n, rng: (
        rng.lognormvariate(6.7, 0.2) if n < 1_000 or rng.random() < 0.9 else 2_050.0
    ),
    "all of them over it": lambda n, rng: rng.lognormvariate(6.7 if n < 1_000 else 8.5, 0.2),
    "getting slower": lambda n, rng: rng.lognormvariate(6.5 + 2 * n / ANSWERS, 0.4),
    "a heavy tail": lambda n, rng: 130 * rng.paretovariate(1.3),
}


@pytest.mark.parametrize("share_before_the_limit", [1.0, 0.9])
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_limit_cut_off_was_late(name: str, share_before_the_limit: float) -> None:
    """Where it is taken on, 95 % are in time, though nobody hears how long the others would take.

    Every request has the limit, and is cut off there, or a little before it for the sake of a
    fallback; who is not promised it in time is not asked.
    """
    rng, book = Random(11), Book()  # noqa: S311  a seed, not a secret
    taken = in_time = 0
    for n in range(ANSWERS):
        now, latency_ms = NOW + n * 0.2, max(CHANGES[name](n, rng), 0.1)
        card = book.scorecard("openai/m", Breaker(), 0, now, lambda: 1.0)
        bounds_ms = card.bounds_ms[Size.MEDIUM]
        if bounds_ms is not None:
            if bounds_ms[PROMISED] > CUT_AT_MS:
                continue
            taken += 1
            in_time += latency_ms <= CUT_AT_MS
        cut_ms = CUT_AT_MS * share_before_the_limit
        seen = outcome(at=now, latency_ms=min(latency_ms, cut_ms), answer_id=f"ans_{n}")
        if latency_ms > cut_ms:
            seen = replace(seen, error=ErrorKind.TIMEOUT)
        book.fold(seen, now, lambda: 1.0, 0)
    assert taken > 500
    assert in_time / taken >= SHARES[PROMISED] - WITHIN


def test_a_bound_beyond_everything_seen_lasts_only_while_answers_come() -> None:
    """Three late ones in a row, and a limit that all requests share keeps them all away: not for ever."""
    book = Book()
    for n in range(40):
        book.fold(outcome(at=NOW, latency_ms=100.0), NOW, lambda: 1.0, 0)
        book.scorecard("openai/m", Breaker(), 0, NOW, lambda: 1.0)
        if n >= 36:
            late = outcome(at=NOW, latency_ms=1_000.0, error=ErrorKind.TIMEOUT)
            book.fold(late, NOW, lambda: 1.0, 0)
    bounds_ms = book.scorecard("openai/m", Breaker(), 0, NOW, lambda: 1.0).bounds_ms[Size.MEDIUM]
    later_ms = book.scorecard("openai/m", Breaker(), 0, NOW + 31, lambda: 1.0).bounds_ms[
        Size.MEDIUM
    ]
    assert bounds_ms is not None
    assert later_ms is not None
    assert bounds_ms[PROMISED] == pytest.approx(BEYOND * 1_000, rel=0.02)
    assert later_ms[PROMISED] == pytest.approx(1_000, rel=0.02)


def test_a_call_given_up_is_late_for_the_bounds_it_had_passed() -> None:
    """The loser of a hedge took longer than the p95 that it was hedged at; of more nobody knows."""
    window, bounds = LatencyWindow(), Bounds()
    for _ in range(ENOUGH):
        window.add(0.0, 100.0)
    window.add(0.0, 900.0)
    published = bounds.publish(window.sketch(0.0))
    assert published is not None
    before = bounds.to_json()
    bounds.given_up(500.0)
    moved = [new - old for new, old in zip(bounds.to_json(), before, strict=True)]  # type: ignore[operator]
    for bound_ms, by in zip(published, moved, strict=True):
        assert (by > 0) == (bound_ms < 500)
        assert by >= 0


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
