"""What the coordinator keeps of one target, a model on a platform: figures, bounds, breakers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import TypeAdapter

from routing import breaker as breakers
from routing.breaker import Ailment, Breaker, BreakerPhase
from routing.conformal import Bounds
from routing.exchange import RateLimit
from routing.message import Json, JsonObject
from routing.outcome import Outcome
from routing.quantile import LatencySketch
from routing.region import TargetFigures
from routing.scorecard import Scorecard
from routing.size import Size
from routing.window import LatencyWindow

# The mean answer's length follows about the last 32 answers.
_LENGTH_WEIGHT = 1 / 32
_BREAKER = TypeAdapter(Breaker)
_RATE_LIMIT = TypeAdapter(RateLimit | None)
_OF_THE_MODEL = (Ailment.HEALTH, Ailment.MODEL)


@dataclass(slots=True)
class _Timing:
    """Latencies of one size of request, and the bounds they are held to."""

    window: LatencyWindow = field(default_factory=LatencyWindow)
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(slots=True)
class Book:
    """One target's; `breakers` are those that its own model heals by."""

    breakers: dict[Ailment, Breaker] = field(
        default_factory=lambda: {ailment: Breaker() for ailment in _OF_THE_MODEL}
    )
    timings: tuple[_Timing, ...] = field(default_factory=lambda: tuple(_Timing() for _ in Size))
    first_byte: LatencyWindow = field(default_factory=LatencyWindow)
    mean_output_tokens: float | None = None
    day: date | None = None
    spent_today: Decimal = Decimal(0)
    rate_limit: RateLimit | None = None

    def fold(self, outcome: Outcome, now: float) -> None:
        """Learn from an attempt that ended."""
        for ailment, breaker in self.breakers.items():
            self.breakers[ailment] = breakers.fold(breaker, ailment, outcome, now)
        if outcome.error is None and not outcome.abandoned:
            timing = self.timings[outcome.size]
            timing.bounds.fold(outcome.latency_ms)
            timing.window.add(now, outcome.latency_ms)
            if outcome.first_byte_ms is not None:
                self.first_byte.add(now, outcome.first_byte_ms)
            mean, tokens = self.mean_output_tokens, outcome.usage.output_tokens
            self.mean_output_tokens = (
                float(tokens) if mean is None else mean + _LENGTH_WEIGHT * (tokens - mean)
            )
        if outcome.cost_usd is not None:
            self.spend(outcome.cost_usd, day_of(outcome.at))
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

    def scorecard(self, target: str, account: Breaker, in_flight: int, now: float) -> Scorecard:
        """The figures now; `account` is the breaker of the platform's key and money."""
        by_size = [timing.window.sketch(now) for timing in self.timings]
        every = by_size[0]
        for sketch in by_size[1:]:
            every = every.merge(sketch)
        p50, p95, p99 = every.quantiles(0.5, 0.95, 0.99)
        first_p50, first_p95 = self.first_byte.sketch(now).quantiles(0.5, 0.95)
        health = self.breakers[Ailment.HEALTH]
        attempts, failures = health.window.counts(now)
        ailment, worst = _worst({**self.breakers, Ailment.ACCOUNT: account})
        return Scorecard(
            target=target,
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            latency_p99_ms=p99,
            first_byte_p50_ms=first_p50,
            first_byte_p95_ms=first_p95,
            bounds_ms=self._publish(by_size),
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
        )

    def figures(self, in_flight: int, now: float) -> TargetFigures:
        """What other regions may know of it."""
        health = self.breakers[Ailment.HEALTH]
        attempts, failures = health.window.counts(now)
        latencies = tuple(tuple(timing.window.sketch(now).buckets) for timing in self.timings)
        return TargetFigures(latencies, attempts, failures, in_flight, health.phase)

    def _publish(self, by_size: list[LatencySketch]) -> tuple[tuple[float, ...] | None, ...]:
        return tuple(
            timing.bounds.publish(sketch)
            for timing, sketch in zip(self.timings, by_size, strict=True)
        )

    def to_json(self) -> JsonObject:
        """This book for a checkpoint, without what the ledger knows better."""
        return {
            "breakers": {a.value: breaker_to_json(b) for a, b in self.breakers.items()},
            "timings": [
                {"window": t.window.to_dict(), "bounds": t.bounds.to_json()} for t in self.timings
            ],
            "first_byte": self.first_byte.to_dict(),
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
                "first_byte": dict(first_byte),
                "mean_output_tokens": float() | int() | None as mean,
                "rate_limit": rate_limit,
            } if len(timings) == len(Size):
                return cls(
                    breakers={a: breaker_from_json(kept.get(a.value)) for a in _OF_THE_MODEL},
                    timings=tuple(_timing(timing) for timing in timings),
                    first_byte=LatencyWindow.from_dict(first_byte),
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


def _timing(plain: Json) -> _Timing:
    match plain:
        case {"window": dict(window), "bounds": bounds}:
            return _Timing(LatencyWindow.from_dict(window), Bounds.from_json(bounds))
        case _:
            raise ValueError("not a target's latencies")
