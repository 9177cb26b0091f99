"""What a caller insists on: limits are promises, not preferences."""

from dataclasses import dataclass, field
from decimal import Decimal

from routing.capability import Capability


@dataclass(frozen=True, slots=True)
class Requirements:
    """Hard limits of one request; None or empty means no limit.

    `max_cost_usd` bounds the whole answer, `max_latency_ms` the time to its end,
    `regions` names where it may be processed, `min_quality` is in 0..1.
    """

    max_cost_usd: Decimal | None = None
    max_latency_ms: float | None = None
    capabilities: frozenset[Capability] = field(default_factory=frozenset)
    regions: frozenset[str] = field(default_factory=frozenset)
    min_quality: float | None = None

    _quick_max_cost: float | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once: it takes half a microsecond, and a decision compares every target.
        quick = None if self.max_cost_usd is None else float(self.max_cost_usd)
        object.__setattr__(self, "_quick_max_cost", quick)

    @property
    def quick_max_cost(self) -> float | None:
        """`max_cost_usd` as a binary fraction, for `Price.surely_within`."""
        return self._quick_max_cost
