"""Savings are a tenant's own, of a period, kept once, and for as long as there is room."""

from actors.database import Database, Savings
from routing.period import Period
from routing.savings import Alternative, Saving
from routing.savings_report import Report

EVER = Period(0.0, 1e9)


def row(name: str, tenant: str = "t", at: float = 5.0, actual: int | None = 60) -> Saving:
    """An answer of a that cost 60 where b would have taken 40 and the default a 100."""
    others = (Alternative("a/m", 0.8, 100), Alternative("b/m", 0.5, 40))
    return Saving(
        tenant, name, at, "a", "m", "latency", answered=True, routed=True, simulated=False,
        actual_pico_usd=actual, default_target="a/m", default_pico_usd=100, cheapest_pico_usd=40,
        random_pico_usd=70, alternatives=others,
    )  # fmt: skip


async def report(database: Database, tenant: str = "t", period: Period = EVER) -> Report:
    (found,) = await Savings(database).report(tenant, period)
    return found


async def test_a_report_holds_its_tenants_answers_alone(database: Database) -> None:
    store = Savings(database)
    await store.put([row("ans_1"), row("ans_1", tenant="u"), row("ans_2", tenant="u")])
    assert (await report(database)).cell.answers == 1
    assert (await report(database, "u")).baselines["cheapest_single"].sums.baseline == 80
    assert await store.report("v", EVER) == ()


async def test_a_period_holds_its_beginning_and_not_its_end(database: Database) -> None:
    await Savings(database).put([row(f"ans_{n}", at=float(n)) for n in range(10)])
    assert (await report(database, period=Period(3.0, 7.0))).cell.answers == 4


async def test_an_answer_written_twice_counts_once(database: Database) -> None:
    store = Savings(database)
    await store.put([row("ans_1")])
    await store.put([row("ans_1", actual=70), row("ans_2")])
    found = await report(database)
    assert (found.cell.answers, found.cell.actual) == (2, 120)
    assert found.baselines["best_single"].sums.baseline == 200


async def test_real_answers_and_simulated_ones_are_never_added_up(database: Database) -> None:
    simulated = Saving(
        "t", "ans_2", 5.0, "a", "m", "latency", answered=True, routed=False, simulated=True,
        actual_pico_usd=7,
    )  # fmt: skip
    store = Savings(database)
    await store.put([row("ans_1"), simulated])
    found = [(each.simulated, each.cell.actual) for each in await store.report("t", EVER)]
    assert found == [(False, 60), (True, 7)]


async def test_the_same_answers_have_the_same_intervals(database: Database) -> None:
    await Savings(database).put([row(f"ans_{n}", actual=n) for n in range(100)])
    first, again = await report(database), await report(database)
    assert first == again
    assert first.baselines["default"].share_interval is not None


async def test_sums_beyond_sixty_four_bits_are_exact(database: Database) -> None:
    most = 2**63 - 1
    await Savings(database).put([row(f"ans_{n}", actual=most - n) for n in range(4)])
    assert (await report(database)).cell.actual == 4 * most - 6


async def test_pruning_takes_an_answers_alternatives_with_it(database: Database) -> None:
    store = Savings(database)
    await store.put([row(f"ans_{n}", at=float(n)) for n in range(10)])
    assert await store.prune(older_than=4.0, keep=100) == 4
    assert await store.prune(older_than=0.0, keep=3) == 3
    found = await report(database)
    assert (found.cell.answers, found.baselines["best_single"].sums.answers) == (3, 3)
    left = await database.read(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM saving_target").scalar()
    )
    assert left == 6
