"""What the adaptive strategy goes by besides the question: what was learned, and the terms of trade."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from routing.bandit import UNTAUGHT, Belief, products
from routing.platform_profile import PlatformProfile
from routing.quality import CONTEXT, Reading, Tiers, unit

QUALITY_PER_USD = 1.0
"""Points of quality, of 0..1: about what keeps 0.9985 of the best model's on ParetoBandit's K3."""

EXPLORATION = 0.05
"""One request in twenty keeps every belief fresh."""

_UNREAD = (1.0, *[0.0] * (CONTEXT - 1))
_UNREAD_PRODUCTS = products(_UNREAD)


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator wants of the adaptive strategy.

    `quality_per_usd` is how many points of quality, of 0..1, a dollar must buy. With a
    `target_cost_usd` for the mean answer it is only where pacing starts. `exploration` is
    the share of requests, once there is feedback, that also go to other targets.
    """

    quality_per_usd: float = QUALITY_PER_USD
    target_cost_usd: float | None = None
    exploration: float = EXPLORATION


class Judgement(NamedTuple):
    """How good a target's answer to this question will be, in 0..1.

    `cold` is what the text says, `mean` that with what feedback taught; it is at least
    `lower`, and at most `upper`, with 95 % confidence each.
    """

    cold: float
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Learned:
    """Part of a snapshot; figures only. `quality_per_usd` is the terms', or the pacer's."""

    beliefs: Mapping[str, Belief] = field(default_factory=dict)
    quality_per_usd: float = QUALITY_PER_USD
    exploration: float = EXPLORATION

    @property
    def explores(self) -> bool:
        """Whether anything was taught: before that there is nothing to compare with."""
        return bool(self.beliefs) and self.exploration > 0

    def judges(self, reading: Reading | None) -> "Judge":
        """What judges targets on a text; None where none was read."""
        if reading is None:
            return Judge(self.beliefs, None, _UNREAD, _UNREAD_PRODUCTS)
        return Judge(self.beliefs, reading.tiers(), reading.context, products(reading.context))


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges targets on one text."""

    beliefs: Mapping[str, Belief]
    tiers: Tiers | None
    context: tuple[float, ...]
    squares: tuple[float, ...]

    def of(self, profile: PlatformProfile) -> Judgement:
        """How good that target's answer will be."""
        cold, target = profile.quality, profile.target
        if self.tiers is not None:
            cold = self.tiers.of(target, profile.model, cold)
        belief = self.beliefs.get(target, UNTAUGHT)
        surplus, width = belief.correction(self.context, self.squares)
        mean = unit(cold + surplus)
        return Judgement(cold, mean, unit(mean - width), unit(mean + width))
