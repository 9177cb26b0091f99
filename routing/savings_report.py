"""What routing saved in a period: sums against each baseline, and how sure they are.

Answers are added up in random groups beforehand (`savings.BUCKETS`), and the intervals come
from drawing those groups again and again: every answer of the period counts, however many
there are, and memory stays the same. Money is whole pico-dollars and exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from operator import add

from routing.bootstrap import Pair, drawn_sums, middle
from routing.message import Json

DEFAULT = "default"
BEST_SINGLE = "best_single"
CHEAPEST_SINGLE = "cheapest_single"
CHEAPEST_EACH = "cheapest_each"
RANDOM = "random"

SERVES_SHARE = 99
"""Percent of what the most able target could take. One odd request in a hundred does not make a
target unfit to be compared with: without it we would be held against a dearer one."""

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Sums:
    """`answers` that can be compared: what a baseline would have cost, and what they did cost."""

    answers: int = 0
    baseline: int = 0
    actual: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.answers + other.answers,
            self.baseline + other.baseline,
            self.actual + other.actual,
        )


@dataclass(frozen=True, slots=True)
class TargetCell:
    """One target: how many answers it could have given, and those of them with a price.

    `quality` is the highest rank it had in the period.
    """

    quality: float
    fit: int
    sums: Sums

    def __add__(self, other: "TargetCell") -> "TargetCell":
        quality = max(self.quality, other.quality)
        return TargetCell(quality, self.fit + other.fit, self.sums + other.sums)


@dataclass(frozen=True, slots=True)
class Cell:
    """Some answers, added up.

    `failed` is money spent without an answer, `fixed` what was not routed, `unpriced` what
    has no known cost. `compared` are the others; `lost` is what of them failed, which no
    baseline is charged for.
    """

    answers: int = 0
    failed: int = 0
    fixed: int = 0
    unpriced: int = 0
    actual: int = 0
    compared: int = 0
    lost: Sums = Sums()
    default: Sums = Sums()
    default_unfit: int = 0
    default_targets: frozenset[str] = frozenset()
    cheapest: Sums = Sums()
    random: Sums = Sums()
    targets: Mapping[str, TargetCell] = field(default_factory=dict)

    def __add__(self, other: "Cell") -> "Cell":
        targets = dict(self.targets)
        for name, cell in other.targets.items():
            targets[name] = targets[name] + cell if name in targets else cell
        return Cell(
            self.answers + other.answers,
            self.failed + other.failed,
            self.fixed + other.fixed,
            self.unpriced + other.unpriced,
            self.actual + other.actual,
            self.compared + other.compared,
            self.lost + other.lost,
            self.default + other.default,
            self.default_unfit + other.default_unfit,
            self.default_targets | other.default_targets,
            self.cheapest + other.cheapest,
            self.random + other.random,
            targets,
        )

    def of_target(self, target: str | None) -> Sums:
        """The sums with one target for all; what failed is on our side alone."""
        cell = None if target is None else self.targets.get(target)
        return self.lost if cell is None else cell.sums + self.lost


@dataclass(frozen=True, slots=True)
class Baseline:
    """What `compared` answers would have cost, against what they did.

    `unknown` were left out for want of a price, `unfit` because the target could not have
    taken them. `target` is None where there is not one for all. The intervals are None
    where there is nothing to draw from, and in groups.
    """

    target: str | None
    sums: Sums
    unknown: int
    unfit: int
    saved_interval: tuple[int, int] | None = None
    share_interval: tuple[float, float] | None = None

    @property
    def saved(self) -> int:
        """Below 0 where routing cost more."""
        return self.sums.baseline - self.sums.actual

    @property
    def share(self) -> float | None:
        """Of what the baseline would have cost; None where that is nothing."""
        return _share(self.sums.baseline, self.sums.actual)

    def to_json(self) -> dict[str, Json]:
        """This baseline as callers see it; no figure where nothing could be compared."""
        is_known = self.sums.answers > 0
        ends = self.saved_interval
        return {
            "target": self.target,
            "usd": _usd(self.sums.baseline) if is_known else None,
            "actual_usd": _usd(self.sums.actual) if is_known else None,
            "saved_usd": _usd(self.saved) if is_known else None,
            "saved_share": self.share,
            "ci95": None if self.share_interval is None else list(self.share_interval),
            "saved_usd_ci95": None if ends is None else [_usd(end) for end in ends],
            "compared": self.sums.answers,
            "unknown": self.unknown,
            "unfit": self.unfit,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """The answers of one platform, strategy or day."""

    key: str
    cell: Cell
    baselines: Mapping[str, Baseline]

    def to_json(self) -> dict[str, Json]:
        """This group as callers see it."""
        return {"key": self.key, **_summary(self.cell, self.baselines)}


@dataclass(frozen=True, slots=True)
class Report:
    """A period's savings; simulated answers and real ones never share one."""

    simulated: bool
    cell: Cell
    baselines: Mapping[str, Baseline]
    groups: tuple[Group, ...]

    def to_json(self) -> dict[str, Json]:
        """This report as callers see it."""
        return {
            "simulated": self.simulated,
            **_summary(self.cell, self.baselines),
            "by": [group.to_json() for group in self.groups],
        }


def make_report(
    buckets: Sequence[Cell], groups: Mapping[str, Cell], *, simulated: bool, seed: int
) -> Report:
    """The report on a period's answers, once by their random groups and once by asked ones.

    The one target for all is chosen here, knowing the whole period: among those that could
    have taken nearly as many requests as any (`SERVES_SHARE`), the best is the one of the
    highest configured quality, of equals the cheaper; the cheapest is the cheapest.
    """
    total = reduce(add, buckets, Cell())
    best, cheapest = _single_targets(total)
    drawn = drawn_sums([_pairs(cell, best, cheapest) for cell in buckets if cell.compared], seed)
    baselines = {
        name: _with_intervals(baseline, drawn.get(name, ()))
        for name, baseline in _baselines(total, best, cheapest).items()
    }
    return Report(
        simulated,
        total,
        baselines,
        tuple(
            Group(key, cell, _baselines(cell, best, cheapest))
            for key, cell in sorted(groups.items())
        ),
    )


def day_name(day: int) -> str:
    """A day, counted since the epoch, as a date."""
    return datetime.fromtimestamp(day * _DAY_S, UTC).date().isoformat()


def _single_targets(total: Cell) -> tuple[str | None, str | None]:
    """The best and the cheapest single target of the period; names break ties."""
    widest = max((cell.sums.answers for cell in total.targets.values()), default=0)
    able = {
        name: cell
        for name, cell in total.targets.items()
        if cell.sums.answers * 100 >= widest * SERVES_SHARE and cell.sums.answers
    }
    if not able:
        return None, None

    def mean(name: str) -> float:
        # Of those that served not quite the same requests; a sum would favour who served fewer.
        return able[name].sums.baseline / able[name].sums.answers

    best = min(able, key=lambda name: (-able[name].quality, mean(name), name))
    return best, min(able, key=lambda name: (mean(name), name))


def _baselines(cell: Cell, best: str | None, cheapest: str | None) -> dict[str, Baseline]:
    defaults = cell.default_targets
    default = next(iter(defaults)) if len(defaults) == 1 else None
    unknown = cell.compared - cell.default.answers - cell.default_unfit
    return {
        DEFAULT: Baseline(default, cell.default, unknown, cell.default_unfit),
        BEST_SINGLE: _single(cell, best),
        CHEAPEST_SINGLE: _single(cell, cheapest),
        CHEAPEST_EACH: Baseline(None, cell.cheapest, cell.compared - cell.cheapest.answers, 0),
        RANDOM: Baseline(None, cell.random, cell.compared - cell.random.answers, 0),
    }


def _single(cell: Cell, target: str | None) -> Baseline:
    sums = cell.of_target(target)
    if target is None:
        return Baseline(None, Sums(), cell.compared, 0)
    fit = cell.targets[target].fit if target in cell.targets else 0
    priced = sums.answers - cell.lost.answers
    return Baseline(target, sums, fit - priced, cell.compared - cell.lost.answers - fit)


def _pairs(cell: Cell, best: str | None, cheapest: str | None) -> dict[str, Pair]:
    """Each baseline's cost and ours, of one random group."""
    named = _baselines(cell, best, cheapest)
    return {name: (each.sums.baseline, each.sums.actual) for name, each in named.items()}


def _with_intervals(baseline: Baseline, drawn: Sequence[Pair]) -> Baseline:
    if not drawn or not baseline.sums.answers:
        return baseline
    saved = sorted(base - actual for base, actual in drawn)
    known = (_share(base, actual) for base, actual in drawn)
    shares = sorted(share for share in known if share is not None)
    return Baseline(
        baseline.target,
        baseline.sums,
        baseline.unknown,
        baseline.unfit,
        middle(saved),
        middle(shares) if shares and baseline.share is not None else None,
    )


def _share(baseline: int, actual: int) -> float | None:
    return (baseline - actual) / baseline if baseline else None


def _summary(cell: Cell, baselines: Mapping[str, Baseline]) -> dict[str, Json]:
    return {
        "answers": cell.answers,
        "failed": cell.failed,
        "fixed": cell.fixed,
        "unpriced": cell.unpriced,
        "actual_usd": _usd(cell.actual),
        "baselines": {name: baseline.to_json() for name, baseline in baselines.items()},
    }


def _usd(pico_usd: int) -> float:
    return float(Decimal(pico_usd).scaleb(-12))
