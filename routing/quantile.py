"""A sketch of latencies: quantiles with a relative error of 2 %, mergeable in any order.

DDSketch (Masson, Rim, Lee: VLDB 2019): bucket i counts the values in (g^(i-1), g^i]
with g = (1 + a) / (1 - a), and answers 2 g^i / (g + 1), which is within a of all of
them. Nothing is ever collapsed: values are clamped to a range instead, which bounds
the buckets and keeps merging exactly commutative and associative.
"""

import math
from collections.abc import Iterable, Mapping

from routing.message import Json

RELATIVE_ERROR = 0.02
"""2 %: 20 ms in a second, far below what separates one platform from another."""

MIN_MS = 0.1
MAX_MS = 3_600_000.0
"""Below 0.1 ms and above an hour nobody chooses a platform; in between the error holds."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_ESTIMATE = 2 / (_GAMMA + 1)
_LOWEST = math.ceil(math.log(MIN_MS) / _LOG_GAMMA)
_HIGHEST = math.ceil(math.log(MAX_MS) / _LOG_GAMMA)
"""The most a sketch can hold, whatever it is fed, is 436 buckets."""


class LatencySketch:
    """Counts of latencies in buckets that grow by 4 %.

    For values within `MIN_MS`..`MAX_MS`, `quantile(q)` is within `RELATIVE_ERROR` (to
    floating-point rounding) of the value at rank floor(q * (count - 1)) of the sorted
    values. Values outside count as the nearer end of that range.
    """

    __slots__ = ("_buckets", "_count")

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._buckets = dict(buckets)
        self._count = sum(self._buckets.values())

    @property
    def buckets(self) -> list[tuple[int, int]]:
        """Every bucket's index and count, in order of latency."""
        return sorted(self._buckets.items())

    @property
    def count(self) -> int:
        """How many values were added."""
        return self._count

    def add(self, value_ms: float) -> None:
        """Count one latency.

        Raises:
            ValueError: it is negative or not a number.
        """
        if not value_ms >= 0:
            raise ValueError(f"a latency is not negative: {value_ms!r}")
        index = math.ceil(math.log(min(max(value_ms, MIN_MS), MAX_MS)) / _LOG_GAMMA)
        self._buckets[index] = self._buckets.get(index, 0) + 1
        self._count += 1

    def quantile(self, q: float) -> float | None:
        """The latency that a share `q` of the values does not exceed; None while there are none.

        Raises:
            ValueError: `q` is not in 0..1.
        """
        return self.quantiles(q)[0]

    def quantiles(self, *shares: float) -> tuple[float | None, ...]:
        """Several quantiles for one sorting of the buckets.

        Raises:
            ValueError: a share is not in 0..1.
        """
        if not all(0 <= q <= 1 for q in shares):
            raise ValueError(f"shares are in 0..1: {shares!r}")
        ordered = self.buckets
        return tuple(self._at_rank(ordered, math.floor(q * (self._count - 1))) for q in shares)

    @staticmethod
    def _at_rank(ordered: list[tuple[int, int]], rank: int) -> float | None:
        seen = 0
        for index, count in ordered:
            seen += count
            if seen > rank:
                return _ESTIMATE * _GAMMA**index
        return None

    def merge(self, other: "LatencySketch") -> "LatencySketch":
        """A new sketch of both sketches' values, the same one that adding them all would give."""
        return LatencySketch.merged((self, other))

    @classmethod
    def merged(cls, sketches: Iterable["LatencySketch"]) -> "LatencySketch":
        """One sketch of all their values."""
        counts: dict[int, int] = {}
        for sketch in sketches:
            for index, count in sketch._buckets.items():  # noqa: SLF001  of its own class
                counts[index] = counts.get(index, 0) + count
        return cls(counts.items())

    def to_dict(self) -> dict[str, Json]:
        """This sketch as plain JSON; it names its error so that unlike sketches never merge."""
        rows = [[index, count] for index, count in self.buckets]
        return {"relative_error": RELATIVE_ERROR, "buckets": rows}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Json]) -> "LatencySketch":
        """The sketch that `to_dict` described.

        Raises:
            ValueError: it has another error, or is not what `to_dict` writes.
        """
        match plain:
            case {"relative_error": error, "buckets": list(rows)} if error == RELATIVE_ERROR:
                return cls(_bucket(row) for row in rows)
            case _:
                raise ValueError(f"not a sketch with relative error {RELATIVE_ERROR}")


def _bucket(row: Json) -> tuple[int, int]:
    match row:
        case [int(index), int(count)] if _LOWEST <= index <= _HIGHEST and count > 0:
            return index, count
        case _:
            raise ValueError(f"not a bucket of a latency sketch: {row!r}")
