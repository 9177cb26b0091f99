"""What one region tells the others of its targets: figures that merge in any order, and no text.

A merge keeps the newest figures of each region, so it is commutative, associative and
idempotent: figures may come twice, late or by way of a third region. Nothing of a
tenant, a request or an answer is in them; the only names are those of regions and models.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from routing.message import Json, JsonObject
from routing.quantile import LatencySketch
from routing.size import Size

FIGURES_AGE_S = 120.0
"""Older figures of another region say nothing any more: 24 pulls missed, and a window is 300 s."""

MAX_TARGETS = 500
"""Ten platforms of fifty models each, the most a configuration may have."""

MAX_NAME = 256
"""Characters of a target's name."""

ENOUGH = 20
"""Fewer answers elsewhere are no better than what the configuration believes (`routing.conformal`)."""


@dataclass(frozen=True, slots=True)
class TargetFigures:
    """One target as a region saw it lately.

    `latencies` has for each size of request the buckets of a `LatencySketch`. Whether it is well is
    not told: another region reaches it by another way and with another key.
    """

    latencies: tuple[tuple[tuple[int, int], ...], ...] = ((),) * len(Size)

    def sketch(self) -> LatencySketch:
        """The latencies of every size together."""
        merged = LatencySketch()
        for buckets in self.latencies:
            merged = merged.merge(LatencySketch(buckets))
        return merged

    def to_json(self) -> JsonObject:
        """As it is sent."""
        return {"latencies": [LatencySketch(buckets).to_dict() for buckets in self.latencies]}

    @classmethod
    def from_json(cls, plain: Json) -> "TargetFigures":
        """What `to_json` described; raises ValueError if it is anything else."""
        match plain:
            case {"latencies": list(latencies), **rest} if not rest and len(latencies) == len(Size):
                return cls(tuple(tuple(_sketch(sketch).buckets) for sketch in latencies))
            case _:
                raise ValueError("not a target's figures")


@dataclass(frozen=True, slots=True)
class RegionFigures:
    """All targets of one region under its snapshot's version; `at` is its clock, since the epoch."""

    region: str
    version: int
    at: float
    targets: Mapping[str, TargetFigures] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """As it is sent."""
        return {
            "region": self.region,
            "version": self.version,
            "at": self.at,
            "targets": {name: target.to_json() for name, target in self.targets.items()},
        }

    @classmethod
    def from_json(cls, plain: Json) -> "RegionFigures":
        """What `to_json` described.

        Raises:
            ValueError: it is not; nothing beyond it is taken, so no text comes in either.
        """
        match plain:
            case {
                "region": str(region),
                "version": int(version),
                "at": float() | int() as at,
                "targets": dict(targets),
                **rest,
            } if not rest and len(targets) <= MAX_TARGETS:
                if any(len(name) > MAX_NAME for name in targets):
                    raise ValueError("a target's name is too long")
                read = {name: TargetFigures.from_json(t) for name, t in targets.items()}
                return cls(region, version, float(at), read)
            case _:
                raise ValueError("not a region's figures")


Figures: TypeAlias = Mapping[str, RegionFigures]
"""The newest figures of each region, by its name."""


def merge(*known: Figures) -> Figures:
    """What is known together: of each region the newest."""
    newest: dict[str, RegionFigures] = {}
    for figures in known:
        for region, one in figures.items():
            other = newest.get(region)
            if other is None or _age_of(one) > _age_of(other):
                newest[region] = one
    return newest


def _age_of(figures: RegionFigures) -> tuple[int, float, str]:
    # The text decides between two of one version and moment, so that the order never does.
    return figures.version, figures.at, json.dumps(figures.to_json(), sort_keys=True)


class Elsewhere(NamedTuple):
    """What other regions saw of a target's latency, all sizes together."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


def elsewhere(figures: Figures, home: str) -> Mapping[str, Elsewhere]:
    """For each target what regions other than `home` saw of it, where they saw enough."""
    merged: dict[str, LatencySketch] = {}
    for region, one in figures.items():
        if region != home:
            for name, target in one.targets.items():
                merged[name] = merged.get(name, LatencySketch()).merge(target.sketch())
    seen: dict[str, Elsewhere] = {}
    for name, sketch in merged.items():
        p50, p95, p99 = sketch.quantiles(0.5, 0.95, 0.99)
        if sketch.count >= ENOUGH and p50 is not None and p95 is not None and p99 is not None:
            seen[name] = Elsewhere(p50, p95, p99)
    return seen


def _sketch(plain: Json) -> LatencySketch:
    match plain:
        case dict():
            return LatencySketch.from_dict(plain)
        case _:
            raise ValueError("not a latency sketch")
