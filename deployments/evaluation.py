"""What a strategy would have saved, out of sample, with 95 % intervals and beside honest baselines.

All is done for several draws of the folds (`folds.py`), and every question counts with its mean
over them: how the folds fell is chance, and a figure of one draw could be picked among many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from deployments.folds import FOLDS, Draw, Outcomes
from deployments.recorded import Row
from deployments.training import Floats, Rows
from routing.policy import Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 5
"""Of the folds. On K3 one draw alone saves 56 to 63 %, by how the folds fell."""
RESAMPLES = 1_000
"""Of the bootstrap: the ends of a 95 % interval then wobble by a hundredth of its width or so."""
_CHUNK = 50
_CONFIDENCE = (2.5, 97.5)

Progress = Callable[[float], None]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One way to choose: mean cost, and by the best single target what it saved and kept.

    All are means over the draws of the folds, and an interval is of them, by bootstrap over
    the questions; it is None for what is not chosen row by row. A range is from the least to the
    most that one draw alone would have said.
    """

    name: str
    cost_usd: float
    ratio: float
    saved: float
    ratio_ci: Interval | None = None
    saved_ci: Interval | None = None
    ratio_range: Interval | None = None
    saved_range: Interval | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All lines of one data set. `prices` are what a dollar had to buy, by draw and fold."""

    name: str
    rows: int
    targets: tuple[str, ...]
    kept: float
    draws: int
    lines: tuple[Line, ...]
    prices: tuple[float | None, ...]


class Evaluation:
    """Compares strategies and baselines on recorded outcomes.

    `kept` is the share of the best single target's quality that adaptive is to keep, as
    far as the training folds can tell. The folds are drawn with `seed` and the ones after it.
    """

    def __init__(
        self, name: str, rows: Sequence[Row], kept: float, seed: int, draws: int = DRAWS
    ) -> None:
        self._name = name
        self._kept = kept
        self._seed = seed
        self._data = Outcomes.of(rows)
        self._draws = [Draw(self._data, kept, seed + number) for number in range(draws)]

    @property
    def _best(self) -> Rows:
        """The best single target by the training folds, for each draw and question."""
        return np.array([draw.best for draw in self._draws])

    def run(self, strategies: Sequence[Strategy], progress: Progress) -> Report:
        """Everything; `progress` is told the share that is done."""
        done = 0
        for draw in self._draws:
            for number in range(FOLDS):
                draw.fold(number, strategies)
                done += 1
                progress(done / (FOLDS * len(self._draws) + 1))
        lines = self._lines(strategies)
        progress(1.0)
        data = self._data
        prices = tuple(price for draw in self._draws for price in draw.prices)
        return Report(
            self._name, len(data.texts), data.names, self._kept, len(self._draws), lines, prices
        )

    def _lines(self, strategies: Sequence[Strategy]) -> tuple[Line, ...]:
        data = self._data
        order = [*(s.value for s in strategies), "cheapest adequate single"]
        lines = [self._line(name, self._chosen(name)) for name in order]
        if Strategy.ADAPTIVE in strategies:
            adaptive = next(line for line in lines if line.name == Strategy.ADAPTIVE.value)
            lines += [self._mix_of_cost(adaptive), self._mix_of_quality(adaptive)]
        for i, name in enumerate(data.names):
            lines.append(self._line(f"always {name}", np.full(len(data.texts), i)))
        # Of equally good answers the cheapest.
        oracle = np.lexsort((data.costs, -data.rewards), axis=1)[:, 0]
        lines.append(self._line("oracle", oracle, "knows every outcome; cannot be built"))
        return tuple(lines)

    def _chosen(self, name: str) -> Rows:
        return np.array([draw.choices[name] for draw in self._draws])

    def _line(self, name: str, chosen: Rows, note: str = "") -> Line:
        """Of what was chosen for each question, in each draw or in all of them."""
        data, best = self._data, self._best
        chosen = np.broadcast_to(chosen, best.shape)
        rows = np.arange(best.shape[1])
        reward, cost = data.rewards[rows, chosen], data.costs[rows, chosen]
        base_reward, base_cost = data.rewards[rows, best], data.costs[rows, best]
        columns = [part.mean(0) for part in (reward, base_reward, cost, base_cost)]
        ratios, savings = _bootstrap(np.stack(columns, axis=1), self._seed)
        ratio_by_draw = reward.sum(1) / base_reward.sum(1)
        saved_by_draw = 1 - cost.sum(1) / base_cost.sum(1)
        return Line(
            name,
            float(cost.mean()),
            float(reward.sum() / base_reward.sum()),
            float(1 - cost.sum() / base_cost.sum()),
            ratios,
            savings,
            (float(ratio_by_draw.min()), float(ratio_by_draw.max())),
            (float(saved_by_draw.min()), float(saved_by_draw.max())),
            note,
        )

    def _mix_of_cost(self, like: Line) -> Line:
        """The best that drawing targets blindly can do for the same money."""
        quality, cost = self._data.rewards.mean(0), self._data.costs.mean(0)
        reachable = [float(quality[i]) for i in range(len(cost)) if cost[i] <= like.cost_usd]
        for i, j in permutations(range(len(cost)), 2):
            if cost[i] < like.cost_usd <= cost[j]:
                share = (like.cost_usd - cost[i]) / (cost[j] - cost[i])
                reachable.append(float(quality[i] + share * (quality[j] - quality[i])))
        base = self._line("", self._best)
        mean = self._base_quality()
        top = max(reachable, default=mean)
        saved = 1 - like.cost_usd / base.cost_usd
        return Line("random mix, same cost", like.cost_usd, top / mean, saved, note="blind")

    def _mix_of_quality(self, like: Line) -> Line:
        """The cheapest that drawing targets blindly can be for the same quality."""
        quality, cost = self._data.rewards.mean(0), self._data.costs.mean(0)
        mean = self._base_quality()
        wanted = min(like.ratio * mean, float(quality.max()))
        possible = [float(cost[i]) for i in range(len(cost)) if quality[i] >= wanted]
        for i, j in permutations(range(len(cost)), 2):
            if quality[i] < wanted <= quality[j]:
                share = (wanted - quality[i]) / (quality[j] - quality[i])
                possible.append(float(cost[i] + share * (cost[j] - cost[i])))
        least = min(possible)
        saved = 1 - least / self._line("", self._best).cost_usd
        return Line("random mix, same quality", least, wanted / mean, saved, note="blind")

    def _base_quality(self) -> float:
        best = self._best
        return float(self._data.rewards[np.arange(best.shape[1]), best].mean())


def _bootstrap(columns: Floats, seed: int) -> tuple[Interval, Interval]:
    """95 % intervals of the quality ratio and of the saving, questions drawn as whole rows.

    The columns are the reward, the best single target's reward, the cost and that one's.
    """
    chance, count = np.random.default_rng(seed), len(columns)
    ratios, savings = [], []
    for _ in range(RESAMPLES // _CHUNK):
        weights: NDArray[np.int64] = chance.multinomial(count, np.full(count, 1 / count), _CHUNK)
        sums = weights @ columns
        ratios.append(sums[:, 0] / sums[:, 1])
        savings.append(1 - sums[:, 2] / sums[:, 3])
    return _interval(np.concatenate(ratios)), _interval(np.concatenate(savings))


def _interval(values: Floats) -> Interval:
    low, high = np.percentile(values, _CONFIDENCE)
    return float(low), float(high)
