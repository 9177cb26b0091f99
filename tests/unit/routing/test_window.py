import json

import pytest

from routing.window import (
    LATENCY_BUCKET_S,
    LATENCY_BUCKETS,
    RATE_BUCKET_S,
    RATE_BUCKETS,
    Counts,
    LatencyWindow,
    RateWindow,
)
from tests.unit.routing.worlds import NOW


def test_attempts_are_counted_with_their_failures() -> None:
    """A scorecard's success rate comes from what happened in the window."""
    window = RateWindow().record(NOW, failed=False).record(NOW + 1, failed=True)
    assert window.counts(NOW + 1) == Counts(attempts=2, failures=1)


def test_attempts_are_forgotten_after_the_window() -> None:
    """An outage of yesterday does not count against a platform today."""
    window = RateWindow().record(NOW, failed=True)
    assert window.counts(NOW + (RATE_BUCKETS - 1) * RATE_BUCKET_S).failures == 1
    assert window.counts(NOW + RATE_BUCKETS * RATE_BUCKET_S).failures == 0


def test_a_window_holds_a_bounded_number_of_buckets() -> None:
    """A scoreboard that runs for weeks does not grow."""
    window = RateWindow()
    for step in range(200):
        window = window.record(NOW + step * RATE_BUCKET_S / 2, failed=False)
    assert len(window.buckets) == RATE_BUCKETS


def test_a_clock_set_back_leaves_no_future_attempts_behind() -> None:
    """A clock correction costs some memory of the past, never a wrong count."""
    window = RateWindow().record(NOW, failed=True).record(NOW - 3_600, failed=False)
    assert window.counts(NOW - 3_600) == Counts(1, 0)
    assert window.counts(NOW) == Counts(0, 0)
    assert window.counts(NOW - 7_200) == Counts(0, 0)


def test_old_latencies_are_forgotten() -> None:
    """A platform that was slow an hour ago is judged by what it does now."""
    window = LatencyWindow()
    window.add(NOW, 9_000.0)
    assert window.sketch(NOW + (LATENCY_BUCKETS - 1) * LATENCY_BUCKET_S).count == 1
    assert window.sketch(NOW + LATENCY_BUCKETS * LATENCY_BUCKET_S).count == 0
    assert window.sketch(NOW - LATENCY_BUCKET_S).count == 0


def test_a_latency_window_that_is_never_read_does_not_grow() -> None:
    """Old sketches are dropped while new ones are added."""
    window = LatencyWindow()
    for bucket in range(50):
        window.add(NOW + bucket * LATENCY_BUCKET_S, 100.0)
    buckets = window.to_dict()["buckets"]
    assert isinstance(buckets, list)
    assert len(buckets) == LATENCY_BUCKETS


def test_latencies_of_all_remembered_buckets_are_merged() -> None:
    """p95 is over five minutes, not over the bucket of the moment."""
    window = LatencyWindow()
    for bucket in range(LATENCY_BUCKETS):
        window.add(NOW + bucket * LATENCY_BUCKET_S, 100.0)
    assert window.sketch(NOW + (LATENCY_BUCKETS - 1) * LATENCY_BUCKET_S).count == LATENCY_BUCKETS


def test_reading_a_window_does_not_change_it() -> None:
    """A status page may be asked any number of times."""
    window = LatencyWindow()
    window.add(NOW, 100.0)
    window.sketch(NOW).add(5.0)
    assert window.sketch(NOW).count == 1


def test_a_latency_window_survives_json() -> None:
    """A restarted coordinator knows the latencies it knew."""
    window = LatencyWindow()
    window.add(NOW, 100.0)
    window.add(NOW + LATENCY_BUCKET_S, 200.0)
    again = LatencyWindow.from_dict(json.loads(json.dumps(window.to_dict())))
    later = NOW + LATENCY_BUCKET_S
    assert again.sketch(later).buckets == window.sketch(later).buckets


def test_a_latency_window_that_cannot_be_is_refused() -> None:
    """A damaged checkpoint is an error at start, not a strange p95 later."""
    with pytest.raises(ValueError, match="bucket"):
        LatencyWindow.from_dict({"buckets": [[1]]})
