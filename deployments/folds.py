"""One draw of k folds over recorded outcomes: on each is chosen by what the others tell.

On the training folds are learned: the means of each target, the text model, which single
target is best or cheapest and adequate, and what a dollar must buy. The last by an inner
round of folds, so that no text is judged by a model that has seen it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deployments.recorded import Row
from deployments.training import Corpus, Floats, Rows, fit
from routing.policy import Strategy
from routing.simulate import UNKNOWN_LATENCY_MS, Replay, Standing

FOLDS = 5
# What a dollar must buy, in units of one over what the dearest target costs more than the cheapest.
_PRICES = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, 100)])


@dataclass(frozen=True)
class Outcomes:
    """Recorded rows as figures: questions by targets. `latencies` are None where not all are known."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    corpus: Corpus
    rewards: Floats
    costs: Floats
    latencies: Floats | None

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Outcomes":
        """Every row must have the same targets."""
        names = tuple(sorted(rows[0].targets))
        outcomes = [[row.targets[name] for name in names] for row in rows]
        latencies = [[o.latency_ms for o in row] for row in outcomes]
        known = all(ms is not None for row in latencies for ms in row)
        return cls(
            names,
            tuple(row.prompt for row in rows),
            Corpus.of([row.prompt for row in rows]),
            np.array([[o.reward for o in row] for row in outcomes]),
            np.array([[o.cost_usd for o in row] for row in outcomes]),
            np.array(latencies, dtype=np.float64) if known else None,
        )


class Draw:
    """One draw of the folds, and what was chosen on each without having seen it."""

    def __init__(self, data: Outcomes, kept: float, seed: int) -> None:
        self.choices: dict[str, Rows] = {}
        self.best: Rows = np.zeros(len(data.texts), dtype=np.int64)
        self.prices: list[float | None] = []
        self._data = data
        self._kept = kept
        chance = np.random.default_rng(seed)
        self._folds = np.array_split(chance.permutation(len(data.texts)), FOLDS)
        self._predicted: dict[frozenset[int], Floats] = {}

    def fold(self, number: int, strategies: Sequence[Strategy]) -> None:
        """Choose for the questions of one fold by what the others tell."""
        data, test, train = self._data, self._folds[number], self._train(number)
        quality, cost = data.rewards[train].mean(0), data.costs[train].mean(0)
        best = int(quality.argmax())
        self.best[test] = best
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
            self.prices.append(price)
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
                # Without the two of them: the same fit serves when they change places.
                pair = frozenset((number, inner))
                if pair not in self._predicted:
                    seen = np.setdiff1d(train, held)
                    self._predicted[pair] = fit(data.corpus, data.rewards, seen).predicted
                predicted[held] = self._predicted[pair][held]
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
        chosen = self.choices.setdefault(name, np.zeros(len(self._data.texts), dtype=np.int64))
        chosen[test] = choice
