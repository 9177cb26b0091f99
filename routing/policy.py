"""What a strategy is: an order of the platforms that may take a request."""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import NamedTuple, Protocol

from routing.eligibility import Candidate


class Strategy(StrEnum):
    """What a caller wants most, within the limits."""

    COST_OPTIMIZED = "cost_optimized"
    LATENCY = "latency"
    CAPABILITY = "capability"
    BALANCED = "balanced"
    ADAPTIVE = "adaptive"


class Ranking(NamedTuple):
    """Candidates in order, best first, and the probability with which the first was drawn."""

    order: list[Candidate]
    propensity: float = 1.0


class Policy(Protocol):
    """Puts candidates in order, best first; every one of them already meets the requirements."""

    def __call__(self, candidates: Sequence[Candidate], rng: Random) -> Ranking:
        """The same candidates in order; there is at least one.

        Ties keep the order given, which is the operator's. All chance comes from `rng`.
        """
        ...
