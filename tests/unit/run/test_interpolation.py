"""What a model that nobody learned is promised, held against recorded answers of such models.

A model without weights of its own keeps its operator's figure, lifted on each question as the
learned models nearest in quality are (`routing.quality.Tiers`). Here one learned model after the
other is taken for unknown, and the shipped weights meet models and questions they never saw.
`python -m tests.unit.run.test_interpolation` prints the figures of docs/adaptive.md.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from config.quality import read_quality
from deployments.evaluation import DRAWS, RESAMPLES
from deployments.folds import FOLDS
from deployments.recorded import Row, read_recorded
from deployments.training import Corpus, Fit, Floats, fit

DATA = Path(__file__).parents[4] / "shared" / "data" / "routing"
"""Other people's data, beside the project; it is not part of it."""


@dataclass(frozen=True)
class Held:
    """Squared errors by question: of the operator's figure alone, interpolated, learned by name.

    `bias` is by how much the interpolated promise is too high on the whole.
    """

    model: str
    alone: Floats
    interpolated: Floats
    bias: float
    learned: Floats | None = None

    def explained(self, better: Floats) -> float:
        """The share of the operator's squared error that is gone; negative where there is more."""
        return float(1 - better.sum() / self.alone.sum())

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, by bootstrap over questions, of what interpolation explains."""
        chance, count = np.random.default_rng(0), len(self.alone)
        weights = chance.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        shares = 1 - (weights @ self.interpolated) / (weights @ self.alone)
        low, high = np.percentile(shares, (2.5, 97.5))
        return float(low), float(high)

    @override
    def __str__(self) -> str:
        low, high = self.interval
        named = "" if self.learned is None else f", learned {self.explained(self.learned):.3f}"
        return (
            f"{self.model}: error {np.sqrt(self.alone.mean()):.4f} alone, "
            f"{np.sqrt(self.interpolated.mean()):.4f} interpolated; "
            f"explained {self.explained(self.interpolated):.3f} [{low:.3f}, {high:.3f}]{named}; "
            f"bias {self.bias:+.4f}"
        )


def taken_for_unknown(rows: list[Row]) -> Iterator[Held]:
    """Each learned model in turn, out of sample, over all draws of the folds.

    Its operator knows its mean on the training folds and nothing else.
    """
    names, rewards = _rewards(rows)
    texts = [row.prompt for row in rows]
    corpus = Corpus.of(texts)
    shape = (len(names), len(rows))
    alone, interpolated, learned, bias = (np.zeros(shape) for _ in range(4))
    for seed in range(DRAWS):
        folds = np.array_split(np.random.default_rng(seed).permutation(len(rows)), FOLDS)
        for number, test in enumerate(folds):
            train = np.concatenate([fold for i, fold in enumerate(folds) if i != number])
            fitted = fit(corpus, rewards, train)
            for arm in range(len(names)):
                others = [i for i in range(len(names)) if i != arm]
                model = _only(fitted, others).to_model(corpus, [names[i] for i in others], "")
                figure, true = float(fitted.means[arm]), rewards[test, arm]
                promised = np.array(
                    [model.read(texts[i]).tiers().of("a/new", "new", figure) for i in test]
                )
                alone[arm, test] += (figure - true) ** 2 / DRAWS
                interpolated[arm, test] += (promised - true) ** 2 / DRAWS
                bias[arm, test] += (promised - true) / DRAWS
                named = np.clip(fitted.predicted[test, arm], 0, 1)
                learned[arm, test] += (named - true) ** 2 / DRAWS
    for arm, name in enumerate(names):
        yield Held(name, alone[arm], interpolated[arm], float(bias[arm].mean()), learned[arm])


def never_seen(rows: list[Row]) -> Iterator[Held]:
    """Every model of a data set that the shipped weights know nothing of, at its true mean.

    Last the difference between its strongest and its weakest, which is what a choice goes by.
    """
    names, rewards = _rewards(rows)
    means, weights = rewards.mean(0), read_quality()
    promised = np.zeros_like(rewards)
    for row, each in enumerate(rows):
        tiers = weights.read(each.prompt).tiers()
        for arm, name in enumerate(names):
            promised[row, arm] = tiers.of(f"a/{name}", name, float(means[arm]))
    for arm, name in enumerate(names):
        yield _held(name, means[arm], promised[:, arm], rewards[:, arm])
    strong, weak = int(means.argmax()), int(means.argmin())
    yield _held(
        f"{names[strong]} less {names[weak]}",
        means[strong] - means[weak],
        promised[:, strong] - promised[:, weak],
        rewards[:, strong] - rewards[:, weak],
    )


def _held(name: str, figure: float, promised: Floats, true: Floats) -> Held:
    bias = float((promised - true).mean())
    return Held(name, (figure - true) ** 2, (promised - true) ** 2, bias)


def _rewards(rows: list[Row]) -> tuple[tuple[str, ...], Floats]:
    names = tuple(sorted(rows[0].targets))
    return names, np.array([[row.targets[name].reward for name in names] for row in rows])


def _only(fitted: Fit, arms: list[int]) -> Fit:
    """What would have been learned of these models alone: each one's weights are its own."""
    return replace(
        fitted,
        weights=fitted.weights[:, arms],
        style_weights=fitted.style_weights[:, arms],
        means=fitted.means[arms],
    )


def _recorded(folder: str) -> dict[str, list[Row]]:
    if not DATA.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{DATA} is missing")
        pytest.skip("the recorded outcomes are not on this machine")
    return read_recorded(DATA / folder).full


@pytest.mark.timeout(300)  # 35 s of CPU on an idle machine
def test_on_questions_of_the_kind_that_was_learned_interpolation_beats_the_operators_figure() -> (
    None
):
    """For every model taken for unknown; and weights of its own would tell more."""
    ((_, rows),) = _recorded("paretobandit_k3").items()
    found = list(taken_for_unknown(rows))
    assert len(found) == 3
    for held in found:
        assert held.learned is not None
        assert held.interval[0] > 0.05, held
        assert held.interval[1] < 0.25, held
        assert held.explained(held.learned) > held.explained(held.interpolated), held
        assert abs(held.bias) < 0.01, held


@pytest.mark.parametrize("benchmark", ["gsm8k", "mmlu"])
def test_on_other_questions_the_shipped_weights_are_a_guess_and_cost_a_little(
    benchmark: str,
) -> None:
    """They know nothing of arithmetic or exams, and must not do much harm there.

    Whoever makes this better than the operator's figure alone changes docs/adaptive.md.
    """
    ((_, rows),) = (it for it in _recorded("routellm").items() if it[0].endswith(benchmark))
    *models, difference = never_seen(rows)
    for held in models:
        assert -0.15 < held.explained(held.interpolated) < 0, held
        assert abs(held.bias) < 0.15, held
    # Both are promised too much or too little alike: what is chosen hardly changes.
    assert -0.02 < difference.explained(difference.interpolated) < 0.02, difference


def main() -> None:
    """Print every figure."""
    for rows in _recorded("paretobandit_k3").values():
        print("K3, each in turn unknown", *taken_for_unknown(rows), sep="\n  ")  # noqa: T201
    for name, rows in _recorded("routellm").items():
        print(f"{name}, by the shipped weights", *never_seen(rows), sep="\n  ")  # noqa: T201


if __name__ == "__main__":
    main()
