"""capability: the best model that satisfies the task."""

from collections.abc import Sequence
from random import Random

from routing.eligibility import Candidate


def rank_by_capability(candidates: Sequence[Candidate], rng: Random) -> list[Candidate]:
    """Best quality first; the cheaper of equals, an unknown price after a known one."""
    return sorted(candidates, key=_shortfall)


def _shortfall(candidate: Candidate) -> tuple[float, float]:
    cost_usd = candidate.expected_cost_usd
    return (
        -candidate.profile.quality,
        float("inf") if cost_usd is None else float(cost_usd),
    )
