"""What a strategy is: an order of the platforms that may take a request."""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Protocol

from routing.eligibility import Candidate


class Strategy(StrEnum):
    """What a caller wants most, within the limits."""

    COST_OPTIMIZED = "cost_optimized"
    LATENCY = "latency"
    CAPABILITY = "capability"
    BALANCED = "balanced"


class Policy(Protocol):
    """Puts candidates in order, best first; every one of them already meets the requirements."""

    def __call__(self, candidates: Sequence[Candidate], rng: Random) -> list[Candidate]:
        """The same candidates in order; there is at least one.

        Ties keep the order given, which is the operator's. All chance comes from `rng`.
        """
        ...
