"""Savings add up whatever they are made of, and the database's sums are those of its rows."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.database import Database, Savings, open_database
from actors.database.savings import By
from routing.period import Period
from routing.savings import Alternative, Saving
from routing.savings_report import Baseline, Report

MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z
DAYS = 3
ALL = Period(MIDNIGHT, MIDNIGHT + DAYS * 86_400)

# Every example has a tenant of its own, so that they can share one file.
examples = itertools.count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(tmp_path_factory.mktemp("savings") / "x.db")
    asyncio.run(database.migrate())
    yield database
    asyncio.run(database.aclose())


# 1,000 USD for one answer is more than any costs; their sums go beyond 64 bits all the same.
costs = st.integers(0, 10**15)
known = st.none() | costs
boolean = st.booleans()


@st.composite
def savings(draw: st.DrawFn, simulated: st.SearchStrategy[bool] = boolean) -> Saving:
    """A row without a name; an answer has alternatives, what failed has none."""
    answered, routed = draw(boolean), draw(boolean)
    names = draw(st.sets(st.sampled_from(["a/m", "b/m", "c/m", "d/m"]), min_size=1))
    others = tuple(
        Alternative(name, draw(st.sampled_from([0.5, 0.8])), draw(known)) for name in sorted(names)
    )
    platform = draw(st.sampled_from(["a", "b", "c"]))
    row = Saving(
        tenant="",
        answer_id="",
        at=MIDNIGHT + draw(st.floats(0, DAYS * 86_400 - 1)),
        platform=platform,
        model="m",
        strategy=draw(st.sampled_from(["latency", "cost_optimized"])),
        answered=answered,
        routed=routed,
        simulated=draw(simulated),
        actual_pico_usd=draw(known),
    )
    if not routed:
        return row
    if not answered:
        return replace(
            row, default_target="a/m", default_pico_usd=0, cheapest_pico_usd=0, random_pico_usd=0
        )
    default = next((other for other in others if other.target == "a/m"), None)
    return replace(
        row,
        default_target=None if default is None else default.target,
        default_pico_usd=None if default is None else default.pico_usd,
        cheapest_pico_usd=draw(known),
        random_pico_usd=draw(known),
        alternatives=others,
    )


def reports(database: Database, rows: list[Saving], by: By | None = None) -> list[Report]:
    tenant = f"{next(examples)}"
    named = [replace(row, tenant=tenant, answer_id=f"{tenant}/{n}") for n, row in enumerate(rows)]

    async def ask() -> tuple[Report, ...]:
        store = Savings(database)
        await store.put(named)
        return await store.report(tenant, ALL, by)

    return list(asyncio.run(ask()))


rows_of_one_kind = st.lists(savings(st.just(True)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(savings(), max_size=30))
def test_the_sums_are_those_of_the_rows_one_by_one(database: Database, rows: list[Saving]) -> None:
    found = {report.simulated: report for report in reports(database, rows)}
    assert found.keys() == {row.simulated for row in rows}
    for kind, report in found.items():
        ours = [row for row in rows if row.simulated is kind]
        cell = report.cell
        assert cell.actual == sum(row.actual_pico_usd or 0 for row in ours)
        assert cell.answers == sum(row.answered for row in ours)
        assert cell.failed == len(ours) - cell.answers
        assert cell.fixed == sum(not row.routed for row in ours)
        assert cell.unpriced == sum(row.actual_pico_usd is None for row in ours)
        default = report.baselines["default"].sums
        pairs = [
            (row.default_pico_usd, row.actual_pico_usd)
            for row in ours
            if row.default_pico_usd is not None and row.actual_pico_usd is not None
        ]
        assert default.answers == len(pairs)
        assert default.baseline == sum(base for base, _ in pairs)
        assert default.actual == sum(actual for _, actual in pairs)
        best = report.baselines["best_single"]
        theirs = [
            (other.pico_usd, row.actual_pico_usd)
            for row in ours
            if row.actual_pico_usd is not None and row.routed
            for other in row.alternatives
            if other.target == best.target and other.pico_usd is not None
        ]
        if best.target is not None:
            assert best.sums.baseline == sum(base for base, _ in theirs)


@settings(max_examples=60, deadline=None)
@given(rows_of_one_kind)
def test_every_answer_is_compared_or_counted_as_left_out(
    database: Database, rows: list[Saving]
) -> None:
    (report,) = reports(database, rows)
    routed = sum(row.routed and row.actual_pico_usd is not None for row in rows)
    for name, each in report.baselines.items():
        assert min(each.unknown, each.unfit) >= 0, name
        assert each.sums.answers + each.unknown + each.unfit == routed, name


@settings(max_examples=60, deadline=None)
@given(rows_of_one_kind, st.sampled_from(["platform", "strategy", "day"]))
def test_the_groups_add_up_to_the_whole(database: Database, rows: list[Saving], by: By) -> None:
    (report,) = reports(database, rows, by)
    assert sum(group.cell.actual for group in report.groups) == report.cell.actual
    assert sum(group.cell.answers for group in report.groups) == report.cell.answers
    for name, whole in report.baselines.items():
        parts = [group.baselines[name] for group in report.groups]
        assert sum(part.saved for part in parts) == whole.saved, name
        assert sum(part.sums.answers for part in parts) == whole.sums.answers, name
        assert sum(part.unknown for part in parts) == whole.unknown, name
        assert sum(part.unfit for part in parts) == whole.unfit, name


@settings(max_examples=60, deadline=None)
@given(rows_of_one_kind)
def test_an_interval_holds_what_it_is_about(database: Database, rows: list[Saving]) -> None:
    (report,) = reports(database, rows)
    for name, each in report.baselines.items():
        if each.saved_interval is not None:
            assert each.saved_interval[0] <= each.saved <= each.saved_interval[1], name


@settings(max_examples=40, deadline=None)
@given(rows_of_one_kind, st.integers(2, 1000))
def test_in_another_currency_the_shares_are_the_same(
    database: Database, rows: list[Saving], rate: int
) -> None:
    (one,) = reports(database, rows)
    (other,) = reports(database, [times(row, rate) for row in rows])
    for name, each in one.baselines.items():
        scaled: Baseline = other.baselines[name]
        assert (scaled.target, scaled.share) == (each.target, each.share), name
        assert scaled.saved == each.saved * rate, name


def times(row: Saving, rate: int) -> Saving:
    def scaled(figure: int | None) -> int | None:
        return None if figure is None else figure * rate

    return replace(
        row,
        actual_pico_usd=scaled(row.actual_pico_usd),
        default_pico_usd=scaled(row.default_pico_usd),
        cheapest_pico_usd=scaled(row.cheapest_pico_usd),
        random_pico_usd=scaled(row.random_pico_usd),
        alternatives=tuple(
            replace(other, pico_usd=scaled(other.pico_usd)) for other in row.alternatives
        ),
    )
