"""Budgets in the database: lent in one transaction, restored exactly, and spent by killed processes."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO

import pytest

from actors.coordinator.budgets import BudgetOwner
from actors.database import Database
from actors.database.budget_books import KEPT_DAYS, BudgetBooks
from actors.database.budgets import MADE_MAX, BudgetDefinitions
from routing.budget import DAY_S, FORGET_S, LEASE_TTL_S, Budget, Claim, Key, Scope, to_pico
from routing.clock import SystemClock
from tests.unit.actors.budget_worker import USERS, Ahead

ROOT = Path(__file__).parents[3]
NOW = 20_000.0 * DAY_S + 3_600.0
DAY = 20_000
TENANTS = Budget("t", Scope.TENANT, 1_000, "acme")
KEY = Key("acme", "t", Scope.TENANT, "acme", DAY)


@pytest.fixture
async def definitions(database: Database) -> BudgetDefinitions:
    definitions = BudgetDefinitions(database)
    assert await definitions.put(TENANTS)
    return definitions


@pytest.fixture
def owner(database: Database, definitions: BudgetDefinitions) -> BudgetOwner:
    return BudgetOwner(BudgetBooks(database))


async def test_what_is_lent_is_what_the_next_owner_finds(
    database: Database, owner: BudgetOwner
) -> None:
    """A killed coordinator has kept nothing to itself; the same claims again lend no more."""
    claims = [Claim(KEY, "r1-1", 1, 600), Claim(KEY, "r2-1", 1, 600)]
    standings = await owner.lease(claims, NOW)
    assert [(s.granted, s.free) for s in standings] == [(600, 400), (400, 0)]
    another = BudgetOwner(BudgetBooks(database))
    assert [s.granted for s in await another.lease(claims, NOW + 1)] == [600, 400]
    told = [Claim(KEY, "r1-1", 2, 600, spent=100, returned=500)]
    assert [(s.granted, s.free) for s in await another.lease(told, NOW + 2)] == [(600, 500)]
    [book] = (await BudgetBooks(database).books("acme", [TENANTS], NOW + 2))["t"].values()
    assert (book.limit, book.free, book.spent_at(NOW + 2)) == (1_000, 500, 100)


async def test_what_the_dead_had_is_spent_after_a_minute_and_settled_after_ten(
    database: Database, owner: BudgetOwner
) -> None:
    await owner.lease([Claim(KEY, "dead-1", 1, 700)], NOW)
    books = BudgetBooks(database)
    for after_s, spent in ((LEASE_TTL_S, 0), (LEASE_TTL_S + 1, 700)):
        [book] = (await books.books("acme", [TENANTS], NOW + after_s))["t"].values()
        assert book.spent_at(NOW + after_s) == spent
    later = NOW + FORGET_S + 1
    assert [s.granted for s in await owner.lease([Claim(KEY, "r1-1", 1, 900)], later)] == [300]
    [late] = await owner.lease([Claim(KEY, "dead-1", 2, 900, spent=1)], later)
    assert late.is_closed
    [book] = (await books.books("acme", [TENANTS], later))["t"].values()
    assert (book.settled, set(book.leases)) == (700, {"r1-1"})


async def test_each_day_has_a_book_and_far_ones_lend_nothing(
    owner: BudgetOwner,
) -> None:
    """A clock may be a day off, or be set back; books that may be dropped are not opened again."""

    def on(day: int) -> Claim:
        return Claim(KEY._replace(day=day), f"r{day}", 1, 1_000)

    days = [DAY - 2, DAY - 1, DAY, DAY + 1, DAY + 2]
    lent = await owner.lease([on(day) for day in days], NOW)
    assert [s.granted for s in lent] == [0, 1_000, 1_000, 1_000, 0]
    await owner.lease([], NOW + (KEPT_DAYS + 1) * DAY_S)
    await owner.sweep(NOW + (KEPT_DAYS + 1) * DAY_S)
    again = replace(on(DAY), lease="another")
    assert [s.granted for s in await owner.lease([again], NOW)] == [0]


async def test_a_budget_that_is_gone_or_another_tenants_lends_nothing(
    owner: BudgetOwner, definitions: BudgetDefinitions
) -> None:
    others = Claim(KEY._replace(tenant="umbrella", subject="umbrella"), "r1-1", 1, 10)
    unknown = Claim(KEY._replace(budget="none"), "r1-2", 1, 10)
    other_scope = Claim(KEY._replace(scope=Scope.USER), "r1-3", 1, 10)
    lent = await owner.lease([others, unknown, other_scope], NOW)
    assert [s.granted for s in lent] == [0, 0, 0]
    assert await definitions.delete("acme", "t")
    assert [s.granted for s in await owner.lease([Claim(KEY, "r1-4", 1, 10)], NOW)] == [0]


async def test_the_configurations_budgets_are_replaced_and_an_administrators_stay(
    definitions: BudgetDefinitions,
) -> None:
    everybodys = Budget("config:user", Scope.USER, 5, is_configured=True)
    await definitions.declare([everybodys])
    assert await definitions.all() == [everybodys, TENANTS]
    assert await definitions.of("umbrella") == [everybodys]
    assert not await definitions.delete("acme", "config:user")
    await definitions.declare([])
    assert await definitions.all() == [TENANTS]


async def test_a_tenant_has_no_more_budgets_than_can_be_read(
    definitions: BudgetDefinitions,
) -> None:
    for number in range(MADE_MAX - 1):
        assert await definitions.put(replace(TENANTS, id=f"n{number}"))
    assert not await definitions.put(replace(TENANTS, id="one-more"))
    assert await definitions.put(replace(TENANTS, limit_pico=7))
    assert await definitions.put(replace(TENANTS, tenant="umbrella"))


@pytest.mark.alone  # five processes, of which each has seconds for an answer
@pytest.mark.timeout(240)
async def test_a_thousand_requests_of_killed_and_living_processes_overspend_no_budget(
    database: Database, definitions: BudgetDefinitions, tmp_path: Path
) -> None:
    """Charged is what the vendor wrote down, before it answered or lost the answer; two of five
    processes are killed.
    """
    # A call costs 0.0004 USD at most, and a plan has two: both budgets are a fraction of what is
    # asked for, and more than the two that are killed can take with them.
    budgets = (
        Budget("t", Scope.TENANT, to_pico(Decimal("0.12")), "acme"),
        Budget("u", Scope.USER, to_pico(Decimal("0.008")), "acme"),
    )
    for budget in budgets:
        await definitions.put(budget)
    charges = tmp_path / "charges"
    clock = Ahead(NOW - SystemClock().now())
    workers = [
        subprocess.Popen(  # noqa: ASYNC220  reading their first lines is the wait
            [
                sys.executable, "-m", "tests.unit.actors.budget_worker",
                str(database.address), str(charges), "200", f"w{number}", str(clock.by_s),
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for number in range(5)
    ]  # fmt: skip
    for worker in workers:
        assert _stdout(worker).readline() == b"ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        worker.stdin.close()
    said = Counter[bytes]()
    for number, worker in enumerate(workers):
        said += _heard(worker, is_killed=number < 2)
    by_user = Counter[str]()
    for line in charges.read_text().splitlines():
        user, usd = line.split()
        by_user[user] += to_pico(Decimal(usd))
    assert len(by_user) == USERS
    assert said[b"answered\n"] > 30, said
    assert said[b"budget_exceeded\n"] > 100, said
    assert set(said) <= {
        b"answered\n", b"budget_exceeded\n", b"budget_unavailable\n", b"no_platform_available\n",
        b"content_refused\n",
    }  # fmt: skip
    assert max(by_user.values()) <= budgets[1].limit_pico
    assert by_user.total() <= budgets[0].limit_pico
    later = clock.now() + LEASE_TTL_S + 1
    books = await BudgetBooks(database).books("acme", budgets, later)
    assert books["t"]["acme"].spent_at(later) >= by_user.total()
    for user, book in books["u"].items():
        assert book.spent_at(later) >= by_user[user]
    for book in (*books["t"].values(), *books["u"].values()):
        assert book.spent_at(later) == book.committed <= book.limit, "nothing stays set aside"
        for name, lease in book.leases.items():
            if not name.startswith(("w0-", "w1-")):
                assert lease.committed == lease.spent, (
                    "the living gave back what they did not spend"
                )


def _stdout(worker: subprocess.Popen[bytes]) -> IO[bytes]:
    assert worker.stdout is not None
    return worker.stdout


def _heard(worker: subprocess.Popen[bytes], *, is_killed: bool) -> Counter[bytes]:
    """How its requests ended; one that is killed dies in the middle of them, after some answers."""
    said = Counter[bytes]()
    with _stdout(worker) as lines:
        for line in iter(lines.readline, b""):
            said[line] += 1
            if is_killed and said[b"answered\n"] == 40:
                worker.kill()
    assert worker.wait() in {0, -9}
    return said
