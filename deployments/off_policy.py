"""What another choice would have been worth, where only the asked target's outcome is known.

Each row is weighted by one over the logged probability of the target that was asked. SNIPS
divides by the sum of the weights; the doubly robust estimate starts from each target's mean
and corrects it by the weighted rest (Dudik, Langford and Li 2011). Both need rows on which
that target was asked by chance: where none was, nothing is estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.evaluation import RESAMPLES, Interval
from deployments.recorded import LoggedRow
from deployments.training import Floats

MIN_EFFECTIVE = 30.0
"""Fewer effective rows have no interval worth printing."""


@dataclass(frozen=True)
class Estimate:
    """Mean reward and cost had one target answered every row; None where too little was logged.

    `effective` is how many rows the weighted ones are worth.
    """

    target: str
    rows: int
    effective: float
    cost_usd: float | None
    snips: float | None
    doubly_robust: float | None
    interval: Interval | None


def estimate(rows: Sequence[LoggedRow], seed: int) -> list[Estimate]:
    """One estimate for every target that was asked; the interval is the doubly robust one's."""
    targets = sorted({row.target for row in rows})
    reward = np.array([row.reward for row in rows])
    cost = np.array([row.cost_usd for row in rows])
    weight = np.array([1 / row.propensity for row in rows])
    asked = np.array([row.target for row in rows])
    return [_of(name, asked == name, weight, reward, cost, seed) for name in targets]


def _of(
    target: str,
    was_asked: NDArray[np.bool_],
    weight: Floats,
    reward: Floats,
    cost: Floats,
    seed: int,
) -> Estimate:
    mine = np.where(was_asked, weight, 0.0)
    effective = float(mine.sum() ** 2 / (mine**2).sum())
    count = int(was_asked.sum())
    if effective < MIN_EFFECTIVE:
        return Estimate(target, count, effective, None, None, None, None)
    mean = float(reward[was_asked].mean())
    rest = mine * (reward - mean)
    chance = np.random.default_rng(seed)
    draws = chance.integers(0, len(reward), (RESAMPLES, len(reward)))
    robust = mean + rest[draws].mean(1)
    low, high = np.percentile(robust, (2.5, 97.5))
    return Estimate(
        target,
        count,
        effective,
        float((mine * cost).sum() / mine.sum()),
        float((mine * reward).sum() / mine.sum()),
        mean + float(rest.mean()),
        (float(low), float(high)),
    )
