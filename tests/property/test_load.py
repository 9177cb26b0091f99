"""Under any load no strategy is worse than chance, and latency is near what queues allow at best.

`python -m tests.property.test_load` prints the table that the README quotes.
"""

import csv
import functools
import gzip
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.money import Price
from routing.platform_profile import PlatformProfile
from routing.policies import latency
from routing.policy import Strategy
from tests.queueing import (
    BrownOut,
    Choose,
    Replica,
    Result,
    Scene,
    Vendor,
    World,
    at_random,
    by_strategy,
    hot_and_cold,
    lognormal,
    mean_of_the_last_ten,
    measured,
    peak_ewma,
    run,
    shortest_queue,
)
from tests.unit.routing.worlds import platform

MEASURED = Path(__file__).parents[3] / "shared/data/routing/llmperf_latency/individual.csv.gz"
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
LOADS_WITH_A_BROWN_OUT = (0.05, 0.1, 0.3, 0.5, 0.7)
"""A vendor of a third of the capacity is nearly gone: beyond, the others are full."""
UNEQUAL = tuple(
    lognormal(name, 20, median_s)
    for name, median_s in zip("abcde", (1.0, 1.25, 2.0, 3.0, 4.0), strict=True)
)
SCENE = Scene(UNEQUAL, 0.5, replicas=2, requests=1_500, warm_up=300)
PRODUCT = (Strategy.LATENCY, Strategy.BALANCED)
NOISE = 1.02
"""Of the same requests in another order."""

pytestmark = pytest.mark.timeout(300)


def times_of(vendors: tuple[Vendor, ...], load: float) -> dict[str, Result]:
    # As many as README's table has: with half of them a nearly full service is not yet at its pace.
    scene = replace(SCENE, vendors=vendors, load=load, requests=3_000, warm_up=500)
    choices: dict[str, Choose] = {
        "chance": at_random,
        "hot_and_cold": hot_and_cold,
        **{strategy.value: by_strategy(scene, strategy) for strategy in PRODUCT},
    }
    return {name: run(scene, choose) for name, choose in choices.items()}


def check(times: dict[str, Result]) -> None:
    chance, reference = times["chance"], times["hot_and_cold"]
    for strategy in PRODUCT:
        ours = times[strategy.value]
        assert ours.mean_s <= NOISE * chance.mean_s, (strategy, ours, chance)
        assert ours.p99_s <= NOISE * chance.p99_s, (strategy, ours, chance)
        assert ours.mean_s <= 1.1 * reference.mean_s, (strategy, ours, reference)


@pytest.mark.parametrize("load", [0.1, 0.3, 0.5, 0.8, 0.95])
def test_over_unequal_platforms_it_beats_chance_and_keeps_up_with_prequal(load: float) -> None:
    """Mean and p99, from an idle service to a nearly full one, on boards a quarter second old."""
    check(times_of(UNEQUAL, load))


@pytest.mark.skipif(not MEASURED.exists(), reason="the measured latencies are not here")
@pytest.mark.parametrize("load", [0.3, 0.8])
def test_over_measured_platforms_it_does_too(load: float) -> None:
    """Eight vendors of a 70b model, their means from 0.8 to 16 s."""
    check(times_of(measured_vendors(), load))


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from([5, 20, 50]), st.sampled_from([0.5, 1.0, 2.0, 5.0])),
        min_size=2,
        max_size=4,
    ),
    st.sampled_from([0.1, 0.5, 0.9]),
    st.integers(1, 4),
)
def test_of_any_platforms_at_any_load_it_is_no_worse_than_chance(
    platforms: list[tuple[int, float]], load: float, replicas: int
) -> None:
    """Small and fast, large and slow, all alike: chance never has the better mean."""
    vendors = tuple(lognormal(f"v{i}", *one) for i, one in enumerate(platforms))
    scene = Scene(vendors, load, replicas, requests=600, warm_up=200)
    chance = run(scene, at_random)
    for strategy in PRODUCT:
        ours = run(scene, by_strategy(scene, strategy))
        assert ours.mean_s <= 1.05 * chance.mean_s, (strategy, ours, chance)


BY_PREFERENCE = tuple(strategy for strategy in Strategy if strategy is not Strategy.LATENCY)
IDLE_TIMES = 1.5
"""Times what the favourite takes when it is idle: who asks for the cheapest accepts its pace, not a queue."""


@functools.cache
def by_chance(scene: Scene) -> Result:
    """What chance makes of it; the same for every strategy."""
    return run(scene, at_random)


def preferring(favourite: str, vendors: tuple[Vendor, ...] = UNEQUAL) -> list[PlatformProfile]:
    """The vendors, dearer and worse the further from the favourite they stand in the row."""
    names = [vendor.name for vendor in vendors]
    ranks = [abs(place - names.index(favourite)) for place in range(len(names))]
    return [
        platform(name, price=Price(Decimal(rank + 1), Decimal(rank + 1)), quality=1 - rank / 10)
        for name, rank in zip(names, ranks, strict=True)
    ]


@pytest.mark.parametrize("load", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("favourite", ["a", "e"])
@pytest.mark.parametrize("strategy", BY_PREFERENCE)
def test_no_strategy_queues_at_its_favourite_while_others_have_room(
    strategy: Strategy, favourite: str, load: float
) -> None:
    """The cheapest and best is the fastest or the slowest of five, which alone has too little room."""
    scene = replace(SCENE, load=load, requests=600, warm_up=150)
    profiles, taken = preferring(favourite), Counter[Decimal]()
    choose = by_strategy(scene, strategy, profiles=profiles)

    def noted(world: World, replica: Replica, now: float) -> int:
        chosen = choose(world, replica, now)
        price = profiles[chosen].price
        assert price is not None
        taken[price.input] += 1
        return chosen

    ours, chance = run(scene, noted), by_chance(scene)
    idle = next(vendor for vendor in UNEQUAL if vendor.name == favourite)
    mean_s, p99_s = IDLE_TIMES * idle.mean_s, IDLE_TIMES * idle.service_s(0.99)
    assert ours.mean_s <= max(NOISE * chance.mean_s, mean_s), (ours, chance)
    assert ours.p99_s <= max(NOISE * chance.p99_s, p99_s), (ours, chance)
    if load <= 0.5 and strategy is not Strategy.BALANCED:
        # Prices are 1 to 5, of which chance pays 3 in the mean.
        assert sum(price * count for price, count in taken.items()) < 3 * taken.total()


def test_the_mean_of_the_last_ten_collapses_where_ours_does_not() -> None:
    """All requests run to the platform that was fast a moment ago, and make it slow."""
    scene = replace(SCENE, load=0.5)
    naive = run(scene, mean_of_the_last_ten)
    assert naive.p99_s > 5 * run(scene, by_strategy(scene, Strategy.LATENCY)).p99_s


@pytest.mark.parametrize("load", [0.5, 0.9])
def test_a_share_of_the_peak_serves_better_than_the_peak_itself(load: float) -> None:
    """One hard question is a peak, and one request more in a slot of twenty costs nobody anything."""
    scene = replace(SCENE, load=load)
    finagle, ours = run(scene, peak_ewma), run(scene, by_strategy(scene, Strategy.LATENCY))
    assert ours.mean_s < finagle.mean_s
    assert ours.p99_s < finagle.p99_s


@pytest.mark.parametrize("load", [0.1, 0.5])
def test_a_brown_out_of_the_fastest_is_got_over_no_worse_than_by_the_others(load: float) -> None:
    """Six times as slow for a third of the requests; where few are in flight no queue tells of it."""
    scene = replace(SCENE, load=load, brown_out=BrownOut(UNEQUAL[0].name, times=6.0))
    ours = run(scene, by_strategy(scene, Strategy.LATENCY))
    for choose in (peak_ewma, hot_and_cold, at_random):
        theirs = run(scene, choose)
        assert ours.mean_s <= NOISE * theirs.mean_s, (choose, ours, theirs)
        assert ours.p99_s <= 1.1 * theirs.p99_s, (choose, ours, theirs)


@pytest.mark.parametrize(("load", "requests"), [(0.05, 600), (0.7, 1_000)])
def test_with_the_peak_as_its_floor_the_expected_time_serves_no_worse_than_without(
    load: float, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a brown-out, over three seeds: among few requests it is seen sooner, among many as before."""

    def over_seeds() -> tuple[float, float]:
        ill = BrownOut(UNEQUAL[0].name, times=6.0)
        scene = replace(SCENE, load=load, requests=requests, warm_up=60, brown_out=ill)
        found = []
        for seed in (1, 2, 3):
            seeded = replace(scene, seed=seed)
            found.append(run(seeded, by_strategy(seeded, Strategy.LATENCY)))
        return sum(r.mean_s for r in found), sum(r.p99_s for r in found)

    mean_s, p99_s = over_seeds()
    monkeypatch.setattr(latency, "PEAK_SHARE", 0.0)
    mean_without_s, p99_without_s = over_seeds()
    assert mean_s <= NOISE * mean_without_s
    assert p99_s <= NOISE * p99_without_s


@pytest.mark.parametrize("strategy", PRODUCT)
def test_knowing_ones_own_requests_at_once_shortens_queues(strategy: Strategy) -> None:
    """Quick answers, of which several come and go between two boards: the old one misleads."""
    vendors = tuple(lognormal(name, 4, 0.1) for name in "abcd")
    scene = Scene(vendors, 0.8, replicas=1, requests=1_500, warm_up=300)
    fresh = run(scene, by_strategy(scene, strategy))
    stale = run(scene, by_strategy(scene, strategy, is_fresh=False))
    assert fresh.mean_s < 0.7 * stale.mean_s


def measured_vendors() -> tuple[Vendor, ...]:
    """One vendor of each provider of the 70b model that was measured."""
    times_s: dict[str, list[float]] = {}
    with gzip.open(MEASURED, "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["model_size"] == "70b" and not row["error_code"]:
                times_s.setdefault(row["provider"], []).append(float(row["end_to_end_latency_s"]))
    return tuple(measured(name, 20, seconds) for name, seconds in sorted(times_s.items()))


def table(vendors: tuple[Vendor, ...], *, brown_out: bool = False) -> str:
    """Mean and p99 in seconds at each load, as Markdown; with the first six times slower for a while."""
    columns: dict[str, Choose | Strategy | list[PlatformProfile]] = {
        "random": at_random,
        "mean of the last ten": mean_of_the_last_ten,
        "peak-EWMA, two choices (Finagle)": peak_ewma,
        "hot-cold (Prequal)": hot_and_cold,
        "shortest queue, all-knowing": shortest_queue,
        "`latency`": Strategy.LATENCY,
        "`balanced`": Strategy.BALANCED,
        "`cost_optimized`, the first the cheapest": preferring(vendors[0].name, vendors),
        "`cost_optimized`, the last the cheapest": preferring(vendors[-1].name, vendors),
    }
    lines = [f"| load | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    ill = BrownOut(vendors[0].name, times=6.0) if brown_out else None
    for load in LOADS_WITH_A_BROWN_OUT if brown_out else LOADS:
        scene = replace(
            SCENE, vendors=vendors, load=load, requests=3_000, warm_up=500, brown_out=ill
        )
        cells = []
        for choice in columns.values():
            match choice:
                case Strategy():
                    chosen = by_strategy(scene, choice)
                case list():
                    chosen = by_strategy(scene, Strategy.COST_OPTIMIZED, profiles=choice)
                case _:
                    chosen = choice
            times = run(scene, chosen)
            cells.append(f"{times.mean_s:.2f} / {times.p99_s:.1f}")
        lines.append(f"| {load:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(UNEQUAL))  # noqa: T201
    print(table(UNEQUAL, brown_out=True))  # noqa: T201
    if MEASURED.exists():
        print(table(measured_vendors()))  # noqa: T201
