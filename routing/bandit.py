"""What feedback taught about each target, on top of what is read from the question.

A Bayesian linear model per target of what is left over: the quality that was reported less
the quality that was predicted, by a few figures of the text. Nothing reported means
nothing left over, so without feedback the prediction stands. Old feedback is worth less
with every new one, whoever that is about: a model that changed is believed anew, and one
that is not asked any more goes back to the prediction (Garivier and Moulines 2011;
Russac et al. 2019, discounted linear bandits).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import mul

from routing.message import Json
from routing.quality import CONTEXT

FORGETTING = 0.998
"""What is left of a feedback's weight at the next one: half after 346, as much as 500 in all."""

NOISE = 0.2
"""Standard deviation of one reported quality: 0.10 to 0.21 for three models of one benchmark."""

_PRIOR = (0.05, *[0.02] * (CONTEXT - 1))
"""How far a prediction is trusted before any feedback: to about a tenth, at 95 %."""

CONFIDENCE = 1.645
"""One-sided 95 %, were errors normal."""

TARGETS_MAX = 256
"""Of whom beliefs are kept, least known dropped first; a catalogue has some twenty."""

_Matrix = list[list[float]]


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one target, as decisions use it.

    `weights` and `covariance` are over the context's figures; of the covariance, which is
    symmetric, the upper triangle by rows, what is off the diagonal doubled.
    `observations` is how much feedback still counts.
    """

    weights: tuple[float, ...]
    covariance: tuple[float, ...]
    observations: float

    def correction(self, context: Sequence[float], squares: Sequence[float]) -> tuple[float, float]:
        """What to add to the prediction, and the half-width of that at CONFIDENCE."""
        mean = sum(map(mul, self.weights, context))
        variance = sum(map(mul, self.covariance, squares))
        return mean, CONFIDENCE * math.sqrt(max(variance, 0.0))


def products(context: Sequence[float]) -> tuple[float, ...]:
    """The context's figures each by each, as a Belief's covariance is laid out."""
    size = len(context)
    return tuple(context[i] * context[j] for i in range(size) for j in range(i, size))


@dataclass(slots=True)
class _Evidence:
    """Discounted sums over one target's feedback, as of the `step`-th feedback of all."""

    step: int
    squares: _Matrix
    moments: list[float]
    observations: float

    def age(self, step: int) -> None:
        kept = FORGETTING ** (step - self.step)
        self.squares = [[value * kept for value in row] for row in self.squares]
        self.moments = [value * kept for value in self.moments]
        self.observations *= kept
        self.step = step


@dataclass(slots=True)
class Bandit:
    """Everything feedback taught; owned by one, folded in order."""

    _step: int = 0
    _evidence: dict[str, _Evidence] = field(default_factory=dict)

    def learn(self, target: str, context: Sequence[float], surplus: float) -> None:
        """An answer of `target` was better than predicted by `surplus`, or worse where negative."""
        self._step += 1
        evidence = self._evidence.get(target)
        if evidence is None:
            self._make_room()
            evidence = _Evidence(self._step, [[0.0] * CONTEXT for _ in _PRIOR], [0.0] * CONTEXT, 0)
            self._evidence[target] = evidence
        evidence.age(self._step)
        for i in range(CONTEXT):
            evidence.moments[i] += context[i] * surplus
            for j in range(CONTEXT):
                evidence.squares[i][j] += context[i] * context[j]
        evidence.observations += 1

    def beliefs(self) -> dict[str, Belief]:
        """What is believed now of every target that was reported on."""
        beliefs = {}
        for target, evidence in self._evidence.items():
            evidence.age(self._step)
            beliefs[target] = _believe(evidence)
        return beliefs

    def to_json(self) -> Json:
        """Everything, for a checkpoint."""
        return {
            "step": self._step,
            "targets": {
                target: {
                    "step": e.step,
                    "squares": [list(row) for row in e.squares],
                    "moments": list(e.moments),
                    "observations": e.observations,
                }
                for target, e in self._evidence.items()
            },
        }

    @classmethod
    def from_json(cls, plain: Json) -> "Bandit":
        """What `to_json` described.

        Raises:
            ValueError: it is not of this version.
        """
        match plain:
            case {"step": int(step), "targets": dict(targets)}:
                return cls(step, {name: _evidence_of(kept) for name, kept in targets.items()})
            case _:
                raise ValueError("not a bandit")

    def _make_room(self) -> None:
        if len(self._evidence) < TARGETS_MAX:
            return
        for evidence in self._evidence.values():
            evidence.age(self._step)
        del self._evidence[min(self._evidence, key=lambda t: self._evidence[t].observations)]


def _evidence_of(plain: Json) -> _Evidence:
    match plain:
        case {
            "step": int(step),
            "squares": list(squares),
            "moments": list(moments),
            "observations": float() | int() as observations,
        } if len(moments) == len(squares) == CONTEXT:
            rows = [[_number(v) for v in row] for row in squares if isinstance(row, list)]
            if all(len(row) == CONTEXT for row in rows) and len(rows) == CONTEXT:
                return _Evidence(step, rows, [_number(v) for v in moments], observations)
    raise ValueError("not a bandit's evidence")


def _number(plain: Json) -> float:
    if isinstance(plain, int | float):
        return float(plain)
    raise ValueError("not a number")


def _believe(evidence: _Evidence) -> Belief:
    precision = [[value / NOISE**2 for value in row] for row in evidence.squares]
    for i, deviation in enumerate(_PRIOR):
        precision[i][i] += 1 / deviation**2
    covariance = _inverse(precision)
    moments = [value / NOISE**2 for value in evidence.moments]
    weights = tuple(sum(map(mul, row, moments)) for row in covariance)
    return Belief(weights, _folded(covariance), evidence.observations)


def _folded(symmetric: _Matrix) -> tuple[float, ...]:
    return tuple(
        symmetric[i][j] * (1 if i == j else 2) for i in range(CONTEXT) for j in range(i, CONTEXT)
    )


def _inverse(matrix: _Matrix) -> _Matrix:
    """By Gauss and Jordan, without pivots: the matrix is symmetric and positive definite."""
    size = len(matrix)
    rows = [row + [float(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for j in range(size):
            if j != i and (factor := rows[j][i]):
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[size:] for row in rows]


UNTAUGHT = _believe(_Evidence(0, [[0.0] * CONTEXT for _ in _PRIOR], [0.0] * CONTEXT, 0.0))
"""What is believed of a target nobody reported on: the prediction, to about a tenth."""
