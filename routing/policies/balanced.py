"""balanced: cost, latency and quality, each against the best of the candidates, weighted."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from routing.eligibility import Candidate
from routing.policies.latency import expected_ms
from routing.policy import Ranking

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

    def __call__(self, candidates: Sequence[Candidate], rng: Random) -> Ranking:
        """The candidates by falling utility; no chance is involved."""
        costs_usd = [_cost_usd(candidate) for candidate in candidates]
        times_ms = [expected_ms(candidate) + _SAME_LATENCY_MS for candidate in candidates]
        cheapest_usd, fastest_ms = min(costs_usd), min(times_ms)
        finest = max(candidate.profile.quality for candidate in candidates) or 1.0
        weights = self.weights

        def utility(index: int) -> float:
            usd = costs_usd[index]
            cost = 0.0 if usd == _UNKNOWN_USD else cheapest_usd / usd
            latency = fastest_ms / times_ms[index]
            quality = candidates[index].profile.quality / finest
            return weights.cost * cost + weights.latency * latency + weights.quality * quality

        # reverse=True keeps the given order of equals, as sorted() promises.
        order = sorted(range(len(candidates)), key=utility, reverse=True)
        return Ranking([candidates[i] for i in order])


def _cost_usd(candidate: Candidate) -> float:
    cost_usd = candidate.expected_cost_usd
    return _UNKNOWN_USD if cost_usd is None else cost_usd + _SAME_COST_USD
