"""The stage of a drill: platforms of the configuration, played in this process in virtual time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from config.resolve import resolve_platforms
from config.settings import Settings
from deployments.drill.faults import Fault, calendar_of
from deployments.drill.replay import Plan, Result, replay
from deployments.drill.scenario import Scenario
from deployments.drill.scripted import ScriptedPlatform, answer
from deployments.drill.traffic import Asked, Latency
from deployments.drill.virtual_time import LoopClock, VirtualTimeLoop
from deployments.platforms.price_calendar import catalog_on
from routing.catalog import Catalog
from routing.errors import ConfigError
from routing.policies import make_policies
from routing.policies.balanced import Weights
from routing.policy import Strategy

EPOCH = datetime(2026, 11, 2, tzinfo=UTC)
"""When every drill begins: a Monday, and the day whose prices it is reckoned with to its end."""


def catalog_of(settings: Settings, only: Sequence[str] | None) -> Catalog:
    """The models of the configured platforms, or of those in `only`, in that order.

    Raises:
        ConfigError: one of `only` is not there, or there is none at all.
    """
    there = {
        each.name: each
        for each in resolve_platforms(settings, "development")
        if each.state != "disabled"
    }
    names = tuple(there) if only is None else tuple(only)
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        known = ", ".join(there) or "none"
        message = f"{', '.join(unknown) or 'no platform'} is not enabled; there are: {known}"
        raise ConfigError("drill", None, "platforms", message)
    by_name = {str(name): each for name, each in there.items()}
    return catalog_on([by_name[name] for name in names], EPOCH.date())


def plan_of(
    scenario: Scenario, settings: Settings, catalog: Catalog, asked: Sequence[Asked], seed: int
) -> Plan:
    """What the scenario asks of a service with these settings."""
    routing = settings.routing
    weights = Weights(routing.weights.cost, routing.weights.latency, routing.weights.quality)

    def expected(number: int) -> str:
        return answer(min(asked[number].output_tokens, routing.max_tokens))

    return Plan(
        asked=asked,
        catalog=catalog,
        strategy=Strategy(scenario.strategy or routing.strategy),
        policies=make_policies(weights),
        fallback_platforms=tuple(n for n in routing.fallback_platforms if n in catalog.platforms),
        max_attempts=routing.max_attempts,
        max_tokens=routing.max_tokens,
        deadline_s=routing.deadline_s,
        seed=seed,
        streams=scenario.streams,
        expected=expected,
    )


def play(
    plan: Plan,
    latencies: Mapping[str, Sequence[Latency]],
    faults: Sequence[Fault],
    favourite: str,
    progress: Callable[[int], None],
) -> tuple[Result, ...]:
    """The results of a replay in virtual time; the same arguments give the same results."""

    async def run() -> tuple[Result, ...]:
        clock = LoopClock(EPOCH.timestamp())
        began = clock.monotonic()
        platforms = {
            name: ScriptedPlatform(
                name,
                plan.asked,
                latencies[name],
                calendar_of(name, faults, favourite),
                plan.seed,
                lambda: clock.monotonic() - began,
            )
            for name in plan.catalog.platforms
        }
        return await replay(plan, platforms, clock, progress)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario played twice: with `faults` and without, and who `favourite` stands for in them."""

    faulty: tuple[Result, ...]
    well: tuple[Result, ...]
    favourite: str
    faults: tuple[Fault, ...]


def favourite_of(well: Sequence[Result]) -> str:
    """Who answers most when nothing is wrong; the first in the alphabet where several do."""
    counts: dict[str, int] = {}
    for result in well:
        if result.by is not None:
            counts[result.by] = counts.get(result.by, 0) + 1
    return min(counts, key=lambda name: (-counts[name], name), default="")
