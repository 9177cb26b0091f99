"""What the coordinator keeps of one target, a model on a platform: figures, bounds, breakers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import TypeAdapter

from routing import breaker as breakers
from routing.breaker import Ailment, Breaker, BreakerPhase
from routing.conformal import BEYOND_S, ENOUGH, Bounds
from routing.errors import ErrorKind
from routing.exchange import RateLimit
from routing.knee import Knee
from routing.message import Json, JsonObject
from routing.outcome import Outcome
from routing.peak import Peak
from routing.quantile import LatencySketch
from routing.region import TargetFigures
from routing.scorecard import Scorecard
from routing.silence import SILENCE_ENOUGH
from routing.size import Size
from routing.slowness import Pace
from routing.window import LatencyWindow

# The mean answer's length follows about the last 32 answers.
_LENGTH_WEIGHT = 1 / 32
_BREAKER = TypeAdapter(Breaker)
_RATE_LIMIT = TypeAdapter(RateLimit | None)
_OF_THE_MODEL = (Ailment.HEALTH, Ailment.MODEL)


@dataclass(slots=True)
class _Timing:
    """Latencies of one size of request, and what they are held to.

    `cut` are the times after which calls were cut off for want of time: the answers would have
    taken at least as long, and the bounds count them. The 99th percentiles stay as last known:
    a platform that says nothing is told by them.
    """

    window: LatencyWindow = field(default_factory=LatencyWindow)
    cut: LatencyWindow = field(default_factory=LatencyWindow)
    bounds: Bounds = field(default_factory=Bounds)
    first_byte: LatencyWindow = field(default_factory=LatencyWindow)
    peak: Peak | None = None
    whole_p99_ms: float | None = None
    first_byte_p99_ms: float | None = None
    learnt_at: float = -math.inf


@dataclass(slots=True)
class Book:
    """One target's; `breakers` are those that its own model heals by."""

    breakers: dict[Ailment, Breaker] = field(
        default_factory=lambda: {ailment: Breaker() for ailment in _OF_THE_MODEL}
    )
    timings: tuple[_Timing, ...] = field(default_factory=lambda: tuple(_Timing() for _ in Size))
    gaps: LatencyWindow = field(default_factory=LatencyWindow)
    gap_p99_ms: float | None = None
    pace: Pace = field(default_factory=Pace)
    knee: Knee = field(default_factory=Knee)
    mean_output_tokens: float | None = None
    day: date | None = None
    spent_today: Decimal = Decimal(0)
    rate_limit: RateLimit | None = None
    bills_over_bound: int = 0

    def fold(
        self, outcome: Outcome, now: float, general: Callable[[], float], in_flight: int
    ) -> None:
        """Learn from an attempt that ended; `general` says how slow the others are (`Pace`)."""
        self.pace.fold(outcome, now, general)
        for ailment, breaker in self.breakers.items():
            self.breakers[ailment] = breakers.fold(breaker, ailment, outcome, now)
        timing = self.timings[outcome.size]
        timing.learnt_at = now
        if outcome.abandoned:
            timing.bounds.given_up(outcome.latency_ms)
        elif outcome.error is ErrorKind.TIMEOUT:
            timing.bounds.timed_out()
            timing.cut.add(now, outcome.latency_ms)
        elif outcome.error is None:
            timing.bounds.fold(outcome.latency_ms)
            timing.window.add(now, outcome.latency_ms)
            if (times := self.pace.times_idle(outcome)) is not None:
                began_at = outcome.at - outcome.latency_ms / 1000
                self.knee.fold(times, began_at, in_flight, now, general)
            peak = timing.peak or Peak(0.0, outcome.at)
            timing.peak = peak.seen(outcome.latency_ms, outcome.at)
            if outcome.first_byte_ms is not None:
                timing.first_byte.add(now, outcome.first_byte_ms)
            if outcome.longest_gap_ms is not None:
                self.gaps.add(now, outcome.longest_gap_ms)
            mean, tokens = self.mean_output_tokens, outcome.usage.output_tokens
            self.mean_output_tokens = (
                float(tokens) if mean is None else mean + _LENGTH_WEIGHT * (tokens - mean)
            )
        if outcome.cost_usd is not None:
            self.spend(outcome.cost_usd, day_of(outcome.at))
        self.bills_over_bound += outcome.is_over_bound
        said = outcome.rate_limit
        # By when the vendor said it: a long answer is told after short ones that began later.
        if said is not None and (self.rate_limit is None or said.at >= self.rate_limit.at):
            self.rate_limit = said

    def spend(self, usd: Decimal, day: date) -> None:
        """Add to what was spent on `day`; a later day begins at nothing."""
        if self.day is None or day > self.day:
            self.day, self.spent_today = day, Decimal(0)
        if day == self.day:
            self.spent_today += usd

    def scorecard(
        self,
        target: str,
        account: Breaker,
        in_flight: int,
        now: float,
        general: Callable[[], float],
    ) -> Scorecard:
        """The figures now; `account` is the breaker of the platform's key and money."""
        by_size = [timing.window.sketch(now) for timing in self.timings]
        p50, p95, p99 = LatencySketch.merged(by_size).quantiles(0.5, 0.95, 0.99)
        first_by_size = [timing.first_byte.sketch(now) for timing in self.timings]
        first_p95 = LatencySketch.merged(first_by_size).quantile(0.95)
        for timing, whole, first in zip(self.timings, by_size, first_by_size, strict=True):
            timing.whole_p99_ms = _p99(whole, timing.whole_p99_ms)
            timing.first_byte_p99_ms = _p99(first, timing.first_byte_p99_ms)
        self.gap_p99_ms = _p99(self.gaps.sketch(now), self.gap_p99_ms)
        slow = self.pace.breaker
        health = self.breakers[Ailment.HEALTH]
        attempts, failures = health.window.counts(now)
        ailment, worst = _worst({**self.breakers, Ailment.ACCOUNT: account})
        return Scorecard(
            target=target,
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            latency_p99_ms=p99,
            first_byte_p95_ms=tuple(
                sketch.quantile(0.95) if sketch.count >= ENOUGH else first_p95
                for sketch in first_by_size
            ),
            first_byte_p99_ms=tuple(timing.first_byte_p99_ms for timing in self.timings),
            whole_p99_ms=tuple(timing.whole_p99_ms for timing in self.timings),
            gap_p99_ms=self.gap_p99_ms,
            bounds_ms=self._publish(by_size, now),
            success_rate=(attempts - failures) / attempts if attempts else None,
            attempts=attempts,
            in_flight=in_flight,
            breaker=worst.phase,
            ailment=ailment,
            breaker_until=None if ailment is None else worst.until,
            cooling_until=health.cooling_until if health.cooling_until > now else None,
            cost_usd_today=self.spent_today if self.day == day_of(now) else Decimal(0),
            mean_output_tokens=self.mean_output_tokens,
            rate_limit=self.rate_limit,
            bills_over_bound=self.bills_over_bound,
            peaks=tuple(timing.peak for timing in self.timings),
            recent_ms=self.pace.recent_ms(now),
            slow_times=self.pace.slow_times,
            knee=self.knee.given(in_flight, general),
            slow_until=None if slow.phase is BreakerPhase.CLOSED else slow.until,
        )

    def figures(self, now: float) -> TargetFigures:
        """What other regions may know of it."""
        return TargetFigures(tuple(tuple(t.window.sketch(now).buckets) for t in self.timings))

    def _publish(
        self, by_size: list[LatencySketch], now: float
    ) -> tuple[tuple[float, ...] | None, ...]:
        return tuple(
            timing.bounds.publish(
                sketch.merge(timing.cut.sketch(now)), is_idle=now - timing.learnt_at > BEYOND_S
            )
            for timing, sketch in zip(self.timings, by_size, strict=True)
        )

    def to_json(self) -> JsonObject:
        """This book for a checkpoint, without what the ledger knows better."""
        return {
            "breakers": {a.value: breaker_to_json(b) for a, b in self.breakers.items()},
            "timings": [_timing_to_json(timing) for timing in self.timings],
            "gaps": self.gaps.to_dict(),
            "gap_p99_ms": self.gap_p99_ms,
            "pace": {**self.pace.to_json(), "breaker": breaker_to_json(self.pace.breaker)},
            "knee": self.knee.at,
            "mean_output_tokens": self.mean_output_tokens,
            "rate_limit": _RATE_LIMIT.dump_python(self.rate_limit, mode="json"),
        }

    @classmethod
    def from_json(cls, plain: Json) -> "Book":
        """The book that `to_json` described.

        Raises:
            ValueError: it is not of this version.
        """
        match plain:
            case {
                "breakers": dict(kept),
                "timings": list(timings),
                "gaps": dict(gaps),
                "gap_p99_ms": float() | int() | None as gap_p99_ms,
                "pace": dict(pace),
                "knee": float() | int() as knee,
                "mean_output_tokens": float() | int() | None as mean,
                "rate_limit": rate_limit,
            } if len(timings) == len(Size):
                return cls(
                    breakers={a: breaker_from_json(kept.get(a.value)) for a in _OF_THE_MODEL},
                    timings=tuple(_timing(timing) for timing in timings),
                    gaps=LatencyWindow.from_dict(gaps),
                    gap_p99_ms=gap_p99_ms,
                    pace=Pace.from_json(pace, breaker_from_json(pace.get("breaker"))),
                    knee=Knee(knee),
                    mean_output_tokens=mean,
                    rate_limit=_RATE_LIMIT.validate_python(rate_limit),
                )
            case _:
                raise ValueError("not a target's book")


def breaker_to_json(breaker: Breaker) -> Json:
    """A breaker for a checkpoint."""
    plain: Json = _BREAKER.dump_python(breaker, mode="json")
    return plain


def breaker_from_json(plain: Json) -> Breaker:
    """The breaker that `breaker_to_json` described; raises ValueError if it is none."""
    return _BREAKER.validate_python(plain)


def day_of(at: float) -> date:
    """The day, UTC, to which money spent at `at` belongs."""
    return datetime.fromtimestamp(at, UTC).date()


def _worst(by_ailment: Mapping[Ailment, Breaker]) -> tuple[Ailment | None, Breaker]:
    """The breaker that keeps requests away longest, and what it is about; None if all are closed."""
    not_closed = [
        (ailment, breaker)
        for ailment, breaker in by_ailment.items()
        if breaker.phase is not BreakerPhase.CLOSED
    ]
    if not not_closed:
        return None, by_ailment[Ailment.HEALTH]
    return max(not_closed, key=lambda pair: pair[1].until)


def _p99(sketch: LatencySketch, last_known_ms: float | None) -> float | None:
    return sketch.quantile(0.99) if sketch.count >= SILENCE_ENOUGH else last_known_ms


def _timing_to_json(timing: _Timing) -> JsonObject:
    return {
        "window": timing.window.to_dict(),
        "cut": timing.cut.to_dict(),
        "bounds": timing.bounds.to_json(),
        "first_byte": timing.first_byte.to_dict(),
        "peak": None if timing.peak is None else timing.peak.to_json(),
        "whole_p99_ms": timing.whole_p99_ms,
        "first_byte_p99_ms": timing.first_byte_p99_ms,
    }


def _timing(plain: Json) -> _Timing:
    match plain:
        case {
            "window": dict(window),
            "cut": dict(cut),
            "bounds": bounds,
            "first_byte": dict(first_byte),
            "peak": peak,
            "whole_p99_ms": float() | int() | None as whole_p99_ms,
            "first_byte_p99_ms": float() | int() | None as first_byte_p99_ms,
        }:
            return _Timing(
                LatencyWindow.from_dict(window),
                LatencyWindow.from_dict(cut),
                Bounds.from_json(bounds),
                LatencyWindow.from_dict(first_byte),
                None if peak is None else Peak.from_json(peak),
                whole_p99_ms,
                first_byte_p99_ms,
            )
        case _:
            raise ValueError("not a target's latencies")
