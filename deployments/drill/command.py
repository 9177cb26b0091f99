"""`supportmax drill`: play a scenario, print its table, leave a picture."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from config.loader import load_settings
from config.settings import Settings
from deployments.boot import Boot
from deployments.drill.picture import picture, to_html
from deployments.drill.replay import Plan
from deployments.drill.report import figures, rows, table
from deployments.drill.scenario import Scenario, find_scenario, shipped
from deployments.drill.stage import Played, catalog_of, favourite_of, plan_of, play
from deployments.drill.traffic import (
    Latency,
    for_every,
    make_arrivals,
    make_latencies,
    read_arrivals,
    read_latencies,
)
from routing.catalog import Catalog
from routing.message import Json

QUIET_S = 2.0
"""A drill that is over sooner shows no bar."""

_LOOK_EVERY = 50  # questions between two looks at the clock


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line."""

    scenario: str
    arrivals: Path | None
    latencies: Path | None
    seed: int
    out: Path | None
    png: bool
    as_json: bool
    wire: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A scenario that was played, and what to call it."""

    name: str
    summary: str
    platforms: tuple[str, ...]
    played: Played


class Progressing(Protocol):
    """Told how many more questions have been asked."""

    def __call__(self, more: int) -> None:
        """So many."""
        ...


def list_scenarios() -> None:
    """Print the shipped scenarios, one a line."""
    for name, scenario in shipped():
        sys.stdout.write(f"{name:<24} {scenario.summary}\n")


def drill(boot: Boot, order: Order, console: Console) -> None:
    """Play the scenario, write the picture and print the table or the JSON.

    Raises:
        ConfigError: the scenario or one of the files says something that cannot be meant.
    """
    name, scenario = find_scenario(order.scenario)
    settings = load_settings(boot.config, os.environ, "development").settings
    catalog = catalog_of(settings, scenario.platforms)
    plan = _plan(order, scenario, settings, catalog)
    if order.wire:
        from deployments.drill import wire  # noqa: PLC0415  it loads every SDK

        with progressing(console, wire.questions_on_the_wire(plan)) as tell:
            played = wire.play_on_the_wire(plan, scenario.faults, settings, tell)
    else:
        played = _play(scenario, plan, _latencies(order, catalog), console)
    told = Told(name, scenario.summary, catalog.platforms, played)
    _tell(told, order, order.out or boot.home / "drills", console)


def _plan(order: Order, scenario: Scenario, settings: Settings, catalog: Catalog) -> Plan:
    if order.arrivals is not None:
        asked = read_arrivals(order.arrivals)
    else:
        asked = make_arrivals(order.seed, scenario.a_second, scenario.seconds)
    return plan_of(scenario, settings, catalog, asked, order.seed)


def _latencies(order: Order, catalog: Catalog) -> dict[str, tuple[Latency, ...]]:
    if order.latencies is None:
        return make_latencies(order.seed, catalog.platforms)
    measured = read_latencies(order.latencies)
    for_every(catalog.platforms, measured, order.latencies)
    return measured


def _play(
    scenario: Scenario, plan: Plan, latencies: dict[str, tuple[Latency, ...]], console: Console
) -> Played:
    with progressing(console, 2 * len(plan.asked)) as tell:
        well = play(plan, latencies, (), "", tell)
        favourite = favourite_of(well)
        faulty = play(plan, latencies, scenario.faults, favourite, tell)
    return Played(faulty, well, favourite, scenario.faults)


def _tell(told: Told, order: Order, out: Path, console: Console) -> None:
    played = told.played
    faulty, well = figures(played.faulty), figures(played.well)
    lines = rows(faulty, well)
    if order.as_json:
        document = {
            **_whose(told, order),
            "with_faults": faulty.to_json(),
            "without": well.to_json(),
        }
        sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        Console(highlight=False).print(table(f"{told.name}: {told.summary}", lines))
    for path in _draw(told, lines, out, png=order.png):
        console.print(f"picture    {path}", soft_wrap=True, markup=False)


def _draw(told: Told, lines: list[tuple[str, str, str]], out: Path, *, png: bool) -> Iterator[Path]:
    played = told.played
    title = f"supportmax drill {told.name}"
    made = picture(title, played.faulty, told.platforms, played.faults, played.favourite)
    out.mkdir(parents=True, exist_ok=True)
    html = out / f"{told.name}.html"
    html.write_text(to_html(made, told.summary, lines), encoding="utf-8")
    yield html
    if png:
        from deployments.drill.plot import write_png  # noqa: PLC0415  it needs an extra

        image = out / f"{told.name}.png"
        write_png(made, image)
        yield image


def _whose(told: Told, order: Order) -> dict[str, Json]:
    return {
        "scenario": told.name,
        "seed": order.seed,
        "favourite": told.played.favourite,
        "platforms": list(told.platforms),
    }


@contextmanager
def progressing(console: Console, total: int) -> Iterator[Progressing]:
    """A bar on the terminal that appears once the work has taken `QUIET_S`."""
    columns = (TextColumn("drill"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task("drill", total=total)
    began, done, shown = time.monotonic(), 0, False

    def tell(more: int) -> None:
        nonlocal done, shown
        done += more
        if done % _LOOK_EVERY:
            return
        if not shown and time.monotonic() - began > QUIET_S:
            bar.start()
            shown = True
        bar.update(task, completed=done)

    try:
        yield tell
    finally:
        bar.stop()
