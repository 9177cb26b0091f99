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
