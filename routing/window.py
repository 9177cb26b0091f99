"""What happened lately: counters and latencies on a ring of time buckets.

Old buckets fall off whole, so a window of n buckets remembers between n-1 and n of
their widths. `now` is an argument everywhere; a clock that steps backwards costs the
buckets which then lie in the future, never more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from routing.message import Json
from routing.quantile import LatencySketch

RATE_BUCKET_S = 10.0
RATE_BUCKETS = 6
"""One minute: long enough for a rate at a request a second, short enough to notice an outage."""

LATENCY_BUCKET_S = 30.0
LATENCY_BUCKETS = 10
"""Five minutes: a p95 needs some 60 answers, which a quiet platform takes minutes to give."""


class Counts(NamedTuple):
    """What a window holds: attempts that said something about health, and those that failed."""

    attempts: int
    failures: int


class _RateBucket(NamedTuple):
    slot: int
    attempts: int
    failures: int


@dataclass(frozen=True, slots=True)
class RateWindow:
    """Attempts and failures of the last minute; a value, so that frozen states can hold it."""

    buckets: tuple[_RateBucket, ...] = ()

    def record(self, now: float, *, failed: bool) -> "RateWindow":
        """This window with one attempt more."""
        slot = int(now // RATE_BUCKET_S)
        kept = [b for b in self.buckets if slot - RATE_BUCKETS < b.slot < slot]
        last = self.buckets[-1] if self.buckets else None
        attempts, failures = (
            (last.attempts, last.failures) if last and last.slot == slot else (0, 0)
        )
        kept.append(_RateBucket(slot, attempts + 1, failures + failed))
        return RateWindow(tuple(kept))

    def counts(self, now: float) -> Counts:
        """Totals of the buckets that are still remembered at `now`."""
        slot = int(now // RATE_BUCKET_S)
        kept = [b for b in self.buckets if slot - RATE_BUCKETS < b.slot <= slot]
        return Counts(sum(b.attempts for b in kept), sum(b.failures for b in kept))


class LatencyWindow:
    """Latencies of the last five minutes, one mergeable sketch per bucket."""

    __slots__ = ("_sketches",)

    def __init__(self) -> None:
        self._sketches: dict[int, LatencySketch] = {}

    def add(self, now: float, value_ms: float) -> None:
        """Count one latency that was observed at `now`.

        Raises:
            ValueError: the latency is negative or not a number.
        """
        slot = int(now // LATENCY_BUCKET_S)
        sketch = self._sketches.get(slot)
        if sketch is None:
            self._sketches = {
                i: s for i, s in self._sketches.items() if slot - LATENCY_BUCKETS < i < slot
            }
            sketch = self._sketches[slot] = LatencySketch()
        sketch.add(value_ms)

    def sketch(self, now: float) -> LatencySketch:
        """All latencies that are still remembered at `now`, merged into a sketch of its own."""
        slot = int(now // LATENCY_BUCKET_S)
        return LatencySketch.merged(
            bucket for i, bucket in self._sketches.items() if slot - LATENCY_BUCKETS < i <= slot
        )

    def to_dict(self) -> dict[str, Json]:
        """This window as plain JSON, for a checkpoint."""
        return {"buckets": [[i, s.to_dict()] for i, s in sorted(self._sketches.items())]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Json]) -> "LatencyWindow":
        """The window that `to_dict` described.

        Raises:
            ValueError: `plain` is not what `to_dict` writes.
        """
        window = cls()
        for row in _rows(plain.get("buckets")):
            match row:
                case [int(slot), dict(sketch)]:
                    window._sketches[slot] = LatencySketch.from_dict(sketch)
                case _:
                    raise ValueError(f"not a bucket of a latency window: {row!r}")
        return window


def _rows(plain: Json) -> list[Json]:
    match plain:
        case list(rows):
            return rows
        case _:
            raise ValueError(f"buckets must be a list, not {plain!r}")
