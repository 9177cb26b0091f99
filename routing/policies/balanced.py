"""balanced: cost, latency and quality, each against the best of the candidates, weighted."""

from collections.abc import Sequence
from dataclasses import dataclass

from routing.eligibility import Candidate
from routing.policies.latency import expected_ms
from routing.policy import Draws, Ranking

_SAME_COST_USD = 1e-6
_SAME_LATENCY_MS = 1.0
"""Costs and latencies below these count as equal, and nothing is divided by zero."""

_UNKNOWN_USD = float("inf")


@dataclass(frozen=True, slots=True)
class Weights:
    """What matters how much; only the proportions count.

    The defaults are a judgement, not a measurement: about equal, with the edge to what a
    company pays for.
    """

    cost: float = 0.4
    latency: float = 0.3
    quality: float = 0.3


@dataclass(frozen=True, slots=True)
class Balanced:
    """Highest utility first.

    Each part is best / own, in 0..1: unlike min-max scaling it is not stretched by one
    extreme candidate. An unknown price earns nothing for cost. The in-flight term of the
    expected time is what spreads load here, too.
    """

    weights: Weights

    def __call__(self, candidates: Sequence[Candidate], rng: Draws) -> Ranking:
        """The candidates by falling utility; no chance is involved."""
        costs_usd = [
            _UNKNOWN_USD if (usd := candidate.expected_cost_usd) is None else usd + _SAME_COST_USD
            for candidate in candidates
        ]
        times_ms = [expected_ms(candidate) + _SAME_LATENCY_MS for candidate in candidates]
        cheapest_usd, fastest_ms = min(costs_usd), min(times_ms)
        qualities = [candidate.profile.quality for candidate in candidates]
        finest = max(qualities) or 1.0
        weights = self.weights
        by_cost, by_latency, by_quality = weights.cost, weights.latency, weights.quality
        utilities = [
            by_cost * (0.0 if usd == _UNKNOWN_USD else cheapest_usd / usd)
            + by_latency * (fastest_ms / ms)
            + by_quality * (quality / finest)
            for usd, ms, quality in zip(costs_usd, times_ms, qualities, strict=True)
        ]
        # reverse=True keeps the given order of equals, as sorted() promises.
        order = sorted(range(len(candidates)), key=utilities.__getitem__, reverse=True)
        return Ranking([candidates[i] for i in order])
