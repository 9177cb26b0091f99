"""capability: the best model that satisfies the task."""

from collections.abc import Sequence

from routing.eligibility import Candidate
from routing.policy import Draws, Ranking


def rank_by_capability(candidates: Sequence[Candidate], rng: Draws) -> Ranking:
    """Best quality first; the cheaper of equals, an unknown price after a known one."""
    return Ranking(sorted(candidates, key=_shortfall))


def _shortfall(candidate: Candidate) -> tuple[float, float]:
    cost_usd = candidate.expected_cost_usd
    return (
        -candidate.profile.quality,
        float("inf") if cost_usd is None else cost_usd,
    )
