"""Requests within budgets: what is set aside, what comes back, and who is refused with which words."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from typing_extensions import override

from actors.database.errors import DatabaseUnavailable
from deployments.agent.budgets import REFILL_S, Choose, Purse, payer_of
from deployments.agent.lenders import Definitions, Lender
from deployments.security.principal import Principal
from deployments.security.reach import ANY_CUSTOMER
from routing.budget import Book, Budget, Claim, Key, Payer, Scope, Standing, to_pico, to_usd
from routing.clock import Clock
from routing.decision import Decision
from routing.errors import BudgetExceeded, BudgetUnavailable, RequestError
from routing.requirement import Requirements
from routing.wallet import IDLE_S
from tests.unit.routing.worlds import DEAR, FACTS, asked, platform, seen
from tests.unit.virtual_time import LoopClock

ACME = Payer("acme", "key1", "ann", "conv_1")
CHEAP_ONLY = (platform("openai"),)
BOUND = CHEAP_ONLY[0].price
assert BOUND is not None
BOUND_USD = BOUND.bound(FACTS.input_tokens_bound, FACTS.max_tokens)


@dataclass
class Owner(Definitions, Lender):
    """A coordinator in memory: its budgets, its books, and how it feels today."""

    budgets: list[Budget]
    clock: Clock
    books: dict[Key, Book] = field(default_factory=dict)
    calls: list[Sequence[Claim]] = field(default_factory=list)
    is_away: bool = False
    is_without_a_store: bool = False
    takes_s: float = 0.001

    @override
    async def all(self) -> list[Budget]:
        if self.is_without_a_store:
            raise DatabaseUnavailable("gone")
        return list(self.budgets)

    @override
    async def declare(self, configured: Iterable[Budget]) -> None:
        self.budgets = [b for b in self.budgets if not b.is_configured] + list(configured)

    @override
    async def lease(self, claims: Sequence[Claim]) -> list[Standing]:
        self.calls.append(claims)
        await asyncio.sleep(self.takes_s)
        if self.is_away:
            raise BudgetUnavailable("away")
        limits = {b.id: b.limit_pico for b in self.budgets}
        return [
            self.books.setdefault(c.key, Book(limits[c.key.budget])).claim(c, self.clock.now())
            for c in claims
        ]

    @property
    def book(self) -> Book:
        [book] = self.books.values()
        return book


def limit(usd: int | Decimal, scope: Scope = Scope.TENANT, subject: str | None = None) -> Budget:
    return Budget(f"b-{scope.value}", scope, to_pico(Decimal(usd)), "acme", subject)


async def world(*budgets: Budget, holder: str = "r1") -> tuple[Purse, Owner]:
    owner = Owner(list(budgets), LoopClock())
    purse = Purse(owner, owner, holder, LoopClock())
    await purse.start(())
    return purse, owner


def choosing(limits: list[Decimal] | None = None) -> Choose:
    """The decision between a dear good platform and a cheap one; notes what it was given."""

    def choose(max_cost_usd: Decimal) -> Decision:
        if limits is not None:
            limits.append(max_cost_usd)
        return asked(CHEAP_ONLY, seen(), Requirements(max_cost_usd=max_cost_usd))

    return choose


def held(owner: Owner) -> Decimal:
    return to_usd(owner.book.committed)


async def test_a_request_no_budget_concerns_asks_nobody() -> None:
    purse, owner = await world(limit(1, Scope.USER, "bob"))
    assert purse.due(ACME) == {}
    assert owner.calls == []
    await purse.aclose()


async def test_every_budget_that_fits_counts() -> None:
    """A user's own does not free him from his tenant's, nor everybody's from his."""
    budgets = [
        Budget("all", Scope.TENANT, 5),
        Budget("each", Scope.USER, 4, "acme"),
        Budget("ann", Scope.USER, 3, "acme", "ann"),
        Budget("bob", Scope.USER, 2, "acme", "bob"),
        Budget("other", Scope.TENANT, 1, "umbrella"),
        Budget("key", Scope.KEY, 7, None, "key1"),
        Budget("talk", Scope.CONVERSATION, 6, None, None),
    ]
    purse, _ = await world(*budgets)
    due = purse.due(ACME)
    assert {key.budget: most for key, most in due.items()} == {
        "all": 5, "each": 4, "ann": 3, "key": 7, "talk": 6,
    }  # fmt: skip
    assert {key.budget for key in purse.due(Payer("acme"))} == {"all"}
    await purse.aclose()


async def test_the_second_request_asks_nobody_and_what_was_not_spent_pays_the_third() -> None:
    """A lease is a hundredth of the limit: many answers, and the rest of each is free at once."""
    purse, owner = await world(limit(1))
    for _ in range(3):
        admitted = await purse.admit(purse.due(ACME), None, choosing())
        assert to_usd(admitted.reservation.amount) == BOUND_USD
        admitted.reservation.settle(to_pico(Decimal("0.0001")))
    assert len(owner.calls) == 1
    await asyncio.sleep(2)  # the next report
    assert owner.book.spent_at(LoopClock().now()) == to_pico(Decimal("0.0003"))
    await purse.aclose()
    assert held(owner) == Decimal("0.0003")


async def test_money_that_lies_idle_goes_back() -> None:
    purse, owner = await world(limit(1))
    admitted = await purse.admit(purse.due(ACME), None, choosing())
    await asyncio.sleep(IDLE_S + 2)
    assert held(owner) == to_usd(admitted.reservation.amount), "what is under way stays lent"
    admitted.reservation.settle(None)
    await asyncio.sleep(IDLE_S + 2)
    assert held(owner) == BOUND_USD, "an unknown cost is all that was set aside"
    await purse.aclose()


async def test_little_left_gives_a_shorter_answer_and_less_gives_none() -> None:
    """The decision is made within what is left; the refusal names the budget and says how much."""
    purse, owner = await world(limit(BOUND_USD * 3 / 2))
    first = await purse.admit(purse.due(ACME), None, choosing())
    shorter = await purse.admit(purse.due(ACME), None, choosing())
    tokens = [a.decision.plan.primary.max_tokens for a in (first, shorter)]
    assert tokens[0] == FACTS.max_tokens
    assert 16 <= tokens[1] < FACTS.max_tokens
    with pytest.raises(BudgetExceeded) as refused:
        await purse.admit(purse.due(ACME), None, choosing())
    assert refused.value.budget == "b-tenant"
    assert refused.value.left_usd == to_usd(owner.book.free) + to_usd(
        owner.book.committed - first.reservation.amount - shorter.reservation.amount
    )
    first.reservation.settle(0)
    assert (await purse.admit(purse.due(ACME), None, choosing())).reservation.amount
    await purse.aclose()


async def test_a_cheaper_platform_is_chosen_where_the_better_one_is_too_dear() -> None:
    purse, _ = await world(limit(BOUND_USD * 2))

    def choose(max_cost_usd: Decimal) -> Decision:
        both = (platform("anthropic", price=DEAR, quality=0.9), *CHEAP_ONLY)
        return asked(both, seen(), Requirements(max_cost_usd=max_cost_usd), platform=None)

    admitted = await purse.admit(purse.due(ACME), None, choose)
    assert admitted.decision.chosen == "openai"
    await purse.aclose()


async def test_the_callers_own_limit_holds_beside_the_budget_and_its_refusal_stays_his() -> None:
    """A 422 that the budget has nothing to do with is not called its fault."""
    purse, _ = await world(limit(1))
    limits: list[Decimal] = []
    least_usd = BOUND_USD / 2
    admitted = await purse.admit(purse.due(ACME), least_usd, choosing(limits))
    assert set(limits) == {least_usd}
    assert to_usd(admitted.reservation.amount) <= least_usd
    with pytest.raises(RequestError, match="max_cost"):
        await purse.admit(purse.due(ACME), Decimal("1e-9"), choosing())
    await purse.aclose()


async def test_a_platform_without_a_price_is_out_and_the_reason_is_not_the_budget() -> None:
    purse, _ = await world(limit(1))

    def choose(max_cost_usd: Decimal) -> Decision:
        unpriced = (platform("openai", price=None),)
        return asked(unpriced, seen(), Requirements(max_cost_usd=max_cost_usd))

    with pytest.raises(RequestError, match="unknown_price"):
        await purse.admit(purse.due(ACME), None, choose)
    await purse.aclose()


@pytest.mark.parametrize(("plans", "paid"), [(40, 2), (2, 1)])
async def test_fallbacks_are_paid_for_while_there_is_plenty(plans: int, paid: int) -> None:
    """Where money is short, one request's failing over is worth less than another's answer."""
    purse, _ = await world(limit(BOUND_USD * plans))

    def choose(max_cost_usd: Decimal) -> Decision:
        both = (*CHEAP_ONLY, platform("anthropic"))
        return asked(both, seen(), Requirements(max_cost_usd=max_cost_usd))

    admitted = await purse.admit(purse.due(ACME), None, choose)
    assert len(admitted.decision.plan.attempts) == 2
    assert to_usd(admitted.reservation.amount) == BOUND_USD * paid
    await purse.aclose()


async def test_all_who_wait_share_one_call() -> None:
    purse, owner = await world(limit(1))
    due = purse.due(ACME)
    admitted = await asyncio.gather(*(purse.admit(due, None, choosing()) for _ in range(50)))
    assert len(admitted) == 50
    assert len(owner.calls) <= 3
    await purse.aclose()


async def test_whoever_comes_as_an_answer_comes_is_not_forgotten() -> None:
    """Twice as many requests as calls can be made in the time, each of a user of his own."""
    purse, owner = await world(limit(1, Scope.USER))

    async def one(number: int) -> Payer:
        await asyncio.sleep(number * owner.takes_s / 2)
        payer = Payer("acme", None, f"user{number}")
        (await purse.admit(purse.due(payer), None, choosing())).reservation.settle(0)
        return payer

    assert len(await asyncio.gather(*map(one, range(20)))) == 20
    await purse.aclose()


async def test_two_processes_cannot_spend_the_same_money() -> None:
    purse, owner = await world(limit(BOUND_USD * 3 / 2))
    other = Purse(owner, owner, "r2", LoopClock())
    await other.start(())
    await purse.admit(purse.due(ACME), None, choosing())
    shorter = await other.admit(other.due(ACME), None, choosing())
    assert to_usd(shorter.reservation.amount) <= BOUND_USD / 2
    with pytest.raises(BudgetExceeded):
        await other.admit(other.due(ACME), None, choosing())
    await purse.aclose()
    await other.aclose()


async def test_without_the_coordinator_what_is_at_hand_is_spent_and_no_more() -> None:
    """Never open: neither with an error at once, nor with a call that hangs."""
    purse, owner = await world(limit(BOUND_USD * 100))
    due = purse.due(ACME)
    (await purse.admit(due, None, choosing())).reservation.settle(0)
    owner.is_away = True
    at_hand = await purse.admit(due, None, choosing())
    assert to_usd(at_hand.reservation.amount) <= BOUND_USD
    with pytest.raises(BudgetUnavailable):
        await purse.admit(due, None, choosing())
    owner.takes_s = 3_600.0
    began = LoopClock().monotonic()
    with pytest.raises(BudgetUnavailable):
        await purse.admit(due, None, choosing())
    assert LoopClock().monotonic() - began <= REFILL_S + 0.01
    owner.is_away, owner.takes_s = False, 0.001


async def test_while_nobody_knows_which_budgets_there_are_requests_are_refused() -> None:
    owner = Owner([limit(1)], LoopClock())
    purse = Purse(owner, owner, "r1", LoopClock())
    owner.is_without_a_store = True
    await purse.start(())
    with pytest.raises(BudgetUnavailable):
        purse.due(ACME)
    owner.is_without_a_store = False
    await asyncio.sleep(2)
    assert purse.due(ACME)
    await purse.aclose()


async def test_a_change_made_elsewhere_is_known_within_two_seconds() -> None:
    purse, owner = await world()
    assert purse.due(ACME) == {}
    owner.budgets.append(limit(1))
    await asyncio.sleep(2)
    assert purse.due(ACME)
    owner.budgets.clear()
    await asyncio.sleep(2)
    assert purse.due(ACME) == {}
    await purse.aclose()


def test_an_api_key_pays_by_its_id() -> None:
    desk = Principal("acme", "key:k1", permissions=frozenset({ANY_CUSTOMER}))
    assert payer_of(desk, None, "c") == Payer("acme", "k1", None, "c")
    assert payer_of(desk, "ann", None) == Payer("acme", "k1", "ann")


@pytest.mark.parametrize("named", [None, "ann", "nobody-yet", "oidc:bert"])
def test_a_customer_pays_as_themselves_whoever_they_name(named: str | None) -> None:
    """Otherwise a limit of one person would hold for those who volunteer."""
    ann = Principal("acme", "oidc:ann", permissions=frozenset({"chat:create"}))
    assert payer_of(ann, named, None) == Payer("acme", None, "oidc:ann")
