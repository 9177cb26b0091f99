import json
import math

import pytest

from routing.quantile import MAX_MS, MIN_MS, RELATIVE_ERROR, LatencySketch


def test_an_empty_sketch_knows_no_quantile() -> None:
    """A platform that was never seen has no latency, rather than a latency of zero."""
    assert LatencySketch().quantile(0.95) is None


def test_quantiles_of_a_thousand_latencies_are_within_two_percent() -> None:
    """p50, p95 and p99 on a status page are true to the error the sketch states."""
    sketch = LatencySketch()
    for ms in range(1, 1_001):
        sketch.add(float(ms))
    for share, exact in ((0.5, 500), (0.95, 950), (0.99, 990)):
        estimate = sketch.quantile(share)
        assert estimate is not None
        assert abs(estimate - exact) <= RELATIVE_ERROR * exact


def test_latencies_out_of_range_count_as_the_nearer_end() -> None:
    """A stuck clock or a day-long call cannot make a sketch grow or lie beyond its range."""
    sketch = LatencySketch()
    for ms in (0.0, 1e-9, math.inf):
        sketch.add(ms)
    low, high = sketch.quantiles(0.0, 1.0)
    assert low == pytest.approx(MIN_MS, rel=RELATIVE_ERROR)
    assert high == pytest.approx(MAX_MS, rel=RELATIVE_ERROR)


def test_a_sketch_never_holds_more_than_its_bound_of_buckets() -> None:
    """Memory of a scoreboard is bounded whatever latencies are reported."""
    sketch = LatencySketch()
    ms = MIN_MS / 2
    while ms < 2 * MAX_MS:
        sketch.add(ms)
        ms *= 1.01
    assert len(sketch.buckets) == 436


@pytest.mark.parametrize("wrong", [-1.0, math.nan])
def test_a_latency_that_is_negative_or_no_number_is_refused(wrong: float) -> None:
    """A wrong clock is noticed where it is, not as a strange p95 later."""
    with pytest.raises(ValueError, match="negative"):
        LatencySketch().add(wrong)


def test_a_sketch_survives_json() -> None:
    """A checkpointed sketch is the same sketch after a restart."""
    sketch = LatencySketch()
    for ms in (3.0, 3.0, 250.0):
        sketch.add(ms)
    again = LatencySketch.from_dict(json.loads(json.dumps(sketch.to_dict())))
    assert again.buckets == sketch.buckets
    assert again.count == 3


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"relative_error": 0.01, "buckets": []},
        {"relative_error": RELATIVE_ERROR, "buckets": [[5000, 1]]},
        {"relative_error": RELATIVE_ERROR, "buckets": [[1, -1]]},
    ],
)
def test_a_checkpoint_of_another_sketch_is_refused(plain: dict[str, object]) -> None:
    """Sketches of different error never merge silently."""
    with pytest.raises(ValueError, match="sketch"):
        LatencySketch.from_dict(plain)  # type: ignore[arg-type]  # that is the point


def test_a_share_outside_zero_to_one_is_refused() -> None:
    """p95 is 0.95; a 95 is a mistake."""
    with pytest.raises(ValueError, match="shares"):
        LatencySketch().quantile(95)
