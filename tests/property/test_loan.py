"""Budgets among regions: whatever is lost, late, repeated, killed or restored, nothing is overspent.

And nothing is lost for ever: once all is healed and told, what nobody spent can be spent again.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from routing.budget import DAY_S, FORGET_S, Book, Claim, Key, Lease, Scope, Standing, day_at
from routing.loan import LEASE_LEAST_S, Lent, Loan
from routing.wallet import Reservation, Wallet

# A few requests spend it.
LIMIT = 400
REGIONS = ("us", "eu", "ap")
HOME = "us"
amounts = st.integers(1, 300)
away = st.sampled_from(REGIONS[1:])
everywhere = st.sampled_from(REGIONS)


@dataclass
class Region:
    """A coordinator over its database, and one process that spends.

    `books` and `loans` are the database: they survive a crash, the wallet does not. `skew_s` is
    what its clock is off.
    """

    name: str
    skew_s: float = 0.0
    books: dict[Key, Book] = field(default_factory=dict)
    loans: dict[Key, Loan] = field(default_factory=dict)
    wallet: Wallet = field(default_factory=lambda: Wallet("none"))
    lives: int = 0

    def born(self) -> None:
        self.lives += 1
        self.wallet = Wallet(f"{self.name}.{self.lives}")

    def book(self, key: Key, now: float) -> Book:
        book = self.books.setdefault(key, Book(LIMIT))
        if self.name != HOME:
            book.limit = self.loan(key).limit
        book.fold(now)
        return book

    def loan(self, key: Key) -> Loan:
        return self.loans.setdefault(key, Loan(f"{self.name}-lease"))

    def hear_process(self, claim: Claim, now: float) -> Standing:
        """What its coordinator does with a claim of its own process."""
        book = self.book(claim.key, now)
        if self.name == HOME:
            return book.claim(claim, now, lends=abs(claim.key.day - day_at(now)) <= 1)
        loan = self.loan(claim.key)
        standing = book.claim(claim, now, lends=loan.lends(now))
        self.loans[claim.key] = loan.used(max(claim.want - standing.granted, 0), now)
        return standing

    def lend(self, region: str, claim: Claim, now: float) -> Lent:
        """What the home does with a claim of another region."""
        book = self.book(claim.key, now)
        near = abs(claim.key.day - day_at(now)) <= 1
        standing = book.claim(
            claim, now, lends=near, region=region, runs_out_at=now + LEASE_LEAST_S
        )
        return Lent(standing, book.leases.get(claim.lease, Lease()).seq)

    def letter(self, now: float) -> Iterator[Claim]:
        for key, loan in list(self.loans.items()):
            if loan.next_at is not None and loan.next_at <= now:
                self.loans[key], claim = loan.tell(key, self.book(key, now), now, day_at(now))
                yield claim


@dataclass(frozen=True)
class Under:
    """A request under way in a region."""

    region: str
    reservation: Reservation
    key: Key


class Leases(RuleBasedStateMachine):
    """One home, two other regions, and every message may be lost, repeated and overtaken."""

    @initialize(skews=st.lists(st.sampled_from([-400.0, 0.0, 400.0]), min_size=3, max_size=3))
    def begin(self, skews: list[float]) -> None:
        self.time = self.latest = 20_000 * DAY_S + 100.0
        self.regions = {n: Region(n, s) for n, s in zip(REGIONS, skews, strict=True)}
        for region in self.regions.values():
            region.born()
        self.spent = Counter[Key]()
        self.under: list[Under] = []
        self.letters: list[tuple[str, Claim, float]] = []
        self.answers: list[tuple[str, Lent, float]] = []

    def now(self, region: str) -> float:
        return self.time + self.regions[region].skew_s

    def key(self, region: str) -> Key:
        return Key("acme", "b", Scope.TENANT, "acme", day_at(self.now(region)))

    def tell(self, name: str) -> None:
        """The process of a region tells its own coordinator what it spent."""
        region, now = self.regions[name], self.now(name)
        for claim in region.wallet.report(self.time, day_at(now)):
            region.wallet.apply(region.hear_process(claim, now))

    @rule(name=everywhere, amount=amounts, is_connected=st.booleans())
    def reserve(self, name: str, amount: int, is_connected: bool) -> None:
        region, now, key = self.regions[name], self.now(name), self.key(name)
        due = {key: LIMIT}
        for _ in range(2):
            if region.wallet.held(due) < amount:
                claim = region.wallet.claim(key, LIMIT, amount, self.time)
                assert claim is not None
                region.wallet.apply(region.hear_process(claim, now))
            if is_connected and name != HOME:
                self.write(name, is_prompt=True)
        reservation = region.wallet.reserve(due, amount, self.time)
        if reservation is not None:
            self.under.append(Under(name, reservation, key))

    @precondition(lambda self: self.under)
    @rule(data=st.data(), share=st.sampled_from([0.0, 0.5, 1.0]))
    def settle(self, data: st.DataObject, share: float) -> None:
        under = self.under.pop(data.draw(st.integers(0, len(self.under) - 1)))
        spent = int(under.reservation.amount * share)
        self.spent[under.key] += spent
        under.reservation.settle(spent)

    @rule(name=everywhere)
    def report(self, name: str) -> None:
        self.tell(name)

    @rule(name=away)
    def write_a_letter(self, name: str) -> None:
        self.write(name, is_prompt=False)

    def write(self, name: str, is_prompt: bool) -> None:
        """Prompt, a letter and its answer arrive at once, and perhaps again later."""
        region, now = self.regions[name], self.now(name)
        for claim in region.letter(now):
            self.letters.append((name, claim, now))
            if is_prompt:
                lent = self.regions[HOME].lend(name, claim, self.now(HOME))
                self.arrive(name, lent, now)

    def arrive(self, name: str, lent: Lent, sent_at: float) -> None:
        region, key = self.regions[name], lent.standing.key
        region.loans[key] = region.loan(key).hear(lent, sent_at, LEASE_LEAST_S, self.now(name))

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def deliver_a_letter_late_or_again(self, data: st.DataObject) -> None:
        name, claim, sent_at = data.draw(st.sampled_from(self.letters[-20:]))
        lent = self.regions[HOME].lend(name, claim, self.now(HOME))
        self.answers.append((name, lent, sent_at))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def deliver_an_answer_late_or_again(self, data: st.DataObject) -> None:
        self.arrive(*data.draw(st.sampled_from(self.answers[-20:])))

    @rule(name=everywhere)
    def crash(self, name: str) -> None:
        """Its database stays; what was under way is billed in full, and nobody tells of it."""
        for under in [under for under in self.under if under.region == name]:
            self.under.remove(under)
            self.spent[under.key] += under.reservation.amount
        self.regions[name].born()

    @rule(seconds=st.sampled_from([1.0, 70.0, LEASE_LEAST_S, FORGET_S + 1.0, DAY_S / 2]))
    def wait(self, seconds: float) -> None:
        self.time += seconds

    @rule(name=everywhere, seconds=st.sampled_from([-3_600.0, 3_600.0, -80_000.0, 80_000.0]))
    def a_clock_is_set(self, name: str, seconds: float) -> None:
        self.regions[name].skew_s += seconds

    @invariant()
    def time_passes(self) -> None:
        self.latest = max(self.latest, *(self.now(name) for name in REGIONS))

    @invariant()
    def no_budget_is_overspent(self) -> None:
        for key, spent in self.spent.items():
            under = sum(u.reservation.amount for u in self.under if u.key == key)
            assert spent + under <= LIMIT

    @invariant()
    def what_a_region_may_spend_is_lent_to_it_at_home(self) -> None:
        home = self.regions[HOME]
        for name in REGIONS[1:]:
            region = self.regions[name]
            for key, loan in region.loans.items():
                known = (
                    home.books[key].leases.get(loan.lease, Lease())
                    if key in home.books
                    else Lease()
                )
                assert loan.limit <= known.granted - known.returned
                if key in region.books:
                    region.books[key].limit = loan.limit
                    assert region.books[key].committed <= loan.limit
        for book in home.books.values():
            assert book.committed <= book.limit

    @override
    def teardown(self) -> None:
        """All is healed, the dead are given up for lost, and everything is told: nothing is missing."""
        if not hasattr(self, "regions"):
            return
        # A moment that is past on the most advanced clock there ever was.
        self.time = self.latest
        for region in self.regions.values():
            region.skew_s = 0.0
        while self.under:
            under = self.under.pop()
            self.spent[under.key] += under.reservation.amount
            under.reservation.settle(None)
        # Idle money goes home from processes, the dead are given up, then regions tell.
        for _ in range(12):
            self.time += FORGET_S / 2
            for name in REGIONS:
                self.tell(name)
            for name in REGIONS[1:]:
                self.reach_home(name)
        home = self.regions[HOME]
        for key, book in home.books.items():
            book.fold(self.time)
            # What processes held that died: of them nobody can know.
            dead = sum(r.books[key].settled for r in self.regions.values() if key in r.books)
            assert self.spent[key] <= book.spent <= self.spent[key] + dead
            assert book.free == LIMIT - book.spent, "nothing is out that nobody spent"

    def reach_home(self, name: str) -> None:
        region = self.regions[name]
        # Clocks that were set wrong have put the next letter into another day.
        for key, loan in region.loans.items():
            region.book(key, self.time)
            if loan.next_at is not None:
                region.loans[key] = loan.used(0, self.time - 2.0)
        for claim in region.letter(self.time):
            self.arrive(name, self.regions[HOME].lend(name, claim, self.time), self.time)


Leases.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestLeases = Leases.TestCase
