"""Bounds on latency that hold as often as they say, whatever the platform does next.

A quantile of past latencies is too low while a platform is getting slower and says
nothing about its own error. Adaptive conformal inference (Gibbs and Candès, NeurIPS
2021) corrects it by its own record: each answer later than the bound moves the level
up, each in time moves it down, so that over any long run the share in time is the
nominal one, without an assumption about the latencies.
"""

from collections.abc import Sequence

from routing.message import Json
from routing.quantile import LatencySketch

SHARES = (0.5, 0.8, 0.9, 0.95, 0.99)
"""The shares of answers for which a bound is kept; between them it is interpolated."""

PROMISED = SHARES.index(0.95)
"""A latency limit is accepted where 95 % of answers keep it."""

STEP = 0.02
"""How far one late answer moves a level: a lasting change is learnt in some 50 answers."""

ENOUGH = 20
"""Fewer answers say nothing about the 95th percentile: one of them is 5 %."""

BEYOND = 1.5
"""The bound when even the slowest answer of the window is not enough, times that answer."""

BEYOND_S = 30.0
"""Seconds without an answer after which it is that answer again: where every request has the same
limit, a bound over it keeps all of them away, and nothing is heard that could lower it."""


class Bounds:
    """The bounds of one target and size. `levels` are the quantiles that presently keep each share."""

    __slots__ = ("_levels", "_published")

    def __init__(self, levels: Sequence[float] = SHARES) -> None:
        self._levels = list(levels)
        self._published: tuple[float, ...] | None = None

    def fold(self, latency_ms: float) -> None:
        """Learn from one answer, by the bounds that were published before it."""
        for index, bound_ms in enumerate(self._published or ()):
            self._move(index, is_late=latency_ms > bound_ms)

    def timed_out(self) -> None:
        """Learn from one that was cut off for want of time: late by every bound.

        Also by those it had not reached yet: if nothing were learnt of them, they would settle a
        little beyond where answers are cut off, and promise what nobody keeps.
        """
        for index in range(len(self._published or ())):
            self._move(index, is_late=True)

    def given_up(self, after_ms: float) -> None:
        """Learn from one that was cut off for another reason: late by the bounds it had passed."""
        for index, bound_ms in enumerate(self._published or ()):
            if after_ms > bound_ms:
                self._move(index, is_late=True)

    def _move(self, index: int, *, is_late: bool) -> None:
        moved = self._levels[index] + STEP * (is_late - (1 - SHARES[index]))
        # A little beyond 1, so that a bound which is too low is left at once, not for ever.
        self._levels[index] = min(max(moved, 0.0), 1.0 + STEP)

    def publish(self, sketch: LatencySketch, *, is_idle: bool = False) -> tuple[float, ...] | None:
        """The bounds in milliseconds for each of `SHARES`, rising; None while too little is known.

        `is_idle` is whether nothing was learnt for `BEYOND_S`.
        """
        if sketch.count < ENOUGH:
            self._published = None
            return None
        # The finite sample's own correction: of n values the k-th bounds k / (n + 1) of what follows.
        stretch = (sketch.count + 1) / sketch.count
        levels = [level * stretch for level in self._levels]
        found = sketch.quantiles(*(min(level, 1.0) for level in levels))
        bounds: list[float] = []
        for level, value_ms in zip(levels, found, strict=True):
            bound_ms = (value_ms or 0.0) * (BEYOND if level > 1 and not is_idle else 1.0)
            bounds.append(max(bound_ms, bounds[-1] if bounds else 0.0))
        self._published = tuple(bounds)
        return self._published

    def to_json(self) -> list[Json]:
        """The levels, for a checkpoint."""
        return list(self._levels)

    @classmethod
    def from_json(cls, plain: Json) -> "Bounds":
        """The bounds that `to_json` described.

        Raises:
            ValueError: they are not.
        """
        match plain:
            case [*levels] if len(levels) == len(SHARES):
                return cls([_level(level) for level in levels])
            case _:
                raise ValueError(f"not levels of a latency bound: {plain!r}")


def share_within(bounds_ms: Sequence[float], limit_ms: float) -> float:
    """About the share of answers that take `limit_ms` at most, by straight lines between bounds."""
    if limit_ms >= bounds_ms[-1]:
        return SHARES[-1]
    below_ms, below = 0.0, 0.0
    for bound_ms, share in zip(bounds_ms, SHARES, strict=True):
        if limit_ms < bound_ms:
            return below + (share - below) * (limit_ms - below_ms) / (bound_ms - below_ms)
        below_ms, below = bound_ms, share
    return below


def _level(value: Json) -> float:
    if isinstance(value, int | float) and 0 <= value <= 1 + STEP:
        return float(value)
    raise ValueError(f"not a level of a latency bound: {value!r}")
