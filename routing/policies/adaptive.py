"""adaptive: the most quality for the money, by what the text says and what feedback taught."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routing.eligibility import Candidate
from routing.learned import Learned
from routing.policy import Draws, Ranking

_TEMPERATURE = 0.02
"""Points of quality: exploring prefers what may be about as good, and hardly tries what is worse
by a tenth."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Highest worth first: quality less what the money should have bought.

    Once there is feedback a share of the requests explores: the first is then drawn by how
    good it may be at best.
    """

    learned: Learned

    def __call__(self, candidates: Sequence[Candidate], rng: Draws) -> Ranking:
        """The candidates by falling worth, perhaps another one first.

        The propensity is exact: of coming first either way, as the best or by exploring.
        """
        order = self._by_worth(candidates)
        first, propensity = order[0], 1.0
        if self.learned.explores:
            shares = self._shares(candidates, first)
            first = _draw(shares, rng)
            propensity = shares[first]
        rest = [candidates[i] for i in order if i != first]
        return Ranking([candidates[first], *rest], propensity)

    def order(self, candidates: Sequence[Candidate], drawn: Candidate) -> Sequence[Candidate]:
        """The ranking where `drawn` has been drawn."""
        rest = (candidates[i] for i in self._by_worth(candidates))
        return [drawn, *(candidate for candidate in rest if candidate is not drawn)]

    def _by_worth(self, candidates: Sequence[Candidate]) -> list[int]:
        worths = [self._worth(c, upper=False) for c in candidates]
        # reverse=True keeps the given order of equals, as sorted() promises.
        return sorted(range(len(candidates)), key=worths.__getitem__, reverse=True)

    def shares(self, candidates: Sequence[Candidate]) -> list[float]:
        """The probability of each candidate to come first; they sum to 1."""
        worths = [self._worth(c, upper=False) for c in candidates]
        best = worths.index(max(worths))
        if self.learned.explores:
            return self._shares(candidates, best)
        return [float(i == best) for i in range(len(worths))]

    def _shares(self, candidates: Sequence[Candidate], best: int) -> list[float]:
        hopes = [self._worth(c, upper=True) for c in candidates]
        highest = max(hopes)
        # Where every price is unknown all are worth the same, which is minus infinity.
        weights = [
            1.0 if hope == highest else math.exp((hope - highest) / _TEMPERATURE) for hope in hopes
        ]
        total, exploration = sum(weights), self.learned.exploration
        shares = [exploration * weight / total for weight in weights]
        shares[best] += 1 - exploration
        return shares

    def _worth(self, candidate: Candidate, *, upper: bool) -> float:
        cost_usd = candidate.expected_cost_usd
        if cost_usd is None:  # unknown is not free: it may be the dearest of all
            return -math.inf
        judged = candidate.judgement
        quality = candidate.profile.quality
        if judged is not None:
            quality = judged.upper if upper else judged.mean
        return quality - self.learned.quality_per_usd * cost_usd


def _draw(shares: Sequence[float], rng: Draws) -> int:
    left = rng.random()
    for index, share in enumerate(shares):
        left -= share
        if left < 0:
            return index
    return shares.index(max(shares))  # rounding ate the last share
