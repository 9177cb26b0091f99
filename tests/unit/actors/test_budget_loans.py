"""Leases between regions in their databases: journaled before they are told, whoever is killed when."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from actors.coordinator.budgets import BudgetOwner
from actors.database import Database, open_database
from actors.database.budget_books import KEPT_DAYS, BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.budgets import BudgetDefinitions
from actors.database.budgets_abroad import BudgetsAbroad
from routing.budget import DAY_S, FORGET_S, Beyond, Budget, Claim, Scope, Standing
from routing.loan import (
    AFRESH_S,
    CHECK_S,
    IDLE_S,
    RETRY_S,
    SHARE,
    STOP_EARLY_S,
    TELL_S,
    Lent,
    Refusal,
)
from tests.unit.actors.loan_worker import KEY, LIMIT, NOW

ROOT = Path(__file__).parents[3]
DAY = KEY.day
BUDGET = Budget("t", Scope.TENANT, LIMIT, "acme")
LEASE_S = 3_600.0


class World:
    """The home us, and eu, which spends its tenants' budgets; each with a database of its own."""

    def __init__(self, home: Database, own: Database) -> None:
        self.home, self.own = home, own
        self.books = BudgetBooks(home)
        self.owner = BudgetOwner(self.books)
        self.loans = BudgetLoans(own, "eu-life")
        self.now = NOW
        self.is_silent = False

    def restart(self) -> None:
        """Both coordinators are new; their databases are not."""
        self.books = BudgetBooks(self.home)
        self.owner = BudgetOwner(self.books)
        self.loans = BudgetLoans(self.own, "eu-next-life")

    async def asks(self, want: int, lease: str = "p-1", seq: int = 1, **told: int) -> Standing:
        """A process of eu says this of its lease."""
        claim = Claim(KEY, lease, seq, want, **told)
        [standing] = await self.loans.borrow("us", [claim], self.now, is_silent=self.is_silent)
        return standing

    async def letter(self) -> list[Claim]:
        return await self.loans.letter("us", self.now, DAY)

    async def lend(self, claims: Sequence[Claim]) -> list[Lent]:
        return await self.owner.lend("eu", claims, LEASE_S, self.now)

    async def carry(self) -> list[Claim]:
        """A letter with its answer."""
        claims = await self.letter()
        await self.loans.hear("us", await self.lend(claims), self.now, LEASE_S, self.now)
        return claims

    async def figures(self) -> tuple[int, int, int]:
        """Of the book at home: what is lent to eu, what is spent, and what is free."""
        [book] = (await self.books.books("acme", [BUDGET], self.now))["t"].values()
        lent = sum(lease.granted - lease.returned for lease in book.leases.values() if lease.region)
        return lent, book.spent, book.free


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    home, own = open_database(tmp_path / "us.db"), open_database(tmp_path / "eu.db")
    await home.migrate()
    await own.migrate()
    assert await BudgetDefinitions(home).put(BUDGET)
    yield World(home, own)
    await home.aclose()
    await own.aclose()


async def test_what_is_not_lent_is_asked_for_and_then_lent_without_asking(world: World) -> None:
    first = await world.asks(100)
    assert (first.granted, first.free, first.beyond) == (0, 0, Beyond.ASKED)
    await world.carry()
    again = await world.asks(100, seq=2)
    assert (again.granted, again.beyond) == (100, None)
    assert again.free == LIMIT - 100, "what the home has can be had"
    world.is_silent = True
    silent = await world.asks(100, seq=3)
    assert (silent.free, silent.beyond) == (100, Beyond.SILENT), "but not if it is gone"
    world.is_silent = False
    assert (await world.asks(50, "other-1")).granted == 50


async def test_a_lost_answer_asked_for_again_leases_nothing_twice(world: World) -> None:
    """Nor does one letter that comes three times, nor an answer."""
    await world.asks(100)
    lost = await world.letter()
    await world.lend(lost)
    lent = await world.figures()
    assert await world.letter() == [], "until it counts as lost"
    world.now += RETRY_S
    world.restart()
    [again] = await world.letter()
    assert (again.want, again.seq) == (lost[0].want, lost[0].seq + 1)
    answers = await world.lend([again]) + await world.lend(lost) + await world.lend([again])
    for answer in answers * 2:
        await world.loans.hear("us", [answer], world.now, LEASE_S, world.now)
    assert await world.figures() == lent == (200, 0, LIMIT - 200)
    assert (await world.asks(200, seq=2)).granted == 200
    assert (await world.asks(1, "other-1")).granted == 0


async def test_what_is_spent_is_told_and_what_lies_idle_goes_home(world: World) -> None:
    await world.asks(100)
    await world.carry()
    await world.asks(100, seq=2)
    await world.asks(100, seq=3, spent=30, returned=70)
    world.now += TELL_S
    await world.carry()
    assert (await world.figures())[1] == 30
    world.now += IDLE_S + CHECK_S
    await world.carry()
    assert await world.figures() == (30, 30, LIMIT - 30)
    world.now += 10 * CHECK_S
    assert await world.letter() == [], "there is nothing more to tell"


async def test_what_was_returned_cannot_be_spent_though_the_home_never_heard(world: World) -> None:
    """It is out of the journal before the letter goes, because nobody knows what became of that."""
    await world.asks(100)
    await world.carry()
    world.now += IDLE_S + CHECK_S
    [lost] = await world.letter()
    assert lost.returned == 200
    world.restart()
    assert (await world.asks(1, "other-1")).granted == 0


async def test_a_region_cut_off_spends_what_it_holds_until_it_runs_out(world: World) -> None:
    """Then it refuses, although it still has some; once heard, it goes on."""
    await world.loans.hold("us", {KEY: LIMIT}, world.now)
    await world.carry()
    assert await world.figures() == (LIMIT // SHARE, 0, LIMIT - LIMIT // SHARE)
    world.is_silent = True
    world.now += LEASE_S - STOP_EARLY_S - 1
    assert (await world.asks(500)).granted == 500
    short = await world.asks(5_000, "other-1")
    assert (short.granted, short.beyond) == (LIMIT // SHARE - 500, Beyond.SILENT)
    assert (await world.asks(1_500, "other-1", 2, returned=1_500)).free == 1_500
    world.now += 2
    late = await world.asks(100, "late-1")
    assert (late.granted, late.free, late.beyond) == (0, 0, Beyond.SILENT)
    world.is_silent = False
    await world.carry()
    assert (await world.asks(100, "late-1", 2)).granted == 100


async def test_the_home_lends_again_only_what_the_region_says_it_did_not_spend(
    world: World,
) -> None:
    """However long the lease has run out: what was spent before is not known before it is told."""
    await world.asks(LIMIT)
    await world.carry()
    await world.asks(LIMIT, seq=2)
    assert await world.figures() == (LIMIT, 0, 0)
    for seq in range(3, 19):
        # The process goes on telling its region, which is cut off.
        world.now += LEASE_S / 12
        await world.asks(LIMIT, seq=seq, spent=400)
    [nothing] = await world.owner.lease([Claim(KEY, "us-1", 1, 10)], world.now)
    assert nothing.granted == 0
    [book] = (await world.books.books("acme", [BUDGET], world.now))["t"].values()
    assert book.spent_at(world.now) == LIMIT, "it counts as spent"
    await world.asks(LIMIT, seq=19, spent=400, returned=LIMIT - 400)
    for _ in range(3):
        world.now += CHECK_S + IDLE_S
        await world.carry()
    [something] = await world.owner.lease([Claim(KEY, "us-1", 2, LIMIT)], world.now)
    assert something.granted == LIMIT - 400


async def test_a_reserve_is_a_share_of_what_is_left_and_shrinks_with_it(world: World) -> None:
    await world.loans.hold("us", {KEY: LIMIT}, world.now)
    await world.carry()
    spent = LIMIT * 8 // 10
    await world.owner.lease([Claim(KEY, "us-1", 1, spent)], world.now)
    for _ in range(3):
        world.now += CHECK_S
        await world.carry()
    lent, _, free = await world.figures()
    assert 0 < lent <= (lent + free) * 2 // SHARE
    await world.owner.lease([Claim(KEY, "us-1", 2, LIMIT, spent=LIMIT - lent)], world.now)
    world.now += CHECK_S
    await world.carry()
    world.now += CHECK_S
    await world.carry()
    assert (await world.figures())[0] <= lent // SHARE + 1, "a home that has nothing gets it back"


async def test_a_home_that_has_no_more_is_asked_again_a_second_later(world: World) -> None:
    await world.owner.lease([Claim(KEY, "us-1", 1, LIMIT)], world.now)
    await world.asks(100)
    await world.carry()
    assert (await world.asks(100, seq=2)).beyond is Beyond.SPENT
    world.now += AFRESH_S
    assert (await world.asks(100, seq=3)).beyond is Beyond.ASKED
    await world.owner.lease([Claim(KEY, "us-1", 2, LIMIT, returned=LIMIT)], world.now)
    await world.carry()
    assert (await world.asks(100, seq=4)).granted == 100


async def test_a_journal_older_than_what_the_home_heard_lends_nothing_more(world: World) -> None:
    """A database restored from yesterday's copy does not know what it gave back since."""
    await world.asks(100)
    [claim] = await world.letter()
    later = replace(claim, seq=claim.seq + 5, returned=claim.want)
    await world.lend([claim, later])
    await world.loans.hear("us", await world.lend([claim]), world.now, LEASE_S, world.now)
    closed = await world.asks(100, seq=2)
    assert (closed.granted, closed.beyond) == (0, Beyond.SPENT)


async def test_a_claim_on_what_is_not_there_is_refused_and_leaves_no_trace(world: World) -> None:
    """Another's lease, another day, another tenant's or no budget."""
    await world.owner.lease([Claim(KEY, "us-1", 1, 10)], world.now)
    mine = Claim(KEY, "eu-1", 1, 10)
    await world.lend([mine])
    others = await world.owner.lend("ap", [replace(mine, seq=2, returned=10)], LEASE_S, world.now)
    refused = await world.lend(
        [
            Claim(KEY, "us-1", 2, 10, spent=5),
            Claim(KEY._replace(day=DAY - 2), "eu-2", 1, 10),
            Claim(KEY._replace(day=DAY + 2), "eu-2", 1, 10),
            Claim(KEY._replace(tenant="umbrella"), "eu-2", 1, 10),
            Claim(KEY._replace(budget="none"), "eu-2", 1, 10),
            Claim(KEY._replace(scope=Scope.USER), "eu-2", 1, 10),
        ]
    )
    assert [lent.refusal for lent in (*others, *refused)] == [
        Refusal.OTHERS_LEASE, Refusal.OTHERS_LEASE, Refusal.OTHER_DAY, Refusal.OTHER_DAY,
        Refusal.UNKNOWN_BUDGET, Refusal.UNKNOWN_BUDGET, Refusal.UNKNOWN_BUDGET,
    ]  # fmt: skip
    assert all(lent.standing.granted == 0 for lent in refused)
    assert await world.figures() == (10, 0, LIMIT - 20)


async def test_a_refused_region_holds_nothing_and_asks_no_more(world: World) -> None:
    unknown = KEY._replace(budget="none")
    [standing] = await world.loans.borrow(
        "us", [Claim(unknown, "p-1", 1, 10)], world.now, is_silent=False
    )
    assert standing.beyond is Beyond.ASKED
    await world.carry()
    world.now += CHECK_S
    assert await world.letter() == []


async def test_a_budget_that_is_gone_at_home_still_hears_what_was_spent(world: World) -> None:
    await world.asks(100)
    await world.carry()
    await world.asks(100, seq=2)
    assert await BudgetDefinitions(world.home).delete("acme", "t")
    await world.asks(100, seq=3, spent=60, returned=40)
    world.now += TELL_S
    await world.carry()
    assert await BudgetDefinitions(world.home).put(BUDGET)
    assert (await world.figures())[1] == 60


async def test_yesterdays_lease_goes_home_and_is_dropped_with_its_book(world: World) -> None:
    await world.loans.hold("us", {KEY: LIMIT}, world.now)
    await world.carry()
    world.now += DAY_S
    claims = await world.loans.letter("us", world.now, DAY + 1)
    [claim] = claims
    assert claim.returned == LIMIT // SHARE
    await world.loans.hear("us", await world.lend(claims), world.now, LEASE_S, world.now)
    world.now += CHECK_S
    assert await world.loans.letter("us", world.now, DAY + 1) == []
    assert await world.loans.held("acme", DAY, world.now) != []
    await world.loans.prune(DAY + KEPT_DAYS + 1)
    assert await world.loans.held("acme", DAY, world.now) == []


async def test_what_other_regions_told_is_known_after_a_restart(world: World) -> None:
    abroad = BudgetsAbroad(world.own)
    everybodys = Budget("config:user", Scope.USER, 5, is_configured=True)
    assert (await abroad.all(), await abroad.digest("us")) == ({}, "")
    await abroad.hear("us", [BUDGET, everybodys], "d1")
    await abroad.hear("ap", [], "d0")
    again = BudgetsAbroad(world.own)
    assert await again.all() == {"us": [everybodys, BUDGET], "ap": []}
    await again.hear("us", [BUDGET], "d2")
    assert (await again.all())["us"] == [BUDGET]
    assert await again.digest("us") == "d2"


@pytest.mark.alone  # five processes, of which each has seconds for an answer
@pytest.mark.timeout(240)
async def test_processes_killed_between_journal_and_letter_overspend_nothing_and_lose_nothing(
    world: World,
) -> None:
    """Four die where it hurts most, one lives; what they charged stands in a file of its own."""
    charges = world.own.path.parent / "charges"
    workers = [
        subprocess.Popen(  # noqa: ASYNC220  their ends are waited for
            [
                sys.executable, "-m", "tests.unit.actors.loan_worker",
                str(world.home.path), str(world.own.path), str(charges), f"w-{dies_at}", dies_at,
            ],
            cwd=ROOT,
        )
        for dies_at in ("written", "lent", "heard", "charged", "never")
    ]  # fmt: skip
    ends = [worker.wait() for worker in workers]
    assert ends == [-9, -9, -9, -9, 0]
    charged = sum(int(line) for line in charges.read_text().splitlines())
    assert LIMIT // 2 < charged <= LIMIT
    # Their clocks went on by themselves; the dead are given up, and everything is told.
    world.now += 3 * 3_600.0
    world.restart()
    for _ in range(4):
        world.now += FORGET_S + CHECK_S
        await world.carry()
    lent, spent, free = await world.figures()
    assert charged <= spent <= LIMIT
    assert (lent, free) == (spent, LIMIT - spent), "what nobody spent is free again"
