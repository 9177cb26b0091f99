"""What is known of each platform at one moment: the read-only view that decisions are made on.

A scorecard is written by the coordinator and read everywhere else. It holds figures,
never texts, so it may cross a region's border.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from routing.breaker import Ailment, BreakerPhase
from routing.exchange import RateLimit
from routing.learned import Learned
from routing.peak import Peak
from routing.platform_profile import platform_of, target_of

ANY_MODEL = "*"
"""Stands for the models of a platform that have no row of their own."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One model on one platform, as seen lately; None where nothing has been seen.

    `bounds_ms` has for each size of request the times within which the shares of
    `routing.conformal.SHARES` answer. `first_byte_p95_ms` is by size too, of any size where too little
    of one was seen. `first_byte_p99_ms` and `whole_p99_ms`, by size, and
    `gap_p99_ms`, of the longest waits within a stream, are kept as last known while nothing
    comes: they tell silence from slowness (`routing.silence`). `success_rate` is over the `attempts` of the window that said something about the
    platform's health. `breaker_until` is the end of the cool-down when open, and the
    moment the probe in flight is given up for lost when half open: after it, one more
    probe may be claimed; `ailment` says which breaker it is, and `forced` that it is an
    administrator's word. `is_borrowed` says that the latencies are what other regions saw,
    because here nothing was. `peaks`, by size, are its peak-EWMA (`routing.peak`); `recent_ms` is
    what its last answers took. `slow_times` says how many times the usual its answers take while
    that is several times, until the next probe at `slow_until`. `knee` is how many requests it is
    given at once (`routing.knee`). `bills_over_bound` counts, since
    the coordinator began, answers that cost more than was reckoned with at most: a promise that
    was broken. Times are seconds since the epoch.
    """

    target: str
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    first_byte_p95_ms: tuple[float | None, ...] = (None, None, None)
    first_byte_p99_ms: tuple[float | None, ...] = (None, None, None)
    whole_p99_ms: tuple[float | None, ...] = (None, None, None)
    gap_p99_ms: float | None = None
    bounds_ms: tuple[tuple[float, ...] | None, ...] = (None, None, None)
    success_rate: float | None = None
    attempts: int = 0
    in_flight: int = 0
    breaker: BreakerPhase = BreakerPhase.CLOSED
    ailment: Ailment | None = None
    forced: bool = False
    breaker_until: float | None = None
    cooling_until: float | None = None
    cost_usd_today: Decimal = Decimal(0)
    mean_output_tokens: float | None = None
    rate_limit: RateLimit | None = None
    is_borrowed: bool = False
    peaks: tuple[Peak | None, ...] = (None, None, None)
    recent_ms: float | None = None
    slow_times: float | None = None
    slow_until: float | None = None
    knee: float | None = None
    bills_over_bound: int = 0

    def breaker_blocks(self, now: float) -> bool:
        """Whether the breaker keeps ordinary requests away at `now`."""
        return (
            self.breaker is not BreakerPhase.CLOSED
            and self.breaker_until is not None
            and now < self.breaker_until
        )

    def awaits_probe(self, now: float) -> bool:
        """Whether the next attempt would be the breaker's probe, to be claimed before it is sent."""
        if self.breaker is not BreakerPhase.CLOSED:
            return not self.breaker_blocks(now)
        return self.slow_until is not None and not self.is_slow(now)

    def is_slow(self, now: float) -> bool:
        """Whether at `now` it yields to others because it is much slower than usual."""
        return self.slow_until is not None and now < self.slow_until

    def is_cooling(self, now: float) -> bool:
        """Whether the platform itself asked, by a 429, to be left alone at `now`."""
        return self.cooling_until is not None and now < self.cooling_until


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All scorecards of a region under one version; newer versions replace older ones whole.

    `own` is what the reader itself has begun since its requests were counted into the
    scorecards, by target, below zero where more of them ended: the board is up to half a
    second old, and a burst falls into less. `learned` is what the adaptive strategy goes by.
    """

    version: int
    region: str
    at: float
    scorecards: Mapping[str, Scorecard] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)

    @classmethod
    def empty(cls, region: str) -> "Snapshot":
        """What is known before anything is known: decisions fall back on profiles."""
        return cls(0, region, 0.0)

    def of(self, target: str) -> Scorecard:
        """The scorecard of `target`, a blank one if it was never seen."""
        card = self.scorecards.get(target)
        if card is not None:
            return card
        return self.scorecards.get(target_of(platform_of(target), ANY_MODEL)) or Scorecard(target)
