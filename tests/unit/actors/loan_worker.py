"""A process of a region that spends another's budget, and is killed in the middle if it is told to.

`python -m tests.unit.actors.loan_worker HOME_DATABASE OWN_DATABASE CHARGES NAME DIES_AT`: a
process with its wallet, its region's coordinator and a courier in one, over two databases. What
is charged stands in the file CHARGES before the process does anything else. DIES_AT is one of
`written`, `lent`, `heard`, `charged` or `never`.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from actors.coordinator.budgets import BudgetOwner
from actors.database import open_database
from actors.database.budget_books import BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from routing.budget import Claim, Key, Scope
from routing.loan import LEASE_LEAST_S, RETRY_S
from routing.wallet import Wallet

NOW = 20_000.0 * 86_400 + 3_600.0
KEY = Key("acme", "t", Scope.TENANT, "acme", 20_000)
LIMIT = 20_000
REQUESTS = 150
# Late enough for there to be something to lose, early enough for the limit not to be reached.
DIES_AFTER = 12


class Spender:
    """One life. Its time goes on by a little with every request, by more with every letter."""

    def __init__(self, home: Path, own: Path, charges: int, name: str, dies_at: str) -> None:
        self._owner = BudgetOwner(BudgetBooks(open_database(home)))
        self._loans = BudgetLoans(open_database(own), name)
        self._wallet = Wallet(name)
        self._charges = charges
        self._dies_at = dies_at
        self._chance = random.Random(name)  # noqa: S311
        self._now = NOW
        self._passed = 0

    def at(self, place: str) -> None:
        if place == self._dies_at:
            self._passed += 1
            if self._passed >= DIES_AFTER:
                os.kill(os.getpid(), signal.SIGKILL)

    async def carry(self) -> None:
        """A letter that may be lost on the way there, or its answer on the way back."""
        self._now += RETRY_S * 1.5
        sent_at = self._now
        claims = await self._loans.letter("us", sent_at, KEY.day)
        self.at("written")
        if not claims or self._chance.random() < 0.15:
            return
        lent = await self._owner.lend("eu", claims, LEASE_LEAST_S, self._now)
        if self._chance.random() < 0.15:
            lent = await self._owner.lend("eu", claims, LEASE_LEAST_S, self._now)
        self.at("lent")
        if self._chance.random() < 0.15:
            return
        await self._loans.hear("us", lent, sent_at, LEASE_LEAST_S, self._now)
        self.at("heard")

    async def ask(self, claims: list[Claim]) -> None:
        for standing in await self._loans.borrow("us", claims, self._now, is_silent=False):
            self._wallet.apply(standing)

    async def request(self) -> None:
        amount = self._chance.randint(1, 200)
        self._now += 1.5
        for _ in range(3):
            if self._wallet.held({KEY: LIMIT}) >= amount:
                break
            claim = self._wallet.claim(KEY, LIMIT, amount, self._now)
            assert claim is not None
            await self.ask([claim])
            await self.carry()
        reservation = self._wallet.reserve({KEY: LIMIT}, amount, self._now)
        if reservation is None:
            return
        spent = self._chance.randint(0, amount)
        os.write(self._charges, f"{spent}\n".encode())
        self.at("charged")
        reservation.settle(spent)
        if self._chance.random() < 0.3:
            await self.ask(self._wallet.report(self._now, KEY.day))

    async def live(self) -> None:
        for _ in range(REQUESTS):
            try:
                await self.request()
            except (DatabaseBusy, DatabaseUnavailable):
                continue
        self._now += 100.0
        await self.ask(self._wallet.report(self._now, KEY.day))


async def main(home: str, own: str, charges: str, name: str, dies_at: str) -> None:
    """As the first lines say."""
    file = os.open(charges, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    await Spender(Path(home), Path(own), file, name, dies_at).live()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
