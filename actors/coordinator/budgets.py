"""The budgets of a region, lent in leases: to its processes, and to other regions the same way.

Whoever spends is a holder: a replica here, or another region's coordinator, which takes a lease
from the region that owns a tenant and lends parts of it to replicas of its own. A holder cut
off goes on with what it has; what it has is spent as far as anybody else can know.
"""

from collections.abc import Sequence

from actors.database.budget_books import BudgetBooks
from routing.budget import Claim, Standing, day_at
from routing.loan import Lent


class BudgetOwner:
    """Lends. Everything it knows is in the database; nothing is lost with its process."""

    def __init__(self, books: BudgetBooks) -> None:
        self._books = books
        self._latest = 0

    async def lease(self, claims: Sequence[Claim], now: float) -> list[Standing]:
        """What each claim comes to; also how holders tell what they spent and return.

        Raises:
            DatabaseBusy: nothing was lent; ask again.
            DatabaseUnavailable: the same.
        """
        return await self._books.claim(claims, now, self.today(now))

    async def lend(
        self, region: str, claims: Sequence[Claim], lease_s: float, now: float
    ) -> list[Lent]:
        """The same for another region, whose leases run out after `lease_s`.

        Raises:
            DatabaseBusy: nothing was lent; ask again.
            DatabaseUnavailable: the same.
        """
        return await self._books.lend(region, claims, lease_s, now, self.today(now))

    async def sweep(self, now: float) -> None:
        """Drop the books of days long gone."""
        await self._books.prune(self.today(now))

    def today(self, now: float) -> int:
        """The latest day there was: a clock set back does not open a book that may be dropped."""
        self._latest = max(self._latest, day_at(now))
        return self._latest
