"""Budgets in leases: whatever is lost, repeated, late or dead, nobody spends more than there is."""

import math
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from typing_extensions import override

from routing.budget import DAY_S, FORGET_S, Book, Claim, Key, Scope, Standing, day_at
from routing.wallet import Reservation, Wallet

HOLDERS = 3
# Amounts of the order of a lease (limit / 100) and of the limit: both matter.
LIMITS = (1_000, 700)
amounts = st.integers(1, 250)
keys_of = st.sampled_from([(0,), (1,), (0, 1)])


@dataclass
class World:
    """The owner's books and what is on the way to and from it."""

    now: float = 20_000.0 * DAY_S + 100.0
    monotonic: float = 0.0
    books: dict[Key, Book] = field(default_factory=dict)
    asked: list[Claim] = field(default_factory=list)
    answered: list[Standing] = field(default_factory=list)

    def key(self, which: int) -> Key:
        return Key("acme", f"b{which}", Scope.TENANT, "acme", day_at(self.now))

    def book(self, key: Key) -> Book:
        return self.books.setdefault(key, Book(LIMITS[int(key.budget[1:])]))

    def hear(self, claim: Claim) -> Standing:
        """What the owner does with a claim, as its transaction does it."""
        book = self.book(claim.key)
        book.fold(self.now)
        return book.claim(claim, self.now, lends=abs(claim.key.day - day_at(self.now)) <= 1)


@dataclass(frozen=True)
class Under:
    """A request under way: who pays, from which budgets, and on which day."""

    holder: str
    reservation: Reservation
    keys: tuple[Key, ...]


class Budgets(RuleBasedStateMachine):
    """Several processes and one owner, over a network that loses, repeats and reorders."""

    under_way = Bundle("under_way")

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.lives = Counter[int]()
        self.wallets: dict[str, Wallet] = {}
        self.names = [self.born(n) for n in range(HOLDERS)]
        # What was really spent, and what a crash left unknown: the worst of it.
        self.spent = Counter[Key]()
        self.under: list[Under] = []

    def born(self, place: int) -> str:
        self.lives[place] += 1
        name = f"r{place}.{self.lives[place]}"
        self.wallets[name] = Wallet(name)
        return name

    @rule(place=st.integers(0, HOLDERS - 1), which=keys_of, need=amounts, answered=st.booleans())
    def ask(self, place: int, which: tuple[int, ...], need: int, *, answered: bool) -> None:
        wallet = self.wallets[self.names[place]]
        for one in which:
            key = self.world.key(one)
            claim = wallet.claim(key, LIMITS[one], need, self.world.monotonic)
            assert claim is not None
            if answered:
                wallet.apply(self.world.hear(claim))
            self.world.asked.append(claim)

    @rule(target=under_way, place=st.integers(0, HOLDERS - 1), which=keys_of, amount=amounts)
    def reserve(self, place: int, which: tuple[int, ...], amount: int) -> object:
        name = self.names[place]
        keys = tuple(self.world.key(one) for one in which)
        due = {key: LIMITS[int(key.budget[1:])] for key in keys}
        if self.wallets[name].held(due) < amount:
            self.ask(place, which, amount, answered=True)
        held = self.wallets[name].held(due)
        reservation = self.wallets[name].reserve(due, amount, self.world.monotonic)
        assert (reservation is not None) == (amount <= held)
        if reservation is None:
            return multiple()
        under = Under(name, reservation, keys)
        self.under.append(under)
        return under

    @rule(under=consumes(under_way), share=st.floats(0, 1), known=st.booleans())
    def settle(self, under: Under | None, share: float, known: bool) -> None:
        if under is None:
            return
        if under.holder in self.wallets:
            spent = math.floor(under.reservation.amount * share)
            self.spent.update(dict.fromkeys(under.keys, spent))
            under.reservation.settle(spent if known else None)
            under.reservation.settle(0)  # a second time changes nothing
            self.under.remove(under)

    @rule(place=st.integers(0, HOLDERS - 1), answered=st.booleans())
    def report(self, place: int, answered: bool) -> None:
        wallet = self.wallets[self.names[place]]
        for claim in wallet.report(self.world.monotonic, day_at(self.world.now)):
            self.world.asked.append(claim)
            if answered:
                wallet.apply(self.world.hear(claim))

    @rule(data=st.data())
    def deliver_a_claim_late_or_again(self, data: st.DataObject) -> None:
        if self.world.asked:
            claim = data.draw(st.sampled_from(self.world.asked[-20:]))
            self.world.answered.append(self.world.hear(claim))

    @rule(data=st.data())
    def deliver_an_answer_late_or_again(self, data: st.DataObject) -> None:
        if self.world.answered:
            standing = data.draw(st.sampled_from(self.world.answered[-20:]))
            for wallet in self.wallets.values():
                wallet.apply(standing)

    @rule(place=st.integers(0, HOLDERS - 1), seconds=st.sampled_from([0.0, FORGET_S + 1.0]))
    def crash(self, place: int, seconds: float) -> None:
        """What was under way is billed in full: the vendor had been asked."""
        name = self.names[place]
        del self.wallets[name]
        for under in [under for under in self.under if under.holder == name]:
            self.under.remove(under)
            self.spent.update(dict.fromkeys(under.keys, under.reservation.amount))
        self.names[place] = self.born(place)
        self.wait(seconds)

    @rule(seconds=st.sampled_from([1.0, 15.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.monotonic += seconds

    @rule(seconds=st.sampled_from([-DAY_S, -3_600, 3_600, DAY_S]))
    def the_clock_is_set(self, seconds: int) -> None:
        self.world.now += seconds

    @invariant()
    def no_budget_is_overspent(self) -> None:
        for key, spent in self.spent.items():
            assert spent <= LIMITS[int(key.budget[1:])]

    @invariant()
    def no_book_lends_more_than_there_is(self) -> None:
        for book in self.world.books.values():
            assert book.committed <= book.limit
            assert book.free == book.limit - book.committed
            assert 0 <= book.spent_at(self.world.now) <= book.committed

    @override
    def teardown(self) -> None:
        """Once all is over and said, only what the dead had is lost, and what nobody knows is spent."""
        wallets = getattr(self, "wallets", {})
        for wallet in wallets.values():
            for reservation in list(wallet._open.values()):
                reservation.settle(0)
            for _ in range(3):
                for claim in wallet.report(math.inf, day_at(self.world.now)):
                    wallet.apply(self.world.hear(claim))
            assert not wallet._accounts
        if wallets:
            self.hear_all_again()
            self.nothing_is_out(tuple(f"{name}-" for name in wallets))

    def hear_all_again(self) -> None:
        for claim in self.world.asked:
            book = self.world.book(claim.key)
            if claim.lease in book.leases:
                book.claim(claim, self.world.now)

    def nothing_is_out(self, living: tuple[str, ...]) -> None:
        for book in self.world.books.values():
            for name, lease in book.leases.items():
                if name.startswith(living):
                    assert lease.committed == lease.spent


Budgets.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestBudgets = Budgets.TestCase


def test_a_claim_that_another_has_overtaken_lends_nothing_more() -> None:
    """Its holder asked for less since, and does not wait for that answer any more."""
    key = Key("acme", "b0", Scope.TENANT, "acme", 1)
    book = Book(100)
    assert book.claim(Claim(key, "x-1", 2, 60), 0.0).granted == 60
    assert book.claim(Claim(key, "x-1", 1, 90), 0.0).granted == 60
    assert book.claim(Claim(key, "y-1", 1, 90), 0.0).granted == 40


def test_a_late_claim_does_not_open_a_lease_again_that_was_given_up() -> None:
    """It is counted as spent; a second lease under its name would count it twice."""
    key = Key("acme", "b0", Scope.TENANT, "acme", 1)
    book = Book(100)
    first = Claim(key, "x-1", 1, 60)
    assert book.claim(first, 0.0).granted == 60
    book.fold(FORGET_S + 1.0)
    again = book.claim(first, FORGET_S + 1.0)
    assert again.is_closed
    assert (book.settled, book.committed) == (60, 60)
