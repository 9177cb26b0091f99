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

    order: Sequence[Candidate]
    propensity: float = 1.0


class Draws(Protocol):
    """Where chance comes from: a seeded generator."""

    def random(self) -> float:
        """The next number of 0..1."""
        ...


class Seeded:
    """A generator that is made when it is first asked: that takes 5 us, and few strategies draw."""

    __slots__ = ("_draws", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws: Random | None = None

    def random(self) -> float:
        """The next number of 0..1."""
        if self._draws is None:
            # The seed spreads load and hides nothing.
            self._draws = Random(self._seed)  # noqa: S311
        return self._draws.random()


class Policy(Protocol):
    """Puts candidates in order, best first; every one of them already meets the requirements."""

    def __call__(self, candidates: Sequence[Candidate], rng: Draws) -> Ranking:
        """The same candidates in order; there is at least one.

        Ties keep the order given, which is the operator's. All chance comes from `rng`.
        """
        ...
