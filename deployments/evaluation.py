"""What a strategy would have saved, out of sample: k folds, everything chosen on the other folds.

On the training folds are learned: the means of each target, the text model, which single
target is best or cheapest and adequate, and what a dollar must buy. The last by an inner
round of folds, so that no text is judged by a model that has seen it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from deployments.recorded import Row
from deployments.training import Corpus, Floats, Rows, fit
from routing.policy import Strategy
from routing.simulate import UNKNOWN_LATENCY_MS, Replay, Standing

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
RESAMPLES = 1_000
"""Of the bootstrap: the ends of a 95 % interval then wobble by a hundredth of its width or so."""
_CHUNK = 50
# What a dollar must buy, in units of one over what the dearest target costs more than the cheapest.
_PRICES = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, 100)])
_CONFIDENCE = (2.5, 97.5)

Progress = Callable[[float], None]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One way to choose: mean cost, and by the best single target what it saved and kept.

    An interval is None for what is not chosen row by row.
    """

    name: str
    cost_usd: float
    ratio: float
    saved: float
    ratio_ci: Interval | None = None
    saved_ci: Interval | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All lines of one data set. `prices` are what a dollar had to buy, by fold."""

    name: str
    rows: int
    targets: tuple[str, ...]
    kept: float
    lines: tuple[Line, ...]
    prices: tuple[float | None, ...]


@dataclass(frozen=True)
class _Data:
    names: tuple[str, ...]
    texts: tuple[str, ...]
    corpus: Corpus
    rewards: Floats
    costs: Floats
    latencies: Floats | None


class Evaluation:
    """Compares strategies and baselines on recorded outcomes.

    `kept` is the share of the best single target's quality that adaptive is to keep, as
    far as the training folds can tell.
    """

    def __init__(
        self, name: str, rows: Sequence[Row], kept: float, seed: int, folds: int = FOLDS
    ) -> None:
        self._name = name
        self._kept = kept
        self._seed = seed
        self._data = data = _data(rows)
        chance = np.random.default_rng(seed)
        self._folds = np.array_split(chance.permutation(len(rows)), folds)
        self._choices: dict[str, Rows] = {}
        self._best: Rows = np.zeros(len(data.texts), dtype=np.int64)
        self._prices: list[float | None] = []

    def run(self, strategies: Sequence[Strategy], progress: Progress) -> Report:
        """Everything; `progress` is told the share that is done."""
        count = len(self._folds)
        for number in range(count):
            self._fold(number, strategies)
            progress((number + 1) / (count + 1))
        lines = self._lines(strategies)
        progress(1.0)
        data = self._data
        prices = tuple(self._prices)
        return Report(self._name, len(data.texts), data.names, self._kept, lines, prices)

    def _fold(self, number: int, strategies: Sequence[Strategy]) -> None:
        data, test, train = self._data, self._folds[number], self._train(number)
        quality, cost = data.rewards[train].mean(0), data.costs[train].mean(0)
        best = int(quality.argmax())
        self._best[test] = best
        adequate = np.flatnonzero(quality >= self._kept * quality[best])
        self._choose("cheapest adequate single", test, int(adequate[cost[adequate].argmin()]))
        standings = self._standings(train)
        texts = [data.texts[i] for i in test]
        for strategy in strategies:
            if strategy is Strategy.ADAPTIVE:
                continue
            replay = Replay(strategy, standings)
            self._choose(strategy.value, test, np.fromiter(replay.choices(texts), np.int64))
        if Strategy.ADAPTIVE in strategies:
            price = self._price(number)
            self._prices.append(price)
            chosen: int | Rows = best  # nothing kept the quality: then it is not for routing
            if price is not None:
                model = fit(data.corpus, data.rewards, train).to_model(data.corpus, data.names, "")
                adaptive = Replay(Strategy.ADAPTIVE, standings, model, price)
                chosen = np.fromiter(adaptive.choices(texts), np.int64)
            self._choose(Strategy.ADAPTIVE.value, test, chosen)

    def _price(self, number: int) -> float | None:
        """What a dollar must buy so that the training folds save most and keep the quality."""
        data, train = self._data, self._train(number)
        predicted = np.zeros_like(data.rewards)
        for inner, held in enumerate(self._folds):
            if inner != number:
                seen = np.setdiff1d(train, held)
                predicted[held] = fit(data.corpus, data.rewards, seen).predicted[held]
        rewards, costs = data.rewards[train], data.costs[train]
        mean_usd, best = costs.mean(0), rewards.mean(0).argmax()
        rows = np.arange(len(train))
        spread_usd = float(mean_usd.max() - mean_usd.min()) or 1.0
        cheapest: tuple[float, float] | None = None
        for price in _PRICES / spread_usd:
            chosen = (np.clip(predicted[train], 0, 1) - price * mean_usd).argmax(1)
            kept = rewards[rows, chosen].mean() >= self._kept * rewards[:, best].mean()
            spent = float(costs[rows, chosen].mean())
            if kept and (cheapest is None or spent < cheapest[0]):
                cheapest = (spent, float(price))
        return None if cheapest is None else cheapest[1]

    def _train(self, number: int) -> Rows:
        return np.concatenate([fold for i, fold in enumerate(self._folds) if i != number])

    def _standings(self, train: Rows) -> list[Standing]:
        data = self._data
        quality, cost = data.rewards[train].mean(0), data.costs[train].mean(0)
        latency = [UNKNOWN_LATENCY_MS] * len(data.names)
        if data.latencies is not None:
            latency = [float(ms) for ms in np.percentile(data.latencies[train], 95, axis=0)]
        return [
            Standing(name, float(quality[i]), float(cost[i]), latency[i])
            for i, name in enumerate(data.names)
        ]

    def _choose(self, name: str, test: Rows, choice: int | Rows) -> None:
        chosen = self._choices.setdefault(name, np.zeros(len(self._data.texts), dtype=np.int64))
        chosen[test] = choice

    def _lines(self, strategies: Sequence[Strategy]) -> tuple[Line, ...]:
        data = self._data
        order = [*(s.value for s in strategies), "cheapest adequate single"]
        lines = [self._line(name, self._choices[name]) for name in order]
        if Strategy.ADAPTIVE in strategies:
            adaptive = next(line for line in lines if line.name == Strategy.ADAPTIVE.value)
            lines += [self._mix_of_cost(adaptive), self._mix_of_quality(adaptive)]
        for i, name in enumerate(data.names):
            lines.append(self._line(f"always {name}", np.full(len(data.texts), i)))
        # Of equally good answers the cheapest.
        oracle = np.lexsort((data.costs, -data.rewards), axis=1)[:, 0]
        lines.append(self._line("oracle", oracle, "knows every outcome; cannot be built"))
        return tuple(lines)

    def _line(self, name: str, chosen: Rows, note: str = "") -> Line:
        data = self._data
        rows = np.arange(len(chosen))
        reward, cost = data.rewards[rows, chosen], data.costs[rows, chosen]
        base_reward, base_cost = data.rewards[rows, self._best], data.costs[rows, self._best]
        ratios, savings = _bootstrap(reward, cost, base_reward, base_cost, self._seed)
        return Line(
            name,
            float(cost.mean()),
            float(reward.sum() / base_reward.sum()),
            float(1 - cost.sum() / base_cost.sum()),
            ratios,
            savings,
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
        rows = np.arange(len(self._best))
        return float(self._data.rewards[rows, self._best].mean())


def _bootstrap(
    reward: Floats, cost: Floats, base_reward: Floats, base_cost: Floats, seed: int
) -> tuple[Interval, Interval]:
    """95 % intervals of the quality ratio and of the saving, rows drawn with their bases."""
    chance, count = np.random.default_rng(seed), len(reward)
    columns = np.c_[reward, base_reward, cost, base_cost]
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


def _data(rows: Sequence[Row]) -> _Data:
    names = tuple(sorted(rows[0].targets))
    outcomes = [[row.targets[name] for name in names] for row in rows]
    latencies = [[o.latency_ms for o in row] for row in outcomes]
    known = all(ms is not None for row in latencies for ms in row)
    return _Data(
        names,
        tuple(row.prompt for row in rows),
        Corpus.of([row.prompt for row in rows]),
        np.array([[o.reward for o in row] for row in outcomes]),
        np.array([[o.cost_usd for o in row] for row in outcomes]),
        np.array(latencies, dtype=np.float64) if known else None,
    )
