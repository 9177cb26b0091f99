"""cost_optimized: the cheapest platform that meets the requirements."""

from collections.abc import Sequence

from routing.eligibility import Candidate
from routing.policy import Draws, Ranking


def rank_by_cost(candidates: Sequence[Candidate], rng: Draws) -> Ranking:
    """Cheapest expected cost first; the faster of equals; an unknown price last.

    Unknown is not free: such a platform may be the dearest of all.
    """
    return Ranking(sorted(candidates, key=_dearness))


def _dearness(candidate: Candidate) -> tuple[float, float]:
    cost_usd = candidate.expected_cost_usd
    return (float("inf") if cost_usd is None else cost_usd, candidate.latency_p95_ms)
