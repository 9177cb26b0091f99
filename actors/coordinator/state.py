"""The region's scoreboard: folds outcomes, publishes versioned snapshots. Pure; time is an argument."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import TypeAdapter

from routing import breaker as breakers
from routing.breaker import Breaker, BreakerPhase
from routing.message import Json, JsonObject
from routing.outcome import Outcome
from routing.scorecard import Scorecard, Snapshot
from routing.window import LatencyWindow

# A replica that has not been heard of for this long is gone, and its requests with it:
# 20 missed reports.
REPLICA_SILENCE_S = 5.0
# The mean answer's length follows about the last 32 answers.
_LENGTH_WEIGHT = 1 / 32
# Reading the sketches costs about a millisecond; replicas ask every 250 ms each.
_PUBLISH_EVERY_S = 0.1
_BREAKER = TypeAdapter(Breaker)


@dataclass(slots=True)
class _Book:
    """All that is known of one platform."""

    breaker: Breaker = field(default_factory=Breaker)
    latency: LatencyWindow = field(default_factory=LatencyWindow)
    first_byte: LatencyWindow = field(default_factory=LatencyWindow)
    mean_output_tokens: float | None = None
    day: date | None = None
    spent_today: Decimal = Decimal(0)

    def fold(self, outcome: Outcome, now: float) -> None:
        self.breaker = breakers.fold(self.breaker, outcome, now)
        if outcome.error is None and not outcome.abandoned:
            self.latency.add(now, outcome.latency_ms)
            if outcome.first_byte_ms is not None:
                self.first_byte.add(now, outcome.first_byte_ms)
            mean, tokens = self.mean_output_tokens, outcome.usage.output_tokens
            self.mean_output_tokens = (
                float(tokens) if mean is None else mean + _LENGTH_WEIGHT * (tokens - mean)
            )
        if outcome.cost_usd is not None:
            self.spend(outcome.cost_usd, _day(outcome.at))

    def spend(self, usd: Decimal, day: date) -> None:
        if self.day is None or day > self.day:
            self.day, self.spent_today = day, Decimal(0)
        if day == self.day:
            self.spent_today += usd

    def scorecard(self, name: str, in_flight: int, now: float) -> Scorecard:
        p50, p95, p99 = self.latency.sketch(now).quantiles(0.5, 0.95, 0.99)
        attempts, failures = self.breaker.window.counts(now)
        closed = self.breaker.phase is BreakerPhase.CLOSED
        return Scorecard(
            platform=name,
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            latency_p99_ms=p99,
            first_byte_p50_ms=self.first_byte.sketch(now).quantile(0.5),
            success_rate=(attempts - failures) / attempts if attempts else None,
            attempts=attempts,
            in_flight=in_flight,
            breaker=self.breaker.phase,
            breaker_until=None if closed else self.breaker.until,
            cooling_until=self.breaker.cooling_until if self.breaker.cooling_until > now else None,
            cost_usd_today=self.spent_today if self.day == _day(now) else Decimal(0),
            mean_output_tokens=self.mean_output_tokens,
        )


class CoordinatorState:
    """Every platform's book and every replica's requests in flight."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._books: dict[str, _Book] = {}
        self._in_flight: dict[str, tuple[float, Mapping[str, int]]] = {}
        self._published = Snapshot.empty(region)

    def fold(self, outcomes: Sequence[Outcome], now: float) -> None:
        """Learn from attempts that ended."""
        for outcome in outcomes:
            self._book(outcome.platform).fold(outcome, now)

    def hear(self, replica: str, in_flight: Mapping[str, int], now: float) -> None:
        """A replica says how many requests it has under way; its last word counts."""
        self._in_flight[replica] = (now, in_flight)

    def claim_probe(self, platform: str, key: str, now: float) -> bool:
        """Whether the attempt `key` may be the one probe of a breaker that is not closed."""
        book = self._book(platform)
        claimed = breakers.claim_probe(book.breaker, key, now)
        if claimed is None:
            return book.breaker.phase is BreakerPhase.CLOSED
        book.breaker = claimed
        return True

    def restore_spend(self, spent: Mapping[str, Decimal], now: float) -> None:
        """Take today's spend from the ledger, which is the truth after a restart."""
        for platform, usd in spent.items():
            book = self._book(platform)
            book.day, book.spent_today = _day(now), usd

    def snapshot(self, now: float) -> Snapshot:
        """The scoreboard under a version that grows; at most one new one in 100 ms."""
        if now - self._published.at < _PUBLISH_EVERY_S:
            return self._published
        self._in_flight = {
            replica: heard
            for replica, heard in self._in_flight.items()
            if now - heard[0] <= REPLICA_SILENCE_S
        }
        busy: dict[str, int] = {}
        for _, counts in self._in_flight.values():
            for platform, count in counts.items():
                busy[platform] = busy.get(platform, 0) + count
        cards = {
            name: self._book(name).scorecard(name, busy.get(name, 0), now)
            for name in sorted({*self._books, *busy})
        }
        if cards != self._published.scorecards or not self._published.version:
            version = self._published.version + 1
            self._published = Snapshot(version, self._region, now, cards)
        return self._published

    def to_checkpoint(self) -> JsonObject:
        """All but the requests in flight, which the replicas tell anew."""
        return {
            "version": self._published.version,
            "books": {
                name: {
                    "breaker": _BREAKER.dump_python(book.breaker, mode="json"),
                    "latency": book.latency.to_dict(),
                    "first_byte": book.first_byte.to_dict(),
                    "mean_output_tokens": book.mean_output_tokens,
                }
                for name, book in self._books.items()
            },
        }

    @classmethod
    def from_checkpoint(cls, region: str, plain: JsonObject) -> "CoordinatorState":
        """The state `to_checkpoint` described; its snapshots' versions go on from there.

        Raises:
            ValueError: it is not a checkpoint of this version.
        """
        state = cls(region)
        match plain:
            case {"version": int(version), "books": dict(books)}:
                # What was published after the checkpoint is unknown: leave room for it.
                state._published = Snapshot(version + 1000, region, -math.inf)
                for name, book in books.items():
                    state._books[name] = _book_from_plain(book)
            case _:
                raise ValueError("not a coordinator's checkpoint")
        return state

    def _book(self, platform: str) -> _Book:
        book = self._books.get(platform)
        if book is None:
            book = self._books[platform] = _Book()
        return book


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _book_from_plain(plain: Json) -> _Book:
    match plain:
        case {
            "breaker": dict(breaker),
            "latency": dict(latency),
            "first_byte": dict(first_byte),
            "mean_output_tokens": float() | int() | None as mean,
        }:
            return _Book(
                breaker=_BREAKER.validate_python(breaker),
                latency=LatencyWindow.from_dict(latency),
                first_byte=LatencyWindow.from_dict(first_byte),
                mean_output_tokens=mean,
            )
        case _:
            raise ValueError("not a platform's book")
