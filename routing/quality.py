"""How good an answer of each model will be, read from the question alone: one sparse dot product.

The weights come from recorded outcomes (`supportmax simulate train`). They know the models
they were learned on by name. Any other model is read off the two of them that are nearest
to it in quality: the operator's figure says how good it is on the whole, and the learned
ones how much better or worse a model of about that strength does on a text like this.
That is a guess from other people's models until a company trains its own weights.
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from typing import NamedTuple

CHARS_MAX = 4_000
TOKENS_MAX = 400
"""What is read of a text: a page. 0.2 ms at most (tests/bench/decision.py), however long it is."""

STYLE = ("log_length", "lines", "code", "digits", "options", "questions", "money")
"""What is read besides words."""

CONTEXT = 6
"""Figures of a text that learning from feedback goes by; the first is always 1."""

_DAMPED = (0.0, *(1.0 + math.log(count) for count in range(1, TOKENS_MAX + 1)))

_TOKEN = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]")
_CODE_SIGNS = ("def ", "python", "```", "function")
"""Without one of these the pattern cannot match, and takes 50 us of a message to find out."""

_CODE = re.compile(r"\bdef |\bpython\b|```|\bfunction\b")


@dataclass(frozen=True, slots=True)
class ArmReading:
    """What a text promises of one model that was learned.

    `mean` is its quality over all texts, `predicted` over texts like this one, both in 0..1.
    """

    name: str
    mean: float
    predicted: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a text: figures, from which no word can be told.

    `arms` come by rising `mean`; `context` has CONTEXT figures within -1..1.
    """

    arms: tuple[ArmReading, ...]
    context: tuple[float, ...]

    def tiers(self) -> "Tiers":
        """The same, made ready to be asked about many targets."""
        lifts = [arm.predicted - arm.mean for arm in self.arms]
        named = {arm.name: arm.predicted for arm in self.arms}
        return Tiers(named, [arm.mean for arm in self.arms], lifts)


class Tiers(NamedTuple):
    """What a text promises of models by name, and of others by their quality."""

    named: Mapping[str, float]
    means: Sequence[float]
    lifts: Sequence[float]

    def of(self, target: str, model: str, quality: float) -> float:
        """Predicted quality in 0..1 of a target which an operator gives `quality`."""
        known = self.named.get(target, self.named.get(model))
        if known is not None:
            return known
        means, lifts = self.means, self.lifts
        above = bisect_right(means, quality)
        if above == 0:
            lift = lifts[0]
        elif above == len(means):
            lift = lifts[-1]
        else:
            weaker, stronger = means[above - 1], means[above]
            share = (quality - weaker) / (stronger - weaker)
            lift = lifts[above - 1] + share * (lifts[above] - lifts[above - 1])
        return unit(quality + lift)


@dataclass(frozen=True, slots=True)
class Arm:
    """A model that was learned: its mean quality, and the weights of style on it."""

    name: str
    mean: float
    style: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class QualityModel:
    """The weights.

    `terms` has for each term its inverse document frequency, and that times its weight on
    each arm's quality, in the order of `arms`.
    `source` says what they were learned from. `centre` and `scale` bring style to mean 0
    and a like spread.
    """

    source: str
    arms: tuple[Arm, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    terms: Mapping[str, tuple[float, ...]]

    def read(self, text: str) -> Reading:
        """What the beginning of `text` promises; the same text always reads the same."""
        scores = self._scores(text)
        style = self.style_of(text)
        arms = [
            ArmReading(arm.name, arm.mean, unit(arm.mean + score + _dot(arm.style, style)))
            for arm, score in zip(self.arms, scores, strict=True)
        ]
        arms.sort(key=lambda arm: arm.mean)
        # Ten times: predictions differ by tenths, and the figures are to be of one size.
        lift = 10 * sum(arm.predicted - arm.mean for arm in arms) / len(arms)
        figures = (lift, *style[: CONTEXT - 2])
        return Reading(tuple(arms), (1.0, *(_clip(figure / 2, 1.0) for figure in figures)))

    def style_of(self, text: str) -> tuple[float, ...]:
        """The figures of STYLE, centred and scaled."""
        figures = zip(raw_style(text), self.centre, self.scale, strict=True)
        return tuple((raw - centre) / scale for raw, centre, scale in figures)

    def _scores(self, text: str) -> Sequence[float]:
        counts, table = count_terms(text), self.terms
        found = [term for term in counts if term in table]
        if not found:
            return (0.0,) * len(self.arms)
        # By columns, because sum(map(mul)) runs in C: half the time of adding row by row.
        damped = [_DAMPED[counts[term]] for term in found]
        idf, *columns = zip(*[table[term] for term in found], strict=True)
        norm = math.hypot(*map(mul, damped, idf))
        return [_dot(damped, column) / norm for column in columns]


def count_terms(text: str) -> Counter[str]:
    """Words, numbers and signs at the beginning of `text`, and pairs of them, with their counts."""
    tokens = _TOKEN.findall(text[:CHARS_MAX].lower())[:TOKENS_MAX]
    return Counter([*tokens, *map(" ".join, pairwise(tokens))])


def raw_style(text: str) -> tuple[float, ...]:
    """The figures of STYLE as they are."""
    start = text[:CHARS_MAX]
    lower = start.lower()
    return (
        math.log1p(len(text)),
        float("\n" in start),
        float(any(map(lower.__contains__, _CODE_SIGNS)) and _CODE.search(lower) is not None),
        sum(map(start.count, "0123456789")) / max(len(start), 1),
        float("(a)" in lower or "\na." in lower or "\na)" in lower),
        float(min(start.count("?"), 5)),
        float("$" in start),
    )


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    total: float = sum(map(mul, left, right))
    return total


def _clip(value: float, most: float) -> float:
    return max(-most, min(most, value))


def unit(value: float) -> float:
    """`value`, or the nearer end of 0..1."""
    # Comparisons in place of min() and max(), which take five times as long.
    if value < 0.0:
        return 0.0
    if value > 1.0:
        return 1.0
    return value
