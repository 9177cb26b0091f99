"""Recorded questions put to a strategy again: whom it would have chosen, by the policies that serve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from routing.capability import Capability
from routing.eligibility import Candidate
from routing.learned import Learned
from routing.platform_profile import PlatformProfile
from routing.policies import make_policies
from routing.policies.adaptive import Adaptive
from routing.policies.balanced import Weights
from routing.policy import Policy, Strategy
from routing.quality import QualityModel
from routing.scorecard import Scorecard

UNKNOWN_LATENCY_MS = 1_500.0
"""Of every target where no latencies were recorded: then none is faster than another."""

_TOKENS = 800
"""What an answer may have; nothing here depends on it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A target as an operator knows it from earlier answers: means, not the answer in question."""

    target: str
    quality: float
    cost_usd: float
    latency_ms: float = UNKNOWN_LATENCY_MS


@dataclass(frozen=True, slots=True)
class Replay:
    """A strategy over targets of such standing.

    `model` is what adaptive reads texts with, None for the standings alone;
    `quality_per_usd` what a dollar must buy there.
    """

    strategy: Strategy
    standings: Sequence[Standing]
    model: QualityModel | None = None
    quality_per_usd: float = 0.0
    weights: Weights = field(default_factory=Weights)

    def choices(self, texts: Sequence[str], seed: int = 0) -> Iterator[int]:
        """For each text the place among the standings of whom the strategy would ask first."""
        learned = Learned(quality_per_usd=self.quality_per_usd)
        is_adaptive = self.strategy is Strategy.ADAPTIVE
        policy: Policy = make_policies(self.weights)[self.strategy]
        if is_adaptive:
            policy = Adaptive(learned)
        candidates = [_candidate(standing) for standing in self.standings]
        place = {id(candidate): i for i, candidate in enumerate(candidates)}
        for number, text in enumerate(texts):
            if is_adaptive:
                judge = learned.judges(None if self.model is None else self.model.read(text))
                for candidate in candidates:
                    candidate.judgement = judge.of(candidate.profile)
            rng = Random(seed * 1_000_003 + number)  # noqa: S311  spreads load
            yield place[id(policy(candidates, rng).order[0])]


def _candidate(standing: Standing) -> Candidate:
    profile = PlatformProfile(
        name=standing.target.partition("/")[0],
        model=standing.target.partition("/")[2] or standing.target,
        capabilities=frozenset(Capability),
        context_window=_TOKENS,
        max_output_tokens=_TOKENS,
        regions=frozenset(),
        quality=min(max(standing.quality, 0.0), 1.0),
        prior_latency_ms=standing.latency_ms,
        price=None,
    )
    card = Scorecard(standing.target, standing.latency_ms, standing.latency_ms)
    return Candidate(profile, card, _TOKENS, standing.latency_ms, standing.cost_usd, 0)
