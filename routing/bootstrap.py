"""How much sums would vary with other data of the same kind: a bootstrap over groups of it.

As many groups as there are are drawn with replacement, a thousand times over; where the
middle of the sums lies that come of it is where the sum itself lies, with that confidence.
"""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeAlias, TypeVar

DRAWS = 1_000
"""The ends of a 95 % interval are the 26th of these from either side: they move by a few percent
of its width from seed to seed. 0.1 s for 256 groups of five pairs."""

_BEYOND = 0.025
"""Of the draws, on either side of a 95 % interval."""

Pair: TypeAlias = tuple[int, int]
_Figure = TypeVar("_Figure")


def drawn_sums(groups: Sequence[Mapping[str, Pair]], seed: int) -> dict[str, list[Pair]]:
    """Both sums of every name, for each draw; nothing of less than two groups.

    All groups have the same names, and every name is drawn alike.
    """
    if len(groups) < 2:
        return {}  # of one group nobody can say how much it varies
    columns = {
        name: tuple(zip(*(group[name] for group in groups), strict=True)) for name in groups[0]
    }
    drawn: dict[str, list[Pair]] = {name: [] for name in columns}
    chance = Random(seed)  # noqa: S311  nothing secret hangs on it
    everyone = range(len(groups))
    for _ in range(DRAWS):
        chosen = chance.choices(everyone, k=len(groups))
        for name, (first, second) in columns.items():
            pair = (sum(first[i] for i in chosen), sum(second[i] for i in chosen))
            drawn[name].append(pair)
    return drawn


def middle(ordered: Sequence[_Figure]) -> tuple[_Figure, _Figure]:
    """The ends of the middle 95 % of what is in order."""
    beyond = len(ordered) * _BEYOND
    return ordered[math.floor(beyond)], ordered[math.ceil(len(ordered) - beyond) - 1]
