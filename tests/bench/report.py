"""What was measured of the road: against its targets for people, plain values for bench.json."""

import os
import platform as machine
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.rounds import BENCH, CONTESTANTS, Found

# Of the product with its whole road on; where they come from: docs, "How a request crosses processes".
ADDED_P50_MS_MAX = 6.0
RATE_RATIO_MIN = 0.35
STREAM_RATIO_MIN = 0.35
START_S_MAX = 25.0
DECISION_US_MAX = 100.0
ADAPTIVE_US_MAX = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: `measured` may not be above (or, `at_least`, below) `bound`."""

    name: str
    measured: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise was kept."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run of the bench found out."""

    found: list[Found]
    rounds: int
    start_s: float
    stop_s: float
    decision_us: float
    adaptive_us: float
    idle_percent: float
    memory_mb: Mapping[str, int]

    def targets(self) -> list[Target]:
        """The promises and what became of them."""
        alone, together, streams = self.found
        return [
            Target("added p50, JSON, 1 client", alone.added_p50_ms(), ADDED_P50_MS_MAX, "ms"),
            Target("rate / relay, JSON, 32 clients", together.ratio(), RATE_RATIO_MIN, "", True),
            Target(
                "rate / relay, streams, 16 clients", streams.ratio(), STREAM_RATIO_MIN, "", True
            ),
            Target("`supportmax run` to first answer", self.start_s, START_S_MAX, "s"),
            Target("one decision, 5 platforms", self.decision_us, DECISION_US_MAX, "µs"),
            Target("one adaptive decision, text read", self.adaptive_us, ADAPTIVE_US_MAX, "µs"),
        ]

    def print(self, console: Console) -> None:
        """Tables for people."""
        console.print(_rates(self.found))
        console.print(targets_table(self.targets()))
        console.print(_costs(self.found, self.memory_mb))
        console.print(
            f"At rest the product takes {self.idle_percent:.0f} % of a core; at 1 client it adds "
            f"{self.found[0].added_ratio():.1f} times what the relay adds. "
            f"Stopped in {self.stop_s:.1f} s. {self.rounds} rounds, "
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {machine.python_version()}"
        )

    def plain(self) -> dict[str, object]:
        """The same, as data."""
        return {
            "rounds": self.rounds,
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "targets": plain_targets(self.targets()),
            "cases": {one.case.name: _plain(one) for one in self.found},
            "idle_percent": self.idle_percent,
            "added_ratio": self.found[0].added_ratio(),
            "memory_mb": dict(self.memory_mb),
            "stop_s": self.stop_s,
        }


def _plain(one: Found) -> dict[str, object]:
    return {
        name: {
            "rate": one.rate(name),
            "p50_ms": one.p50_ms(name),
            "p99_ms": one.p99_ms(name),
            "total_cpu_ms": one.total_cpu_ms(name),
            "cpu_ms": one.cpu_ms(name),
            "rounds": [asdict(measured) for measured in one.measured[name]],
        }
        for name in CONTESTANTS
    }


def _rates(found: list[Found]) -> Table:
    table = Table(
        title="What callers see (medians of the rounds), and CPU per answer", title_justify="left"
    )
    table.add_column("load")
    for heading in ("", "answers/s", "p50 ms", "p99 ms", "CPU ms", "of relay"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in found:
        for name in CONTESTANTS:
            table.add_row(
                one.case.name if name == CONTESTANTS[0] else "",
                name,
                f"{one.rate(name):,.0f}",
                f"{one.p50_ms(name):.2f}",
                f"{one.p99_ms(name):.2f}",
                f"{one.total_cpu_ms(name):.2f}",
                f"{one.ratio():.2f}" if name == "product" else "",
                end_section=name == CONTESTANTS[-1],
            )
    return table


def plain_targets(targets: list[Target]) -> list[dict[str, object]]:
    """Promises for bench.json, with what became of them."""
    return [{**asdict(target), "met": target.met} for target in targets]


def targets_table(targets: list[Target]) -> Table:
    """Promises for people, with what became of them."""
    table = Table(title="Targets", title_justify="left")
    for heading in ("", "measured", "target", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for target in targets:
        sign = "≥" if target.at_least else "≤"
        table.add_row(
            target.name,
            f"{target.measured:.2f} {target.unit}",
            f"{sign} {target.bound:g} {target.unit}",
            "[green]met[/]" if target.met else "[red]missed[/]",
        )
    return table


def _costs(found: list[Found], memory_mb: Mapping[str, int]) -> Table:
    table = Table(title="What it costs: CPU ms per answer of the product", title_justify="left")
    table.add_column("process")
    costs = [one.cpu_ms("product") for one in found]
    for one in found:
        table.add_column(one.case.name, justify="right", max_width=12)
    table.add_column("memory MB (PSS)", justify="right", max_width=12)
    everyone = sorted(
        {*memory_mb, *(name for cost in costs for name in cost)},
        key=lambda name: -sum(cost.get(name, 0.0) for cost in costs),
    )
    for name in sorted(everyone, key=BENCH.__contains__):
        shown = [f"{cost[name]:.2f}" if cost.get(name, 0) >= 0.005 else "" for cost in costs]
        table.add_row(name, *shown, f"{memory_mb[name]:,}" if name in memory_mb else "")
    total = [f"{one.total_cpu_ms('product'):.2f}" for one in found]
    table.add_section()
    table.add_row("the product", *total, f"{sum(memory_mb.values()):,}")
    return table
