"""What is known of each platform at one moment: the read-only view that decisions are made on.

A scorecard is written by the coordinator and read everywhere else. It holds figures,
never texts, so it may cross a region's border.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from routing.breaker import BreakerPhase


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One platform, as seen lately; None where nothing has been seen.

    `success_rate` is over the `attempts` of the window that said something about the
    platform's health. `breaker_until` is the end of the cool-down when open, and the
    moment the probe in flight is given up for lost when half open: after it, one more
    probe may be claimed. Times are seconds since the epoch.
    """

    platform: str
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    first_byte_p50_ms: float | None = None
    success_rate: float | None = None
    attempts: int = 0
    in_flight: int = 0
    breaker: BreakerPhase = BreakerPhase.CLOSED
    breaker_until: float | None = None
    cooling_until: float | None = None
    cost_usd_today: Decimal = Decimal(0)
    mean_output_tokens: float | None = None

    def breaker_blocks(self, now: float) -> bool:
        """Whether the breaker keeps ordinary requests away at `now`."""
        return (
            self.breaker is not BreakerPhase.CLOSED
            and self.breaker_until is not None
            and now < self.breaker_until
        )

    def awaits_probe(self, now: float) -> bool:
        """Whether the next attempt would be the breaker's probe, to be claimed before it is sent."""
        return self.breaker is not BreakerPhase.CLOSED and not self.breaker_blocks(now)

    def is_cooling(self, now: float) -> bool:
        """Whether the platform itself asked, by a 429, to be left alone at `now`."""
        return self.cooling_until is not None and now < self.cooling_until


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All scorecards of a region under one version; newer versions replace older ones whole."""

    version: int
    region: str
    at: float
    scorecards: Mapping[str, Scorecard] = field(default_factory=dict)

    @classmethod
    def empty(cls, region: str) -> "Snapshot":
        """What is known before anything is known: decisions fall back on profiles."""
        return cls(0, region, 0.0)

    def of(self, platform: str) -> Scorecard:
        """The scorecard of `platform`, a blank one if it was never seen."""
        return self.scorecards.get(platform) or Scorecard(platform)
